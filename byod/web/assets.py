"""The files of the page, read once: what a client asks for is looked up by name, never opened as a path."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from byod.web import page_texts

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
"""What is served, by ending; other files are none of the page's."""


class Asset(NamedTuple):
    """One file: its bytes, media type and entity tag."""

    content: bytes
    kind: str
    tag: str


def asset(content: bytes, kind: str) -> Asset:
    """A file of these bytes."""
    return Asset(content, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"')


def assets(folder: Path = STATIC) -> dict[str, Asset]:
    """The files of a folder by their addresses."""
    found = {}
    for file in sorted(folder.rglob("*")):
        kind = TYPES.get(file.suffix)
        if kind is not None and file.is_file() and not file.is_symlink():
            found[f"/{file.relative_to(folder).as_posix()}"] = asset(file.read_bytes(), kind)
    return found


def page_files() -> dict[str, Asset]:
    """The files of the page by their addresses, with what is made of the catalogues of languages."""
    found = assets()
    made = {
        "/languages.js": page_texts.script(),
        "/index.html": page_texts.index(found["/index.html"].content.decode()),
    }
    for address, text in made.items():
        found[address] = asset(text.encode(), TYPES[PurePosixPath(address).suffix])
    return {**found, "/": found["/index.html"]}
