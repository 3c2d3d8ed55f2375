"""Pictures that people brought into Label Studio themselves, and answered there: into the dataset's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from byod.labeling.annotations import ImportedPicture
from byod.labeling.client import LabelStudio
from byod.schema.errors import ReviewError
from byod.schema.progress import Say
from byod.schema.records import Record, Sha256


class Downloaded(Record):
    """A picture that was fetched from the server, and the task that asks about it."""

    picture: ImportedPicture
    sha256: Sha256


def download(
    studio: LabelStudio, pictures: Iterable[ImportedPicture], folder: Path, say: Say
) -> list[Downloaded]:
    """Fetch pictures into class folders; those that lie elsewhere on the web are said, with how to collect them.

    Raises:
        ReviewError: the server stopped answering.
    """
    found: list[Downloaded] = []
    for one in pictures:
        address = str(one.data.get("image", ""))
        path = _path(studio, address)
        if path is None:
            say(
                f"{address} lies elsewhere: put it into a list with its label, and run byod collect --from-urls LIST"
            )
            continue
        try:
            content = studio.download(path)
        except ReviewError as error:
            say(f"{address} cannot be taken in: {error}")
            continue
        room = folder / one.label
        room.mkdir(parents=True, exist_ok=True)
        name = PurePosixPath(unquote(urlsplit(address).path)).name
        (room / f"{one.task}-{name}"[:120]).write_bytes(content)
        found.append(Downloaded(picture=one, sha256=hashlib.sha256(content).hexdigest()))
    return found


def _path(studio: LabelStudio, address: str) -> str | None:
    """The path of an address on this server; None where it is another's."""
    if address.startswith(studio.url + "/"):
        return address.removeprefix(studio.url)
    return address if address.startswith("/") and not address.startswith("//") else None


def make_own(studio: LabelStudio, downloaded: Iterable[Downloaded], known: Mapping[str, str]) -> int:
    """Have the tasks of pictures that are in the dataset now say so, as byod's own do; return how many.

    `known` are the samples that files became, by the SHA-256 of their bytes.

    Raises:
        ReviewError: the server stopped answering.
    """
    own = [one for one in downloaded if one.sha256 in known]
    for one in own:
        data = {**one.picture.data, "byod_id": known[one.sha256], "label": one.picture.label, "seen": 0}
        studio.patch(f"/api/tasks/{one.picture.task}/", json={"data": data})
    return len(own)
