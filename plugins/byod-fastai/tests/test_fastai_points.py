"""The fastai trainer of points on drawn heads: it learns, survives a kill, exports faithfully, says what it cannot."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from byod_fastai import Fastai
from byod_torch.keypoints.networks import Decoder, Direct

from byod.schema.errors import TrainerError
from byod.schema.keypoints import KeypointSet
from byod.schema.records import Split, Task
from byod.tasks.keypoints.geometry import DetectionFeed, KeypointFeed
from byod.testing import check_trainer, drawn_sets
from byod.training import onnx_model, protocol
from byod.training.protocol import Run, Stage, TrainingData, checkpoint

pytestmark = pytest.mark.slow  # trainings, small as they are, add up

LITE = {"arch": "unet_lite", "size": "64", "heads_size": "96", "from_scratch": "true"}
SHORT = {**LITE, "epochs": "1", "lr": "0.001"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Sixty drawn pictures with their marks."""
    return drawn_sets.heads(tmp_path_factory.mktemp("heads"), 80, (160, 120), seed=0)


def _data(drawn, stage, train=40, valid=16, points=None):
    return TrainingData(
        task=drawn.task,
        train=drawn.part(Split.TRAIN)[:train],
        valid=drawn.part(Split.VALID)[:valid],
        stage=stage,
        points=points or drawn.points,
        keypoints=drawn.keypoints,
    )


def _train(data, folder, options):
    epochs, said = [], []
    folder.mkdir(exist_ok=True)
    run = Run(folder=folder, seed=3, device="cpu", log=epochs.append, say=said.append)
    return Fastai().train(data, protocol.options(Fastai(), options), run), epochs, said


def _said(trained, images):
    opened = onnx_model.session(trained.onnx.read_bytes())
    return onnx_model.outputs(opened, np.moveaxis(images, 3, 1).astype(np.float32) / 255)


def test_it_learns_where_points_are(drawn, tmp_path):
    """A small net from random weights finds drawn eyes, at the usual rate without a search; the last epoch is kept."""
    data = _data(drawn, Stage.POINTS)
    trained, epochs, said = _train(data, tmp_path / "run", {**LITE, "epochs": "30"})
    off = []
    for batch in KeypointFeed(data.valid, data.keypoints, data.points, 64).plain(32):
        eyes = batch.points[:, :2]
        apart = np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1)
        found = _said(trained, batch.images)["points"][:, :2]
        off += list(np.linalg.norm(found - eyes, axis=2).mean(axis=1) / apart)
    assert np.median(off) < 0.1
    assert [epoch["epoch"] for epoch in epochs] == list(range(30))
    assert epochs[-1]["valid_loss"] < epochs[0]["valid_loss"]
    assert trained.notes["best_epoch"] == 29
    assert trained.lr_finder is None
    assert trained.notes["lr"] == 0.003
    assert not any("learning-rate finder" in line for line in said)


@pytest.mark.long
def test_it_learns_where_heads_are(drawn, tmp_path):
    """On most of the drawn pictures it has not seen, the best box lies on a head."""
    data = _data(drawn, Stage.DETECTION)
    trained, _, _ = _train(data, tmp_path / "run", {**LITE, "epochs": "30"})
    hits = []
    for batch in DetectionFeed(data.valid, data.keypoints, 96).plain(32):
        said = _said(trained, batch.images)["boxes"]
        for best, boxes in zip(said[:, 0], batch.boxes, strict=True):
            middle = (best[:2] + best[2:]) / 2
            if len(boxes):
                hits.append(any((b[:2] < middle).all() and (middle < b[2:]).all() for b in boxes))
    assert np.mean(hits) >= 0.7


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("given", [{}, {"mirror": "false", "ema": "false"}, {"head": "direct"}])
def test_the_export_is_what_was_trained(drawn, tmp_path, stage, given):
    """The file takes and gives what byod expects of the stage, and says what the net says."""
    trained, epochs, _ = _train(_data(drawn, stage, 4, 4), tmp_path / "run", SHORT | given)
    opened = onnx_model.session(trained.onnx.read_bytes())
    onnx_model.check_stage(opened, trained.input, stage, 9)
    assert trained.input.width == (96 if stage is Stage.DETECTION else 64)
    images = np.random.default_rng(0).random((3, 3, *(trained.input.width,) * 2), np.float32)
    said = trained.outputs(images)
    for name, exported in onnx_model.outputs(opened, images).items():
        assert onnx_model.difference(said[name], exported) < 1e-4
    assert trained.weights.is_file()
    assert {"train_loss", "valid_loss"} <= epochs[0].keys()
    assert trained.notes["mirror"] is (given.get("mirror") != "false")
    assert (trained.notes.get("head") == "direct") is (stage is Stage.POINTS and "head" in given)
    assert trained.versions["fastai"]


def test_numbers_straight_from_the_net_where_asked(drawn, tmp_path, monkeypatch):
    """`head=direct` trains byod-torch's direct answer, without it the decoder of heatmaps is trained."""
    from byod_torch.keypoints import train

    built = []
    made = train.net
    monkeypatch.setattr(train, "net", lambda *given: built.append(made(*given)) or built[-1])
    for head in ("heatmap", "direct"):
        _train(_data(drawn, Stage.POINTS, 4, 4), tmp_path / head, {**SHORT, "head": head})
    assert [type(net.model[2]) for net in built] == [Decoder, Direct]


def test_pictures_come_from_byods_feed_alone(drawn, tmp_path, monkeypatch):
    """Each epoch learns byod's own augmented batches, by the number of the epoch; nothing of fastai's changes them."""
    from byod_torch.keypoints.feeds import Feed

    asked, shown = [], []
    epoch = Feed.epoch

    def recorded(self, number):
        for batch in epoch(self, number):
            asked.append((number, batch.images))
            yield batch

    monkeypatch.setattr(Feed, "epoch", recorded)
    from byod_fastai.train_keypoints import PointsWatch

    after = PointsWatch.after_batch

    def seen(self):
        if self.training:
            shown.append(self.xb[0].numpy())
        after(self)

    monkeypatch.setattr(PointsWatch, "after_batch", seen)
    _train(_data(drawn, Stage.POINTS, 8, 4), tmp_path / "run", {**SHORT, "epochs": "2", "ema": "false"})
    learned = asked[: len(shown)]
    assert [number for number, _ in learned] == [0] * (len(learned) // 2) + [1] * (len(learned) // 2)
    for (_, images), there in zip(learned, shown, strict=True):
        assert np.abs(np.moveaxis(images, 3, 1) / np.float32(255) - there).max() < 1e-6


CHILD = """
import json, os, signal, sys
from pathlib import Path
from byod.training import protocol
from byod.training.protocol import Run, TrainingData

learning = TrainingData.model_validate_json(Path(sys.argv[1]).read_bytes())
folder, dies = Path(sys.argv[2]), int(sys.argv[4])
import torch
torch.set_num_threads(1)

def log(epoch):
    with (folder / "epochs.jsonl").open("a") as lines:
        lines.write(json.dumps(dict(epoch)) + "\\n")

def should_stop():
    if (folder / "epochs.jsonl").read_text().count("\\n") == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return False

trainer = protocol.load("fastai")
options = protocol.options(trainer, json.loads(sys.argv[3]))
trainer.train(learning, options, Run(folder=folder, seed=3, device="cpu", log=log, should_stop=should_stop))
"""


def _child(folder, data, options, dies):
    """How it ended, and the epochs it has logged until then."""
    folder.mkdir(exist_ok=True)
    (folder / "learning.json").write_text(data.model_dump_json())
    arguments = [str(folder / "learning.json"), str(folder), json.dumps(options), str(dies)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    logged = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    return done, logged


@pytest.mark.long
@pytest.mark.parametrize(
    ("stage", "dies", "given"),
    [(Stage.DETECTION, 2, {}), (Stage.POINTS, 3, {}), (Stage.POINTS, 1, {"ema": "false", "lr": "0.003"})],
)
def test_killed_and_resumed_bit_for_bit(drawn, tmp_path, stage, dies, given):
    """A training that is killed and started again logs each epoch once and ends with the very weights of another."""
    from safetensors.torch import load_file

    data, options = _data(drawn, stage, 12, 4), {**LITE, "epochs": "4", **given}
    done, wanted = _child(tmp_path / "whole", data, options, 0)
    assert done.returncode == 0, done.stderr
    killed = tmp_path / "killed"
    done, _ = _child(killed, data, options, dies)
    assert done.returncode == -signal.SIGKILL, done.stderr
    kept = checkpoint(killed).epochs
    assert 0 < kept <= dies
    done, logged = _child(killed, data, options, 0)
    assert done.returncode == 0, done.stderr
    together = [*logged[:kept], *logged[dies:]]
    for name in ("epoch", "train_loss", "valid_loss", "lr"):
        assert [epoch[name] for epoch in together] == [epoch[name] for epoch in wanted]
    first, second = (load_file(folder / "weights.safetensors") for folder in (tmp_path / "whole", killed))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_that_had_ended_only_exports(drawn, tmp_path):
    """After its last epoch nothing is learned again, and the outcome is the same."""
    data, options = _data(drawn, Stage.POINTS, 4, 4), SHORT | {"epochs": "2"}
    first, epochs, _ = _train(data, tmp_path, options)
    again, none, _ = _train(data, tmp_path, options)
    assert len(epochs) == 2
    assert none == []
    images = np.random.default_rng(0).random((2, 3, 64, 64), np.float32)
    assert np.array_equal(first.outputs(images)["points"], again.outputs(images)["points"])
    assert first.notes == again.notes


def test_a_mirror_image_that_would_mislabel_is_refused(drawn, tmp_path):
    """Points with a side and no partner are not mirrored: refused in a line, and learned where mirroring is off."""
    lonely = KeypointSet(names=drawn.points.names, flips=drawn.points.flips[:1])
    data = _data(drawn, Stage.POINTS, 4, 4, points=lonely)
    with pytest.raises(TrainerError, match="ear_image_left_outer"):
        _train(data, tmp_path / "a", SHORT)
    trained, _, _ = _train(data, tmp_path / "b", {**SHORT, "mirror": "false"})
    assert trained.notes["mirror"] is False


@pytest.mark.parametrize("wrong", ["mixup", "class_weights", "patience"])
def test_options_of_classes_are_refused(drawn, tmp_path, wrong):
    """What says nothing for points is not silently passed over."""
    given = {"mixup": "0.4", "class_weights": "true", "patience": "3"}[wrong]
    with pytest.raises(TrainerError, match=f"{wrong} says nothing"):
        _train(_data(drawn, Stage.POINTS), tmp_path, {**SHORT, wrong: given})


def test_options_of_points_are_refused_for_classes(tmp_path):
    """Neither the other way round."""
    with pytest.raises(TrainerError, match="head says nothing"):
        _train(TrainingData(classes=("a", "b"), train=(), valid=()), tmp_path, {"head": "direct"})


def test_a_small_net_of_its_own_is_what_learns_from_random_weights(drawn, tmp_path):
    """Where no net is asked for, from scratch the one made for points is taken, as byod-torch does."""
    given = {name: value for name, value in SHORT.items() if name != "arch"}
    trained, _, _ = _train(_data(drawn, Stage.POINTS, 4, 4), tmp_path, given)
    assert trained.arch == "unet_lite"


def test_several_processes_are_refused(drawn, tmp_path):
    """Points are learned in one process; the line says what to leave out."""
    run = Run(folder=tmp_path, gpus=2, device="cpu")
    with pytest.raises(TrainerError, match="remove --gpus"):
        Fastai().train(_data(drawn, Stage.POINTS), protocol.options(Fastai(), SHORT), run)


@pytest.mark.long
def test_it_keeps_the_contract_on_points():
    """Everything that byod expects of a trainer of points holds, both stages, with a small net from random weights."""
    small = LITE | {"heads_size": "64", "epochs": "20", "lr": "0.005", "batch_size": "8"}
    found = check_trainer(Fastai, small, per_class=40, accuracy=0.6, task=Task.KEYPOINTS)
    assert found.accuracy >= 0.6
    assert found.found >= 0.6
    assert len(found.resumed) == 3
