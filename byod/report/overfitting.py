"""Read the curves of a training: overfitting above all, said in words by a rule that stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from byod.report.i18n import Phrase, percent, say
from byod.report.run_wording import Finding

RISE = 0.10  # how much the validation loss must have risen to be called overfitting
GAP = 0.10  # how much better a model must be on training pictures to be called that, too
FALLING = 0.05  # a validation loss that fell by this much in the last epoch was not done falling
EPOCHS = 3  # with fewer, curves say nothing


def finding(history: Sequence[Mapping[str, float]], kept: int | None) -> Finding | None:
    """Say whether the curves show overfitting; None without losses. `kept` is the number (from 0) of the epoch kept."""
    train, valid = series(history, "train_loss"), series(history, "valid_loss")
    if not train or not valid:
        return None
    if not all(isfinite(value) for value in [*train, *valid]):
        return Finding(
            level="bad",
            words=say(
                "The loss became infinite: the learning rate was too high.",
            ),
        )
    found = _risen(train, valid, kept) or _gap(history)
    if found or len(valid) >= EPOCHS:
        return found or _unfinished(valid) or _no_sign()
    return Finding(
        level="",
        words=say(
            "With fewer than {epochs} epochs the curves cannot show overfitting.",
            epochs=EPOCHS,
        ),
    )


def _risen(train: Sequence[float], valid: Sequence[float], kept: int | None) -> Finding | None:
    best = min(range(len(valid)), key=lambda epoch: valid[epoch])
    rise = valid[-1] / valid[best] - 1 if valid[best] > 0 else 0.0
    if len(valid) < EPOCHS or rise < RISE or train[-1] >= train[best]:
        return None
    return Finding(level="warn", words=_overfitted(best, rise, kept))


def _overfitted(best: int, rise: float, kept: int | None) -> Phrase:
    words = say(
        "It overfits: after epoch {best} the loss on validation pictures rose by {rise} while the one on training "
        "pictures went on falling. From there on it learned its training pictures by heart.",
        best=best + 1,
        rise=percent(rise, 0),
    )
    if kept == best:
        return words + say(
            "The model in this folder is not harmed: its weights are those of that epoch.",
        )
    return words + say(
        "Fewer epochs, more pictures or stronger augmentation would help.",
    )


def _gap(history: Sequence[Mapping[str, float]]) -> Finding | None:
    train, valid = series(history, "train_accuracy"), series(history, "accuracy")
    if not train or not valid or train[-1] - valid[-1] < GAP:
        return None
    return Finding(
        level="warn",
        words=say(
            "It overfits: in the end it recognised {train} of its training pictures, but only {valid} of the "
            "validation pictures. More pictures or stronger augmentation would help.",
            train=percent(train[-1]),
            valid=percent(valid[-1]),
        ),
    )


def _unfinished(valid: Sequence[float]) -> Finding | None:
    if valid[-1] > min(valid) or valid[-1] > (1 - FALLING) * valid[-2]:
        return None
    return Finding(
        level="",
        words=say(
            "No overfitting: the loss on validation pictures was still falling in the last epoch. More epochs may give "
            "a better model.",
        ),
    )


def _no_sign() -> Finding:
    return Finding(
        level="good",
        words=say(
            "No overfitting to be seen: the loss on validation pictures fell and stayed down.",
        ),
    )


def rule() -> Phrase:
    """By which rule overfitting is called out."""
    return say(
        "The rule: overfitting is called out when the validation loss ends {rise} or more above its lowest value while "
        "the training loss went on falling, or when the model is {gap} points or more better on training pictures. "
        "The training loss is that of augmented pictures, which are harder, so it may lie above the other.",
        rise=percent(RISE, 0),
        gap=round(100 * GAP),
    )


def series(history: Sequence[Mapping[str, float]], key: str) -> list[float]:
    """The values logged under a key, an epoch each; empty where one lacks it."""
    return [float(epoch[key]) for epoch in history] if all(key in epoch for epoch in history) else []
