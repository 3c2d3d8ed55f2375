"""The features before the regression: an ONNX graph from pictures to features, and its output for each picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np

from byod.plugin import Example, Floats, InputRule, Run, TrainerError, as_input, onnx_function
from byod_sklearn import descriptor
from byod_sklearn.extractor import Extractor
from byod_sklearn.options import Options

DESCRIPTOR_SIZE = 128
BATCH = 8


@dataclass
class FeatureCache:
    """The extractors made so far, and the features of every picture they have seen."""

    extractors: dict[str, Extractor] = field(default_factory=dict)
    known: dict[tuple[str, str], Floats] = field(default_factory=dict)
    checked: dict[tuple[str, bytes], Floats] = field(default_factory=dict)

    def extractor(self, options: Options, run: Run) -> Extractor:
        """The extractor these options ask for.

        Raises:
            TrainerError: it is a body, and that is unknown, or its weights do not fit or cannot be had.
        """
        file = options.weights
        stamp = f"{file.stat().st_mtime_ns} {file.stat().st_size}" if file and file.is_file() else ""
        key = f"{options.model_dump_json(exclude_unset=True)} {stamp}"
        if key not in self.extractors:
            self.extractors[key] = _extractor(options, run)
        return self.extractors[key]

    def features(self, extractor: Extractor, examples: Sequence[Example], run: Run) -> Floats:
        """float32 [N, F]; each picture is put through the graph once in the life of this memory."""
        key = extractor.key
        new = list({e.sha256: e for e in examples if (key, e.sha256) not in self.known}.values())
        if new:
            pixels, compute = run.pixels(new, extractor.rule), _computed_by(extractor)
            for at in range(0, len(new), BATCH):
                some = range(at, min(at + BATCH, len(new)))
                for number, row in zip(some, compute(as_input(pixels.rows(some))), strict=True):
                    self.known[key, new[number].sha256] = row
        return np.stack([self.known[key, e.sha256] for e in examples])

    def original(self, extractor: Extractor, images: Floats) -> Floats:
        """float32 [N, 3, height, width] to float32 [N, F] by the library that the graph was exported from.

        byod compares the two on all validation pictures of each fold; here too each picture is computed once.
        """
        keys = [(extractor.key, hashlib.sha256(image.tobytes()).digest()) for image in images]
        new = [at for at, key in enumerate(keys) if key not in self.checked]
        if new:
            compute = extractor.original or _computed_by(extractor)
            for at, row in zip(new, compute(images[new]), strict=True):
                self.checked[keys[at]] = row
        return np.stack([self.checked[key] for key in keys])


def _computed_by(extractor: Extractor) -> Callable[[Floats], Floats]:
    """The graph; a few pictures at a time, since all maps of the descriptor stand in memory at once."""
    return onnx_function(extractor.content, batch=BATCH)


def _extractor(options: Options, run: Run) -> Extractor:
    if options.from_scratch or options.features == "descriptor":
        return _descriptor(options)
    if find_spec("byod_torch") is None:
        missing = "a body needs byod-torch (from a clone of byod: uv pip install -e plugins/byod-torch)"
        if options.features == "body" or options.weights:
            raise TrainerError(f"{missing}; or take the hand-made descriptor (--set features=descriptor)")
        run.say(f"no frozen body: {missing}; the {descriptor.NAME} stands in for it")
        return _descriptor(options)
    return _body(options, run)


def _descriptor(options: Options) -> Extractor:
    side = options.size or DESCRIPTOR_SIZE
    rule = InputRule(width=side, height=side, resize=options.resize)
    return Extractor(descriptor.graph(rule), rule, descriptor.NAME, "none", 0, {}, None)


def _body(options: Options, run: Run) -> Extractor:
    """The frozen body, or in its place the descriptor where the weights cannot be had and nobody insists on them."""
    from byod_sklearn.frozen import extractor

    try:
        return extractor(options, run)
    except TrainerError as error:
        # its cause is what the hub said; an architecture that does not exist has none
        if options.features == "body" or options.weights or error.__cause__ is None:
            raise
        run.say(f"{error}; the {descriptor.NAME} stands in for it")
        return _descriptor(options)
