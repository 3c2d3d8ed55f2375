"""How fast a machine decodes, trains and predicts: one fixed job on each device it has, and one table of many machines.

    python benchmarks/machine.py                                  measure this machine, print its table
    python benchmarks/machine.py --add results.jsonl              append the figures to a file, print all that is in it
    python benchmarks/machine.py --table here.jsonl cloud.jsonl   measure nothing: the lines of these files in one table

The job: drawn JPEGs of 640x480; decoding them to the size of the net, training a resnet18 from random weights at
128 px with the torch trainer, and predicting with the exported file. Training is measured on the CPU, on the GPU where
there is one (CUDA or Apple's), and on all GPUs together where there are several; decoding and predicting are the
CPU's work everywhere. The first epoch, in which the device wakes up, is shown apart. --name and --price say what
the machine is called and what an hour of it costs; --add may be used again and again, the table shows the median.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FORMAT = 1
CLASSES = ("circle", "square")
BATCH = 64  # pictures a step, on each GPU
HELD_BACK = 32  # of each class: for validation, and as many for the test
FIGURES = ("decode", "train", "first_epoch", "predict")


def devices(wanted: Sequence[str]) -> list[tuple[str, int]]:
    """The devices to train on, and how many of each at once."""
    import torch

    found = [("cpu", 1)]
    if torch.backends.mps.is_available():
        found.append(("mps", 1))
    if torch.cuda.is_available():
        found.append(("cuda", 1))
        if (gpus := torch.cuda.device_count()) > 1:
            found.append(("cuda", gpus))
    chosen = [one for one in found if not wanted or one[0] in wanted]
    if missing := set(wanted) - {name for name, _ in found}:
        raise SystemExit(f"machine.py: this machine has no device {missing.pop()}")
    return chosen


def examples(folder: Path, pictures: int) -> list[Any]:
    """Drawn pictures with their parts: `pictures` to train on, and those held back."""
    from byod.schema.records import Example, Split
    from byod.testing import draw_classes

    each = 2 * HELD_BACK + pictures // len(CLASSES)
    found = []
    for name, files in draw_classes(folder, CLASSES, each, size=(640, 480)).items():
        for number, file in enumerate(files):
            part = (
                Split.VALID if number < HELD_BACK else Split.TEST if number < 2 * HELD_BACK else Split.TRAIN
            )
            key = hashlib.sha256(file.read_bytes()).hexdigest()
            found.append(Example(sha256=key, path=file, label=name, split=part, group=key))
    return found


def decode(found: Sequence[Any], size: int, folder: Path) -> float:
    """Pictures a second, from JPEG files to pixels near the net's size in byod's cache."""
    from byod.schema.model_card import InputRule
    from byod.training.protocol import Run

    folder.mkdir()
    started = time.perf_counter()
    Run(folder).pixels(found, InputRule(width=size, height=size))
    return len(found) / (time.perf_counter() - started)


def train(found: Sequence[Any], job: argparse.Namespace, device: str, gpus: int, run: Path) -> dict[str, Any]:
    """Pictures a second (median of the epochs after the first, validation included), and the first epoch's seconds."""
    from byod.api.train import TrainRequest, find_trainer
    from byod.schema.records import Split
    from byod.tasks.classify import learning
    from byod.tasks.classify.class_set import ClassSet
    from byod.training import run_training

    epochs: list[float] = []
    options = {"arch": job.arch, "from_scratch": "true", "size": str(job.size), "epochs": "1000"}
    options |= {"patience": "1000", "batch_size": str(BATCH * gpus)}
    started = time.perf_counter()
    card = run_training.train(
        learning,
        ClassSet(tuple(found), tuple(CLASSES)),
        find_trainer(TrainRequest(plugin="torch", device=device, gpus=gpus)),
        options,
        folder=run,
        device=device,
        gpus=gpus,
        log=lambda epoch: epochs.append(float(epoch["seconds"])),
        should_stop=lambda: len(epochs) >= 2 and time.perf_counter() - started > job.seconds,
    )
    pictures = sum(example.split is Split.TRAIN for example in found)
    return {
        "device": card.device if gpus == 1 else f"{gpus} x {card.device}",
        "gpus": gpus,
        "train": pictures / statistics.median(epochs[1:]),
        "first_epoch": epochs[0],
        "epochs": len(epochs),
    }


def predict(found: Sequence[Any], run: Path) -> float:
    """Pictures a second, from JPEG files to probabilities, by onnxruntime on the CPU."""
    from byod.tasks.classify.predict import Predictor

    predictor = Predictor(run)
    paths = [example.path for example in found]
    list(predictor.predict(paths[:32]))
    started = time.perf_counter()
    list(predictor.predict(paths))
    return len(paths) / (time.perf_counter() - started)


def measure(job: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A line for each device."""
    with tempfile.TemporaryDirectory(prefix="byod-machine-") as place:
        home = Path(place)
        say("drawing pictures …")
        found = examples(home / "pictures", job.pictures)
        decoded = decode(found, job.size, home / "decoding")
        predicted = None
        for device, gpus in devices(job.device):
            say(f"training on {device}{f' x {gpus}' if gpus > 1 else ''} …")
            run = home / "runs" / f"{device}-{gpus}"
            trained = train(found, job, device, gpus, run)
            predicted = predicted or predict(found, run)
            yield {
                "format": FORMAT,
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": job.name or processor(),
                "job": f"{job.arch}, {job.size} px, {job.pictures} pictures",
                "price": job.price,
                "decode": decoded,
                "predict": predicted,
                **trained,
                "versions": {name: version(name) for name in ("torch", "onnxruntime")},
            }


def processor() -> str:
    """What the machine is called when nobody gives it a name: its processor, and how many cores byod sees."""
    name = platform.processor() or platform.machine()
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        models = [line for line in listed.read_text().splitlines() if line.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return f"{name}, {os.cpu_count()} cores"


def read(files: Sequence[Path]) -> list[dict[str, Any]]:
    """The lines of all files; refuses what this script did not write, and figures of different jobs."""
    lines = []
    for file in files:
        if not file.is_file():
            raise SystemExit(f"machine.py: there is no file {file}")
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                line = json.loads(text)
                fits = line["format"] == FORMAT and all(line[name] > 0 for name in FIGURES)
                fits = fits and {"machine", "device", "job", "price"} <= line.keys()
            except (ValueError, KeyError, TypeError):
                fits = False
            if not fits:
                raise SystemExit(f"machine.py: {file}, line {number} is not a line of this script")
            lines.append(line)
    if len(jobs := {line["job"] for line in lines}) > 1:
        raise SystemExit(f"machine.py: these are figures of different jobs ({'; '.join(sorted(jobs))})")
    return lines


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """One row for each machine and device, the fastest training first, as a Markdown table."""
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        rows.setdefault((line["machine"], line["device"]), []).append(line)
    middle = {
        key: {name: statistics.median(line[name] for line in some) for name in FIGURES}
        for key, some in rows.items()
    }
    slowest = min(row["train"] for row in middle.values())
    head = ["machine", "device", "decode", "train", "", "first epoch", "predict", "runs"]
    priced = any(line["price"] is not None for line in lines)
    head += ["price an hour", "price of a million pictures"] if priced else []
    out = [head, [":--" if name in head[:2] else "--:" for name in head]]
    for key in sorted(rows, key=lambda key: -middle[key]["train"]):
        row = middle[key]
        cells = [*key, f"{row['decode']:,.0f}/s", f"{row['train']:,.1f}/s", f"{row['train'] / slowest:.1f} ×"]
        cells += [f"{row['first_epoch']:.1f} s", f"{row['predict']:,.0f}/s", str(len(rows[key]))]
        if priced:
            price = rows[key][-1]["price"]
            cost = None if price is None else price / 3600 * 1e6 / row["train"]
            cells += ["–" if price is None else f"{price:.2f}", "–" if cost is None else f"{cost:.2f}"]
        out.append(cells)
    lines_out = ["| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |" for cells in out]
    return "\n".join([f"Pictures a second ({lines[0]['job']}):", "", *lines_out])


def say(words: str) -> None:
    """One line to stderr."""
    print(words, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, or read what was measured, and print the one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", type=Path, metavar="FILE", help="append the figures to this file")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="only print what these hold")
    parser.add_argument("--name", help="what to call this machine (default: its processor)")
    parser.add_argument("--price", type=float, help="what an hour of it costs, in whatever currency")
    parser.add_argument("--device", action="append", default=[], choices=("cpu", "cuda", "mps"))
    parser.add_argument("--seconds", type=float, default=15, help="train at least so long (and two epochs)")
    parser.add_argument("--arch", default="resnet18", help="another net is another job")
    parser.add_argument("--size", type=int, default=128, help="another size is another job")
    parser.add_argument("--pictures", type=int, default=256, help="pictures to train on; as above")
    given = parser.parse_args()
    if given.table:
        lines = read(given.table)
        if not lines:
            raise SystemExit("machine.py: these files hold no figures")
        print(table(lines))
        return
    if given.add and given.add.exists():
        read([given.add])  # what cannot be added to is refused before anything is measured
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1):
        say(
            f"this machine is busy with other things (load {os.getloadavg()[0]:.1f}): its figures will be too low"
        )
    measured = list(measure(given))
    if given.add:
        with given.add.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in measured)
        measured = read([given.add])
    print(table(measured))
    if all(line["device"].startswith("cpu") for line in measured):
        say("no GPU was found: nothing above says anything about one")


if __name__ == "__main__":
    main()
