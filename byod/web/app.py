"""The web page of a run and its API: pictures in, answers out, nothing kept that nobody asked to keep.

GET  /               the page, and its files
POST /api/predict    a picture: what the model says of it (?look=1: and what it looked at)
POST /api/picture    a picture: the same upright, in sRGB, as a JPEG without metadata
POST /api/report     a picture and what it really shows, for the next training round
GET  /api/model      what the model is
GET  /openapi.json   the API for programs; /docs for people
"""

from __future__ import annotations

import asyncio
import io
import re
import threading
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from byod.dataset import feedback_inbox
from byod.images import decode
from byod.images.decoder_pool import DecoderPool
from byod.images.openers import PixelLimits, TooManyPixels, opened_by
from byod.report.i18n import Phrase, say, whole
from byod.report.languages import languages
from byod.schema.errors import DatasetError, ModelError, PictureError
from byod.schema.serving import ServedModel
from byod.web import ground_truth, openapi, uploads
from byod.web.assets import Asset, page_files
from byod.web.inference import THREADS, about
from byod.web.limits import MemoryBudget, Queue, QueueFull
from byod.web.page_texts import preferred
from byod.web.schemas import Kept
from byod.web.security import Security
from byod.web.uploads import UploadLimits
from byod.web.visitors import visitor_of

_FRESH = {"Cache-Control": "no-store"}
_LONGEST = 4096  # pixels of the longer side of a picture that is given back

T = TypeVar("T")
Answer = Callable[[Request], Awaitable[Response]]


class WebApp:
    """A model behind a page.

    Args:
        model: what answers.
        limits: what a client may ask for.
        dataset: where corrections are kept; None keeps none.
        names: hosts that this server goes by beside loopback.
        any_address: whether it may also be called by any number, as it must when it listens to a network.
    """

    def __init__(
        self,
        model: ServedModel,
        *,
        limits: UploadLimits | None = None,
        dataset: Path | None = None,
        names: Iterable[str] = (),
        any_address: bool = False,
    ) -> None:
        self._model, self._dataset = model, dataset
        self._limits = limits or UploadLimits()
        self.about = about(model, self._limits, reports=dataset is not None)
        self._turns = Queue(
            threads=THREADS,
            places=self._limits.places,
            places_each=self._limits.places_each,
            seconds=self._limits.seconds,
        )
        self._memory = MemoryBudget(self._limits.bytes_together, self._limits.bytes_each)
        self._decoders = DecoderPool(THREADS, PixelLimits(self._limits.pixels, self._limits.jpeg_pixels))
        self._writing = threading.Lock()
        self._document = openapi.document(self.about, model.said)
        self._documents = {each.code: openapi.page(self.about, model.said, each.code) for each in languages()}
        self.app: ASGIApp = Security(self._starlette(), names, any_address=any_address)

    def warm(self) -> None:
        """Start what the first picture would have to wait for.

        Raises:
            ByodError: it does not start.
        """
        self._decoders.warm()

    def close(self) -> None:
        """Answer no more."""
        self._turns.close()
        self._decoders.close()

    async def _worked(self, request: Request, work: Callable[[], T], *, slow: bool = False) -> T:
        """Do some work when it is the visitor's turn, and let other processes open its pictures.

        Raises:
            QueueFull: there is no turn.
            HTTPException: the client is gone.
        """

        def opening_elsewhere(heavy: bool) -> T:
            with opened_by(self._decoders.opener(heavy=heavy)):
                return work()

        turn = asyncio.ensure_future(self._turns(opening_elsewhere, visitor_of(request), slow=slow))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((turn, gone), return_when=asyncio.FIRST_COMPLETED)
            if turn.done():
                return turn.result()
            raise HTTPException(400, "the connection ended before the answer")
        finally:
            gone.cancel()
            turn.cancel()
            await asyncio.wait((turn, gone))

    def _starlette(self) -> Starlette:
        api: dict[str, tuple[str, Answer]] = {
            "/api/predict": ("POST", self._predict),
            "/api/picture": ("POST", self._picture),
            "/api/report": ("POST", self._report),
            "/api/model": ("GET", self._describe),
            "/openapi.json": ("GET", self._openapi),
        }
        routes = [Route(path, act, methods=[method]) for path, (method, act) in api.items()]
        routes += [Route(path, partial(_file, asset)) for path, asset in page_files().items()]
        routes.append(Route("/docs", self._documentation))
        told = {
            HTTPException: _error_reply,
            PictureError: _error_reply,
            ModelError: _error_reply,
            QueueFull: _error_reply,
            Exception: _error_reply,
        }
        app = Starlette(routes=routes, exception_handlers=told)
        app.router.redirect_slashes = False
        return app

    async def _describe(self, request: Request) -> Response:
        return JSONResponse(self.about.model_dump(mode="json"), headers=_FRESH)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(self._document, headers=_FRESH)

    async def _documentation(self, request: Request) -> Response:
        code = preferred(request.query_params.get("lang"), request.headers.get("accept-language", ""))
        headers = {"Vary": "Accept-Language", "Cache-Control": "no-cache"}
        return HTMLResponse(self._documents[code], headers=headers)

    async def _predict(self, request: Request) -> Response:
        wanted = request.query_params.get("look", "0")
        if wanted not in ("0", "1"):
            raise HTTPException(400, "look must be 1 or 0")
        look, how = wanted == "1" and self.about.look, self._threshold(request)
        with self._memory.share(visitor_of(request)) as take:
            content = uploads.picture_of(await uploads.parts(request, self._limits, take))
            said = await self._worked(
                request, lambda: self._model.answer(content, look=look, **how), slow=look
            )
        return JSONResponse(said.model_dump(mode="json"), headers=_FRESH)

    def _threshold(self, request: Request) -> dict[str, float]:
        """The least confidence that a client asks for, where the model has one of its own."""
        wanted = request.query_params.get("threshold")
        if wanted is None:
            return {}
        if self.about.threshold is None:
            raise HTTPException(400, "threshold: this model has none")
        if not re.fullmatch(r"0(\.\d{1,18})?|1(\.0+)?", wanted):
            raise HTTPException(400, "threshold must be a number from 0 to 1, such as 0.25")
        return {"threshold": float(wanted)}

    async def _picture(self, request: Request) -> Response:
        with self._memory.share(visitor_of(request)) as take:
            content = uploads.picture_of(await uploads.parts(request, self._limits, take))
            plain = await self._worked(request, lambda: _plain(content))
        return Response(plain, media_type="image/jpeg", headers=_FRESH)

    async def _report(self, request: Request) -> Response:
        dataset = self._dataset
        if dataset is None:
            raise HTTPException(403, "this server keeps no reports; its host may allow them: --allow-reports")
        with self._memory.share(visitor_of(request)) as take:
            found = await uploads.parts(request, self._limits, take)
            content = uploads.picture_of(found)
            label, marks = ground_truth.read(found.get("truth"), self._model)

            def keep() -> Kept:
                with self._writing:
                    kept = feedback_inbox.keep(dataset, content, run=self.about.run, label=label, marks=marks)
                return Kept(kept=kept.sha256)

            try:
                done = await self._worked(request, keep)
            except DatasetError as error:
                raise HTTPException(409, str(error)) from None
        return JSONResponse(done.model_dump(mode="json"), 201, headers=_FRESH)


def _plain(content: bytes) -> bytes:
    """A picture upright, in sRGB, without metadata, for pages whose browser cannot draw the file itself."""
    image = decode.opened(content).image
    image.thumbnail((_LONGEST, _LONGEST), reducing_gap=3.0)
    image.info.clear()
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=decode.QUALITY)
    return stream.getvalue()


async def _file(asset: Asset, request: Request) -> Response:
    """One file of the page, or word that the browser has it already."""
    headers = {"Cache-Control": "no-cache", "ETag": asset.tag}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.kind, headers=headers)


async def _gone(request: Request) -> None:
    """Wait until the client is gone; its request has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _error_reply(request: Request, error: Exception) -> JSONResponse:
    """Every fault as one line of JSON."""
    headers = dict(_FRESH)
    line: Phrase | str
    if isinstance(error, QueueFull):
        status, line = 429 if error.own else 503, error.why
        headers["Retry-After"] = str(error.seconds)
    elif isinstance(error, TooManyPixels):
        status, line = error.reason.traits.answer, _too_many_pixels(error)
    elif isinstance(error, PictureError):
        status, line = error.reason.traits.answer, error.detail
    elif isinstance(error, ModelError):
        status, line = 500, str(error)
    elif isinstance(error, HTTPException):
        status, line = error.status_code, error.detail
        headers |= dict(error.headers or {})
    else:
        status, line = 500, "an error inside byod"
    if isinstance(line, Phrase):
        line = line.text(preferred(None, request.headers.get("accept-language", "")))
        headers["Vary"] = "Accept-Language"
    return JSONResponse({"error": line}, status, headers=headers)


def _too_many_pixels(error: TooManyPixels) -> Phrase:
    """The limit in words, and the way around it."""
    found = say(
        "The picture has {width} x {height} pixels; a {kind} may have {most} in all.",
        width=whole(error.width),
        height=whole(error.height),
        kind=error.kind,
        most=whole(error.most),
    )
    if error.most >= error.jpeg:
        return found + say("Send it smaller.")
    return found + say("Send it smaller, or as a JPEG, which may have {most}.", most=whole(error.jpeg))
