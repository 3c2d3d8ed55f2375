"""byod's fastai trainer beside plain fastai: same net, pictures, epochs, batch size and rate, cache fill included.

    BYOD_TEST_DATA=FOLDER python benchmarks/train.py [--only 12mp|224|predict|gpu] [--rounds 3] [--pictures 120]

12mp: the vegetables enlarged to 4000x3000 JPEGs (in a temporary folder), squeezenet1_1 at 128 px, 1 + 2 epochs.
224: the originals as they are, with the loader's share of the time and the peak of memory.
predict: 1,000 pictures through `Predictor`, beside a bare loop over Pillow and onnxruntime.
gpu: resnet50 at 224 px in bfloat16, and how busy the GPU is; where there is none, it says so.

Every training is a process of its own, byod and the peer in turn; a first round warms the disk and is not counted.
The time begins when the imports are done and ends with the last epoch's validation; byod's export comes after.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROUNDS = 3
EPOCHS = 2  # of the whole net, after one of the head
BATCH = 64
LR = 2e-3
SQUEEZENET = "weights/squeezenet1_1.pth"
AIMS = {"12mp": 3.0, "224": 0.95, "predict": 1.1, "gpu": 2.0}


def parts(folder: Path) -> tuple[list[Path], list[Path]]:
    """Pictures to train on, and each fifth one to validate."""
    every = sorted(folder.glob("*/*.jpg"))
    return [p for n, p in enumerate(every) if n % 5], [p for n, p in enumerate(every) if n % 5 == 0]


class Stopwatch:
    """Seconds spent inside, over all visits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter() - self._started

    def around(self, iterate: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
        """The same iterator, its steps measured."""

        def measured(own: Any) -> Iterator[Any]:
            steps = iterate(own)
            while True:
                with self:
                    found = next(steps, None)
                if found is None:
                    return
                yield found

        return measured


def byod(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """One training through the plugin, as byod calls it."""
    import hashlib
    import warnings

    warnings.simplefilter("ignore")
    import byod_fastai.train  # noqa: F401 - imports are not what is measured
    from byod_fastai import Fastai, Options
    from byod_torch.batches import Batches

    from byod.schema.records import Example, Split
    from byod.training.protocol import Run, TrainingData

    filling, loading = Stopwatch(), Stopwatch()

    class Measured(Run):
        def pixels(self, examples: Any, rule: Any) -> Any:
            with filling:
                return super().pixels(examples, rule)

    Batches.__iter__ = loading.around(Batches.__iter__)  # type: ignore[method-assign]

    def examples(paths: list[Path], split: Split) -> tuple[Example, ...]:
        keys = [hashlib.sha256(str(p).encode()).hexdigest() for p in paths]
        return tuple(
            Example(sha256=key, path=p, label=p.parent.name, split=split, group=key)
            for key, p in zip(keys, paths, strict=True)
        )

    train, valid = parts(folder)
    data = TrainingData(
        classes=tuple(sorted({p.parent.name for p in train})),
        train=examples(train, Split.TRAIN),
        valid=examples(valid, Split.VALID),
    )
    given = {"size": asked.size, "epochs": EPOCHS, "batch_size": BATCH, "lr": LR, "arch": asked.arch}
    start = {"weights": asked.weights} if asked.weights else {"from_scratch": True, "epochs": EPOCHS + 1}
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as own, busy(asked.device) as share:
        run = Measured(Path(own), device=asked.device, log=lambda _: ends.append(time.perf_counter()))
        started = time.perf_counter()
        Fastai().train(data, Options.model_validate(given | start), run)
        whole = time.perf_counter() - started
    seconds = ends[-1] - started
    return {
        "seconds": seconds,
        "after": whole - seconds,
        "decoding": filling.seconds,
        "loading": loading.seconds,
        "busy": share(),
        "steady": ends[-1] - ends[-2],
    }


def plain(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """The same by `ImageDataLoaders` from files, with fastai's defaults for all that is not given."""
    import warnings

    warnings.simplefilter("ignore")
    import torch
    from fastai.callback.fp16 import MixedPrecision
    from fastai.vision.all import ImageDataLoaders, Resize, accuracy, aug_transforms, vision_learner
    from torchvision import models

    ends: list[float] = []
    with busy(asked.device) as share:
        started = time.perf_counter()
        loaders = ImageDataLoaders.from_folder(
            folder,
            train="train",
            valid="valid",
            item_tfms=Resize(asked.size),
            batch_tfms=aug_transforms(),
            bs=BATCH,
            device=torch.device(asked.device),
        )
        learner = vision_learner(
            loaders,
            getattr(models, asked.arch),
            pretrained=False,
            normalize=False,
            metrics=accuracy,
            cbs=[MixedPrecision("bf16")] if asked.device == "cuda" else [],
        )
        learner.logger = lambda _: ends.append(time.perf_counter())
        with learner.no_bar():
            if asked.weights:
                whole = models.squeezenet1_1(weights=None)
                whole.load_state_dict(torch.load(asked.weights, weights_only=True))
                learner.model[0][0].load_state_dict(whole.features.state_dict())
                learner.fine_tune(EPOCHS, LR)
            else:
                learner.fit_one_cycle(EPOCHS + 1, LR)
    return {"seconds": ends[-1] - started, "busy": share(), "steady": ends[-1] - ends[-2]}


class busy:  # noqa: N801 - reads as what it measures
    """How busy the GPU is (0..1), asked of nvidia-smi ten times a second; 0 on a CPU."""

    def __init__(self, device: str) -> None:
        self.on, self.asked = device == "cuda", threading.Event()
        self.seen: list[float] = []

    def __enter__(self) -> Callable[[], float]:
        if self.on:
            threading.Thread(target=self._watch, daemon=True).start()
        return lambda: (
            statistics.fmean(self.seen[-20:]) if self.seen else 0.0
        )  # the last two seconds: no start-up

    def __exit__(self, *error: object) -> None:
        self.asked.set()

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self.asked.wait(0.1):
            self.seen.append(float(subprocess.check_output(query, text=True).split()[0]) / 100)


def peak() -> dict[str, float]:
    """MB this process had at most, and the largest of its children."""
    import resource

    own = next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    return {"peak": own / 1024, "worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def member(name: str, folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """One training in a process of its own."""
    command = [sys.executable, __file__, "--member", name, "--folder", str(folder), "--size", str(asked.size)]
    command += ["--arch", asked.arch, "--device", asked.device]
    command += ["--weights", str(asked.weights)] if asked.weights else []
    started = time.perf_counter()
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    if out.returncode:
        raise SystemExit(out.stderr[-3000:])
    found: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return found | {"process": time.perf_counter() - started}


def side_by_side(what: str, folder: Path, asked: argparse.Namespace) -> None:
    """byod and the peer in turn, medians and ratio."""
    rounds = []
    for number in range(asked.rounds + 1):
        pair = (member("byod", folder, asked), member("plain", folder, asked))
        if number:
            rounds.append(pair)
    ours, theirs = (
        {key: statistics.median(pair[side][key] for pair in rounds) for key in rounds[0][side]}
        for side in (0, 1)
    )
    ratio = statistics.median(b["seconds"] / a["seconds"] for a, b in rounds)
    train, valid = parts(folder)
    print(f"{what}: {len(train)} + {len(valid)} pictures, {asked.arch}, {asked.size} px, on {asked.device}")
    share = (ours["decoding"] + ours["loading"]) / ours["seconds"]
    print(
        f"  byod          {ours['seconds']:6.2f} s (files {ours['decoding']:.2f} s, batches {ours['loading']:.2f} s, "
        f"together {share:.0%} of it), then {ours['after']:.1f} s to export; peak {ours['peak']:.0f} MB"
    )
    print(
        f"  plain fastai  {theirs['seconds']:6.2f} s; peak {theirs['peak']:.0f} MB, "
        f"and {theirs['worker']:.0f} MB each loader process"
    )
    aim = AIMS[what]
    print(
        f"  plain takes {ratio:.2f} x the time of byod (aim {aim} x: {'reached' if ratio >= aim else 'MISSED'})"
    )
    if asked.device == "cuda":
        print(
            f"  last epoch: {ours['steady']:.2f} s against {theirs['steady']:.2f} s; GPU busy in the last "
            f"two seconds: {ours['busy']:.0%} against {theirs['busy']:.0%}"
        )


def linked(source: Path, folder: Path) -> Path:
    """train/CLASS and valid/CLASS beside CLASS, all the same files, for both to read."""
    for split, some in zip(("train", "valid"), parts(source), strict=True):
        for path in some:
            place = folder / split / path.parent.name
            place.mkdir(parents=True, exist_ok=True)
            (place / path.name).symlink_to(path.resolve())
    for kind in sorted({p.parent.name for p in source.glob("*/*.jpg")}):
        (folder / kind).symlink_to((source / kind).resolve())
    return folder


def enlarged(source: Path, folder: Path, count: int) -> Path:
    """So many of the pictures at 4000 x 3000, as a camera would store them."""
    from PIL import Image, ImageFilter

    kinds = sorted(p for p in source.iterdir() if p.is_dir())
    for kind in kinds:
        (folder / kind.name).mkdir(parents=True)
        for path in sorted(kind.glob("*.jpg"))[: count // len(kinds)]:
            image = Image.open(path).convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
            grain = Image.effect_noise((4000, 3000), 12).convert(
                "RGB"
            )  # or it would compress like no photograph
            image = Image.blend(image, grain, 0.1).filter(ImageFilter.SHARPEN)
            image.save(folder / kind.name / path.name, quality=90)
    return folder


def predicting(source: Path, weights: Path, count: int, rounds: int) -> None:
    """`Predictor` beside a loop that only opens, resizes and asks, one picture after the other."""
    import numpy as np
    from PIL import Image

    from byod.schema.records import Example, Split
    from byod.tasks.classify import learning
    from byod.tasks.classify.class_set import ClassSet
    from byod.tasks.classify.predict import Predictor
    from byod.training import protocol
    from byod.training.run_training import train

    paths = sorted(source.glob("*/*.jpg"))
    some = [(paths * (count // len(paths) + 1))[n] for n in range(count)]
    split = (Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST)
    examples = [
        Example(sha256=f"{n:064x}", path=p, label=p.parent.name, split=split[n % 5], group=str(n))
        for n, p in enumerate(paths)
    ]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        options = {"weights": str(weights), "size": "128", "epochs": "1", "lr": str(LR)}
        labelled = ClassSet(tuple(examples), tuple(sorted({e.label for e in examples})))
        train(learning, labelled, protocol.load("fastai"), options, folder=run, device="cpu")
        predictor = Predictor(run)
        import onnxruntime

        session = onnxruntime.InferenceSession(run / "model.onnx", providers=["CPUExecutionProvider"])

        def bare() -> None:
            for path in some:
                image = Image.open(path).convert("RGB").resize((128, 128), Image.Resampling.BILINEAR)
                array = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
                session.run(None, {"image": np.ascontiguousarray(array)})

        seconds: dict[str, list[float]] = {"byod": [], "bare": []}
        for number in range(rounds + 1):
            for name, ask in (("byod", lambda: list(predictor.predict(some))), ("bare", bare)):
                started = time.perf_counter()
                ask()
                if number:
                    seconds[name].append(time.perf_counter() - started)
    ours, theirs = (statistics.median(seconds[name]) for name in ("byod", "bare"))
    verdict = "reached" if ours <= AIMS["predict"] * theirs else "MISSED"
    print(
        f"predict: {count} pictures\n  byod {ours:.2f} s, bare onnxruntime and Pillow {theirs:.2f} s\n"
        f"  byod takes {ours / theirs:.2f} x the time (aim at most {AIMS['predict']} x: {verdict})"
    )


def has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=AIMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--pictures", type=int, default=120)
    for name in ("--member", "--arch", "--device", "--weights"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.member:
        ask = {"byod": byod, "plain": plain}[asked.member]
        print(json.dumps(ask(asked.folder, asked) | peak()))
        return
    if not os.environ.get("BYOD_TEST_DATA"):
        print("BYOD_TEST_DATA does not name the folder of real pictures: nothing to measure on")
        return
    measure(Path(os.environ["BYOD_TEST_DATA"]), asked)


def measure(data: Path, asked: argparse.Namespace) -> None:
    """What was asked for, one after the other."""
    pictures = data / "vegetables"
    asked.arch, asked.size, asked.device = "squeezenet1_1", 128, "cpu"
    asked.weights = data / SQUEEZENET
    with tempfile.TemporaryDirectory() as folder:
        if asked.only in (None, "12mp"):
            large = enlarged(pictures, Path(folder) / "files", asked.pictures)
            side_by_side("12mp", linked(large, Path(folder) / "12mp"), asked)
        if asked.only in (None, "224"):
            side_by_side("224", linked(pictures, Path(folder) / "224"), asked)
        if asked.only in (None, "predict"):
            predicting(pictures, asked.weights, 1000, asked.rounds)
        if asked.only in (None, "gpu"):
            if not has_gpu():
                print("gpu: no GPU is here, nothing is said of one")
                return
            asked.arch, asked.size, asked.device, asked.weights = "resnet50", 224, "cuda", None
            many = linked(copies(pictures, Path(folder) / "many", 20), Path(folder) / "gpu")
            side_by_side("gpu", many, asked)


def copies(source: Path, folder: Path, times: int) -> Path:
    """Each picture so many times under other names: a GPU needs more than four hundred."""
    for path in sorted(source.glob("*/*.jpg")):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        for number in range(times):
            (folder / path.parent.name / f"{number:02}-{path.name}").symlink_to(path.resolve())
    return folder


if __name__ == "__main__":
    main()
