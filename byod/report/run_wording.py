"""Explain what every run has in common to readers without statistics."""

from __future__ import annotations

from collections.abc import Callable

from byod.report.i18n import Phrase, joined, many, number, percent, points, say, verbatim
from byod.schema.model_card import Card, Elsewhere, Paired
from byod.schema.records import Record

PROBE = "sklearn"  # the trainer whose model is the instant bar
CHANCE = 0.05  # a difference is called real below this p-value


class Finding(Record):
    """An assessment: `level` is "good", "warn", "bad" or "" (nothing to say), `words` why."""

    level: str
    words: Phrase


def origin(card: Card) -> Phrase:
    """Say what the model is and how it came about, for the line below the title."""
    parts = {"arch": card.arch, "plugin": card.plugin}
    if card.pretrained == "scratch":
        return say("{arch}, trained from random weights with {plugin}", **parts)
    if card.pretrained == "none" or card.plugin == PROBE:
        return say("{arch}, trained with {plugin}", **parts)
    return say("{arch}, fine-tuned with {plugin}", **parts)


def weights(card: Card) -> Phrase:
    """Say which weights training began with."""
    if card.pretrained == "none":
        return say("none pretrained")
    if card.pretrained == "scratch":
        return say("random")
    if card.pretrained == "hub":
        return say("pretrained, from their hub")
    return verbatim(card.pretrained)


def pictures(count: int) -> Phrase:
    """A number of pictures, after "in" or "on" ("3 pictures", "3 Bildern")."""
    return many(count, "{count} picture", "{count} pictures", context="after in")


def difference(
    pair: Paired, first: Phrase | str, second: Phrase | str, counted: Callable[[int], Phrase] = pictures
) -> Phrase:
    """Explain the difference of two models on the same pictures (or what is `counted`) in one or two sentences."""
    low, high = pair.interval
    return say(
        "{difference} percentage points (95 %: {low} to {high}) on the same {counted}: {only_first} only {first} got "
        "right, {only_second} only {second}. {chance}",
        difference=points(pair.difference),
        low=points(low),
        high=points(high),
        counted=counted(pair.pictures),
        only_first=pair.only_first,
        only_second=pair.only_second,
        first=first,
        second=second,
        chance=chance(pair),
    )


def chance(pair: Paired) -> Phrase:
    """Say how likely such a difference is by chance alone."""
    if pair.p_value < 0.001:
        shown = say("p < {least}", least=number(0.001, 3))
    else:
        shown = say("p = {value}", value=number(pair.p_value, 3 if pair.p_value < 0.1 else 2))
    if pair.p_value < CHANCE:
        return say("Chance alone hardly gives this ({p}).", p=shown)
    return say("Chance alone may well give this ({p}).", p=shown)


def split(card: Card) -> Finding | None:
    """Say by what the pictures were kept apart that were learned from and tested; None where that is not known."""
    if card.split == "ungrouped":
        return Finding(
            level="warn",
            words=say(
                "The number is too good: nearly all pictures of a class belong together (one session, or copies of "
                "each other), so some were learned from and others tested. Take pictures at another time and place.",
            ),
        )
    if card.split == "given":
        return Finding(level="", words=say("The split was given along with the pictures."))
    names = [_TIES[each] for each in card.grouped_by if each in _TIES]
    if not names:
        return None
    kept = say("Kept on one side of the split: {what}.", what=joined([name() for name in names], ", "))
    return Finding(level="", words=kept)


_TIES: dict[str, Callable[[], Phrase]] = {
    "near-copies": lambda: say("near-copies"),
    "page": lambda: say("pictures of one page"),
    "creator": lambda: say("pictures by one person"),
    "camera": lambda: say("pictures of one camera within a minute"),
    "folder": lambda: say("pictures of one folder"),
    "sequence": lambda: say("files with running numbers"),
    "group": lambda: say("groups that somebody named"),
    "pattern": lambda: say("files whose names are alike"),
    "column": lambda: say("pictures with the same value in a column"),
}


def beside(found: Elsewhere, without: Phrase | None) -> Phrase:
    """Say of a measurement elsewhere what its pictures were; `without` is what it is without near-copies."""
    words = [_near(found.near)]
    if without is not None:
        words.append(say("Without near-copies: {measured}.", measured=without))
    if found.learned:
        words.append(
            many(
                found.learned,
                "{count} picture is left out, since it learned from it.",
                "{count} pictures are left out, since it learned from them.",
            )
        )
    if found.unreadable:
        words.append(
            say(
                "{pictures} could not be opened any more and are not counted.",
                pictures=many(found.unreadable, "{count} picture", "{count} pictures"),
            )
        )
    return joined(words, " ")


def _near(near: int | None) -> Phrase:
    """Say how many pictures are near-copies of what was learned."""
    if near is None:
        return say("Nobody could look for near-copies of what it learned from.")
    if not near:
        return say("None of them is a near-copy of what it learned from.")
    return many(
        near,
        "{count} of them is a near-copy of what it learned from.",
        "{count} of them are near-copies of what it learned from.",
    )


def of_folds(folds: tuple[float | None, ...]) -> Phrase:
    """The parts of a cross-validation one after the other: "91.0 % · 88.5 %"."""
    return joined([percent(fold) for fold in folds], " · ")
