"""The provenance of a run, whatever its task: its pictures, its net, and how to repeat it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue

from byod.dataset.likeness import Looks
from byod.schema.annotator_agreement import Agreement
from byod.schema.records import Yield
from byod.schema.right_labels import LabelQuality
from byod.schema.version import VERSION
from byod.training.fit import Fitted, Work


@dataclass(frozen=True)
class Provenance:
    """The provenance of a run's pictures, and how to repeat it.

    `reviewed` counts the pictures on which a person's verdict holds; `split`, `grouped_by`, `label_quality` and
    `agreement` are as in a card. `looks` is how its pictures look, as far as that is known.
    """

    fingerprint: str = ""
    reviewed: int = 0
    licences: Mapping[str, int] | None = None
    yields: tuple[Yield, ...] = ()
    command: str = ""
    split: str = ""
    grouped_by: tuple[str, ...] = ()
    looks: Looks = field(default_factory=dict)
    label_quality: LabelQuality | None = None
    agreement: Agreement | None = None


UNKNOWN = Provenance()


def card_fields(work: Work, fitted: Fitted, run: str, about: Provenance) -> dict[str, Any]:
    """The fields that every card has, whatever the task: on the run, its net, and where its pictures came from."""
    return {
        "run": run,
        "created": datetime.now(UTC),
        "plugin": work.trainer.name,
        "arch": fitted.arch,
        "pretrained": fitted.pretrained,
        "input": fitted.input,
        "parity": fitted.parity,
        "model_sha256": fitted.sha256,
        "fingerprint": about.fingerprint,
        "reviewed": about.reviewed,
        "split": about.split,
        "grouped_by": about.grouped_by,
        "label_quality": about.label_quality,
        "agreement": about.agreement,
        "licences": dict(about.licences or {}),
        "parameters": fitted.parameters,
        "device": fitted.device,
        "seed": work.seed,
        "options": _given(work.options),
        "notes": fitted.notes,
        "versions": _versions(fitted.versions),
        "command": about.command,
        "lr_finder": fitted.lr_finder,
    }


def _versions(trainers_own: Mapping[str, str]) -> dict[str, str]:
    """The versions a run was made with: byod, Python, what byod measures with, and what the trainer names."""
    own = {name: version(name) for name in ("numpy", "onnxruntime", "pillow")}
    return {"byod": VERSION, "python": platform.python_version(), **own, **trainers_own}


def _given(options: BaseModel) -> dict[str, JsonValue]:
    """The options that were set, files by their names alone: a card is for giving away."""
    chosen = options.model_dump(mode="json", exclude_unset=True)
    return {
        k: getattr(options, k).name if isinstance(getattr(options, k), Path) else v for k, v in chosen.items()
    }
