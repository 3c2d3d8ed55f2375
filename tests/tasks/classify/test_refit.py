"""A model of all pictures beside the measured one: what it learned from, what it says of itself, and who uses it."""

import json
from pathlib import Path

import direct_training as training
import onnx
import pytest
from colour_trainer import Colour, coloured

import byod
from byod.api.train import TrainRequest, train
from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import ModelCard
from byod.training.refit import as_run
from byod.training.run_folder import read_card

pytestmark = pytest.mark.slow


class Patient(Colour):
    """The trainer that stops when it is told to, and says that its second epoch was the best."""

    def train(self, data, options, run):
        done = []
        for epoch in range(options.epochs):
            done.append(epoch)
            trained = super().train(data, options.model_copy(update={"epochs": epoch + 1}), _quiet(run))
            run.log({"epoch": epoch, "train_loss": 0.1, "valid_loss": 0.1, "accuracy": 1.0, "seconds": 0.0})
            if run.should_stop():
                break
        self.epochs = getattr(self, "epochs", [])
        self.epochs.append(len(done))
        from dataclasses import replace

        return replace(trained, notes={"best_epoch": min(1, len(done) - 1)})


def _quiet(run):
    from dataclasses import replace

    return replace(run, log=lambda epoch: None)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run with a model of all pictures, its examples and its trainer."""
    folder = tmp_path_factory.mktemp("set")
    examples = coloured(folder / "images", per_class=50)
    trainer = Patient()
    run = folder / "runs" / "one"
    training.train(examples, ("red", "green"), trainer, {"epochs": "4"}, folder=run, refitted=True)
    return run, examples, trainer


def card(run, name="model.json"):
    return json.loads((run / name).read_text("utf-8"))


def test_it_learns_from_all_pictures_with_the_epochs_found(home):
    """The second training has every picture, the test part too, and as many epochs as the best weights took."""
    run, examples, trainer = home
    measured, again = trainer.seen[0], trainer.seen[-1]
    assert {e.sha256 for e in again.train} == {e.sha256 for e in examples}
    assert len(measured.train) < len(again.train)
    assert trainer.epochs == [4, 2]
    assert card(run)["temperature"] == card(run, "model-all.json")["temperature"]


def test_both_cards_name_each_other_and_say_which_is_measured(home):
    """model.json is measured, model-all.json is not; each names the other, and the numbers are the measured one's."""
    run, examples, _ = home
    one, other = card(run), card(run, "model-all.json")
    assert (one["measured"], other["measured"]) == (True, False)
    assert one["twin"] == other["model_sha256"] != one["model_sha256"] == other["twin"]
    assert one["metrics"] == other["metrics"]
    assert sum(other["counts"]["train"].values()) == len(examples)
    kept = onnx.load(run / "model-all.onnx")
    assert next(o.name for o in kept.graph.output) == "probabilities"


def test_the_measured_model_is_used_unless_told_otherwise(home, tmp_path):
    """predict and export take model.onnx; with refit they take model-all.onnx, and the card goes with it."""
    run, examples, _ = home
    pictures = [str(e.path) for e in examples[:3]]
    plain, again = byod.Run(run), byod.Run(run, refit=True)
    assert plain.predict(pictures)[0].probabilities != again.predict(pictures)[0].probabilities
    given = again.export("onnx", into=tmp_path / "all", progress=False)
    assert (given / "model.onnx").read_bytes() == (run / "model-all.onnx").read_bytes()
    assert card(given)["measured"] is False
    ordinary = plain.export("onnx", into=tmp_path / "measured", progress=False)
    assert (ordinary / "model.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    assert {path.name for path in ordinary.iterdir()} == {"model.onnx", "model.json", "predict.py"}


def test_reports_go_to_the_measured_model(home):
    """A page with reports is refused for the model of all pictures."""
    run, *_ = home
    with pytest.raises(UsageError, match="--allow-reports"):
        byod.Run(run, refit=True).serve(allow_reports=True, progress=False)


def test_a_run_without_one_says_so(home, tmp_path):
    """Asking for what was not trained is one line that says how to get it."""
    _, examples, _ = home
    run = tmp_path / "runs" / "plain"
    training.train(examples, ("red", "green"), Colour(), {}, folder=run)
    assert card(run)["twin"] is None
    assert not list(run.glob("*all*"))
    with pytest.raises(ModelError, match="train with --refit"):
        byod.Run(run, refit=True).predict(str(examples[0].path))


def test_one_that_belongs_to_another_run_is_refused(home, tmp_path):
    """A card that names another twin is not believed."""
    run, *_ = home
    other = tmp_path / "other"
    other.mkdir()
    for file in run.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    changed = {**card(other, "model-all.json"), "twin": "0" * 64}
    (other / "model-all.json").write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(ModelError, match="does not belong"), as_run(other, ModelCard):
        pass
    assert read_card(run, ModelCard).twin is not None


def test_the_command_trains_both(tmp_path: Path):
    """Through the library: one call, both files, and the probe's strength is the one that was found."""
    from byod.api import adding
    from byod.schema.recipe import Recipe
    from byod.testing import draw_classes

    def silent(*_):
        pass

    draw_classes(tmp_path / "own", ("circle", "square"), per_class=40, size=(120, 100))
    adding.add([tmp_path / "own"], None, tmp_path / "set", Recipe(min_side=1), say=silent, watch=silent)
    wanted = TrainRequest(plugin="sklearn", probe=False, options={"from_scratch": "true"}, refit=True)
    run, _ = train(tmp_path / "set", wanted, say=silent, log=silent)
    assert (run / "model-all.onnx").is_file()
    assert card(run, "model-all.json")["measured"] is False
    assert "model-all.onnx" in (run / "report.html").read_text("utf-8")
