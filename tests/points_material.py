"""Made-up runs for points for the tests of reports: a card, its answers on drawn pictures, and a comparison."""

from __future__ import annotations

from datetime import UTC, datetime

from byod.schema.keypoints import PointSet
from byod.schema.model_card import (
    HeadsStage,
    InputRule,
    Measured,
    Paired,
    PointsCard,
    PointsComparison,
    PointsContender,
    PointScore,
    PointsMetrics,
    PointsScore,
    Stage,
)
from byod.schema.records import Split, Task
from byod.tasks.keypoints.report.contents import HeadAnswer, MarkDoubt, PictureAnswer, PointsStory
from byod.tasks.keypoints.report.wording import doubt
from byod.testing import draw_heads

NAMES = ("eye_image_left", "eye_image_right", "mouth")
HISTORY = tuple({"epoch": n, "train_loss": 0.1 / (n + 1), "valid_loss": 0.11 / (n + 1)} for n in range(4))


def score(names=NAMES, **changes):
    point = PointScore(heads=40, median=0.04, mean=0.05, pck=0.9)
    values = {
        "heads": 40, "found": 38, "median": 0.034, "interval": (0.03, 0.04), "mean": 0.05, "pck": 0.92, "fr": 0.08,
        "auc": 0.5, "worst_eye": 0.045, "glasses": 0.875, "glasses_interval": (0.75, 0.95),
        "per_point": dict.fromkeys(names, point),
    }  # fmt: skip
    return PointsScore(**{**values, **changes})


def card(text="spots", names=NAMES, **changes):
    rule = InputRule(width=64, height=64)
    metrics = PointsMetrics(
        measured_on=Measured.TEST,
        pictures=44,
        empty=4,
        false_finds=3,
        crops=score(names),
        pipeline=score(names, median=None, interval=(0.05, None), glasses=0.8, glasses_interval=(0.66, 0.9)),
        single=score(names, heads=30),
    )
    values = {
        "run": text, "created": datetime(2026, 1, 2, tzinfo=UTC), "task": Task.KEYPOINTS, "plugin": text, "arch": text,
        "pretrained": "scratch", "input": rule, "parity": 2e-6, "model_sha256": "0" * 64,
        "counts": {Split.TRAIN: {"pictures": 100, "heads": 110, "empty": 7}}, "fingerprint": "abc",
        "licences": {"CC0-1.0": 44}, "parameters": 1234, "device": "cpu", "seed": 0, "seconds": 12.5,
        "options": {"arch": text}, "versions": {"byod": "1"}, "command": f"byod train {text}", "suspects": 2,
        "points": PointSet(names=names), "refine": 1, "mean_face": ((0.3, 0.4),) * len(names),
        "heads": HeadsStage(
            input=rule, sha256="1" * 64, arch=text, pretrained="scratch", parameters=99, parity=1e-6, threshold=0.4,
            margin=1.3,
        ),
        "metrics": metrics,
        "baseline": score(names, median=0.13, interval=(0.1, 0.16), glasses=0.2, glasses_interval=(0.1, 0.3)),
    }  # fmt: skip
    return PointsCard(**{**values, **changes})


def story(folder, text="spots", *, number=8, **changes):
    """Drawn heads: each is answered a little beside; some are missed, one find is extra, two marks are doubted."""
    heads, shown, doubts = [], [], []
    for at, (path, marks) in enumerate(draw_heads(folder, number, heads=(1,), size=(160, 120))):
        (head,) = marks.heads
        truth = {name: (head.points[name].x, head.points[name].y) for name in NAMES}
        said = {name: (x + at, y) for name, (x, y) in truth.items()}
        xs, ys = zip(*truth.values(), strict=True)
        box = (min(xs) - 10, min(ys) - 10, max(xs) + 10, max(ys) + 10)
        own = {"path": path, "file": f"{text}/{path.name}"}
        missed = at % 5 == 4
        heads.append(
            HeadAnswer(
                **own, box=box, truth=truth, said=said, error=at / 50, whole=None if missed else at / 45,
                glasses=at < 5, whole_glasses=at < 4,
            )
        )  # fmt: skip
        if missed:
            shown.append(PictureAnswer(**own, width=160, height=120, missed=(box,)))
        if at == 2:
            shown.append(PictureAnswer(**own, width=160, height=120, extra=(((0, 0, 30, 30), 0.87),)))
        if at < 2:
            words = doubt("sides exchanged" if at else "far off", text, 0.6)
            doubts.append(MarkDoubt(**own, box=box, words=words, truth=truth, said=said))
    values = {
        "card": card(text), "histories": {Stage.HEADS: HISTORY, Stage.POINTS: HISTORY}, "heads": tuple(heads),
        "pictures": tuple(shown), "doubts": tuple(doubts),
    }  # fmt: skip
    return PointsStory(**{**values, **changes})


def comparison(text="spots"):
    runs = tuple(
        PointsContender(
            run=f"{text}-{at}", plugin=text, arch=text, pretrained="scratch", parameters=10**6, device="cpu",
            model_bytes=4_000_000, seconds=100.0, milliseconds=20.0 + at, crops=score(),
            pipeline=score(glasses=0.8 + at / 20, median=None, interval=(0.04, None)),
        )
        for at in range(3)
    )  # fmt: skip
    pair = Paired(
        pictures=40, difference=0.1, interval=(0.02, 0.2), only_first=6, only_second=2, p_value=0.03
    )
    return PointsComparison(
        runs=runs, points=NAMES, heads=40, note="made up", pairs=((runs[0].run, runs[1].run, pair),)
    )
