"""The live helper: a Label Studio asks, a run answers what it thinks of a picture.

Speaks Label Studio's protocol for models (https://labelstud.io/guide/ml_create): /health, /setup, /predict, /versions
and /webhook, JSON in and out. A picture is known by its hash alone; no address or path of a request is followed.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from byod.images.decoder_pool import DecoderPool
from byod.images.openers import PixelLimits, opened_by
from byod.labeling.predictions import PredictedLabel, prediction
from byod.schema import recipe as recipes
from byod.schema.errors import ByodError
from byod.schema.model_card import Unreadable
from byod.tasks.classify.predict import Predictor
from byod.tasks.classify.run import classifier_card
from byod.web.image_store import ImageStore

MAX_BYTES = 64_000_000
"""The largest request taken: "retrieve predictions" sends all the tasks chosen, about 1 KB each, at once."""
SECONDS = 80.0
"""How long a request may take: Label Studio waits 100 s; what is not done by then gets no prediction yet."""
_BATCH = 16
_PROCESSES = 2
_LIMITS = PixelLimits(50_000_000, 250_000_000)  # a larger JPEG is looked at reduced
_MEMORY = 1_400_000_000
_HOSTS = {"127.0.0.1", "localhost", "[::1]"}


class MLBackend:
    """A run that says what it thinks of its dataset's pictures, from any thread; what it said once it remembers.

    Raises:
        ModelError: the run cannot be used, or is none for labels.
        DatasetError: the folder is not a dataset with a catalog.
    """

    def __init__(self, run: Path, dataset: Path) -> None:
        card = classifier_card(run)
        self.run = card.run
        self.classes = card.classes
        self._predictor = Predictor(run)
        self._pictures = ImageStore(dataset)
        self._decoders = DecoderPool(_PROCESSES, _LIMITS, memory=_MEMORY)
        self._said: dict[str, tuple[str, float]] = {}
        self._turn = threading.Lock()

    def __call__(self, sha256s: Sequence[str], *, until: float = float("inf")) -> list[PredictedLabel | None]:
        """Predictions for pictures, in order; None for one that is not there, cannot be opened or came too late.

        `until` is the moment (of `time.monotonic`) after which no picture is looked at any more. The label is the
        class folder as the recipe has it now; a class that it lost is not predicted.
        """
        new = [sha256 for sha256 in dict.fromkeys(sha256s) if sha256 not in self._said]
        for at in range(0, len(new), _BATCH):
            if time.monotonic() >= until:
                break
            with self._turn:  # between two batches, somebody who opens a task gets their turn
                self._look(new[at : at + _BATCH])
        recipe = recipes.read(self._pictures.folder)
        return [self._in_folder(recipe, sha256) for sha256 in sha256s]

    def unknown_classes(self) -> list[str]:
        """The classes the run tells apart that the recipe no longer has."""
        recipe = recipes.read(self._pictures.folder)
        return [name for name in self.classes if recipe.folder_of(name) is None]

    def close(self) -> None:
        """Close the dataset, and end what opens its pictures."""
        self._pictures.close()
        self._decoders.close()

    def _look(self, sha256s: Sequence[str]) -> None:
        found = [(sha256, read) for sha256 in sha256s if (read := self._pictures.read(sha256)) is not None]
        with opened_by(self._decoders.opener(heavy=True)):  # the bytes are those of strangers
            said = list(self._predictor.predict(read for _, read in found))
        for (sha256, _), one in zip(found, said, strict=True):
            if not isinstance(one, Unreadable):
                self._said[sha256] = (one.label, one.probability)

    def _in_folder(self, recipe: recipes.Recipe, sha256: str) -> PredictedLabel | None:
        label, score = self._said.get(sha256, (None, 0.0))
        folder = recipe.folder_of(label) if label is not None else None
        return None if folder is None else PredictedLabel(label=folder, score=score)


def app(labeller: MLBackend) -> Starlette:
    """The helper as a web application, to be served on loopback."""

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "UP", "model_class": "byod"})

    async def setup(request: Request) -> JSONResponse:
        await _document(request)  # it brings a token of the server, which nobody here keeps
        return JSONResponse({"model_version": labeller.run})

    async def versions(request: Request) -> JSONResponse:
        return JSONResponse({"versions": [labeller.run]})

    async def webhook(request: Request) -> JSONResponse:
        await _document(request)  # byod asks for changes itself (`byod review pull`)
        return JSONResponse({})

    async def predict(request: Request) -> JSONResponse:
        until = time.monotonic() + SECONDS
        ids = _ids((await _document(request)).get("tasks"))
        said = await run_in_threadpool(labeller, ids, until=until)
        # an empty list stores nothing, so that the task can be asked about again
        return JSONResponse(
            {"results": [[] if one is None else prediction(one, labeller.run) for one in said]}
        )

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/setup", setup, methods=["POST"]),
            Route("/versions", versions),
            Route("/webhook", webhook, methods=["POST"]),
            Route("/predict", predict, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _error_reply, ByodError: _error_reply, Exception: _error_reply},
        middleware=[Middleware(Loopback)],
    )


class Loopback:
    """Lets through what is addressed to this machine by name; a web page that rebinds its own name is refused."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        hosts = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"host"]
        if len(hosts) == 1 and re.sub(r":\d+$", "", hosts[0]).lower() in _HOSTS:
            await self._inner(scope, receive, send)
        else:
            refused = JSONResponse({"error": "this helper answers on loopback only"}, 421)
            await refused(scope, receive, send)


async def _error_reply(request: Request, error: Exception) -> JSONResponse:
    """Every fault as JSON."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
    return JSONResponse(
        {"error": str(error) if isinstance(error, ByodError) else "an error inside byod"}, 500
    )


async def _document(request: Request) -> Mapping[str, Any]:
    """The JSON object a request brings."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"more than {MAX_BYTES} bytes; choose fewer tasks")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "this is not JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "this is not a JSON object")
    return found


def _ids(tasks: object) -> list[str]:
    """The hash of each task's picture; empty for a task that has none."""
    if not isinstance(tasks, list):
        raise HTTPException(400, "tasks: a list is needed")
    found: list[str] = []
    for task in tasks:
        content = task.get("data") if isinstance(task, dict) else None
        sha256 = content.get("byod_id") if isinstance(content, dict) else None
        found.append(sha256 if isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256) else "")
    return found
