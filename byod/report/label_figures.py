"""Say how good labels are, and how far people agree about them: on the card of a dataset, its page, and a run's."""

from __future__ import annotations

from byod.report.i18n import Phrase, joined, many, percent, say
from byod.schema.annotator_agreement import Agreement
from byod.schema.right_labels import LabelQuality, RightLabels


def quality_words(quality: LabelQuality) -> Phrase:
    """How good the labels are, where people looked at a random sample of them."""
    share, between = share_and_interval(quality)
    told = say(
        "{share} of labels right ({between}, 95 % interval), by a random sample of {count} that people looked at.",
        share=share,
        between=between,
        count=str(quality.number),
    )
    if not quality.undecided:
        return told
    differ = say(
        "Left out until somebody decides: {pictures} about which people differ.",
        pictures=many(quality.undecided, "{count} picture", "{count} pictures"),
    )
    return joined([told, differ], " ")


def share_and_interval(right: RightLabels) -> tuple[Phrase, str]:
    """A share of right labels, and the interval it lies in."""
    low, high = right.interval
    return percent(right.rate, 0), f"{100 * low:.0f}–{100 * high:.0f} %"


def agreement_words(agreed: Agreement) -> Phrase:
    """How far people agree who looked at the same pictures by themselves."""
    told = say(
        "In {share} of pairs of answers about {pictures} people said the same, each by themselves.",
        share=percent(agreed.agreement, 0),
        pictures=many(agreed.pictures, "{count} picture", "{count} pictures"),
    )
    if agreed.alpha is None:
        return told
    alpha = say(
        "Krippendorff’s alpha is {alpha} (1: they always agree, 0: as by chance).", alpha=figure(agreed.alpha)
    )
    return joined([told, alpha], " ")


def figure(found: float | None) -> str:
    """A figure of agreement; a dash where chance alone would make all agree."""
    return "–" if found is None else f"{found:.2f}"


def review_words(quality: LabelQuality | None, agreed: Agreement | None) -> list[Phrase]:
    """What a review found of labels that something was learned from: a sentence or two, or none."""
    told = [] if quality is None else [quality_words(quality)]
    return told if agreed is None else [*told, agreement_words(agreed)]
