"""Explain the numbers of a run to readers without statistics."""

from __future__ import annotations

from byod.report.i18n import Phrase, joined, number, percent, say
from byod.report.run_wording import CHANCE, PROBE, Finding, beside, difference, of_folds
from byod.schema.model_card import Measured, Metrics, ModelCard, Paired
from byod.schema.model_graph import TypicalityKind
from byod.tasks.classify import other_kinds


def headline(card: ModelCard) -> Phrase:
    """Say what the accuracy stands on, and how far it can be trusted."""
    metrics = card.metrics
    right = sum(row[at] for at, row in enumerate(metrics.confusion))
    low, high = metrics.interval
    return say(
        "{right} of {pictures} pictures that the model had never seen were recognised. With as many pictures as "
        "these, its true accuracy lies between {low} and {high} (95 % interval).",
        right=right,
        pictures=metrics.pictures,
        low=percent(low),
        high=percent(high),
    )


def elsewhere(card: ModelCard) -> Phrase | None:
    """Say what the model achieves on pictures from elsewhere, with and without near-copies of what it learned from."""
    found = card.elsewhere
    if found is None:
        return None
    words = say(
        "On pictures from elsewhere ({on}) it recognised {recognised}.",
        on=found.on,
        recognised=_recognised(found.metrics),
    )
    words += beside(found, None if found.apart is None else _recognised(found.apart))
    return words if found.others is None else words + other_kinds.words(found.others)


def least_alike(card: ModelCard) -> Finding | None:
    """Say what the model achieves on the test pictures least like anything it learned from."""
    found = card.least_alike
    if found is None:
        return None
    low, high = found.interval
    words = say(
        "On the fifth of these pictures that is least like anything learned from ({pictures}), {accuracy} were "
        "recognised (95 %: {low} to {high}); on the others {others}.",
        pictures=found.pictures,
        accuracy=percent(found.accuracy),
        low=percent(low),
        high=percent(high),
        others=percent(found.others),
    )
    if found.others - found.accuracy < _BETTER:
        return Finding(level="", words=words)
    return Finding(
        level="warn",
        words=words
        + say(
            "Much of the number on top is owed to pictures that are like learned ones: `byod split --by features` "
            "looks for pictures that were taken together, and keeps them on one side."
        ),
    )


def random_split(card: ModelCard) -> Phrase | None:
    """Say what a split at random would have promised."""
    found = card.random_split
    if found is None:
        return None
    return say(
        "{together} of {pictures} pictures belong with another one, and stay with it on one side of the split. The "
        "quick probe, cross-validated on all of them, is right on {grouped} that way, and on {random} where pictures "
        "are split at random: that is what a careless split would promise.",
        together=found.together,
        pictures=found.pictures,
        random=percent(found.random),
        grouped=percent(found.grouped),
    )


_BETTER = 0.1
"""By so much better on pictures that are like learned ones, a number promises more than it holds elsewhere."""


def _recognised(metrics: Metrics) -> Phrase:
    low, high = metrics.interval
    return say(
        "{accuracy} of {pictures} (95 %: {low} to {high})",
        accuracy=percent(metrics.accuracy),
        pictures=metrics.pictures,
        low=percent(low),
        high=percent(high),
    )


def crossed(card: ModelCard) -> Phrase | None:
    """Say how it was measured, when no test pictures had been set aside."""
    metrics = card.metrics
    if metrics.measured_on is not Measured.CROSS_VALIDATION:
        return None
    return say(
        "Cross-validated: there were too few pictures to set enough of them aside for a test. {models} models were "
        "trained, each tested on a part that it had not seen, near-duplicates always on one side. The parts reached "
        "{parts}. The model in this folder is one more, trained on all parts but one.",
        models=len(metrics.folds),
        parts=of_folds(metrics.folds),
    )


def worth(card: ModelCard) -> Finding:
    """Say whether the model beats the instant bar on the same pictures."""
    if card.probe is None:
        if card.plugin == PROBE:
            return Finding(
                level="",
                words=say(
                    "This model is the instant bar itself.",
                ),
            )
        return Finding(
            level="",
            words=say(
                "Nobody measured it: no probe ran beside this training. The trainer sklearn is one that learns in "
                "seconds; once it is installed (from a clone of byod: uv pip install -e plugins/byod-sklearn), it runs "
                "first in every training.",
            ),
        )
    against = card.probe.against
    times = say(
        "The probe took {probe} s, this training {own} s.",
        probe=number(card.probe.seconds, 0 if card.probe.seconds >= 10 else 1),
        own=number(card.seconds, 0 if card.seconds >= 10 else 1),
    )
    return Finding(
        level=_level(against), words=_worth_it(against) + difference(against, _MODEL, _BAR) + times
    )


_MODEL = say("the model")
_BAR = say("the probe")


def _level(against: Paired) -> str:
    if against.p_value >= CHANCE:
        return "warn"
    return "good" if against.difference > 0 else "bad"


def _worth_it(against: Paired) -> Phrase:
    if against.p_value >= CHANCE:
        return say(
            "Not shown: the difference may be chance, so the quick probe may do as well.",
        )
    if against.difference > 0:
        return say("Yes, the model is better.")
    return say(
        "No: the quick probe is better. Use it, or train longer, or with better pretrained weights.",
    )


def calibration(card: ModelCard) -> Phrase:
    """Say how far its probabilities are off, before and after the temperature."""
    before, after = card.metrics.ece_raw, card.metrics.ece
    words = say(
        "Its probabilities are off by {after} percentage points on average (expected calibration error); {before} "
        "without the temperature of {temperature}, which was fitted on validation pictures.",
        after=number(100 * after, 1),
        before=number(100 * before, 1),
        temperature=number(card.temperature, 2),
    )
    if after <= before:
        return words
    return words + say(
        "On these test pictures the temperature did not help.",
    )


def none_of_these(card: ModelCard) -> Phrase:
    """Say of which pictures the model says "none of these", and how that is measured; empty where it never does."""
    if card.typicality is None:
        return joined((), "")
    if card.typicality.kind is TypicalityKind.MAHALANOBIS:
        return say(
            "A picture whose features lie too far from the means of all classes (Mahalanobis distance) counts as none "
            "of these: so do at most five in a hundred validation pictures.",
        )
    return say(
        "A picture at which the net hardly stirs (energy of its logits; it names no features) counts as none of these: "
        "so do at most five in a hundred validation pictures.",
    )
