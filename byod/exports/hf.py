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
_DTYPES: dict[type, str] = {str: "string", int: "int64", float: "float64", bool: "bool"}
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
    labels, listed = tuple(snapshot.classes), _listed(items)
    files: dict[str, str] = {}
    for split, part in PARTS.items():
        rows = []
        for item in (item for item in items if item.split is split):
            path, _ = place(snapshot, item, root, PurePosixPath(part), links)
            files[item.sample.sha256] = path
            rows.append(_row(item, PurePosixPath(path).name, listed))
        if rows:
            table = pyarrow.Table.from_pylist(rows, schema=_schema(pyarrow, labels, listed))
            parquet.write_table(table, root / part / "metadata.parquet")
    (root / "README.md").write_text(_readme(snapshot, items), encoding="utf-8")
    return files


def _listed(items: tuple[Leaving, ...]) -> dict[str, tuple[str, type]]:
    """The further columns of lists: by the name of the table's column theirs, and what all their values are."""
    kinds: dict[str, set[type]] = {}
    for item in items:
        for name, value in item.credit.listed.items():
            kinds.setdefault(name, set()).add(type(value))
    own = {"image", "file_name", "label", *_TEXTS, "fetched_at"}
    return {
        f"listed_{name}" if name in own else name: (name, _common(found)) for name, found in kinds.items()
    }


def _common(kinds: set[type]) -> type:
    if len(kinds) == 1:
        return next(iter(kinds))
    return float if kinds == {int, float} else str


def _row(item: Leaving, name: str, listed: Mapping[str, tuple[str, type]]) -> dict[str, Any]:
    line = item.credit
    when = line.fetched_at
    given = line.listed
    said = {column: kind(given[there]) for column, (there, kind) in listed.items() if there in given}
    return {
        "file_name": name,
        "label": item.number,
        **{column: getattr(line, column) for column in _TEXTS},
        "fetched_at": when.astimezone(UTC).isoformat() if when else None,
        **said,
    }


def _features(labels: tuple[str, ...], listed: Mapping[str, tuple[str, type]]) -> dict[str, dict[str, Any]]:
    texts = {column: {"dtype": "string", "_type": "Value"} for column in (*_TEXTS, "fetched_at")}
    return {
        "file_name": {"dtype": "string", "_type": "Value"},
        "label": {"names": list(labels), "_type": "ClassLabel"},
        **texts,
        **{column: {"dtype": _DTYPES[kind], "_type": "Value"} for column, (_, kind) in listed.items()},
    }


def _schema(pyarrow: Any, labels: tuple[str, ...], listed: Mapping[str, tuple[str, type]]) -> Any:
    """Column types; the note under "huggingface" is where `datasets` looks for the class names."""
    features = _features(labels, listed)
    kinds = {"int64": pyarrow.int64(), "float64": pyarrow.float64(), "bool": pyarrow.bool_()}
    columns = [
        (name, kinds["int64"] if name == "label" else kinds.get(kind["dtype"], pyarrow.string()))
        for name, kind in features.items()
    ]
    note = json.dumps({"info": {"features": features}})
    return pyarrow.schema(columns, metadata={"huggingface": note})


def _readme(snapshot: Snapshot, items: tuple[Leaving, ...]) -> str:
    labels = tuple(snapshot.classes)
    features: list[markdown.Value] = [{"name": "image", "dtype": "image"}]
    for name, kind in _features(labels, _listed(items)).items():
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
