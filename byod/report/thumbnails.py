"""Pictures on a page: small JPEGs inside the page itself, as many as it has room for."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from byod.images.picture_types import SUFFIXES
from byod.report.i18n import Phrase, say
from byod.schema.errors import PictureError
from byod.schema.picture_files import readable, told_to_follow
from byod.schema.records import Record, Sample, Sha256
from byod.schema.task import Drawing

if TYPE_CHECKING:
    from PIL import Image

SIDE = 168
"""The longer side of a small picture, in pixels."""

# a browser goes by the ending: no link may lead it to a page in the clothes of a picture

GONE = say("the file is gone")
FULL = say("left out to keep this page small")
"""Why a picture is not on the page when there was no room for it."""

Thumbnail = Callable[[Path], bytes]
"""Makes the bytes of a small JPEG of the picture at a path; raises PictureError or OSError when it cannot."""


class Tile(Record):
    """One picture on the page: its `image` (a data: address, or none with the reason in `instead`) and its words."""

    image: str = ""
    instead: Phrase | None = None
    href: str = ""
    label: str = ""
    lines: tuple[Phrase | str, ...] = ()
    badge: Phrase | str = ""
    keep: bool = False


class Tray:
    """Makes tiles until their pictures have used up the page's room; a picture shown twice is opened once.

    Args:
        folder: the dataset's folder.
        page: where the page will stand; links to the pictures are relative to it.
        thumbnail: makes the small pictures.
        room: how many bytes all small pictures may take on the page.
    """

    def __init__(self, folder: Path, page: Path, thumbnail: Thumbnail, room: int) -> None:
        self._folder = folder
        self._page = page
        self._thumbnail = thumbnail
        self._room = room
        self._follow = told_to_follow()
        self._made: dict[Sha256, tuple[str, Phrase | None]] = {}
        self.left_out = 0

    def tile(
        self,
        sample: Sample,
        lines: tuple[Phrase | str, ...] = (),
        *,
        badge: Phrase | str = "",
        keep: bool = False,
    ) -> Tile:
        """The tile of a sample, with a link to its file where it has one."""
        image, instead = self._image(sample)
        return Tile(
            image=image,
            instead=instead,
            href=self._href(sample.path) if image else "",
            label=sample.label,
            lines=lines,
            badge=badge,
            keep=keep,
        )

    def _image(self, sample: Sample) -> tuple[str, Phrase | None]:
        if not sample.path:
            return "", say("bytes not kept")
        if sample.sha256 not in self._made:
            self._made[sample.sha256] = self._small(sample)
        image, instead = self._made[sample.sha256]
        if len(image) > self._room:
            self.left_out += 1
            return "", FULL
        self._room -= len(image)
        return image, instead

    def _small(self, sample: Sample) -> tuple[str, Phrase | None]:
        if self._room < 2000:  # nothing more fits: do not open it in vain
            return "", FULL
        path = self._folder / PurePosixPath(sample.path)
        if path.exists() and readable(self._folder, sample.path, follow=self._follow) is None:
            return "", GONE  # a link, a pipe or a device lies in its place
        try:
            content = self._thumbnail(path)
        except PictureError as error:
            return "", cannot_be_shown(error.reason)
        except OSError:
            return "", GONE
        return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii"), None

    def _href(self, path: str) -> str:
        target = self._folder / PurePosixPath(path)
        if target.suffix.lower() not in SUFFIXES:
            return ""
        try:
            return quote(Path(os.path.relpath(target, self._page.parent)).as_posix())
        except ValueError:  # on Windows: the page stands on another drive
            return target.absolute().as_uri()


def cannot_be_shown(reason: str) -> Phrase:
    """The words in the place of a picture that cannot be opened."""
    return say("cannot be shown: {reason}", reason=reason)


def small_jpeg(path: Path) -> bytes:
    """A picture as a JPEG of at most `SIDE` pixels a side.

    Raises:
        PictureError: it cannot be opened.
        FileNotFoundError: there is no file.
    """
    return _jpeg(_small(path))


def drawn_jpeg(draw: Drawing | None) -> Thumbnail:
    """Makes small pictures with the labels that lie in them."""
    if draw is None:
        return small_jpeg

    def made(path: Path) -> bytes:
        image = _small(path)
        draw(path.name, image)
        return _jpeg(image)

    return made


def _small(path: Path) -> Image.Image:
    from byod.images.decode import open_picture

    if not path.is_file():
        raise FileNotFoundError(path)
    image = open_picture(path, at_least=SIDE)
    image.thumbnail((SIDE, SIDE))
    return image


def _jpeg(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=72, optimize=True)
    return target.getvalue()
