"""The trained net as an ONNX file that takes RGB 0..1 and gives raw logits, or whatever its outputs are called."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from byod.plugin import InputRule, TrainerError


def write(
    model: nn.Module,
    rule: InputRule,
    file: Path,
    say: Callable[[str], None] = lambda line: None,
    outputs: Sequence[str] = ("logits",),
) -> Path:
    """Write `model` (on the CPU, in evaluation mode) as one file; the number of pictures is free.

    `outputs` names what the model gives, in its order.

    torch's older exporter is tried first, since it takes one second where the newer one takes ten; byod compares
    the file with the model in any case (https://docs.pytorch.org/docs/stable/onnx.html).

    Raises:
        TrainerError: neither exporter can write this net.
    """
    example = torch.rand(2, 3, rule.height, rule.width)
    file.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    older: dict[str, Any] = {"dynamo": False, "opset_version": 17}
    older["dynamic_axes"] = {name: {0: "pictures"} for name in ("image", *outputs)}
    newer: dict[str, Any] = {"dynamo": True, "opset_version": 18, "external_data": False, "verbose": False}
    newer["output_names"] = older["output_names"] = list(outputs)
    newer["dynamic_shapes"] = ({0: torch.export.Dim("pictures", min=1)},)
    try:
        _export(model, example, file, older)
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        say(f"the older exporter cannot write this net ({_first_line(error)}); using the newer one")
        try:
            _export(model, example, file, newer)
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as again:
            raise TrainerError(
                f"this net cannot be exported to ONNX ({_first_line(again)}); choose another architecture"
            ) from again
    return file


def _export(model: nn.Module, example: torch.Tensor, file: Path, options: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters warn about their own internals
        torch.onnx.export(model, (example,), str(file), input_names=["image"], **options)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
