"""The trainers there are: what each says of itself, its options, and how to install it."""

from __future__ import annotations

from pathlib import Path

from byod.schema.errors import TrainerError
from byod.schema.records import Record
from byod.training import protocol
from byod.training.remote import messages
from byod.training.remote.host import Remote
from byod.training.remote.messages import Described

OURS = {
    "fastai": "the default: frozen body, then everything; with fastai",
    "torch": "every classic net by its name; with plain PyTorch and timm",
    "sklearn": "the probe: learns in seconds",
    "keras": "Keras 3, on torch, jax or tensorflow",
}
"""The trainers that live in byod's own repository."""


class Plugin(Record):
    """A trainer in one line: the doctor's word, or how to install it; `version` is empty when it is missing."""

    name: str
    version: str
    tasks: tuple[str, ...]
    word: str
    install: str


def plugins() -> list[Plugin]:
    """The trainers that are installed, and those of byod's own that are not."""
    found = []
    for name in protocol.installed():
        try:
            trainer = protocol.load(name)
            tasks, word = tuple(trainer.tasks), "; ".join(trainer.doctor()) or "ready"
        except TrainerError as error:
            tasks, word = (), str(error)
        found.append(Plugin(name=name, version=protocol.version(name), tasks=tasks, word=word, install=""))
    missing = [name for name in OURS if name not in protocol.installed()]
    return found + [
        Plugin(
            name=name,
            version="",
            tasks=(),
            word=OURS[name],
            install=f"uv pip install -e plugins/byod-{name}",
        )
        for name in missing
    ]


def describe(name: str, python: Path | None) -> Described:
    """Describe a trainer, with its options as a JSON schema."""
    if python is not None:
        return Remote(name, python).described
    return messages.described(name)


def architectures(name: str | None) -> list[dict[str, object]]:
    """The nets that the installed trainers (or one of them) can train, by name.

    Raises:
        TrainerError: no such trainer, or it has no list.
    """
    found: dict[str, dict[str, object]] = {}
    for one in [name] if name else protocol.installed():
        trainer = protocol.load(one)
        if not isinstance(trainer, protocol.Listing):
            if name:
                raise TrainerError(f"the trainer {name} has no choice of architectures")
            continue
        for net in trainer.architectures():
            row = found.setdefault(net.name, {**net.model_dump(mode="json"), "trainers": ""})
            row["trainers"] = ", ".join(filter(None, [str(row["trainers"]), one]))
    if not found:
        raise TrainerError(
            "no installed trainer has a list of architectures; byod plugins says how to install one"
        )
    return list(found.values())
