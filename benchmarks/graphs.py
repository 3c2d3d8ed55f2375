"""The graphs of exported nets: does any net of torchvision and timm leave a branch or a loop?

    python benchmarks/graphs.py [--most 30] [--names 'resnet*'] [--minutes 600]

Each net with up to so many million parameters is made with random weights, exported as byod-torch does, folded, and
looked at as a stranger's model file is. Prints a line a net that is not plain or cannot be exported, then the counts by
outcome; ends with 1 if a graph is not plain.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import timm
import torch
import torchvision
from byod_torch import Options, onnx_export
from byod_torch.networks import accepts, net

from byod.schema.errors import ModelError, TrainerError
from byod.schema.model_card import InputRule
from byod.training import finished_model, graph_check

SIZES = (64, 128, 224, 256, 299)


def names() -> list[str]:
    """All nets for classes of both libraries, once each."""
    both = [*torchvision.models.list_models(module=torchvision.models), *timm.list_models()]
    return list(dict.fromkeys(both))


def millions(name: str) -> float:
    """Parameters in millions, without making the numbers; 0 where that cannot be told."""
    with torch.device("meta"):
        try:
            if name in torchvision.models.list_models():
                made = torchvision.models.get_model(name, weights=None)
            else:
                made = timm.create_model(name, pretrained=False)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return 0.0
    return sum(each.numel() for each in made.parameters()) / 1e6


def outcome(name: str, most: float) -> str:
    """What becomes of one net."""
    if millions(name) > most:
        return "too large"
    try:
        built = net(Options(arch=name, from_scratch=True, normalise="none"), 2)
    except TrainerError as error:
        return f"not built: {error}"
    for size in (built.size,) if built.size else SIZES:
        try:
            accepts(built, size)
        except TrainerError:
            continue
        with tempfile.TemporaryDirectory() as folder:
            rule = InputRule(width=size, height=size)
            try:
                file = onnx_export.write(built.model.eval(), rule, Path(folder) / "net.onnx")
                before = graph_check.control_flow(file.read_bytes())
                finished_model.fold(file, built.arch)
                graph_check.check(file.read_bytes())
            except ModelError as error:
                return f"not plain: {error}"
            except TrainerError as error:
                branches = "which byod does not run" in str(error)
                return f"{'not plain' if branches else 'not exported'}: {error}"
        return f"plain, folded {' '.join(before)}" if before else "plain"
    return "takes none of the sizes tried"


def main() -> None:
    """Go over all nets that are asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--most", type=float, default=30, help="millions of parameters")
    asked.add_argument("--names", default="*")
    asked.add_argument("--minutes", type=float, default=600)
    asked.add_argument("--step", type=int, default=1, help="take every so manieth name only")
    told = asked.parse_args()
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    until = time.monotonic() + 60 * told.minutes
    for name in fnmatch.filter(names(), told.names)[:: told.step]:
        if time.monotonic() > until:
            counts["not reached in time"] += 1
            continue
        said = outcome(name, told.most)
        kind = said.partition(":")[0]
        counts[kind] += 1
        if kind not in ("plain", "too large"):
            print(f"{name:40} {said[:150]}", flush=True)
    print()
    for kind, number in counts.most_common():
        print(f"{number:6} {kind}")
    sys.exit(1 if counts["not plain"] else 0)


if __name__ == "__main__":
    main()
