"""Read Label Studio's annotations as verdicts, and decide what follows from them for a picture.

The newest answer of a person that was not skipped is what that person says; whoever corrects somebody's annotation
says it in their place. When people differ, or somebody moved the file by hand after the question was asked, the
picture is a conflict. What was made of predictions in bulk counts only where nobody has looked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from byod.dataset import label_quality, review_log
from byod.dataset.review_log import BY_HAND, REVIEW, WITHDRAWN
from byod.labeling.labeling_page import LABEL, POINTS, POINTS_TYPE, REJECT
from byod.schema.records import Record, Sha256, Verdict
from byod.schema.review_tasks import Purpose

_MADE_AT_ONCE = timedelta(seconds=1)
"""An annotation is stamped twice while it is made; a later change is further off."""


class ReviewedKeypoint(Record):
    """A point as a reviewer left it: in percent of the picture; `key` tells which object it belonged to, if any."""

    key: str
    name: str
    x: float
    y: float


class Annotation(Record):
    """One person's annotation of one picture; `label` is a class folder, None: it belongs nowhere.

    `keypoints` are those of the picture where the question was about points, `base` names those it was asked with.
    `last_verdict` is the number of the last verdict in the label log when the question was asked. `reference` names the
    annotation on its server. `in_bulk`: it was made of a prediction, together with others, and nobody looked. `draw` is
    the number of the random sample, if it is one, and `asked` the label that the picture had then.
    """

    sha256: Sha256
    purpose: Purpose
    label: str | None
    who: str
    when: datetime
    last_verdict: int
    keypoints: tuple[ReviewedKeypoint, ...] | None = None
    base: str = ""
    reference: str = ""
    in_bulk: bool = False
    draw: int = 0
    asked: str = ""

    def note(self, what: str = "", decides: int = 0) -> str:
        """The note of its verdict in the label log: the review, or `what` to say instead, and the reference.

        `decides` is the number of the verdict that told of a conflict which this answer decides.
        """
        told = what or f"review of {self.purpose}"
        if self.draw and not what:
            told = label_quality.note(self.draw, self.asked)
        return review_log.note(told, in_bulk=self.in_bulk, decides=decides, reference=self.reference)

    @property
    def name(self) -> tuple[str, str, datetime]:
        """A key that tells this annotation from every other one, also after a server was set up anew."""
        return self.sha256, self.who, self.when


class ImportedPicture(Record):
    """A picture that somebody brought into Label Studio and answered: its task's number and data, and the class."""

    task: int
    data: dict[str, JsonValue]
    label: str


class Read(Record):
    """The answers of some tasks; how many were unreadable, and how many tasks are none of byod's."""

    answers: tuple[Annotation, ...]
    unreadable: int = 0
    foreign: int = 0
    imported: tuple[ImportedPicture, ...] = ()


def read(tasks: Iterable[Mapping[str, Any]], purpose: Purpose, people: Mapping[int, str]) -> Read:
    """The answers in tasks: skipped ones are none; drafts are none; the newest of each person, oldest first."""
    newest: dict[tuple[str, str], tuple[Mapping[str, Any], Annotation]] = {}
    unreadable = foreign = 0
    imported: list[ImportedPicture] = []
    for task in tasks:
        data, sha256 = task.get("data"), picture(task)
        if not isinstance(data, dict) or not sha256:
            foreign += 1
            imported += _imported(task, purpose)
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
            if key not in newest or _is_later((annotation, answer), newest[key]):
                newest[key] = annotation, answer
    found = [answer for _, answer in newest.values()]
    return Read(
        answers=tuple(sorted(found, key=lambda a: (a.when, a.sha256, a.who))),
        unreadable=unreadable,
        foreign=foreign,
        imported=tuple(imported),
    )


def _imported(task: Mapping[str, Any], purpose: Purpose) -> list[ImportedPicture]:
    """A task that byod did not make, where somebody gave its picture one class."""
    try:
        found = [
            _annotation(one, "0" * 64, {}, purpose, {})
            for one in task.get("annotations") or ()
            if not one.get("was_cancelled")
        ]
        labels = {one.label for one in found if one is not None and one.keypoints is None}
        label = labels.pop() if len(labels) == 1 else None
        if label:
            return [ImportedPicture(task=task["id"], data=task["data"], label=label)]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []  # made by a program: counted among those that are none of byod's
    return []


def picture(task: Mapping[str, Any]) -> str:
    """The SHA-256 of the picture that a task is about, or nothing where byod did not make it."""
    data = task.get("data")
    sha256 = str(data.get("byod_id", "")) if isinstance(data, dict) else ""
    return sha256 if len(sha256) == 64 else ""


def _is_later(one: tuple[Mapping[str, Any], Annotation], other: tuple[Mapping[str, Any], Annotation]) -> bool:
    """True if one annotation of a person says what they say now, and not the other.

    Numbers rise whatever the server's clock does; the time is asked only where an annotation was changed later.
    """
    (first, said), (second, before) = one, other
    if said.in_bulk != before.in_bulk:
        return not said.in_bulk
    if _is_changed(first) or _is_changed(second) or "id" not in first or "id" not in second:
        return said.when >= before.when
    return int(first["id"]) >= int(second["id"])


def _is_changed(annotation: Mapping[str, Any]) -> bool:
    """True if somebody changed an annotation after it was made."""
    made = annotation.get("created_at")
    if made is None:
        return True
    between = datetime.fromisoformat(str(annotation["updated_at"])) - datetime.fromisoformat(str(made))
    return abs(between) > _MADE_AT_ONCE


def reference(annotation: Mapping[str, Any]) -> str:
    """The number of an annotation and when it was made, which stay whoever changes it; numbers alone are used again."""
    made = annotation.get("created_at")
    return f"{annotation['id']}@{made}" if "id" in annotation and made else ""


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
    about_points = purpose is Purpose.POINTS and not rejected
    label = None if rejected else str(data.get("label", "")) if about_points else str(chosen[0])
    last_verdict = data.get("seen")
    if label != data.get("label") and _is_accepted(annotation):
        last_verdict = 0  # the page was opened before its question was brought in step with the folders
    return Annotation(
        sha256=sha256,
        purpose=purpose,
        label=label,
        who=annotator(annotation, people),
        when=datetime.fromisoformat(str(annotation["updated_at"])),
        last_verdict=last_verdict if isinstance(last_verdict, int) else 0,
        keypoints=tuple(keypoints) if about_points else None,
        base=str(data.get("marks", "")),
        reference=reference(annotation),
        in_bulk=_is_in_bulk(annotation),
        draw=draw if isinstance(draw := data.get("draw"), int) and purpose is Purpose.SAMPLE else 0,
        asked=str(data.get("label", "")),
    )


def _is_accepted(annotation: Mapping[str, Any]) -> bool:
    """True if somebody submitted the label that was chosen already."""
    results = annotation.get("result") or ()
    return any(item.get("origin") == "prediction" for item in results if isinstance(item, Mapping))


def _is_in_bulk(annotation: Mapping[str, Any]) -> bool:
    """True of what the list's "Create annotations from predictions" makes: it comes from no page, and took no time."""
    results = annotation.get("result") or ()
    on_a_page = any(item.get("origin") for item in results if isinstance(item, Mapping))
    return (
        annotation.get("parent_prediction") is not None and not annotation.get("lead_time") and not on_a_page
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

    Only what was said since the last change by hand counts, since that one decided what came before it; and whoever
    answers a question about a conflict decides it.
    """
    said, hand = review_log.said(history, max(answer.last_verdict for answer in new))
    for answer in new:
        note = answer.note(decides=decides(history, answer))
        review_log.says(said, answer.who, answer.label, note, review_log.NOW)
    said = review_log.looked(said)
    last = new[-1]
    if len({one.label for one in said.values()}) > 1:
        told = ", ".join(_described(who, one.label) for who, one in said.items())
        return Decision(label=None, who=REVIEW, conflict=told)
    if hand is not None and hand.label != last.label:
        told = f"moved by hand to {hand.label or 'rejected'} since it was asked; {_described(last.who, last.label)}"
        return Decision(label=None, who=REVIEW, conflict=told)
    return Decision(label=last.label, who=last.who)


def decides(history: Sequence[tuple[int, Verdict]], answer: Annotation) -> int:
    """The number of the verdict that told of a conflict before this answer's question was asked; 0 where none did."""
    told = review_log.conflict_told(history)
    return told if told <= answer.last_verdict else 0


def without(history: Sequence[tuple[int, Verdict]], references: Collection[str]) -> Decision | None:
    """Decide on a picture as if annotations had not been given; None where nobody said anything else."""
    standing = [
        (number, said)
        for number, said in review_log.standing(history)
        if review_log.referred(said.note) not in references
    ]
    people = [(number, one) for number, one in standing if one.who != REVIEW]
    said, hand = review_log.said(people)
    labels = {one.label for one in said.values()}
    if len(labels) > 1:
        told = ", ".join(_described(who, one.label) for who, one in said.items())
        return Decision(label=None, who=REVIEW, conflict=told)
    if labels:
        return Decision(label=labels.pop(), who=WITHDRAWN)
    last = hand or next((one for _, one in reversed(standing) if one.who in BY_HAND), None)
    return None if last is None else Decision(label=last.label, who=WITHDRAWN)


def _described(who: str, label: str | None) -> str:
    return f"{who} says {label or 'reject'}"
