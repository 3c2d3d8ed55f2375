"""Read Label Studio's annotations as verdicts, and decide what follows from them for a picture.

The newest answer of a person that was not skipped is what that person says. When people differ, or somebody moved
the file by hand after the question was asked, the picture is a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from byod.dataset.catalog.verdicts import UNDO
from byod.labeling.projects import LABEL, POINTS, POINTS_TYPE, REJECT
from byod.schema.records import Record, Sha256, Verdict
from byod.schema.review_tasks import Purpose

REVIEW = "review"
"""Who speaks in a verdict that says nobody knows: people differ, or a hand and a reviewer."""
BY_HAND = frozenset({"folder", "restore"})
"""Who speaks when somebody moved a file or brought one back."""


class ReviewedKeypoint(Record):
    """A point as a reviewer left it: in percent of the picture; `key` tells which object it belonged to, if any."""

    key: str
    name: str
    x: float
    y: float


class Annotation(Record):
    """One person's annotation of one picture; `label` is a class folder, None: it belongs nowhere.

    `keypoints` are those of the picture where the question was about points, `base` names those it was asked with.
    `last_verdict` is the number of the last verdict in the label log when the question was asked.
    """

    sha256: Sha256
    purpose: Purpose
    label: str | None
    who: str
    when: datetime
    last_verdict: int
    keypoints: tuple[ReviewedKeypoint, ...] | None = None
    base: str = ""

    @property
    def name(self) -> tuple[str, str, datetime]:
        """A key that tells this annotation from every other one, also after a server was set up anew."""
        return self.sha256, self.who, self.when


class Read(Record):
    """The answers of some tasks; how many were unreadable, and how many tasks are none of byod's."""

    answers: tuple[Annotation, ...]
    unreadable: int = 0
    foreign: int = 0


def read(tasks: Iterable[Mapping[str, Any]], purpose: Purpose, people: Mapping[int, str]) -> Read:
    """The answers in tasks: skipped ones are none; drafts are none; the newest of each person, oldest first."""
    newest: dict[tuple[str, str], Annotation] = {}
    unreadable = foreign = 0
    for task in tasks:
        data = task.get("data")
        if not isinstance(data, dict):
            data = {}
        sha256 = str(data.get("byod_id", ""))
        if len(sha256) != 64:
            foreign += 1
            continue
        for annotation in task.get("annotations") or ():
            if annotation.get("was_cancelled"):
                continue
            try:
                answer = _annotation(annotation, sha256, data, purpose, people)
            except (AttributeError, KeyError, TypeError, ValueError):
                answer = None  # made by a program: the server takes annotations of any shape
            if answer is None:
                unreadable += 1
                continue
            key = (sha256, answer.who)
            if key not in newest or newest[key].when <= answer.when:
                newest[key] = answer
    return Read(
        answers=tuple(sorted(newest.values(), key=lambda a: (a.when, a.sha256, a.who))),
        unreadable=unreadable,
        foreign=foreign,
    )


def _annotation(
    annotation: Mapping[str, Any],
    sha256: str,
    data: Mapping[str, Any],
    purpose: Purpose,
    people: Mapping[int, str],
) -> Annotation | None:
    """An annotation as an answer; None when it names no class, or several."""
    chosen: list[str] = []
    keypoints: list[ReviewedKeypoint] = []
    for item in annotation.get("result") or ():
        value = item.get("value") or {}
        if item.get("from_name") == LABEL:
            chosen += value.get("choices") or ()
        elif item.get("from_name") == POINTS:
            names: list[str] = value.get(POINTS_TYPE) or []
            if len(names) == 1:
                keypoints.append(
                    ReviewedKeypoint(key=str(item.get("id", "")), name=names[0], x=value["x"], y=value["y"])
                )
    rejected = chosen == [REJECT]
    if len(chosen) != 1 and (purpose is not Purpose.POINTS or chosen):
        return None
    last_verdict = data.get("seen")
    about_points = purpose is Purpose.POINTS and not rejected
    return Annotation(
        sha256=sha256,
        purpose=purpose,
        label=None if rejected else str(data.get("label", "")) if about_points else str(chosen[0]),
        who=annotator(annotation, people),
        when=datetime.fromisoformat(str(annotation["updated_at"])),
        last_verdict=last_verdict if isinstance(last_verdict, int) else 0,
        keypoints=tuple(keypoints) if about_points else None,
        base=str(data.get("marks", "")),
    )


def annotator(annotation: Mapping[str, Any], people: Mapping[int, str]) -> str:
    """The e-mail address of whoever changed an annotation last."""
    person = annotation.get("updated_by") or annotation.get("completed_by")
    if isinstance(person, Mapping):
        return str(person.get("email") or f"person {person.get('id')}")
    return people.get(int(person), f"person {person}") if person is not None else "somebody"


class Decision(Record):
    """The decision on a picture: its class folder, None for nowhere; or why nobody knows."""

    label: str | None
    who: str
    conflict: str = ""


def decide(history: Sequence[tuple[int, Verdict]], new: Sequence[Annotation]) -> Decision:
    """Decide from the label log of a picture and new annotations (at least one), oldest first.

    Only what was said since the last change by hand counts, since that one decided what came before it.
    """
    said: dict[str, str | None] = {}
    hand: Verdict | None = None
    last_verdict = max(answer.last_verdict for answer in new)
    for number, verdict in _standing(history):
        if verdict.who in BY_HAND:
            said.clear()
            hand = verdict if number > last_verdict else None
        elif verdict.who != REVIEW:
            said[verdict.who] = verdict.label
            hand = None
        else:
            hand = None  # the conflict was told; whoever answers now has the last word
    said |= {answer.who: answer.label for answer in new}
    last = new[-1]
    if len(set(said.values())) > 1:
        return Decision(
            label=None, who=REVIEW, conflict=", ".join(_described(who, label) for who, label in said.items())
        )
    if hand is not None and hand.label != last.label:
        told = f"moved by hand to {hand.label or 'rejected'} since it was asked; {_described(last.who, last.label)}"
        return Decision(label=None, who=REVIEW, conflict=told)
    return Decision(label=last.label, who=last.who)


def _standing(history: Sequence[tuple[int, Verdict]]) -> list[tuple[int, Verdict]]:
    """A log without what was taken back."""
    standing: list[tuple[int, Verdict]] = []
    for number, verdict in history:
        if verdict.who == UNDO:
            back_to = int(verdict.note[1:])
            standing = [(n, said) for n, said in standing if n <= back_to]
        else:
            standing.append((number, verdict))
    return standing


def _described(who: str, label: str | None) -> str:
    return f"{who} says {label or 'reject'}"
