"""Own pictures are known by their bytes: another file at a place that was added before is another picture.

Two memory cards have files of the same names, and are seen at the same place one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from byod.dataset.dataset_folder import Dataset
from byod.schema import files
from byod.schema.reasons import When
from byod.schema.records import Candidate


def told_apart(candidates: Iterable[Candidate], dataset: Dataset) -> Iterator[Candidate]:
    """The candidates, each under an address that stands for its bytes; what failed, or was refused, is asked again.

    The first picture at a place has the place for an address; another one has a part of its hash besides.
    """
    known = dataset.catalog.candidates
    for candidate in candidates:
        outcome = known.outcome(candidate.url)
        if outcome is None or candidate.path is None:
            yield candidate
            continue
        if outcome[0] == "fetched" and (made := _hash(candidate.path)) not in ("", outcome[1]):
            candidate = candidate.model_copy(update={"url": f"{candidate.url}#{made[:20]}"})
            outcome = known.outcome(candidate.url)
        if outcome is not None and _is_asked_again(outcome, dataset):
            known.ask_again(candidate.url)
        yield candidate


def _is_asked_again(outcome: tuple[str | None, str | None, str | None], dataset: Dataset) -> bool:
    """True of a file that could not be read, and of one that was refused by a rule that may be another one now."""
    word, _, sample = outcome
    if word != "fetched":
        return word is not None
    found = None if sample is None else dataset.catalog.samples.get(sample)
    if found is None or found.reason is None or found.fingerprint is not None:
        return False
    return found.reason.traits.when is When.OPENED


def _hash(file: Path) -> str:
    """The SHA-256 of a file; "" where it cannot be read, which reading it says."""
    try:
        return files.sha256(file)
    except OSError:
        return ""
