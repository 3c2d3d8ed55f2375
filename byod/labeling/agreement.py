"""What became of tasks, and the agreement of models with people: plain counts over Label Studio's tasks.

A task is a mapping as an export (`/api/projects/ID/export`) or a page of tasks (`fields=all`) holds it. A person's
answer is their newest annotation that is not a skip; a skip is not an answer, although it may carry a preselected
label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from byod.schema.annotator_agreement import Pair, equal_share, kappa
from byod.schema.records import Record

SOMEBODY = "somebody"
"""Who answered when the server does not say (it forgets people who were deleted)."""

PEOPLE = "people"
"""All who answered, taken together."""

Item = Mapping[str, Any]


class AgreementTally(Record):
    """One project in numbers: tasks by what became of them.

    `done` counts tasks that somebody answered, `skipped` those with skips alone, `disagreeing` those with different
    answers that hold; `pulled` is how many verdicts were taken back into the folders. `by` counts, for each person,
    the tasks they answered. `drafts` counts tasks that somebody began and did not submit. `person` is whose queue it is
    (empty: everybody's), and `url` its address.
    """

    purpose: str
    project: int
    pushed: int
    done: int
    skipped: int
    disagreeing: int
    pulled: int
    by: dict[str, int]
    drafts: int = 0
    person: str = ""
    url: str = ""


def tally(
    tasks: Iterable[Item], *, purpose: str, project: int, pulled: int, people: Mapping[int, str] | None = None
) -> AgreementTally:
    """Count what became of a project's tasks; `people` names users by their number on the server."""
    pushed = done = skipped = disagreeing = 0
    by: Counter[str] = Counter()
    for task in tasks:
        pushed += 1
        given = answers(task)
        by.update(_name(person, people) for person in given)
        done += bool(given)
        skipped += not given and any(_is_skip(one) for one in _annotations(task))
        disagreeing += _disagree(given.values())
    return AgreementTally(
        purpose=purpose,
        project=project,
        pushed=pushed,
        done=done,
        skipped=skipped,
        disagreeing=disagreeing,
        pulled=pulled,
        by=dict(by.most_common()),
    )


def with_models(tasks: Iterable[Item]) -> tuple[Pair, ...]:
    """Every model (first) with people (second) on the tasks both have a label for; people's newest answer counts.

    A task's own predictions are used where they are there in full; an export only has the one that was shown to whoever
    answered, which the annotation keeps.
    """
    said: dict[str, list[tuple[str, str]]] = {}
    for task in tasks:
        newest = _newest(one for one in _annotations(task) if not _is_skip(one))
        truth = choices(newest) if newest else ()
        if newest is None or len(truth) != 1:
            continue
        for model, label in _predicted(task, newest).items():
            said.setdefault(model, []).append((label, truth[0]))
    found = [
        Pair(
            first=model, second=PEOPLE, tasks=len(labels), agreement=equal_share(labels), kappa=kappa(labels)
        )
        for model, labels in said.items()
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.tasks, pair.first)))


def answers(task: Item) -> dict[int, tuple[str, ...]]:
    """The choices of each person on a task: those of their newest annotation that is not a skip (points have none)."""
    mine: dict[int, list[Item]] = {}
    for one in _annotations(task):
        if not _is_skip(one):
            mine.setdefault(_person(one), []).append(one)
    return {person: choices(newest) for person, some in mine.items() if (newest := _newest(some)) is not None}


def choices(annotation: Item) -> tuple[str, ...]:
    """The choices of an annotation or prediction, in order."""
    found: list[str] = []
    for part in annotation.get("result") or ():
        if isinstance(part, Mapping) and part.get("type") == "choices":
            value = part.get("value")
            found.extend(str(each) for each in (value or {}).get("choices") or ())
    return tuple(found)


def _predicted(task: Item, answered: Item) -> dict[str, str]:
    """The label of each model for a task; of two by one model, the later one."""
    whole = [one for one in task.get("predictions") or () if isinstance(one, Mapping)]
    shown = answered.get("prediction")
    if not whole and isinstance(shown, Mapping):
        whole = [shown]
    labels = ((str(one.get("model_version") or ""), choices(one)) for one in whole)
    return {model: said[0] for model, said in labels if len(said) == 1}


def _annotations(task: Item) -> Iterator[Item]:
    return (one for one in task.get("annotations") or () if isinstance(one, Mapping))


def _is_skip(annotation: Item) -> bool:
    return bool(annotation.get("was_cancelled"))


def _person(annotation: Item) -> int:
    who = annotation.get("completed_by")
    if isinstance(who, Mapping):  # some pages of the server spell the person out
        who = who.get("id")
    return int(who) if isinstance(who, int) else 0


def _name(person: int, people: Mapping[int, str] | None) -> str:
    return (people or {}).get(person) or (f"user {person}" if person else SOMEBODY)


def _newest(annotations: Iterable[Item]) -> Item | None:
    return max(annotations, key=_age, default=None)


def _age(annotation: Item) -> tuple[datetime, int]:
    at = annotation.get("updated_at") or annotation.get("created_at")
    when = datetime.fromisoformat(at) if isinstance(at, str) else datetime.min.replace(tzinfo=UTC)
    number = annotation.get("id")
    return (when if when.tzinfo else when.replace(tzinfo=UTC)), number if isinstance(number, int) else 0


def _disagree(given: Iterable[tuple[str, ...]]) -> bool:
    """True if the answers differ, or one of them names several classes at once."""
    named = {said for said in given if said}
    return len(named) > 1 or any(len(said) > 1 for said in named)
