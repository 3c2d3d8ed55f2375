"""No trained run is deleted by an error: what was learned stays, and the same command measures and exports again."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import direct_training as training
import numpy as np
import pytest
from colour_trainer import Colour, coloured

from byod.schema import files
from byod.schema.errors import ModelError, TrainerError
from byod.schema.records import Split
from byod.tasks.classify import evaluated_examples
from byod.training import onnx_model, run_folder

FIXTURES = Path(__file__).parents[2] / "fixtures"


class Resuming(Colour):
    """The trainer that leaves a checkpoint at its end, and goes on from it; `trainings` counts how often it learned."""

    resumes: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.trainings = 0
        self.broken = False

    def train(self, data, options, run):
        if run.resume() is None:
            self.trainings += 1
        else:
            options = options.model_copy(update={"epochs": 0})
        trained = super().train(data, options, run)
        run.save(3, {"done": np.ones(1, np.float32)}, {})
        if self.broken:
            raise TrainerError("this net cannot be exported")
        return trained


@pytest.fixture
def examples(tmp_path):
    return coloured(tmp_path / "images", per_class=40, parts=(0.4, 0.2, 0.4))


@pytest.fixture
def run(tmp_path):
    return tmp_path / "runs" / "first"


def train(examples, run, trainer, **more):
    return training.train(examples, ("red", "green"), trainer, {}, folder=run, **more)


def test_pictures_that_are_away_when_it_is_measured_cost_no_training(examples, run, tmp_path):
    """A drive that is away leaves the model; once it is back, the same command measures it and learns nothing anew."""
    trainer, said = Colour(), []
    away = [e.path for e in examples if e.split is Split.TEST]
    (tmp_path / "away").mkdir()
    for number, path in enumerate(away):
        shutil.move(path, tmp_path / "away" / f"{number}.jpg")
    with pytest.raises(TrainerError, match="can be opened any more"):
        train(examples, run, trainer, say=said.append)
    assert not run.exists()
    assert any("what was learned is kept" in line for line in said)
    for number, path in enumerate(away):
        shutil.move(tmp_path / "away" / f"{number}.jpg", path)
    card = train(examples, run, trainer)
    assert len(trainer.seen) == 1
    assert card.metrics.pictures == len(away)
    assert [place.name for place in run.parent.iterdir()] == ["first"]
    assert not (run / "work").exists()


def test_a_failed_parity_check_costs_no_epoch(examples, run, monkeypatch):
    """What onnxruntime says differently is no reason to throw the epochs away: they are exported again from the end."""
    trainer = Resuming()
    with monkeypatch.context() as during:
        during.setattr(onnx_model, "difference", lambda one, other: 1.0)
        with pytest.raises(TrainerError, match="differs from the trained one"):
            train(examples, run, trainer)
    assert not run.exists()
    train(examples, run, trainer)
    assert trainer.trainings == 1
    assert (run / "model.onnx").is_file()


def test_a_net_that_cannot_be_exported_keeps_its_epochs(examples, run):
    """An export that fails leaves the checkpoint, and succeeds later without an epoch more."""
    trainer = Resuming()
    trainer.broken = True
    with pytest.raises(TrainerError, match="cannot be exported"):
        train(examples, run, trainer)
    trainer.broken = False
    train(examples, run, trainer)
    assert trainer.trainings == 1


def full_for(monkeypatch, name, working):
    """A device without room for one file: of the run itself, or (`working`) of what is not finished."""
    write = files.replace

    def refusing(path, content):
        if Path(path).name == name and (Path(path).parent.name == run_folder.WORK) == working:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    monkeypatch.setattr(files, "replace", refusing)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", "predictions.csv", "report.html", "model.json"])
def test_a_full_device_costs_no_training(examples, run, monkeypatch, name):
    """Whichever file of the run no longer fits, the model stays, and the run is written once there is room."""
    trainer = Colour()
    with monkeypatch.context() as during:
        full_for(during, name, working=False)
        with pytest.raises(OSError, match="No space left"):
            train(examples, run, trainer)
    assert not run.exists()
    train(examples, run, trainer)
    assert (run / name).is_file()
    assert len(trainer.seen) == 1


@pytest.mark.slow
def test_a_device_that_is_full_when_the_model_is_kept_costs_no_epoch(examples, run, monkeypatch):
    """Where even the model itself no longer fits, its epochs are there still."""
    trainer = Resuming()
    with monkeypatch.context() as during:
        full_for(during, "model.json", working=True)
        with pytest.raises(OSError, match="No space left"):
            train(examples, run, trainer)
    train(examples, run, trainer)
    assert trainer.trainings == 1


def test_a_model_that_answers_nonsense_is_kept(examples, run, monkeypatch):
    """An error of the runtime while it is measured leaves what was learned."""
    trainer = Colour()

    def failing(*_):
        raise ModelError("the model cannot be run")

    with monkeypatch.context() as during:
        during.setattr(onnx_model, "classified", failing)
        with pytest.raises(ModelError):
            train(examples, run, trainer)
    train(examples, run, trainer)
    assert len(trainer.seen) == 1


@pytest.mark.slow
def test_pictures_that_go_away_before_the_report_is_drawn_cost_nothing(examples, run, monkeypatch):
    """The report stands without the pictures that are no longer there, and the numbers are those measured before."""
    measured = evaluated_examples.metrics

    def going(*arguments, **more):
        for example in examples:
            example.path.unlink(missing_ok=True)
        return measured(*arguments, **more)

    monkeypatch.setattr(evaluated_examples, "metrics", going)
    card = train(examples, run, Colour())
    assert card.metrics.pictures == 30
    assert (run / "report.html").is_file()


def test_an_error_before_anything_was_learned_leaves_nothing(tmp_path, run):
    """Where nothing was learned there is nothing to keep."""
    examples = coloured(tmp_path / "images", classes=("red",), per_class=20)

    class Refusing(Colour):
        def train(self, data, options, run):
            raise TrainerError("no")

    with pytest.raises(TrainerError):
        train([*examples, *coloured(tmp_path / "more", classes=("green",), per_class=20)], run, Refusing())
    assert list(run.parent.iterdir()) == []


def test_a_run_killed_while_it_cleared_up_is_whole(examples, run, monkeypatch):
    """Killed after its last file was written, the run is there; the next training clears up what it left."""
    with monkeypatch.context() as during:
        during.setattr(run_folder, "shutil", SimpleNamespace(rmtree=_killed))
        with pytest.raises(KeyboardInterrupt):
            train(examples, run, Colour())
    assert (run / "model.json").is_file()
    assert (run / "work").is_dir()
    train(examples, run.with_name("second"), Colour())
    assert not (run / "work").exists()


def _killed(*_):
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("name", ["predictions.csv", "model.json"])
def test_kill_9_while_the_run_is_written_costs_no_training(tmp_path, run, name):
    """Killed with -9 while its files are written, a run is written by the same command, with the model it had."""
    script = tmp_path / "train.py"
    script.write_text(
        f"""
import sys, time
sys.path.insert(0, {str(FIXTURES)!r})
from pathlib import Path
from colour_trainer import Colour, coloured
from direct_training import train
from byod.schema import files
from byod.training import run_folder
write = files.replace
def waiting(path, content):
    if Path(path).name == {name!r} and Path(path).parent.name != run_folder.WORK:
        Path({str(tmp_path / "here")!r}).touch()
        time.sleep(600)
    write(path, content)
files.replace = waiting
examples = coloured(Path({str(tmp_path / "images")!r}), per_class=40, parts=(0.4, 0.2, 0.4))
train(examples, ("red", "green"), Colour(), {{}}, folder=Path({str(run)!r}))
""",
        encoding="utf-8",
    )
    process = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "here").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not run.exists()
    trainer = Colour()
    examples = coloured(tmp_path / "images", per_class=40, parts=(0.4, 0.2, 0.4))
    train(examples, run, trainer)
    assert trainer.seen == []
    assert (run / name).is_file()
