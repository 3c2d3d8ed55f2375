"""What a training begins with: which net, and whose weights; nothing heavy is imported to say it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from byod_torch import packaged_weights
from byod_torch.architectures import resolve

SCRATCH = "resnet18"
"""What learns from random weights where no net is named: it has learned something after few pictures."""


class Choice(Protocol):
    """The choice of a net and of the weights it begins with: the part of a trainer's options that is read here."""

    arch: str
    from_scratch: bool
    weights: Path | None
    normalise: str | None

    @property
    def model_fields_set(self) -> set[str]:
        """The options that were set (pydantic's)."""
        ...


def chosen(options: Choice, known: str | None = None) -> str:
    """The name of the net in torchvision, timm or byod; `known` is what given weights say they belong to."""
    if "arch" in options.model_fields_set:
        return resolve(options.arch)
    if options.from_scratch:
        return SCRATCH
    return resolve(known or options.arch)


def packaged(options: Choice, arch: str) -> bool:
    """True if the weights are those that are installed with this package."""
    return arch == packaged_weights.ARCH and not options.from_scratch and options.weights is None


def words(options: Choice) -> str:
    """The net and the weights of a training, in one line that changes when either does.

    A file of weights counts by its content, and by what stands beside it.
    """
    arch = chosen(options)
    if options.from_scratch:
        return f"{arch} from random weights"
    if options.weights is not None:
        return f"{arch} from {options.weights.name} {weights_sha256(options)}"
    if packaged(options, arch):
        return f"{arch} from {packaged_weights.SOURCE} {packaged_weights.SHA256}"
    return f"{arch} from its hub"


def weights_sha256(options: Choice) -> str:
    """The SHA-256 of the weights that would be taken now; empty where they come from a hub, or from chance.

    That of a file covers what stands beside it.
    """
    if options.weights is not None:
        beside = options.weights.with_name(options.weights.name + ".json")
        hashes = "".join(_sha256(file) for file in (options.weights, beside) if file.is_file())
        return hashlib.sha256(hashes.encode()).hexdigest()
    return packaged_weights.SHA256 if packaged(options, chosen(options)) else ""


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
