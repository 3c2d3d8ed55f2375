"""The imagefolder layout of Hugging Face `datasets`, with a table of labels and origins for each part.

The table is Parquet and no CSV: readers of CSV guess types, so that a class named "NA" or "007" would not survive.
Pictures lie straight in their part, not in class folders: `datasets` takes a folder named "test" or "train" for a
part wherever it stands, also when it is a class.
Source: https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path, PurePosixPath
from typing import Any

from byod.dataset.export_selection import Leaving, place
from byod.report import dataset_statistics, markdown
from byod.schema.errors import UsageError
from byod.schema.records import Snapshot, Split

PARTS = {Split.TRAIN: "train", Split.VALID: "validation", Split.TEST: "test"}
HUB_TASK = "image-classification"
_TEXTS = ("licence", "licence_url", "creator", "creator_url", "title", "source", "page", "url", "sha256")


def write(snapshot: Snapshot, items: tuple[Leaving, ...], root: Path, links: bool) -> dict[str, str]:
    """Write `<part>/<file>`, `<part>/metadata.parquet` and README.md; returns each sample's path.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UsageError("the format hf needs pyarrow: uv pip install pyarrow") from error
    labels = tuple(snapshot.classes)
    files: dict[str, str] = {}
    for split, part in PARTS.items():
        rows = []
        for item in (item for item in items if item.split is split):
            path, _ = place(snapshot, item, root, PurePosixPath(part), links)
            files[item.sample.sha256] = path
            rows.append(_row(item, PurePosixPath(path).name))
        if rows:
            table = pyarrow.Table.from_pylist(rows, schema=_schema(pyarrow, labels))
            parquet.write_table(table, root / part / "metadata.parquet")
    (root / "README.md").write_text(_readme(snapshot, items), encoding="utf-8")
    return files


def _row(item: Leaving, name: str) -> dict[str, Any]:
    line = item.credit
    when = line.fetched_at
    return {
        "file_name": name,
        "label": item.number,
        **{column: getattr(line, column) for column in _TEXTS},
        "fetched_at": when.astimezone(UTC).isoformat() if when else None,
    }


def _features(labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    texts = {column: {"dtype": "string", "_type": "Value"} for column in (*_TEXTS, "fetched_at")}
    return {
        "file_name": {"dtype": "string", "_type": "Value"},
        "label": {"names": list(labels), "_type": "ClassLabel"},
        **texts,
    }


def _schema(pyarrow: Any, labels: tuple[str, ...]) -> Any:
    """Column types; the note under "huggingface" is where `datasets` looks for the class names."""
    columns = [(name, pyarrow.int64() if name == "label" else pyarrow.string()) for name in _features(labels)]
    note = json.dumps({"info": {"features": _features(labels)}})
    return pyarrow.schema(columns, metadata={"huggingface": note})


def _readme(snapshot: Snapshot, items: tuple[Leaving, ...]) -> str:
    labels = tuple(snapshot.classes)
    features: list[markdown.Value] = [{"name": "image", "dtype": "image"}]
    for name, kind in _features(labels).items():
        if name == "label":
            names: Mapping[str, markdown.Value] = {str(n): label for n, label in enumerate(labels)}
            features.append({"name": "label", "dtype": {"class_label": {"names": names}}})
        elif name != "file_name":
            features.append({"name": name, "dtype": kind["dtype"]})
    values: dict[str, markdown.Value] = {
        **dataset_statistics.hub_values(snapshot, HUB_TASK),
        "dataset_info": {"features": features},
    }
    rows: list[tuple[str | int, ...]] = [
        (label, *(sum(i.label == label and i.split is split for i in items) for split in Split))
        for label in labels
    ]
    licences = [
        (code or "not stated", number) for code, number in dataset_statistics.licence_counts(snapshot)
    ]
    return (
        f"{markdown.front_matter(values)}\n# {markdown.escape(snapshot.name)}\n\n"
        f"{len(items)} pictures, exported by byod. Each row tells where its picture came from; `CREDITS.csv`"
        " says the same as text.\n\n"
        f"{markdown.table(('class', *PARTS.values()), rows, range(1, 4))}\n\n"
        f"{markdown.table(('licence', 'pictures'), licences, (1,))}\n"
    )
