"""Tar shards for `webdataset`: `<key>.jpg`, `<key>.cls` and `<key>.json` side by side, shards for each part.

The same dataset gives the same bytes: names in order, no times and no owners in the tar.
Source: https://github.com/webdataset/webdataset#the-webdataset-format
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from byod.dataset.export_selection import Leaving, content
from byod.schema.records import Snapshot, Split

SHARD_PICTURES = 1000
SHARD_BYTES = 500_000_000


def write(snapshot: Snapshot, items: tuple[Leaving, ...], root: Path, links: bool) -> dict[str, str]:
    """Write `<part>-000000.tar` and so on, and `classes.json`; returns each sample's `<shard>/<member>`.

    A shard ends after 1,000 pictures or 500 MB. `.cls` is the class's number in `classes.json`. Pictures are mixed
    across classes within a part, since shards are read from front to back. `links` means nothing here.
    """
    listed = [{"number": number, "name": name} for number, name in enumerate(snapshot.classes)]
    (root / "classes.json").write_text(json.dumps(listed, ensure_ascii=False, indent=1), encoding="utf-8")
    files: dict[str, str] = {}
    for split in Split:
        part = sorted(
            (item for item in items if item.split is split),
            key=lambda item: hashlib.sha256(item.stem.encode()).digest(),
        )
        members = (member for item in part for member in _members(snapshot, item))
        for shard, member in _write_shards(root, split, members):
            if not member.endswith((".cls", ".json")):
                files[member.split(".")[0]] = f"{shard}/{member}"
    return {item.sample.sha256: files[item.stem] for item in items}


def _members(snapshot: Snapshot, item: Leaving) -> Iterator[tuple[str, bytes]]:
    picture = content(snapshot, item)
    said = item.credit.model_dump(mode="json", exclude={"file", "columns"})
    if item.credit.columns:
        said["columns"] = item.credit.listed
    described = {"label": item.label, "split": item.split, **said}
    yield f"{item.stem}{picture.suffix}", picture.content
    yield f"{item.stem}.cls", str(item.number).encode()
    yield f"{item.stem}.json", json.dumps(described, ensure_ascii=False).encode()


def _write_shards(
    root: Path, split: Split, members: Iterable[tuple[str, bytes]]
) -> Iterator[tuple[str, str]]:
    """Write members into shards, three of them for each picture; yields (shard, member) as it goes."""
    shard: tarfile.TarFile | None = None
    name, number, count, size = "", 0, 0, 0
    try:
        for member, body in members:
            if shard is None or (
                count % 3 == 0 and (count >= 3 * SHARD_PICTURES or size + len(body) > SHARD_BYTES)
            ):
                if shard is not None:
                    shard.close()
                name, number, count, size = f"{split}-{number:06d}.tar", number + 1, 0, 0
                shard = tarfile.open(root / name, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
            entry = tarfile.TarInfo(member)
            entry.size, entry.mode = len(body), 0o644
            shard.addfile(entry, io.BytesIO(body))
            count, size = count + 1, size + len(body)
            yield name, member
    finally:
        if shard is not None:
            shard.close()
