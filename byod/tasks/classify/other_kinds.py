"""Pictures of kinds that a classifier does not know: whether it says "none of these" of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from byod.report.i18n import Phrase, listed, many, percent, say
from byod.schema.model_card import OtherKinds, Unreadable
from byod.schema.records import Example
from byod.tasks.classify import predict
from byod.tasks.classify.evaluated_examples import LoadedModel
from byod.training import onnx_model

_NAMED = 5
"""So many kinds are named, those with the most pictures first."""


def measure(model: LoadedModel, strangers: Sequence[Example]) -> tuple[OtherKinds | None, list[Unreadable]]:
    """Ask a model about pictures that are of none of its classes; None where there are none.

    Raises:
        ModelError: the model cannot be run.
    """
    if not strangers:
        return None, []
    opened = onnx_model.session(model.content)
    paths = (example.path for example in strangers)
    said = list(predict.predictions(opened, model.rule, model.classes, paths, model.typicality))
    answered = [each for each in said if not isinstance(each, Unreadable)]
    kinds = Counter(example.label for example in strangers)
    found = OtherKinds(
        kinds=dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))),
        pictures=len(answered),
        none_of_these=None
        if model.typicality is None
        else sum(bool(each.none_of_these) for each in answered),
    )
    return found, [each for each in said if isinstance(each, Unreadable)]


def words(found: OtherKinds) -> Phrase:
    """Say how many pictures are of kinds that the model does not know, of which, and what it says of them."""
    names: list[Any] = [f"{name} ({number})" for name, number in list(found.kinds.items())[:_NAMED]]
    if (rest := len(found.kinds) - len(names)) > 0:
        names.append(many(rest, "{count} more", "{count} more"))
    told = many(
        found.pictures,
        "{count} picture is of something that the model does not know, and no part of these numbers: {names}.",
        "{count} pictures are of something that the model does not know, and no part of these numbers: {names}.",
        names=listed(names),
    )
    if found.none_of_these is None:
        return told + say("It cannot say “none of these”, and calls all of them by a name of its own.")
    if not found.pictures:
        return told
    return told + say(
        "It says “none of these” of {share} of them ({found} of {all}).",
        share=percent(found.none_of_these / found.pictures),
        found=found.none_of_these,
        all=found.pictures,
    )
