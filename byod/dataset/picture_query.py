"""Choose pictures of a snapshot by what is known of them: `similarity>=0.3`, `caption~two cats`, `licence=CC0-1.0`.

What can be asked for: the columns of the list that a picture came from, and of byod's own what stands in `KNOWN`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from byod.report import dataset_statistics
from byod.schema.errors import UsageError
from byod.schema.listed_columns import Value
from byod.schema.records import Record, Sample, Snapshot

_SAMPLE = ("label", "format", "width", "height", "size", "sha256", "path")
_ORIGIN = ("source", "terms", "licence", "creator", "title", "page", "url", "taxon")
KNOWN = (*_SAMPLE, *_ORIGIN, "split")
_CONDITION = re.compile(
    r"\s*(?P<name>[^=<>!~]+?)\s*(?P<sign>>=|<=|!=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL
)


class Condition(Record):
    """One condition: the name of a fact, how it is compared, and with what.

    `=` and `!=` compare numbers as numbers and words in whatever case, `~` asks for a part of the words, and `<`, `<=`,
    `>`, `>=` compare numbers; a picture of which the fact is not known fulfils none but `!=`.
    """

    name: str
    sign: str
    value: str

    def holds(self, fact: Value | None) -> bool:
        """True if what is known of a picture fulfils it."""
        if self.sign in ("=", "!="):
            return self._is(fact) is (self.sign == "=")
        if fact is None:
            return False
        if self.sign == "~":
            return self.value.casefold() in _words(fact)
        number, bound = _number(fact), _number(self.value)
        if number is None or bound is None:
            return False
        above, below = number > bound, number < bound
        return {">": above, "<": below, ">=": not below, "<=": not above}[self.sign]

    def _is(self, fact: Value | None) -> bool:
        if fact is None:
            return False
        number, other = _number(fact), _number(self.value)
        same = number is not None and number == other
        return same or _words(fact) == self.value.casefold()


def conditions(typed: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions as somebody typed them.

    Raises:
        UsageError: one is none.
    """
    found = []
    for text in typed:
        parts = _CONDITION.fullmatch(text)
        if parts is None:
            raise UsageError(
                f"--where {text!r}: write NAME=VALUE, or !=, <, <=, >, >= or ~ (holds these words) in the place of ="
            )
        condition = Condition(**parts.groupdict())
        if condition.sign in ("<", "<=", ">", ">=") and _number(condition.value) is None:
            raise UsageError(f"--where {text!r}: {condition.value!r} is no number")
        found.append(condition)
    return tuple(found)


def select(snapshot: Snapshot, wanted: Sequence[Condition]) -> Snapshot:
    """The snapshot with those pictures alone that fulfil all conditions.

    Raises:
        UsageError: nothing of that name is known of any picture.
    """
    if not wanted:
        return snapshot
    facts = {sample.sha256: known_of(snapshot, sample) for sample in snapshot.samples}
    names = dict.fromkeys((*KNOWN, *(name for known in facts.values() for name in known)))
    for condition in wanted:
        if condition.name not in names:
            raise UsageError(f"--where: no picture has {condition.name!r}; there are {', '.join(names)}")
    chosen = tuple(sample for sample in snapshot.samples if _fulfils(facts[sample.sha256], wanted))
    return snapshot.model_copy(update={"samples": chosen})


def known_of(snapshot: Snapshot, sample: Sample) -> dict[str, Value]:
    """All that is known of a picture, by name; byod's own names go before columns of a list that are called alike."""
    origin = dataset_statistics.origin_of(snapshot, sample)
    own = [(name, getattr(sample, name)) for name in _SAMPLE]
    own += [(name, getattr(origin, name, None)) for name in _ORIGIN]
    own.append(("split", snapshot.splits.get(sample.sha256)))
    further = {} if origin is None else origin.columns
    return {**further, **{name: value for name, value in own if value is not None}}


def _fulfils(facts: dict[str, Value], wanted: Iterable[Condition]) -> bool:
    return all(condition.holds(facts.get(condition.name)) for condition in wanted)


def _words(fact: Value) -> str:
    return str(fact).casefold()


def _number(value: Value) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
