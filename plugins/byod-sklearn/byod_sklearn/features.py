"""The features before the regression: which extractor they come from."""

from __future__ import annotations

from byod.plugin import FeatureGraph, Run, TrainerError, extractor, extractor_identity
from byod_sklearn import descriptor_extractor
from byod_sklearn.options import BODY, Options


def graph(options: Options, run: Run) -> FeatureGraph:
    """The extractor's graph; in place of the default body, where nobody insists on it, the descriptor, aloud.

    Raises:
        TrainerError: a body was named that is unknown, or whose weights do not fit or cannot be had.
    """
    name, given = _wanted(options)
    try:
        return extractor(name, given, run.say)
    except TrainerError as error:
        if name != "lite0" or options.features == "body":
            raise
        run.say(f"no frozen body: {error}; the {descriptor_extractor.NAME} stands in for it")
        return extractor(*_descriptor(options), run.say)


def identity(options: Options) -> str:
    """The extractor and its weights in one line, before anything is exported."""
    return extractor_identity(*_wanted(options)) or extractor_identity(*_descriptor(options))


def _wanted(options: Options) -> tuple[str, dict[str, str]]:
    """The extractor that the options ask for, and its own options."""
    if options.from_scratch or options.features == "descriptor":
        return _descriptor(options)
    if options.weights is None and options.arch in (BODY, "lite0"):
        return "lite0", _given(options, "size", "resize")
    return "torch", _given(options, "arch", "weights", "normalise", "size", "resize")


def _descriptor(options: Options) -> tuple[str, dict[str, str]]:
    return "descriptor", _given(options, "size", "resize")


def _given(options: Options, *names: str) -> dict[str, str]:
    """Those of these options that were set, as text."""
    return {name: str(getattr(options, name)) for name in names if name in options.model_fields_set}
