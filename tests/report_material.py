"""Made-up runs for the tests of reports: a card, its answers on drawn pictures, and a comparison."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from PIL import Image

from byod.schema.model_card import (
    Comparison,
    Contender,
    InputRule,
    LrFinder,
    Measured,
    Metrics,
    ModelCard,
    Paired,
    Probe,
    Suspect,
)
from byod.schema.records import Split, Task, Yield
from byod.tasks.classify.report.contents import Answer, Story
from byod.training import statistics

HOSTILE = (
    "\"><script>document.title='pwned'</script><img src=http://evil.example/x onerror=alert(1)>'{{ 7*7 }}"
)
HISTORY = tuple(
    {
        "epoch": n,
        "train_loss": 1 / (n + 1),
        "valid_loss": 1.1 / (n + 1),
        "train_accuracy": 0.5 + n / 10,
        "accuracy": 0.6 + n / 10,
        "seconds": 1.0,
    }
    for n in range(4)
)


def metrics(classes, confusion, **changes):
    table = np.array(confusion)
    scores = statistics.class_scores(table, classes)
    values = {
        "measured_on": Measured.TEST,
        "pictures": int(table.sum()),
        "accuracy": statistics.accuracy(table),
        "interval": (0.81, 0.98),
        "macro_f1": statistics.macro_f1(scores),
        "log_loss": 0.2,
        "ece": 0.03,
        "ece_raw": 0.06,
        "per_class": scores,
        "confusion": confusion,
    }
    return Metrics(**{**values, **changes})


def card(classes=("brokkoli", "blumenkohl"), confusion=((18, 2), (1, 19)), **changes):
    values = {
        "run": "2026-01-01-fastai",
        "created": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "task": Task.CLASSIFY,
        "plugin": "fastai",
        "arch": "squeezenet1_1",
        "pretrained": "squeezenet1_1.pth",
        "classes": classes,
        "input": InputRule(width=64, height=48),
        "temperature": 1.3,
        "parity": 2e-7,
        "model_sha256": "0" * 64,
        "metrics": metrics(classes, confusion),
        "counts": {
            Split.TRAIN: {classes[0]: 90, classes[1]: 88},
            Split.VALID: {},
            Split.TEST: {classes[0]: 20},
        },
        "fingerprint": "f00",
        "licences": {"CC-BY-4.0": 120, "unknown": 3},
        "parameters": 1_234_567,
        "device": "cpu (2 threads)",
        "seed": 0,
        "seconds": 7.4,
        "options": {},
        "notes": {"best_epoch": 2},
        "versions": {"byod": "0.1.0"},
        "command": "byod train --plugin fastai",
    }
    return ModelCard(**{**values, **changes})


def paired(difference=0.05, p_value=0.01, pictures=40):
    return Paired(
        pictures=pictures,
        difference=difference,
        interval=(difference - 0.04, difference + 0.04),
        only_first=3,
        only_second=1,
        p_value=p_value,
    )


def probe(difference=0.05, p_value=0.01, classes=("brokkoli", "blumenkohl"), arch="features + regression"):
    return Probe(
        plugin="sklearn",
        arch=arch,
        pretrained="hub",
        metrics=metrics(classes, ((17, 3), (3, 17))),
        seconds=2.3,
        against=paired(difference, p_value),
    )


def picture(path, number=0, size=(60, 48)):
    """A noisy picture whose colour depends on `number`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 90, (size[1], size[0], 3))
    Image.fromarray((noise + np.array([number * 37 % 150, 90, 60])).astype(np.uint8)).save(path)
    return path


def answers(folder, made):
    """An answer to a fresh picture for each count of the card's confusion matrix; right ones surer than wrong ones."""
    found = []
    for label, row in zip(made.classes, made.metrics.confusion, strict=True):
        for said, count in zip(made.classes, row, strict=True):
            for number in range(count):
                sure = (0.95 if said == label else 0.7) - number / 100
                rest = (1 - sure) / (len(made.classes) - 1)
                at = len(found)
                found.append(
                    Answer(
                        path=picture(folder / f"{at:03}.jpg", at),
                        file=f"images/{label}/{at:03}.jpg",
                        label=label,
                        said=said,
                        probability=sure,
                        probability_raw=min(0.999, sure + 0.04),
                        probabilities={name: sure if name == said else rest for name in made.classes},
                    )
                )
    return tuple(found)


def look(pictures):
    """A model that says the first of two classes the surer, the redder a picture's upper left quarter is."""
    height, width = pictures.shape[1:3]
    red = pictures[:, : height // 2, : width // 2, 0].mean(axis=(1, 2)) / 255
    first = 1 / (1 + np.exp(-12 * (red - 0.5)))
    return np.stack([first, 1 - first], axis=1).astype(np.float32)


def story(folder, name="brokkoli", other="blumenkohl", words="words", **changes):
    """A run with everything a report has a section for; `words` stand wherever strangers wrote something."""
    classes = (name, other)
    rates = tuple(float(r) for r in np.geomspace(1e-5, 1, 30))
    losses = tuple(0.7 - 0.3 * min(1, n / 20) + (5.0 if n > 26 else 0.0) for n in range(30))
    made = card(
        classes,
        arch=words,
        plugin=words,
        pretrained=words,
        command=words,
        device=words,
        fingerprint=words,
        licences={words: 3},
        versions={words: words},
        options={words: words},
        notes={"best_epoch": 2, words: words},
        probe=probe(classes=classes, arch=words),
        lr_finder=LrFinder(rates=rates, losses=losses, suggested=0.01, used=0.005),
        suspects=3,
    )
    given = answers(folder, made)
    given = (given[0].model_copy(update={"file": f"images/{words}"}), *given[1:])
    suspects = tuple(
        (
            Suspect(sha256="1" * 64, file=f"a/{words}", label=name, suggested=other, quality=q / 10),
            given[q].path,
        )
        for q in range(3)
    )
    yields = (Yield(source=words, query=words, label=name, offered=30, kept=10, stopped_by=words),)
    values = {
        "card": made,
        "history": HISTORY,
        "answers": given,
        "suspects": suspects,
        "yields": yields,
        "look": look,
    }
    return Story(**{**values, **changes})


def comparison(words="words", count=3):
    runs = tuple(
        Contender(
            run=f"run {n} {words}",
            plugin=words,
            arch=words,
            pretrained="scratch" if n else words,
            parameters=10 ** (n + 3),
            device=words,
            model_bytes=10 ** (n + 5),
            seconds=3.2 * 10**n,
            milliseconds=0.4 * 10**n,
            accuracy=0.9 - n / 10,
            interval=(0.85 - n / 10, 0.95 - n / 10),
            macro_f1=0.9 - n / 10,
            ece=0.02,
            reviewed=1200 * n,
        )
        for n in range(count)
    )
    pairs = tuple(
        (runs[0].run, runs[n].run, paired(n / 10, p_value=0.2 if n == 1 else 0.001)) for n in range(1, count)
    )
    rounds = tuple(run.run for run in runs) if count > 1 else ()
    return Comparison(runs=runs, classes=(words, "b"), pictures=40, note=words, pairs=pairs, rounds=rounds)
