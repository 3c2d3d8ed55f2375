"""The seam between byod and what makes features of pictures: how an extractor is found, exported once, and used.

An extractor is a plugin, as a trainer is: a class behind an entry point of the group `byod.extractors`. It exports
one ONNX graph, which byod keeps in its cache; from then on onnxruntime computes, and no library of the plugin is
imported. What it gives for each picture is kept as well (`byod.images.feature_store`).
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from byod.images import feature_store, pixel_cache
from byod.images.feature_store import FeatureStore
from byod.images.resize import now
from byod.schema import files
from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import InputRule
from byod.schema.names import shown
from byod.schema.progress import Say, silent
from byod.schema.records import Example, Record
from byod.training import finished_model, library_homes, onnx_model, protocol
from byod.training.protocol import Floats

GROUP = "byod.extractors"
DEFAULT = "lite0"
"""The extractor that byod itself asks."""
CHECKED = 4
"""Pictures of noise on which a graph is compared with the net it was exported from."""


@dataclass(frozen=True)
class ExportedGraph:
    """The result of an extractor.

    `onnx` is a file with input `image` (float32 [N, 3, height, width], RGB, 0..1; N free; normalisation is inside) and
    output `features` (float32 [N, width]). `input` is the size and the resize rule. `arch` names it for people,
    `pretrained` says where its weights come from, and `weights` is their SHA-256. `original` is the net itself, called
    with the same arrays: byod compares the two (None where the graph is the original).
    """

    onnx: Path
    input: InputRule
    arch: str
    pretrained: str
    weights: str
    parameters: int
    versions: Mapping[str, str]
    original: Callable[[Floats], Floats] | None = None


class Extractor(Protocol):
    """The class behind an entry point of `byod.extractors`, made without arguments.

    `version` changes when the same options would give other numbers. `Options` is a pydantic model that forbids extras.
    """

    @property
    def name(self) -> str:
        """The name of its entry point (a class variable will do, here and below)."""
        ...

    @property
    def version(self) -> str:
        """The version of what it computes."""
        ...

    @property
    def Options(self) -> type[BaseModel]:  # noqa: N802 - it is a class
        """Its options."""
        ...

    def weights(self, options: Any) -> str:
        """The SHA-256 of the weights that would be taken now; empty where only a hub knows. Imports nothing heavy."""
        ...

    def export(self, options: Any, folder: Path, say: Say) -> ExportedGraph:
        """Write the graph into the folder.

        Raises:
            TrainerError: it cannot; one line that says what to do.
        """
        ...


class GraphCard(Record):
    """Of an exported graph: which extractor made it with which options, from what; `sha256` is the file's."""

    name: str
    version: str
    options: dict[str, str]
    arch: str
    pretrained: str
    weights: str
    input: InputRule
    width: int
    parameters: int
    versions: dict[str, str]
    sha256: str


@dataclass(frozen=True)
class FeatureGraph:
    """A graph from pictures to features, ready for use: its ONNX file as bytes, and what is known of it."""

    content: bytes
    card: GraphCard

    @cached_property
    def compute(self) -> Callable[[Floats], Floats]:
        """float32 [N, 3, height, width] to float32 [N, width], by onnxruntime."""
        return onnx_model.onnx_function(self.content, batch=feature_store.BATCH)

    @property
    def kind(self) -> str:
        """The name, for a file, of all that decides its numbers: extractor, version, options, weights, input."""
        card = self.card
        # a file of weights counts by its content, wherever it lies
        options = sorted((key, value) for key, value in card.options.items() if key != "weights")
        facts = (
            card.name,
            card.version,
            options,
            card.weights,
            card.input.model_dump_json(),
            pixel_cache.RESIZING[card.input.pixels],
        )
        return f"{_in_a_file(card.arch)}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"

    def features(self, examples: Sequence[Example], say: Say = silent) -> NDArray[np.float16]:
        """float16 [N, width], a row for each picture; computed once for each, and then read from byod's cache.

        Raises:
            TrainerError: a picture cannot be opened any more, or the graph cannot be run.
        """
        store = FeatureStore(library_homes.cache_folder("features"), say=say)
        return store.vectors(examples, self.kind, self.card.width, self.card.input, self._computed)

    def _computed(self, images: Floats) -> Floats:
        """The graph is opened when the first picture is computed, and not where all are known."""
        return self.compute(images)


def installed() -> tuple[str, ...]:
    """The names of the installed extractors; none of them is imported."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def extractor(name: str, given: Mapping[str, str] = {}, say: Say = silent) -> FeatureGraph:
    """The graph of an extractor with some options: the one that was kept, or a new export, which is kept.

    Where the extractor is not installed any more, what it exported still serves.

    Raises:
        TrainerError: there is no such extractor and no graph of it, or it cannot be exported.
        UsageError: an option is unknown or does not fit.
    """
    file, entry = _place(name, given), _entry(name)
    with FileLock(file.with_name("lock")):
        kept = _kept(file)
        if entry is None:
            if kept is None:
                raise _missing(name)
            return kept
        own, options = _loaded(entry, given)
        if kept is not None and _is_of(kept.card, own, options):
            return kept
        say(f"{name}: exporting its net once, for onnxruntime …")
        return _export(own, options, dict(given), file, say)


def kept(name: str, given: Mapping[str, str] = {}) -> FeatureGraph | None:
    """The graph that an extractor exported before with some options; None where there is none: nothing is exported."""
    file = _place(name, given)
    with FileLock(file.with_name("lock")):
        return _kept(file)


def identity(name: str, given: Mapping[str, str] = {}) -> str:
    """The extractor, its version and its weights in one line, before anything is exported; empty where there is none.

    Raises:
        UsageError: an option is unknown or does not fit.
    """
    entry = _entry(name)
    if entry is None:
        kept = _kept(_place(name, given))
        return "" if kept is None else f"{name} {kept.card.version} {kept.card.weights}"
    own, options = _loaded(entry, given)
    return f"{name} {own.version} {own.weights(options) or 'from a hub'}"


def _place(name: str, given: Mapping[str, str]) -> Path:
    """The file of what an extractor exports with some options."""
    digest = hashlib.sha256(repr((name, sorted(given.items()))).encode()).hexdigest()[:16]
    return library_homes.cache_folder("extractors") / f"{_in_a_file(name)}-{digest}.onnx"


def _in_a_file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name)[:60]


def _entry(name: str) -> EntryPoint | None:
    return next((each for each in entry_points(group=GROUP) if each.name == name), None)


def _is_of(card: GraphCard, own: Extractor, options: BaseModel) -> bool:
    """True if the extractor would export the same again."""
    fits = card.version == own.version and card.input == now(card.input)
    return fits and own.weights(options) in ("", card.weights)


def _loaded(entry: EntryPoint, given: Mapping[str, str]) -> tuple[Extractor, BaseModel]:
    """The extractor, and its checked options."""
    protocol.give_way()
    library_homes.keep_in_cache()
    try:
        own: Extractor = entry.load()()
    except ImportError as error:
        raise TrainerError(
            f"the extractor {entry.name!r} is installed but cannot be imported ({error})"
        ) from error
    try:
        return own, own.Options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its options"
        raise UsageError(f"{entry.name}, {where}: {first['msg']} (given: {first['input']!r})") from error


def _export(own: Extractor, options: BaseModel, given: dict[str, str], file: Path, say: Say) -> FeatureGraph:
    """Let it write its graph, compare it with the net, and keep it."""
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        made = own.export(options, Path(place), say)
        finished_model.fold(made.onnx, made.arch)
        content = files.read(made.onnx)
    compute = onnx_model.onnx_function(content, batch=CHECKED)
    side = (made.input.height, made.input.width)
    noise = np.random.default_rng(0).random((CHECKED, 3, *side), np.float32)
    said = compute(noise)
    off = onnx_model.difference(made.original(noise), said) if made.original else 0.0
    if said.ndim != 2 or off > onnx_model.PARITY:
        raise TrainerError(
            f"{made.arch} is exported as a graph that gives other features ({off:.1e}); choose another architecture"
        )
    card = GraphCard(
        name=own.name, version=own.version, options=given, arch=made.arch, pretrained=made.pretrained,
        weights=made.weights, input=now(made.input), width=said.shape[1], parameters=made.parameters,
        versions=dict(made.versions), sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    files.replace(file, content)
    files.replace(file.with_suffix(".json"), card.model_dump_json().encode())
    return FeatureGraph(content, card)


def _kept(file: Path) -> FeatureGraph | None:
    """What was exported before; None where it is not there, or not what was written."""
    beside = file.with_suffix(".json")
    if not file.is_file() or not beside.is_file():
        return None
    try:
        card = GraphCard.model_validate_json(files.read(beside))
    except ValidationError:
        return None  # damaged, or of another byod: it is exported anew
    content = files.read(file)
    return FeatureGraph(content, card) if hashlib.sha256(content).hexdigest() == card.sha256 else None


def _missing(name: str) -> TrainerError:
    there = ", ".join(installed()) or "none"
    return TrainerError(
        f"no extractor is called {shown(name)!r} (installed: {there}); lite0 comes with byod-torch, from a clone of "
        "byod: uv pip install -e plugins/byod-torch"
    )
