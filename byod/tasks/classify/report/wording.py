"""Explain the numbers of a run to readers without statistics, in English and German."""

from __future__ import annotations

from typing import Literal

from byod.report.i18n import Phrase, many, number, percent, points, say
from byod.schema.model_card import Measured, ModelCard, Paired
from byod.schema.records import Record

BAR = "sklearn"  # the trainer whose model is the instant bar
CHANCE = 0.05  # a difference is called real below this p-value


class Finding(Record):
    """A judgement: `level` is "good", "warn", "bad" or "" (nothing to say), `words` why."""

    level: str
    words: Phrase


def headline(card: ModelCard) -> Phrase:
    """Say what the accuracy stands on, and how far it can be trusted."""
    metrics = card.metrics
    right = sum(row[at] for at, row in enumerate(metrics.confusion))
    low, high = metrics.interval
    return say(
        "{right} of {pictures} pictures that the model had never seen were recognised. With as many pictures as "
        "these, its true accuracy lies between {low} and {high} (95 % interval).",
        "{right} von {pictures} Bildern, die das Modell nie gesehen hatte, wurden erkannt. Bei so vielen Bildern "
        "liegt die wahre Genauigkeit zwischen {low} und {high} (95-%-Intervall).",
        right=right,
        pictures=metrics.pictures,
        low=percent(low),
        high=percent(high),
    )


def crossed(card: ModelCard) -> Phrase | None:
    """Say how it was measured, when no test pictures had been set aside."""
    metrics = card.metrics
    if metrics.measured_on is not Measured.CROSS_VALIDATION:
        return None
    parts = " · ".join(percent(fold).en for fold in metrics.folds)
    teile = " · ".join(percent(fold).de for fold in metrics.folds)
    return say(
        "Cross-validated: there were too few pictures to set enough of them aside for a test. {models} models were "
        "trained, each tested on a part that it had not seen, near-duplicates always on one side. The parts reached "
        "{parts}. The model in this folder is one more, trained on all parts but one.",
        "Kreuzvalidiert: Es gab zu wenige Bilder, um genug für einen Test beiseitezulegen. {models} Modelle wurden "
        "trainiert und jedes an einem Teil geprüft, den es nicht gesehen hatte; fast gleiche Bilder stets auf einer "
        "Seite. Die Teile erreichten {parts}. Das Modell in diesem Ordner ist ein weiteres, aus allen Teilen bis auf "
        "einen.",
        models=len(metrics.folds),
        parts=Phrase(en=parts, de=teile),
    )


def worth(card: ModelCard) -> Finding:
    """Say whether the model beats the instant bar on the same pictures."""
    if card.probe is None:
        if card.plugin == BAR:
            return Finding(
                level="",
                words=say(
                    "This model is the instant bar itself.",
                    "Dieses Modell ist selbst die schnelle Messlatte.",
                ),
            )
        return Finding(
            level="",
            words=say(
                "Nobody measured it: no probe ran beside this training. The trainer sklearn is one that learns in "
                "seconds; once it is installed (from a clone of byod: uv pip install -e plugins/byod-sklearn), it runs "
                "first in every training.",
                "Das wurde nicht gemessen: Neben diesem Training lief keine Probe. Der Trainer sklearn ist eine, die "
                "in Sekunden lernt; ist er installiert (in einem Klon von byod: uv pip install -e "
                "plugins/byod-sklearn), läuft er bei jedem Training zuerst.",
            ),
        )
    against = card.probe.against
    times = say(
        "The probe took {probe} s, this training {own} s.",
        "Die Probe brauchte {probe} s, dieses Training {own} s.",
        probe=number(card.probe.seconds, 0 if card.probe.seconds >= 10 else 1),
        own=number(card.seconds, 0 if card.seconds >= 10 else 1),
    )
    return Finding(
        level=_level(against), words=_worth_it(against) + difference(against, _MODEL, _PROBE) + times
    )


_MODEL = Phrase(en="the model", de="das Modell")
_PROBE = Phrase(en="the probe", de="die Probe")


def _level(against: Paired) -> str:
    if against.p_value >= CHANCE:
        return "warn"
    return "good" if against.difference > 0 else "bad"


def _worth_it(against: Paired) -> Phrase:
    if against.p_value >= CHANCE:
        return say(
            "Not shown: the difference may be chance, so the quick probe may do as well.",
            "Nicht belegt: Der Unterschied kann Zufall sein, die schnelle Probe genügt vielleicht.",
        )
    if against.difference > 0:
        return say("Yes, the model is better.", "Ja, das Modell ist besser.")
    return say(
        "No: the quick probe is better. Use it, or train longer, or with better pretrained weights.",
        "Nein: Die schnelle Probe ist besser. Nimm sie, oder trainiere länger oder mit besseren vortrainierten "
        "Gewichten.",
    )


def difference(
    pair: Paired, first: Phrase | str, second: Phrase | str, counted: Literal["picture", "head"] = "picture"
) -> Phrase:
    """Explain the difference of two models on the same pictures, or heads in pictures, in one or two sentences."""
    low, high = pair.interval
    nouns = ("picture", "pictures", "Bild", "Bildern")
    if counted == "head":
        nouns = ("head", "heads", "Kopf", "Köpfen")
    return say(
        "{difference} percentage points (95 %: {low} to {high}) on the same {pictures}: {only_first} only {first} got "
        "right, {only_second} only {second}. {chance}",
        "{difference} Prozentpunkte (95 %: {low} bis {high}) auf denselben {pictures}: {only_first} erkannte nur "
        "{first}, {only_second} nur {second}. {chance}",
        difference=points(pair.difference),
        low=points(low),
        high=points(high),
        pictures=many(pair.pictures, *nouns),
        only_first=pair.only_first,
        only_second=pair.only_second,
        first=first,
        second=second,
        chance=chance(pair),
    )


def chance(pair: Paired) -> Phrase:
    """Say how likely such a difference is by chance alone."""
    if pair.p_value < 0.001:
        shown = Phrase(en="p < 0.001", de="p < 0,001")
    else:
        value = number(pair.p_value, 3 if pair.p_value < 0.1 else 2)
        shown = Phrase(en=f"p = {value.en}", de=f"p = {value.de}")
    if pair.p_value < CHANCE:
        return say("Chance alone hardly gives this ({p}).", "Zufall allein ergibt das kaum ({p}).", p=shown)
    return say("Chance alone may well give this ({p}).", "Das kann gut Zufall sein ({p}).", p=shown)


def origin(card: ModelCard) -> Phrase:
    """Say what the model is and how it came about, for the line below the title."""
    if card.pretrained == "scratch":
        en, de = (
            "{arch}, trained from random weights with {plugin}",
            "{arch}, von Grund auf trainiert mit {plugin}",
        )
    elif card.pretrained == "none" or card.plugin == BAR:
        en, de = "{arch}, trained with {plugin}", "{arch}, trainiert mit {plugin}"
    else:
        en, de = "{arch}, fine-tuned with {plugin}", "{arch}, nachtrainiert mit {plugin}"
    return say(en, de, arch=card.arch, plugin=card.plugin)


def calibration(card: ModelCard) -> Phrase:
    """Say how far its probabilities are off, before and after the temperature."""
    before, after = card.metrics.ece_raw, card.metrics.ece
    words = say(
        "Its probabilities are off by {after} percentage points on average (expected calibration error); {before} "
        "without the temperature of {temperature}, which was fitted on validation pictures.",
        "Seine Wahrscheinlichkeiten liegen im Mittel um {after} Prozentpunkte daneben (erwarteter "
        "Kalibrierungsfehler); {before} ohne die Temperatur von {temperature}, die an Validierungsbildern bestimmt "
        "wurde.",
        after=number(100 * after, 1),
        before=number(100 * before, 1),
        temperature=number(card.temperature, 2),
    )
    if after <= before:
        return words
    return words + say(
        "On these test pictures the temperature did not help.",
        "Auf diesen Testbildern half die Temperatur nicht.",
    )
