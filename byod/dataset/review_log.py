"""What people said of pictures in reviews, read from the label log.

The note of a verdict says of which review it is, which annotation gave it, whether that was made in bulk, and which
conflict it decides.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from byod.dataset.catalog.verdicts import SEARCH, UNDO, Verdicts
from byod.schema.annotator_agreement import ReviewAgreement, review_agreement
from byod.schema.records import Verdict

REVIEW = "review"
"""Who speaks in a verdict that says nobody knows: people differ, or a hand and a reviewer."""
WITHDRAWN = "withdrawn"
"""Who speaks when an answer that was taken back on the server falls; the label is what holds without it."""
BY_HAND = frozenset({"folder", "restore"})
"""Who speaks when somebody moved a file or brought one back."""
NOW = sys.maxsize
"""The number of a verdict that is not in the log yet."""
LABELS = "review of "
"""How the note of a verdict on a label begins; that on points says `points`."""
_REFERENCE = " #"
"""Before the reference of an annotation in the note of its verdict."""
_IN_BULK = " in bulk"
"""In the note of a verdict that was made of a prediction together with others."""
_DECIDES = re.compile(r" decides (\d+)(?= #|$)")
"""In the note of a verdict that decides a conflict: the number of the verdict that told of it."""


class Opinion(NamedTuple):
    """What a person says of a picture: the label, the note of the verdict, and its number."""

    label: str | None
    note: str
    number: int


Said = dict[str, Opinion]
"""What each person says of a picture."""


def note(told: str, *, in_bulk: bool = False, decides: int = 0, reference: str = "") -> str:
    """The note of a verdict: what was asked, and what else must be known of the annotation."""
    bulk = _IN_BULK if in_bulk else ""
    decided = f" decides {decides}" if decides else ""
    return f"{told}{bulk}{decided}{_REFERENCE}{reference}" if reference else f"{told}{bulk}{decided}"


def referred(note: str) -> str:
    """The reference in the note of a verdict, or nothing."""
    return note.rpartition(_REFERENCE)[2] if _REFERENCE in note else ""


def is_reviewers(verdict: Verdict) -> bool:
    """True if a person said it in a review."""
    return verdict.who not in {*BY_HAND, REVIEW, SEARCH, UNDO, WITHDRAWN}


def said(history: Sequence[tuple[int, Verdict]], last_verdict: int = 0) -> tuple[Said, Verdict | None]:
    """What people say since the last change by hand, and that one, if it is newer than a verdict and stands alone."""
    found: Said = {}
    hand: Verdict | None = None
    for number, verdict in standing(history):
        if verdict.who in BY_HAND:
            found.clear()
            hand = verdict if number > last_verdict else None
        elif verdict.who != REVIEW:
            says(found, verdict.who, verdict.label, verdict.note, number)
            hand = None
        else:
            hand = None  # the conflict was told; whoever answers now has the last word
    return found, hand


def says(found: Said, who: str, label: str | None, note: str, number: int) -> None:
    """Take up what a person says, in the place of whom the same annotation was by until now.

    What was said before a conflict that this decides counts no more.
    """
    same, decided = referred(note), _DECIDES.search(note)
    for other, opinion in list(found.items()):
        if (same and referred(opinion.note) == same) or (decided and opinion.number < int(decided[1])):
            del found[other]
    found[who] = Opinion(label, note, number)


def looked(found: Said) -> Said:
    """Leave out what was made in bulk, where somebody has looked."""
    seen = {who: opinion for who, opinion in found.items() if _IN_BULK not in opinion.note}
    return seen or found


def conflict_told(history: Sequence[tuple[int, Verdict]]) -> int:
    """The number of the last verdict that told of a conflict and stands; 0 where there is none."""
    return max((number for number, verdict in standing(history) if verdict.who == REVIEW), default=0)


def standing_references(history: Sequence[tuple[int, Verdict]]) -> dict[str, Verdict]:
    """The verdicts that people's annotations gave and that stand, by the annotation."""
    found, _ = said(history)
    verdicts = {referred(one.note): one for _, one in standing(history) if referred(one.note)}
    return {ref: verdicts[ref] for one in found.values() if (ref := referred(one.note)) in verdicts}


def has_looked(history: Sequence[tuple[int, Verdict]]) -> bool:
    """True if somebody looked at a picture, in a review or in its folder, and that stands."""
    return any(one.who in {*BY_HAND, REVIEW} or _IN_BULK not in one.note for _, one in standing(history))


def standing(history: Sequence[tuple[int, Verdict]]) -> list[tuple[int, Verdict]]:
    """A log without what was taken back."""
    found: list[tuple[int, Verdict]] = []
    stood: dict[int, list[tuple[int, Verdict]]] = {}
    for number, verdict in history:
        if verdict.who == UNDO:
            back_to = verdict.note[1:]
            found = list(stood.get(int(back_to), ())) if back_to.isdecimal() else found
        elif verdict.who == WITHDRAWN:
            found = [(n, one) for n, one in found if referred(one.note) != referred(verdict.note)]
        else:
            found.append((number, verdict))
        stood[number] = list(found)
    return found


def agreement(reviewed: Iterable[Verdict], log: Verdicts) -> ReviewAgreement | None:
    """How far people agree who reviewed the same pictures; None where no two of them did."""
    people: dict[str, set[str]] = {}
    for one in reviewed:
        if is_reviewers(one):
            people.setdefault(one.sha256, set()).add(one.who)
    shared = [sha256 for sha256, some in people.items() if len(some) > 1]
    return review_agreement(independent(log.said_of(shared)))


def independent(history: Mapping[str, Sequence[tuple[int, Verdict]]]) -> list[dict[str, str | None]]:
    """What each person says of the label of each picture by themselves: before they were told that they differ.

    A change by hand takes nothing back here, since the answers were given all the same.
    """
    found: list[dict[str, str | None]] = []
    for log in history.values():
        opinions: Said = {}
        for number, verdict in standing(log):
            if verdict.who == REVIEW:
                break
            if is_reviewers(verdict) and verdict.note.startswith(LABELS) and _IN_BULK not in verdict.note:
                says(opinions, verdict.who, verdict.label, verdict.note, number)
        found.append({who: opinion.label for who, opinion in opinions.items()})
    return found
