"""Explain the numbers of a run for points to readers without statistics."""

from __future__ import annotations

from byod.report.i18n import Phrase, many, percent, say
from byod.report.run_wording import Finding, beside, of_folds
from byod.schema.intervals import wilson
from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import KeypointsCard, KeypointsScore, Measured


def objects(count: int) -> Phrase:
    """A number of objects, after "on" ("3 objects", "3 Objekten")."""
    return many(count, "{count} object", "{count} objects", context="after in")


def achieved(score: KeypointsScore) -> Phrase:
    """Name the share by which models are ranked."""
    if score.glasses is not None:
        return say(
            "Objects in whole pictures on which glasses would sit",
        )
    return say(
        "Objects in whole pictures whose points are found within 0.1",
    )


def unit(points: KeypointSet) -> Phrase:
    """Say what errors are divided by."""
    pair = points.measured_by
    if pair is None:
        return say("Errors are in diagonals of the object's box.")
    one, other = (points.names[at] for at in pair)
    return say(
        "Errors are in distances of {one} and {other}.",
        one=one,
        other=other,
    )


def elsewhere(card: KeypointsCard) -> Phrase | None:
    """Say what the model achieves on pictures from elsewhere, with and without near-copies of what it learned from."""
    found = card.elsewhere
    if found is None:
        return None
    words = say(
        "On pictures from elsewhere ({on}): {achieved}: {share}.",
        on=found.on,
        achieved=achieved(found.metrics.pipeline),
        share=_share(found.metrics.pipeline),
    )
    return words + beside(found, None if found.apart is None else _share(found.apart.pipeline))


def _share(score: KeypointsScore) -> Phrase:
    share, (low, high) = score.achieved
    return say(
        "{accuracy} of {pictures} (95 %: {low} to {high})",
        accuracy=percent(share),
        pictures=score.heads,
        low=percent(low),
        high=percent(high),
    )


def headline(card: KeypointsCard) -> Phrase:
    """Say what the number on top stands for."""
    score = card.metrics.pipeline
    _, (low, high) = score.achieved
    if score.glasses is not None:
        well = say(
            "glasses would sit: centre within 0.1 of the distance of the eyes, angle within 5°, size within 15 %",
        )
    else:
        well = say("their points are off by at most 0.1")
    return say(
        "of the {objects} objects in whole pictures that the model had never seen were found so well that {well}. One "
        "that was missed counts as a failure. With as many as these, the true share lies between {low} and {high} "
        "(95 %).",
        objects=score.heads,
        well=well,
        low=percent(low),
        high=percent(high),
    )


def crossed(card: KeypointsCard) -> Phrase | None:
    """Say how it was measured, when no test pictures had been set aside."""
    metrics = card.metrics
    if metrics.measured_on is not Measured.CROSS_VALIDATION:
        return None
    return say(
        "Cross-validated: {models} models were trained, each tested on a part that it had not seen, near-duplicates "
        "always on one side. The median errors of the parts are {parts}. The model in this folder is one more, trained "
        "on all parts but one.",
        models=len(metrics.folds),
        parts=of_folds(metrics.folds),
    )


def bar(card: KeypointsCard) -> Finding:
    """Say whether the net sees more than the crop alone tells."""
    own, mean = card.metrics.crops, card.baseline
    words = say(
        "The bar: the mean places of the points in training, laid into each true crop without looking at it, are off "
        "by {mean} (median); the model by {own}.",
        mean=percent(mean.median),
        own=percent(own.median),
    )
    better = own.median is not None and (mean.median is None or own.median < mean.median)
    if not better:
        level, more = (
            "bad",
            say("The model has learned nothing useful."),
        )
    elif mean.interval[0] is not None and own.interval[1] is not None and own.interval[1] < mean.interval[0]:
        level, more = "good", say("The model is clearly better.")
    else:
        level, more = (
            "warn",
            say(
                "Their intervals overlap: more pictures would tell.",
            ),
        )
    return Finding(level=level, words=words + more)


def verified(card: KeypointsCard) -> Finding:
    """Say whether finds are looked at a second time, and by what."""
    look = card.typicality
    if look is None:
        return Finding(
            level="warn",
            words=say(
                "Finds get no second look: there were too few objects to learn from, or no body to look with (the "
                "extractor lite0 of byod-torch). What looks almost like an object may be found as well."
            ),
        )
    return Finding(
        level="good",
        words=say(
            "Each find gets a second look: a net that learned a thousand other kinds of things compares it with the "
            "{objects} marked objects, and what is not like them loses its confidence (so do {share} of these "
            "objects themselves).",
            objects=look.pictures,
            share=percent(look.false_alarms),
        ),
    )


def deceived(card: KeypointsCard) -> Finding:
    """Say how often the model finds an object where there is none."""
    metrics = card.metrics
    if not metrics.empty or metrics.deceived is None:
        return Finding(
            level="bad",
            words=say(
                "How often the model finds an object where there is none was not measured: no tested picture was "
                "without one. Add such pictures, above all of what looks like one, with `byod add FOLDER --nothing`, "
                "and train again."
            ),
        )
    share = metrics.deceived / metrics.empty
    low, high = wilson(share, metrics.empty)
    words = say(
        "In {found} of {empty} pictures without an object the model found one all the same (95 %: {low} to {high}).",
        found=metrics.deceived,
        empty=metrics.empty,
        low=percent(low),
        high=percent(high),
    )
    return Finding(level="good" if share <= _FEW else "warn", words=words)


_FEW = 0.05
"""The share of pictures without an object in which a good model finds one."""


def issue(why: str, point: str, error: float) -> Phrase:
    """Say why keypoints look wrong."""
    if why == "sides exchanged":
        return say("left and right look exchanged")
    if why == "not marked":
        return say(
            "an object that is not marked? ({sure} sure)",
            sure=percent(error, 0),
        )
    return say("{point} is off by {error}", point=point, error=percent(error, 0))
