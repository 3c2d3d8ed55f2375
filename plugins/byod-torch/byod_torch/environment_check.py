"""Check the environment of a torch trainer from package metadata alone: nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from byod_torch.packaged_weights import PACKAGE

NEEDED = ("torch", "torchvision", "timm", "onnx", "onnxscript", "safetensors", PACKAGE)
"""The packages that every torch trainer needs."""


def lines(plugin: str, needed: Sequence[str] = NEEDED) -> list[str]:
    """Packages that are missing, and a torchvision that was built for another torch, one line each."""
    found = {name: installed(name) for name in needed}
    said = [
        f"{name} is missing; from a clone of byod: uv pip install -e plugins/{plugin}"
        for name, there in found.items()
        if there is None
    ]
    torch, vision = found.get("torch"), found.get("torchvision")
    wanted = _torch_wanted() if torch and vision else None
    if wanted not in (None, torch):
        said.append(
            f"torchvision {vision} was built for torch {wanted}, but torch {torch} "
            "is installed: uv pip install --upgrade torch torchvision"
        )
    return said


def installed(name: str) -> str | None:
    """A package's version without its local part ("2.15.0+cu132" is 2.15.0); None when it is missing."""
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return None


def _torch_wanted() -> str | None:
    """The exact version of torch that the installed torchvision names in its metadata."""
    for line in requires("torchvision") or []:
        if line.startswith("torch=="):
            return line.removeprefix("torch==").split(";")[0].strip().split("+")[0]
    return None
