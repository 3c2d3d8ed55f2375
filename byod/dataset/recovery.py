"""Make good at opening: a catalog that cannot be used, and what a kill or a power cut left undone.

A catalog that is damaged, an older copy, or somebody else's is set aside, whole, in `.byod/replaced/`, and byod goes on
with an empty one, which `sync` fills from the folders, `labels.jsonl` and `CREDITS.csv`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from byod.dataset.catalog import Catalog, CatalogDamaged
from byod.dataset.catalog.verdicts import DELETED_BY_HAND
from byod.dataset.catalog_state import CatalogState, Left
from byod.dataset.label_log import LabelLog, Look
from byod.dataset.own_places import BESIDE_CATALOG, CATALOG, INCOMING
from byod.report import attribution
from byod.report.attribution import Credit
from byod.schema import files
from byod.schema.errors import ByodError
from byod.schema.files import Folder
from byod.schema.reasons import Reason
from byod.schema.records import Sample, Status
from byod.schema.task import Storage

_GENERATED = (attribution.FILE, "README.md")
_ABANDONED = 60.0
"""Seconds after which a temporary file is nobody's any more, where people without the lock may write."""
_ELSEWHERE = "is not as byod left it on this machine"
_DAMAGED = "is damaged"
_OLD = "is an older copy: labels.jsonl knows more"


def open_catalog(folder: Folder, state: CatalogState, proven: bool) -> tuple[Catalog, str]:
    """Open a locked dataset's catalog; where it cannot be used, a new one, and a line that says why.

    The values of all its rows are looked at, unless they are `proven` to be those that byod left.

    Raises:
        DatasetError: the disk, a lock or an owner is in the way, or a newer byod made it.
    """
    file = folder.path / CATALOG
    if not file.exists():
        return Catalog(file, state.opened), ""
    left = state.left()
    why = _ELSEWHERE
    if left is not Left.ELSEWHERE:
        try:
            catalog = Catalog(file, state.opened)
        except CatalogDamaged:
            why = _DAMAGED
        else:
            why = _fault(catalog, folder, state, left, proven)
            if not why:
                return catalog, ""
            catalog.close()
    place = _set_aside(folder, state)
    line = f"{CATALOG} {why}; rebuilt from the folders, labels.jsonl and CREDITS.csv (what it was lies in {place})"
    return Catalog(file, state.opened), line


def _fault(catalog: Catalog, folder: Folder, state: CatalogState, left: Left, proven: bool) -> str:
    """The fault of an open catalog of ours, in words that follow its name; nothing, if it can be used."""
    if left is not Left.CLOSED and not catalog.is_sound():
        return _DAMAGED
    if not proven:
        try:
            catalog.check_values()
        except CatalogDamaged:
            return _DAMAGED
    if state.log_is_as_left() or catalog.blank():  # a blank one is filled anyway
        return ""
    return _OLD if LabelLog(folder, catalog).is_ahead() else ""


def _set_aside(folder: Folder, state: CatalogState) -> str:
    """Move the catalog out of the way, with copies of what is generated from it; a kill on the way is made good."""
    place = f"{attribution.REPLACED}/{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    folder.make(place)
    for name in _GENERATED:
        if (folder.path / name).is_file():
            folder.create(f"{place}/{name}", files.read(folder.path / name), flush=True)
    state.forget()
    # the log goes last: SQLite throws away one that it finds beside an empty catalog
    for name in (CATALOG, *BESIDE_CATALOG):
        if (folder.path / name).exists():
            folder.move(name, f"{place}/{name}")
    folder.flush_names([place])
    return place


def clear_incoming(folder: Folder, catalog: Catalog) -> None:
    """Remove what a kill left half written, or written and not noted: it is fetched again."""
    if not (folder.path / INCOMING).is_dir():
        return
    noted = catalog.samples.waiting_paths()
    for file in (folder.path / INCOMING).iterdir():
        if f"{INCOMING}/{file.name}" not in noted:
            folder.remove(f"{INCOMING}/{file.name}")


def clear_temporary(folder: Folder, storage: Storage | None) -> None:
    """Remove the temporary files of a writer that was killed."""
    if storage is not None:
        folder.clear(storage.folder)
    # check.html is written without the lock, so that a young one may be somebody's
    for room in ("", ".byod"):
        folder.clear(room, older_than=_ABANDONED)


def check_arrivals(folder: Folder, catalog: Catalog, storage: Storage | None) -> None:
    """Look at the files that had not been flushed when byod ended: what a power cut took is fetched again.

    It was lost, and nobody deleted it: its row is forgotten, and its addresses are asked again.
    """
    noted = catalog.samples.arrivals()
    if not noted:
        return
    whole: list[str] = []
    with catalog.transaction():
        for sha256, path, labels in noted:
            picture = not path or _has_content(folder.path / path, sha256)
            labelled = not labels or _has_labels(folder.path / labels, storage)
            if picture and labelled:
                whole += [name for name in (path, labels) if name]
                continue
            catalog.candidates.reopen(sha256)
            if not labelled:
                folder.remove(labels)
            if not picture:
                folder.remove(path)
                catalog.samples.forget(sha256)
        folder.flush(whole)
        catalog.samples.flushed()


def _has_content(file: Path, sha256: str) -> bool:
    if not file.is_file():
        return False
    return hashlib.sha256(files.read(file)).hexdigest() == sha256


def _has_labels(file: Path, storage: Storage | None) -> bool:
    if storage is None:
        return True
    try:
        return storage.read(file) is not None
    except ByodError:
        return False


def credits(folder: Path, lines: list[str]) -> list[Credit]:
    """The lines of CREDITS.csv that can be read; adds to `lines` which cannot.

    Raises:
        DatasetError: it is no such list as a whole.
    """
    file = folder / attribution.FILE
    if not file.exists():
        return []
    faults: dict[int, str] = {}
    found = attribution.read_credits(file, faults)
    if faults:
        number, why = next(iter(faults.items()))
        more = f" ({len(faults) - 1} more like it)" if len(faults) > 1 else ""
        lines.append(f"{attribution.FILE}: line {number} cannot be read: {why}{more}; the others were taken")
    return found


def restore_deleted(catalog: Catalog, looks: Mapping[str, Look]) -> None:
    """Remember again what somebody took away, so that neither it nor a copy comes back when it is fetched again.

    `looks` are what is known of how those pictures looked.
    """
    labels, position = catalog.verdicts.labels(), catalog.samples.next_position()
    for sha256, said in catalog.verdicts.holding().items():
        if said.note == DELETED_BY_HAND and said.label is None and catalog.samples.get(sha256) is None:
            label = next((each for each in reversed(labels[sha256]) if each), "")
            look = looks.get(sha256)
            gone = Sample(
                sha256=sha256,
                label=label,
                status=Status.REJECTED,
                reason=Reason.DELETED,
                path="",
                size=0,
                fingerprint=look and look.fingerprint,
                width=look and look.width,
                height=look and look.height,
            )
            catalog.samples.add(gone, position=position)
            position += 1


def restore_origins(catalog: Catalog, credits: list[Credit]) -> None:
    """Take back where the pictures came from, so that none is fetched twice."""
    for line in credits:
        sample = catalog.samples.get(line.sha256)
        if sample is not None and line.origin is not None:
            catalog.candidates.restore(line.origin, sample.label)
