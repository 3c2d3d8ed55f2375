"""predictions.csv reproduces every number of the report: here they are counted again from the tables alone."""

import csv
import json
import re

import direct_training as training
import numpy as np
import pytest
from colour_trainer import Colour, coloured

from byod.dataset.likeness import Look
from byod.images import hashing
from byod.images.decode import ANY_PICTURE, inspect
from byod.tasks.classify import evaluation
from byod.training.provenance import Provenance
from byod.training.run_evaluation import OtherPictures
from byod.training.run_training import Elsewhere

BINS = 15


def table(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def counted(rows, classes):
    """All numbers of a report, from the lines of a table and the names of the classes."""
    truth = np.array([classes.index(row["label"]) for row in rows])
    given = np.array([[float(row[f"p({name})"]) for name in classes] for row in rows])
    said = np.array([classes.index(row["predicted"]) for row in rows])
    right = said == truth
    raw = given.clip(1e-38) ** np.array([[float(row["temperature"])] for row in rows])
    raw /= raw.sum(axis=1, keepdims=True)
    per_class = {name: scores(truth == n, said == n, given[:, n]) for n, name in enumerate(classes)}
    parts = list(dict.fromkeys(row["part"] for row in rows))
    return {
        "pictures": len(rows),
        "accuracy": right.mean(),
        "macro_f1": np.mean([each["f1"] for each in per_class.values()]),
        "log_loss": -np.log(given[range(len(rows)), truth].clip(1e-12)).mean(),
        "ece": off(given.max(axis=1), given.argmax(axis=1) == truth),
        "ece_raw": off(raw.max(axis=1), raw.argmax(axis=1) == truth),
        "confusion": [[int((right_now & (said == m)).sum()) for m in range(len(classes))]
                      for right_now in (truth == n for n in range(len(classes)))],
        "folds": [right[[row["part"] == part for row in rows]].mean() for part in parts],
        "per_class": per_class,
    }  # fmt: skip


def scores(there, called, given):
    """Precision, recall and F1 of one class, and the best threshold with the average precision."""
    hits = (there & called).sum()
    found = {
        "precision": hits / called.sum(),
        "recall": hits / there.sum(),
        "f1": 2 * hits / (there.sum() + called.sum()),
        "pictures": int(there.sum()),
    }
    best, average, before = (-1.0, 0.0), 0.0, 0.0
    for threshold in sorted(set(given.tolist()), reverse=True):
        taken = given >= threshold
        recall, precision = (there & taken).sum() / there.sum(), (there & taken).sum() / taken.sum()
        average += (recall - before) * precision
        before = recall
        best = max(best, (round(2 * precision * recall / max(precision + recall, 1e-12), 12), threshold))
    return {**found, "average_precision": average, "threshold": best[1]}


def off(sure, right):
    """The expected calibration error."""
    where = np.minimum((sure * BINS).astype(int), BINS - 1)
    return sum(
        (where == b).mean() * abs(right[where == b].mean() - sure[where == b].mean())
        for b in np.unique(where)
    )


def same(found, stated):
    """True to the last digits that two orders of summing share."""
    for key, value in found.items():
        if isinstance(value, dict):
            same(value, stated[key])
        else:
            assert np.allclose(
                np.asarray(value, float), np.asarray(stated[key], float), rtol=1e-6, atol=1e-9
            ), key


@pytest.mark.slow
@pytest.mark.parametrize("crossed", [False, True])
def test_every_number_is_counted_again_from_the_table(tmp_path, crossed):
    """Accuracy, F1, log loss, calibration before and after, confusions, classes, thresholds and folds are the same."""
    run, classes = tmp_path / "runs" / "one", ("red", "green", "blue")
    examples = coloured(tmp_path / "images", classes, per_class=50, pairs=True)
    card = training.train(
        examples, classes, Colour(), {"epochs": "1"}, folder=run, crossed=crossed, probe=Colour()
    )
    stated = json.loads((run / "model.json").read_text("utf-8"))
    found = counted(table(run / "predictions.csv"), classes)
    folds = found.pop("folds")
    same(found, stated["metrics"])
    assert np.allclose(folds, stated["metrics"]["folds"]) if crossed else stated["metrics"]["folds"] == []
    probe = counted(table(run / "predictions-probe.csv"), classes)
    del probe["folds"]
    same(probe, stated["probe"]["metrics"])
    page = (run / "report.html").read_text("utf-8")
    assert f"{100 * found['accuracy']:.1f}" in page
    assert all(f'id="thresholds-{n}"' in page for n in range(3))
    assert len(re.findall("average precision", page)) >= 3
    assert card.metrics.per_class["red"].threshold is not None


@pytest.mark.slow
def test_the_numbers_on_other_pictures_are_counted_again_too(tmp_path):
    """What was measured elsewhere, with near-copies and without, is what its own table says."""
    run, classes = tmp_path / "runs" / "one", ("red", "green")
    examples = coloured(tmp_path / "images", per_class=50)
    theirs = evaluation.pictures_in(_folder(tmp_path / "theirs"))
    spy = examples[0]
    (tmp_path / "theirs" / "red" / "copy.jpg").write_bytes(spy.path.read_bytes() + b"\0")
    theirs = evaluation.pictures_in(tmp_path / "theirs")
    look = inspect(spy.path.read_bytes(), ANY_PICTURE)[0].fingerprint
    assert look.spec == hashing.SPEC
    about = Provenance(looks={spy.sha256: Look("red", look)})
    others = OtherPictures.below(theirs, tmp_path / "theirs")
    training.train(
        examples, classes, Colour(), {}, folder=run, about=about, elsewhere=Elsewhere(evaluation, others)
    )
    stated = json.loads((run / "model.json").read_text("utf-8"))["elsewhere"]
    rows = table(run / "predictions-elsewhere.csv")
    found = counted(rows, classes)
    del found["folds"]
    same(found, stated["metrics"])
    assert sum(int(row["near"]) for row in rows) == stated["near"] == 1
    apart = counted([row for row in rows if row["near"] == "0"], classes)
    del apart["folds"]
    same(apart, stated["apart"])


def _folder(place):
    coloured(place, per_class=20, seed=5)
    return place
