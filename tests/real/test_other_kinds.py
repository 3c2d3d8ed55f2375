"""Real pictures of other kinds: a model of two vegetables says "none of these" of cats, dogs and groceries."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import byod
from byod.api import adding, train
from byod.cli import app
from byod.schema.model_card import Prediction
from byod.schema.recipe import Recipe

pytestmark = [pytest.mark.data, pytest.mark.long]
PLACES = ("cat-eyes/images", "cats", "dogs", "grocery-part/val")


@pytest.fixture(scope="module")
def run(real_pictures: Path, tmp_path_factory):
    """A probe on squeezenet's features, trained on a dataset of 400 vegetables."""
    pytest.importorskip("byod_sklearn")
    pytest.importorskip("byod_torch")
    folder = tmp_path_factory.mktemp("datasets") / "vegetables"
    recipe = Recipe().with_class("blumenkohl").with_class("brokkoli")
    for name in recipe.classes:
        adding.add(
            [real_pictures / "vegetables" / name], name, folder, recipe, say=str, watch=lambda tallies: None
        )
    options = {"features": "body", "weights": str(real_pictures / "weights" / "squeezenet1_1.pth")}
    wanted = train.TrainRequest(plugin="sklearn", options=options, probe=False)
    return byod.Run(train.train(folder, wanted, say=str, log=lambda epoch: None)[0])


def test_pictures_of_other_kinds_are_told(run, real_pictures: Path):
    """Of cats, dogs and groceries at least 85 % are none of these, of the model's own test pictures at most 12 %."""
    card = run.card
    assert (card.typicality.kind, card.typicality.features) == ("mahalanobis", 896)
    assert card.metrics.none_of_these <= 0.12 * card.metrics.pictures
    files = sorted(
        file
        for place in PLACES
        for file in (real_pictures / place).rglob("*")
        if file.suffix.lower() == ".jpg"
    )
    said = [one for one in run.predict(files[::2]) if isinstance(one, Prediction)]
    assert len(said) > 150
    assert sum(one.none_of_these for one in said) >= 0.85 * len(said)


def test_every_way_says_so(run, real_pictures: Path, tmp_path):
    """`predict` as table and JSON, predictions.csv and `evaluate` name it; what they said before is unchanged."""
    cat = str(sorted((real_pictures / "cats").rglob("*.jpg"))[0])
    done = CliRunner().invoke(app, ["predict", cat, "--run", str(run.folder)])
    assert "none of these" in done.stdout
    done = CliRunner().invoke(app, ["predict", cat, "--run", str(run.folder), "--json"])
    (said,) = json.loads(done.stdout)
    assert said["none_of_these"] is True
    assert said["typicality"] < run.card.typicality.threshold
    with (run.folder / "predictions.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert sum(row["none_of_these"] == "true" for row in rows) == run.card.metrics.none_of_these
    assert all(float(row["typicality"]) < 0 for row in rows)
    done = CliRunner().invoke(app, ["evaluate", str(run.folder), "--json"])
    assert json.loads(done.stdout)["metrics"]["none_of_these"] == run.card.metrics.none_of_these
    assert "counts as none of these" in run.report.read_text(encoding="utf-8")
