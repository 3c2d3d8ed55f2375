"""How far people agree about the labels of the same pictures, by the figures that the field uses.

Whose answers are whose does not matter to Krippendorff's alpha, which takes any number of answers a picture; Cohen's
kappa is that of two. All labels are names without an order ("nominal"); None is: it belongs to no class.
Sources: https://en.wikipedia.org/wiki/Krippendorff%27s_alpha, https://en.wikipedia.org/wiki/Cohen%27s_kappa
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations, permutations

from pydantic import Field

from byod.schema.record import Record

Label = str | None
Answers = Mapping[str, Label]
"""The answers about one picture, by person."""


class Agreement(Record):
    """The agreement on some pictures: the share of equal labels among pairs of answers, and Krippendorff's alpha.

    `alpha` is None when chance alone would make all agree, since all answers are the same.
    """

    pictures: int = Field(ge=1)
    agreement: float = Field(ge=0, le=1, allow_inf_nan=False)
    alpha: float | None = Field(None, ge=-1e6, le=1, allow_inf_nan=False)


class ClassAgreement(Record):
    """The agreement on one class (None: rejected): how many answers name it, and the share that another one matches.

    That share is the *proportion of specific agreement*. `alpha` is Krippendorff's, for this class against the rest.
    """

    label: Label
    answers: int
    agreement: float
    alpha: float | None


class PersonAgreement(Record):
    """The agreement of one person with the others on the pictures they share: share of equal labels, Cohen's kappa."""

    person: str
    pictures: int
    agreement: float
    kappa: float | None


class Pair(Record):
    """Two on the tasks that both gave a label for: the share of equal labels (0..1), and Cohen's kappa (-1..1).

    `kappa` is None when both always said one and the same thing: chance alone would make them agree.
    """

    first: str
    second: str
    tasks: int
    agreement: float
    kappa: float | None


class ReviewAgreement(Agreement):
    """The agreement of all people who labelled the same pictures: over all, by class, by person, and by pair.

    `differing` counts the pictures on which people did not all say the same.
    """

    differing: int
    classes: tuple[ClassAgreement, ...]
    people: tuple[PersonAgreement, ...]
    pairs: tuple[Pair, ...]

    @property
    def summary(self) -> str:
        """The figure in one line."""
        alpha = "" if self.alpha is None else f", Krippendorff's alpha {self.alpha:.2f}"
        return f"people agree in {self.agreement:.0%} of answers about {self.pictures} pictures{alpha}"


def review_agreement(pictures: Iterable[Answers]) -> ReviewAgreement | None:
    """The agreement on pictures of which at least two people said something; None where there is none."""
    shared = [said for said in pictures if len(said) > 1]
    if not shared:
        return None
    units = [list(said.values()) for said in shared]
    over_all = _agreement(units)
    return ReviewAgreement(
        pictures=len(shared),
        agreement=over_all.agreement,
        alpha=over_all.alpha,
        differing=sum(len(set(unit)) > 1 for unit in units),
        classes=_by_class(units),
        people=_by_person(shared),
        pairs=_by_pair(shared),
    )


def _agreement(units: Sequence[Sequence[Hashable]]) -> Agreement:
    pairs = coincidences(units)
    number = sum(pairs.values())
    equal = sum(count for (one, other), count in pairs.items() if one == other)
    return Agreement(pictures=len(units), agreement=equal / number, alpha=alpha(units))


def coincidences(units: Sequence[Sequence[Hashable]]) -> dict[tuple[Hashable, Hashable], float]:
    """Count the ordered pairs of answers about one picture; all pairs of a picture weigh as much as its answers."""
    found: dict[tuple[Hashable, Hashable], float] = {}
    for unit in units:
        for pair in permutations(unit, 2):
            found[pair] = found.get(pair, 0.0) + 1 / (len(unit) - 1)
    return found


def alpha(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha of answers by picture, for names without an order; None where all answers are the same."""
    pairs = coincidences(units)
    named: Counter[Hashable] = Counter(answer for unit in units if len(unit) > 1 for answer in unit)
    number = named.total()
    room = number * number - sum(count * count for count in named.values())
    if not room:
        return None
    differing = sum(count for (one, other), count in pairs.items() if one != other)
    return 1 - (number - 1) * differing / room


def _by_class(units: Sequence[Sequence[Label]]) -> tuple[ClassAgreement, ...]:
    pairs = coincidences(units)
    named = Counter(answer for unit in units for answer in unit)
    return tuple(
        ClassAgreement(
            label=label,
            answers=named[label],
            agreement=pairs.get((label, label), 0.0) / named[label],
            alpha=alpha([[answer == label for answer in unit] for unit in units]),
        )
        for label in sorted(named, key=lambda label: (label is None, label or ""))
    )


def _by_person(shared: Sequence[Answers]) -> tuple[PersonAgreement, ...]:
    found = []
    for person in sorted({who for said in shared for who in said}):
        mine = [said for said in shared if person in said]
        pairs = [(said[person], label) for said in mine for who, label in said.items() if who != person]
        found.append(
            PersonAgreement(
                person=person, pictures=len(mine), agreement=equal_share(pairs), kappa=kappa(pairs)
            )
        )
    return tuple(found)


def _by_pair(shared: Sequence[Answers]) -> tuple[Pair, ...]:
    common: dict[tuple[str, str], list[tuple[Label, Label]]] = {}
    for said in shared:
        for first, second in combinations(sorted(said), 2):
            common.setdefault((first, second), []).append((said[first], said[second]))
    found = [
        Pair(
            first=first,
            second=second,
            tasks=len(labels),
            agreement=equal_share(labels),
            kappa=kappa(labels),
        )
        for (first, second), labels in common.items()
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.tasks, pair.first, pair.second)))


def equal_share(pairs: Sequence[tuple[Label, Label]]) -> float:
    """The share (0..1) of pairs whose two labels are the same; of none, 0."""
    return sum(one == other for one, other in pairs) / len(pairs) if pairs else 0.0


def kappa(pairs: Sequence[tuple[Label, Label]]) -> float | None:
    """Cohen's kappa of two raters' labels, -1..1; None without pairs, or when both always give the same one label."""
    number = len(pairs)
    first = Counter(one for one, _ in pairs)
    second = Counter(other for _, other in pairs)
    # whole numbers up to the one division: whether chance explains everything is decided exactly
    by_chance = sum(count * second[label] for label, count in first.items())
    room = number * number - by_chance
    if room == 0:
        return None
    equal = sum(one == other for one, other in pairs)
    return (number * equal - by_chance) / room
