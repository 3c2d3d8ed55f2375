"""The page of a run on loopback, for tests: a server in this process, and requests written by hand."""

import contextlib
import io
import json
import socket
import uuid

from colour_trainer import Colour, coloured
from PIL import Image

from byod.api import datasets
from byod.dataset.dataset_folder import Dataset
from byod.schema.recipe import Recipe
from byod.schema.records import Split
from byod.tasks.classify import train
from byod.web.app import Site
from byod.web.http_connection import Connection
from byod.web.inference import opened
from byod.web.server import listening

RED, GREEN = "rot <&\"'>", "grün 🥦"


def trained(home):
    """A dataset of two classes with difficult names, and a run of the colour trainer on it; gives the run."""
    folder = home / "datasets" / "colours"
    coloured(home / "own", per_class=12)
    recipe = Recipe(min_side=16).with_class(RED).with_class(GREEN)
    for label, name in (("red", RED), ("green", GREEN)):
        datasets.add([home / "own" / label], name, folder, recipe, say=str, watch=lambda tallies: None)
    with Dataset(folder) as dataset:
        datasets.assign(dataset)
        snapshot = dataset.snapshot()
        examples = dataset.examples(snapshot)
    parts = (Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST)
    examples = [e.model_copy(update={"split": parts[n % 4]}) for n, e in enumerate(examples)]
    run = folder / "runs" / "20260101-000000-colour"
    train.train(examples, list(snapshot.classes), Colour(), {"epochs": "6"}, folder=run)
    return run


@contextlib.contextmanager
def served(run, *, model=None, connection=Connection, **how):
    """A server with the page of a run; gives its address as (host, port)."""
    site = Site(model or opened(run), **how)
    try:
        with listening(site.app, port=None, usual=0, connection=connection) as url:
            yield "127.0.0.1", int(url.rsplit(":", 1)[1])
    finally:
        site.close()


class Answer:
    """An answer as it came over the wire."""

    def __init__(self, wire):
        head, _, self.body = wire.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }

    @property
    def json(self):
        return json.loads(self.body)


def wire(place, content, *, timeout=30):
    """Send bytes as they are, and read until the server has said all; an answer without an end is none."""
    with socket.create_connection(place, timeout=timeout) as client:
        with contextlib.suppress(ConnectionError):  # it may be answered before all is sent
            client.sendall(content)
        received = b""
        while not _whole(received):
            piece = client.recv(65536)
            if not piece:
                break
            received += piece
    return Answer(received)


def _whole(received):
    head, found, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None
    )
    return bool(found) and length is not None and len(body) >= length


def request(place, method="GET", path="/", body=b"", *, host=None, **headers):
    """The bytes of a request; header names are written with _ for -."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{place[1]}'}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def get(place, path, **headers):
    return wire(place, request(place, path=path, **headers))


def post(place, path="/api/predict", content=b"", kind="image/jpeg", **headers):
    return wire(place, request(place, "POST", path, content, Content_Type=kind, **headers))


def form(**parts):
    """A form's bytes and its media type; a part is bytes, or (file name, media type, bytes)."""
    boundary = uuid.uuid4().hex
    pieces = []
    for name, part in parts.items():
        file, kind, content = part if isinstance(part, tuple) else (None, None, part)
        head = f'Content-Disposition: form-data; name="{name}"'
        head += f'; filename="{file}"' if file is not None else ""
        head += f"\r\nContent-Type: {kind}" if kind else ""
        pieces.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def picture(colour=(170, 70, 60), size=(64, 48), kind="JPEG", **how):
    """The bytes of a picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind, **how)
    return stream.getvalue()
