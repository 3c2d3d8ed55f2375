"""The pictures of a page: each stands in it once, however often it is shown, and all together have bounded room."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from byod.report.i18n import Phrase
from byod.report.thumbnails import FULL, GONE, Thumbnail, cannot_be_shown, small_jpeg
from byod.schema.errors import PictureError
from byod.schema.records import Record

ROOM = 2_200_000
"""How many bytes the small pictures of a report may take together, written as text."""


class Photo(Record):
    """A place where a picture is shown: the number it is kept under and its size in pixels, or why it is not there."""

    number: int = 0
    width: int = 1
    height: int = 1
    instead: Phrase | None = None


class EmbeddedImage(Record):
    """A picture that stands in the page: its number, its size in pixels, and its bytes as a data: address."""

    number: int
    width: int
    height: int
    address: str


class Album:
    """Gathers the pictures of one page, the more important ones first, until the room is used up."""

    def __init__(self, room: int = ROOM, thumbnail: Thumbnail = small_jpeg) -> None:
        self._room = room
        self._thumbnail = thumbnail
        self._photos: dict[Path, Photo] = {}
        self.kept: list[EmbeddedImage] = []

    def photo(self, path: Path) -> Photo:
        """The picture at a path, small; opened once."""
        if path not in self._photos:
            self._photos[path] = self._small(path)
        return self._photos[path]

    def add(self, content: bytes, kind: str) -> Photo:
        """A picture that was made for this page: its bytes, and "jpeg" or "png"."""
        from PIL import Image

        address = f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")
        if len(address) > self._room:
            return Photo(instead=FULL)
        self._room -= len(address)
        with Image.open(io.BytesIO(content)) as opened:
            width, height = opened.size
        self.kept.append(
            EmbeddedImage(number=len(self.kept) + 1, width=width, height=height, address=address)
        )
        return Photo(number=len(self.kept), width=width, height=height)

    def _small(self, path: Path) -> Photo:
        if self._room < 2000:  # nothing more fits: do not open it in vain
            return Photo(instead=FULL)
        try:
            return self.add(self._thumbnail(path), "jpeg")
        except PictureError as error:
            return Photo(instead=cannot_be_shown(error.reason))
        except OSError:
            return Photo(instead=GONE)
