"""Explain the numbers of a run for points to readers without statistics, in English and German."""

from __future__ import annotations

from byod.report.i18n import Phrase, many, percent, say
from byod.report.run_wording import Finding, of_folds
from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import KeypointsCard, KeypointsScore, Measured


def objects(count: int) -> Phrase:
    """A number of objects, after "on" ("3 objects", "3 Objekten")."""
    return many(count, "object", "objects", "Objekt", "Objekten")


def achieved(score: KeypointsScore) -> Phrase:
    """Name the share by which models are ranked."""
    if score.glasses is not None:
        return say(
            "Objects in whole pictures on which glasses would sit",
            "Objekte in ganzen Bildern, auf denen eine Brille säße",
        )
    return say(
        "Objects in whole pictures whose points are found within 0.1",
        "Objekte in ganzen Bildern, deren Punkte auf 0,1 genau gefunden sind",
    )


def unit(points: KeypointSet) -> Phrase:
    """Say what errors are divided by."""
    pair = points.measured_by
    if pair is None:
        return say(
            "Errors are in diagonals of the object's box.", "Fehler in Diagonalen des Kastens um das Objekt."
        )
    one, other = (points.names[at] for at in pair)
    return say(
        "Errors are in distances of {one} and {other}.",
        "Fehler in Abständen von {one} und {other}.",
        one=one,
        other=other,
    )


def headline(card: KeypointsCard) -> Phrase:
    """Say what the number on top stands for."""
    score = card.metrics.pipeline
    _, (low, high) = score.achieved
    if score.glasses is not None:
        well = say(
            "glasses would sit: centre within 0.1 of the distance of the eyes, angle within 5°, size within 15 %",
            "eine Brille säße: Mitte auf 0,1 Augenabstände, Winkel auf 5°, Größe auf 15 % genau",
        )
    else:
        well = say("their points are off by at most 0.1", "ihre Punkte höchstens 0,1 danebenliegen")
    return say(
        "of the {objects} objects in whole pictures that the model had never seen were found so well that {well}. One "
        "that was missed counts as a failure. With as many as these, the true share lies between {low} and {high} "
        "(95 %).",
        "der {objects} Objekte in ganzen Bildern, die das Modell nie gesehen hatte, wurden so gut gefunden, dass "
        "{well}. Ein übersehenes zählt als Fehler. Bei so vielen liegt der wahre Anteil zwischen {low} und {high} "
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
        "Kreuzvalidiert: {models} Modelle wurden trainiert und jedes an einem Teil geprüft, den es nicht gesehen "
        "hatte; fast gleiche Bilder stets auf einer Seite. Die mittleren Fehler (Median) der Teile sind {parts}. Das "
        "Modell in diesem Ordner ist ein weiteres, aus allen Teilen bis auf einen.",
        models=len(metrics.folds),
        parts=of_folds(metrics.folds),
    )


def bar(card: KeypointsCard) -> Finding:
    """Say whether the net sees more than the crop alone tells."""
    own, mean = card.metrics.crops, card.baseline
    words = say(
        "The bar: the mean places of the points in training, laid into each true crop without looking at it, are off "
        "by {mean} (median); the model by {own}.",
        "Die Messlatte: Die mittlere Lage der Punkte im Training, ungesehen in jeden wahren Ausschnitt gelegt, liegt "
        "um {mean} daneben (Median), das Modell um {own}.",
        mean=percent(mean.median),
        own=percent(own.median),
    )
    better = own.median is not None and (mean.median is None or own.median < mean.median)
    if not better:
        level, more = (
            "bad",
            say("The model has learned nothing useful.", "Das Modell hat nichts Brauchbares gelernt."),
        )
    elif mean.interval[0] is not None and own.interval[1] is not None and own.interval[1] < mean.interval[0]:
        level, more = "good", say("The model is clearly better.", "Das Modell ist klar besser.")
    else:
        level, more = (
            "warn",
            say(
                "Their intervals overlap: more pictures would tell.",
                "Ihre Intervalle überschneiden sich: Mehr Bilder würden es zeigen.",
            ),
        )
    return Finding(level=level, words=words + more)


def issue(why: str, point: str, error: float) -> Phrase:
    """Say why keypoints look wrong."""
    if why == "sides exchanged":
        return say("left and right look exchanged", "links und rechts wohl vertauscht")
    if why == "not marked":
        return say(
            "an object that is not marked? ({sure} sure)",
            "ein nicht markiertes Objekt? ({sure} sicher)",
            sure=percent(error, 0),
        )
    return say(
        "{point} is off by {error}", "{point} liegt um {error} daneben", point=point, error=percent(error, 0)
    )
