"""An extractor: from pictures to features, as an ONNX graph."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from byod.plugin import Floats, InputRule


@dataclass(frozen=True)
class Extractor:
    """From pictures to features: an ONNX graph (`image` to `features`), what it is called, and what it was made from.

    `original` computes the same with the library the graph was exported from; None where the graph is the original.
    """

    content: bytes
    rule: InputRule
    name: str
    pretrained: str
    parameters: int
    versions: dict[str, str]
    original: Callable[[Floats], Floats] | None

    @cached_property
    def key(self) -> str:
        """The SHA-256 of the graph."""
        return hashlib.sha256(self.content).hexdigest()
