"""The looks of what a run learned from: `fingerprints.csv`, by which near-copies are found among other pictures."""

from __future__ import annotations

from pathlib import Path

from byod.dataset.likeness import Look, Looks
from byod.schema.records import Fingerprint
from byod.schema.task_learning import Sides
from byod.training.run_folder import TEST, damaged, read_table, write_table

FILE = "fingerprints.csv"
HEAD = (
    "sha256",
    "label",
    "phash",
    "mirror",
    "dhash",
    "trim_phash",
    "trim_dhash",
    "rgb",
    "spread",
    "spec",
)


def write(part: Path, sides: Sides, looks: Looks) -> None:
    """Write how the pictures look that were learned from, as far as that is known; nothing where it is not."""
    learned = [e.sha256 for name, side in sides if name != TEST for e in side]
    rows = [_row(sha256, looks[sha256]) for sha256 in learned if sha256 in looks]
    if rows:
        write_table(part / FILE, HEAD, rows)
    else:
        (part / FILE).unlink(missing_ok=True)


def read(run: Path) -> dict[str, Look] | None:
    """The looks of what a run learned from, by SHA-256; None where it does not say.

    Raises:
        ModelError: the table has not these columns, or is damaged.
    """
    file = run / FILE
    if not file.is_file():
        return None
    try:
        return {row["sha256"]: _look(row) for row in read_table(file, HEAD)}
    except ValueError as error:
        raise damaged(file, error) from error


def _row(sha256: str, look: Look) -> list[object]:
    f = look.fingerprint
    hashes = (f.phash, f.mirror, f.dhash, f.trim_phash, f.trim_dhash)
    return [sha256, look.label, *hashes, f.rgb.hex(), f"{f.spread:.3f}", f.spec]


def _look(row: dict[str, str]) -> Look:
    """One line.

    Raises:
        ValueError: it holds something else.
    """
    hashes = {
        name: row[name] for name in ("phash", "mirror", "dhash", "trim_phash", "trim_dhash") if row[name]
    }
    rgb = bytes.fromhex(row["rgb"])
    if any(len(text) != 16 or int(text, 16) < 0 for text in hashes.values()) or len(rgb) != 192:
        raise ValueError("its hashes are not those of a picture")
    fingerprint = Fingerprint(
        **{"phash": "", "mirror": "", "dhash": "", **hashes},
        rgb=rgb,
        spread=float(row["spread"]),
        top_colour=0,
        white_ring=0,
        spec=row["spec"],
    )
    if not (fingerprint.phash and fingerprint.mirror and fingerprint.dhash):
        raise ValueError("a hash is missing")
    return Look(row["label"], fingerprint)
