"""By which camera a picture was taken, and when: EXIF (CIPA DC-008-2019), as the camera wrote it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from byod.images import credit_fields, formats, metadata
from byod.schema.errors import PictureError

_MAKE, _MODEL, _EXIF_TABLE, _TAKEN = 0x010F, 0x0110, 0x8769, 0x9003


class Taken(NamedTuple):
    """The camera's maker and model, and the moment by the camera's own clock; "" and None where it does not say."""

    camera: str
    moment: datetime | None


def taken(content: bytes) -> Taken:
    """Read by which camera and when a picture was taken; what cannot be read says nothing of it."""
    try:
        exif = metadata.read(content, formats.recognise(content)).exif
    except (PictureError, metadata.Uncuttable):
        return Taken("", None)
    words = credit_fields.texts(exif, (_MAKE, _MODEL))
    moment = credit_fields.texts(exif, (_TAKEN,), _EXIF_TABLE).get(_TAKEN, "")
    camera = " ".join(filter(None, (words.get(_MAKE, ""), words.get(_MODEL, ""))))
    return Taken(camera[:200], _moment(moment))


def _moment(text: str) -> datetime | None:
    """The moment of an EXIF date like `2026:11:30 12:05:10`; None for one that is none, as 0000:00:00 is."""
    try:
        found = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return found if found.year >= 1980 else None
