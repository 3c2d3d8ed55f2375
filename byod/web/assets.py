"""The files of the page, read once: what a client asks for is looked up by name, never opened as a path."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

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


def assets(folder: Path = STATIC) -> dict[str, Asset]:
    """The files of a folder by their addresses; `index.html` is `/` as well."""
    found = {}
    for file in sorted(folder.rglob("*")):
        kind = TYPES.get(file.suffix)
        if kind is not None and file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            found[f"/{file.relative_to(folder).as_posix()}"] = Asset(content, kind, tag)
    if "/index.html" in found:
        found["/"] = found["/index.html"]
    return found
