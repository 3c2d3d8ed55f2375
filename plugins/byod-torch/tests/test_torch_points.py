"""The torch trainer of points on drawn heads: it learns, survives a kill, exports faithfully, says what it cannot."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from byod_torch import Options, Torch
from byod_torch.keypoints import losses, outputs
from byod_torch.keypoints.encoders import Encoder
from byod_torch.keypoints.schedule import plan
from byod_torch.keypoints.train import net

from byod.api import convert
from byod.collection.importers import archives
from byod.dataset.dataset_folder import Dataset
from byod.schema.errors import TrainerError
from byod.schema.keypoints import KeypointSet
from byod.schema.records import Example, Split, Task
from byod.tasks import TASKS
from byod.tasks.keypoints.geometry import KeypointFeed, Stage
from byod.tasks.keypoints.importers import cat_dataset
from byod.tasks.keypoints.importers.cat_file import POINTS
from byod.tasks.keypoints.stages import difference
from byod.tasks.keypoints.training_set import labelled
from byod.testing import draw_heads
from byod.training import onnx_model, protocol
from byod.training.protocol import Run, TrainingData

LITE = {"arch": "unet_lite", "size": "64", "heads_size": "96", "from_scratch": "true"}


@pytest.fixture(scope="session")
def drawn_heads(tmp_path_factory):
    """Sixty drawn pictures with their marks."""
    return draw_heads(tmp_path_factory.mktemp("heads"), 60)


@pytest.fixture(scope="session")
def marked(drawn_heads):
    """Training material for a stage: `marked(stage, train, valid)`."""

    def some(stage, train=16, valid=8, points=POINTS):
        examples = [
            Example(
                sha256=keypoints.sha256, path=path, label="cat", split=Split.TRAIN, group=keypoints.sha256
            )
            for path, keypoints in drawn_heads
        ]
        return TrainingData(
            task=Task.KEYPOINTS,
            train=tuple(examples[:train]),
            valid=tuple(examples[len(examples) - valid :]),
            stage=stage,
            points=points,
            keypoints={keypoints.sha256: keypoints for _, keypoints in drawn_heads},
        )

    return some


def _train(learning, folder, given, **run):
    options = protocol.options(Torch(), given)
    folder.mkdir(exist_ok=True)
    return Torch().train(learning, options, Run(folder=folder, device="cpu", **run))


def _errors(trained, learning):
    """How far the eyes are off on the true frames of the validation heads, in inter-ocular distances."""
    opened = onnx_model.session(trained.onnx.read_bytes())
    off = []
    feed = KeypointFeed(learning.valid, learning.keypoints, learning.points, trained.input.width)
    for batch in feed.plain(32):
        said = onnx_model.outputs(opened, np.moveaxis(batch.images, 3, 1).astype(np.float32) / 255)
        eyes = batch.points[:, :2]
        apart = np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1)
        off += list(np.linalg.norm(said["points"][:, :2] - eyes, axis=2).mean(axis=1) / apart)
    return np.array(off)


@pytest.mark.long
def test_heatmaps_learn_points_better_than_numbers(marked, tmp_path):
    """A small net from random weights finds drawn eyes; the same one that answers with numbers is far behind."""
    learning = marked(Stage.POINTS, 48, 12)
    given = {**LITE, "epochs": "40"}
    errors = {}
    for head in ("heatmap", "direct"):
        trained = _train(learning, tmp_path / head, {**given, "head": head})
        errors[head] = float(np.median(_errors(trained, learning)))
    assert errors["heatmap"] < 0.08
    assert errors["direct"] > 1.5 * errors["heatmap"]


@pytest.mark.long
def test_it_learns_where_heads_are(marked, tmp_path):
    """On most of the drawn pictures it has not seen, the best box lies on a head."""
    learning = marked(Stage.DETECTION, 48, 12)
    epochs = []
    trained = _train(learning, tmp_path / "run", {**LITE, "epochs": "40"}, log=epochs.append)
    assert [epoch["epoch"] for epoch in epochs] == list(range(40))
    assert epochs[-1]["valid_loss"] < epochs[0]["valid_loss"]
    opened = onnx_model.session(trained.onnx.read_bytes())
    from byod.tasks.keypoints.geometry import DetectionFeed

    hits = []
    for batch in DetectionFeed(learning.valid, learning.keypoints, 96).plain(32):
        said = onnx_model.outputs(opened, np.moveaxis(batch.images, 3, 1).astype(np.float32) / 255)
        for best, boxes in zip(said["boxes"][:, 0], batch.boxes, strict=True):
            if len(boxes):
                middle = (best[:2] + best[2:]) / 2
                hits.append(any((b[:2] < middle).all() and (middle < b[2:]).all() for b in boxes))
    assert np.mean(hits) >= 0.7


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("mirror", ["true", "false"])
def test_the_export_is_what_was_trained(stage, mirror, marked, tmp_path):
    """The file takes and gives what byod expects of the stage, and says what the net says."""
    trained = _train(marked(stage, 4, 2), tmp_path / "run", {**LITE, "epochs": "1", "mirror": mirror})
    opened = onnx_model.session(trained.onnx.read_bytes())
    onnx_model.check_stage(opened, trained.input, stage, 9)
    images = np.random.default_rng(0).random((3, 3, *(trained.input.width,) * 2), np.float32)
    said = trained.outputs(images)
    assert difference(stage, said, onnx_model.outputs(opened, images)) < 1e-4
    assert trained.weights.is_file()
    assert trained.notes["mirror"] is (mirror == "true")


CHILD = """
import json, sys
from pathlib import Path
from byod.training import protocol
from byod.training.protocol import Run, TrainingData

learning = TrainingData.model_validate_json(Path(sys.argv[1]).read_bytes())
folder = Path(sys.argv[2])

def log(epoch):
    with (folder / "epochs.jsonl").open("a") as lines:
        lines.write(json.dumps(dict(epoch)) + "\\n")

trainer = protocol.load("torch")
options = protocol.options(trainer, json.loads(sys.argv[3]))
trainer.train(learning, options, Run(folder=folder, device="cpu", log=log))
"""


@pytest.mark.long
@pytest.mark.parametrize("stage", list(Stage))
def test_killed_and_resumed_bit_for_bit(stage, marked, tmp_path):
    """A training that is killed and started again ends with the very weights of an undisturbed one."""
    (tmp_path / "learning.json").write_text(marked(stage, 12, 4).model_dump_json())
    given = json.dumps({**LITE, "epochs": "6"})

    def start(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        arguments = [str(tmp_path / "learning.json"), str(folder), given]
        return folder, subprocess.Popen([sys.executable, "-W", "ignore", "-c", CHILD, *arguments])

    whole, process = start("whole")
    assert process.wait() == 0
    killed, process = start("killed")
    lines = killed / "epochs.jsonl"
    while not (lines.exists() and lines.read_text().count("\n") >= 3) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert process.wait() != 0
    _, process = start("killed")
    assert process.wait() == 0
    from safetensors.torch import load_file

    first, second = (load_file(folder / "weights.safetensors") for folder in (whole, killed))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def real_cats(real_pictures, tmp_path_factory):
    """The pictures of the Cat Dataset that are at hand, to learn points from."""
    folder = tmp_path_factory.mktemp("real") / "cats"
    with archives.opened([real_pictures / "cats"]) as stores:
        convert.convert(cat_dataset.read(stores), folder, say=lambda _: None, watch=lambda _: None)
    with Dataset(folder, TASKS) as dataset:
        snapshot = dataset.snapshot()
        examples = dataset.examples(snapshot)
    read = labelled(snapshot, examples)
    return TrainingData(
        task=Task.KEYPOINTS,
        train=tuple(examples[:18]),
        valid=tuple(examples[18:]),
        stage=Stage.POINTS,
        points=read.points,
        keypoints=read.keypoints,
    )


@pytest.mark.long
@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "given"), [("squeezenet1_1.pth", {}), ("mobilenet_v2.pth", {"freeze_norm": "true"})]
)
def test_real_weights_find_points_of_real_cats(file, given, real_cats, real_pictures, tmp_path):
    """Tuned on eighteen heads, features learned elsewhere find the points of six others far better than at first."""
    epochs = []
    options = {"weights": str(real_pictures / "weights" / file), "size": "96", "epochs": "25", **given}
    trained = _train(real_cats, tmp_path / "run", options, log=epochs.append)
    assert trained.pretrained == file
    assert epochs[-1]["valid_loss"] < 0.7 * epochs[0]["valid_loss"]
    assert np.median(_errors(trained, real_cats)) < 0.2


def test_a_mirror_image_that_would_mislabel_is_refused(marked, tmp_path):
    """Points with a side and no partner are not mirrored: refused in a line, and learned where mirroring is off."""
    lonely = KeypointSet(names=POINTS.names, flips=POINTS.flips[:1])
    learning = marked(Stage.POINTS, 4, 2, points=lonely)
    with pytest.raises(TrainerError, match="ear_image_left_outer"):
        _train(learning, tmp_path / "a", {**LITE, "epochs": "1"})
    trained = _train(learning, tmp_path / "b", {**LITE, "epochs": "1", "mirror": "false"})
    assert trained.notes["mirror"] is False


def test_options_of_the_other_task_are_refused(marked, tmp_path):
    """What says nothing for points is not silently passed over, and neither the other way round."""
    with pytest.raises(TrainerError, match="mixup says nothing"):
        _train(marked(Stage.POINTS), tmp_path / "a", {**LITE, "mixup": "0.4"})
    learning = TrainingData(classes=("a", "b"), train=(), valid=())
    with pytest.raises(TrainerError, match="head says nothing"):
        _train(learning, tmp_path / "b", {"head": "direct"})


def test_a_net_without_maps_is_refused(marked, tmp_path):
    """A vision transformer of one size gives no maps for another one; the line names a net that does."""
    given = {**LITE, "arch": "vit_tiny_patch16_224", "size": "64"}
    with pytest.raises(TrainerError, match="resnet18"):
        _train(marked(Stage.POINTS), tmp_path / "a", given)


@pytest.mark.parametrize(
    "arch",
    [
        "unet_lite",
        "squeezenet",
        "mobilenet_v2",
        "resnet18",
        "lcnet_050",
        pytest.param("densenet121", marks=pytest.mark.slow),
    ],
)
def test_any_body_gives_maps_at_its_own_places(arch):
    """Each body's maps divide the picture evenly, the finest has a cell every four pixels, and all of it learns."""
    options = Options(arch=arch, from_scratch=True)
    built = net(options, plan(options, Stage.POINTS, 100), POINTS)
    encoder = built.model[1]
    assert isinstance(encoder, Encoder)
    assert encoder.sides[0] == 32
    assert all(128 % side == 0 for side in encoder.sides)
    heat = built.model(torch.rand(2, 3, 128, 128))
    assert heat.shape == (2, 9, 32, 32)
    heat.mean().backward()
    learned = [p.grad is not None for p in built.model.parameters()]
    assert np.mean(learned) > 0.9


@pytest.mark.slow
def test_weights_of_a_net_for_points_begin_another_training(marked, tmp_path):
    """What one training kept is taken by the next one, whose body starts where the first one's ended."""
    from safetensors.torch import load_file

    first = _train(marked(Stage.POINTS, 4, 2), tmp_path / "a", {**LITE, "epochs": "1"})
    given = {"weights": str(first.weights), "size": "64", "epochs": "1", "lr": "1e-9"}
    again = _train(marked(Stage.POINTS, 4, 2), tmp_path / "b", given)
    assert (again.arch, again.pretrained) == ("unet_lite", "weights.safetensors")
    one, two = load_file(first.weights), load_file(again.weights)
    body = [name for name in one if name.startswith("1.") and name.endswith("weight")]
    assert body
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in body)


def test_places_are_the_middle_of_heatmaps():
    """A single hot cell is a point in its middle, with full confidence; an even map is the picture's middle."""
    heat = torch.full((1, 2, 8, 8), 0.0)
    heat[0, 0, 2, 5] = 100
    points, share = outputs.places(heat)
    assert points[0, 0].tolist() == pytest.approx([5.5 / 8, 2.5 / 8])
    assert points[0, 1].tolist() == pytest.approx([0.5, 0.5])
    sure = outputs.near(share, points)
    assert float(sure[0, 0]) == pytest.approx(1)
    assert float(sure[0, 1]) < 0.2


def test_a_last_digit_moves_a_confidence_by_a_last_digit():
    """A point that a browser places a millionth further is as sure: no cell falls in or out as a whole."""
    share = torch.full((1, 1, 32, 32), 1 / 1024)
    along = torch.linspace(0.3, 0.7, 40_001)
    points = torch.stack([along, along.flip(0)], 1)[:, None]
    sure = outputs.near(share, points)[:, 0]
    assert (sure.diff().abs() < 2e-5).all(), "steps of a hundred-thousandth"
    assert sure.mean().item() == pytest.approx(np.pi * outputs.NEAR**2, rel=0.02), (
        "the share of an even map is the area"
    )


def test_mirrored_answers_come_back_to_their_places():
    """A net that sees only brightness gives the same mean on a picture and its mirror image, points exchanged."""

    class Brightest(torch.nn.Module):
        def forward(self, image):
            both = torch.cat([image[:, :1], image[:, 1:2]], 1)
            return both * 200

    picture = torch.zeros(1, 3, 16, 16)
    picture[0, 0, 3, 2], picture[0, 1, 4, 12] = 1, 1
    asked = outputs.PointAnswer(Brightest(), [0, 1], direct=False)
    points, sure = asked(picture)
    assert points[0].flatten().tolist() == pytest.approx([2.5 / 16, 3.5 / 16, 12.5 / 16, 4.5 / 16], abs=1e-4)
    assert sure.min() > 0.99


def test_peaks_become_boxes_best_first():
    """Each head's cell gives its box, neighbours are no peaks, and a perfect map has next to no loss."""
    boxes = np.array([[0.1, 0.2, 0.4, 0.5], [0.6, 0.5, 0.8, 0.9]], np.float32)
    heat, truth = losses._target(boxes, 40, 40)
    x, y = outputs.centres(40, heat), outputs.centres(40, heat)
    maps = torch.zeros(1, 5, 40, 40)
    maps[0, 0] = (heat.clamp(1e-4, 1 - 1e-4)).logit()
    width, height = truth[2] - truth[0], truth[3] - truth[1]
    there = width > 0
    width, height = width.clamp_min(0.01), height.clamp_min(0.01)
    maps[0, 1] = torch.where(there, ((truth[0] + truth[2]) / 2 - x[None, :]) / width, 0)
    maps[0, 2] = torch.where(there, ((truth[1] + truth[3]) / 2 - y[:, None]) / height, 0)
    maps[0, 3], maps[0, 4] = width.log(), height.log()

    class Known(torch.nn.Module):
        def forward(self, image):
            return maps

    said, scores = outputs.DetectionAnswer(Known(), mirror=False)(torch.zeros(1, 3, 160, 160))
    assert said.shape == (1, 20, 4)
    assert (scores[0, :2] > 0.99).all()
    assert (scores[0, 2:] < 0.01).all()
    found = sorted(said[0, :2].tolist())
    assert np.allclose(found, boxes, atol=1e-5)
    empty = torch.zeros(1, 5, 40, 40)
    assert losses.of_instances(maps, [boxes]) < 0.05 * losses.of_instances(empty, [boxes])


def test_even_areas_hold_no_peaks():
    """Where all cells say the same faint word, whatever the rounding, nothing is found."""

    class Even(torch.nn.Module):
        def forward(self, image):
            maps = torch.zeros(1, 5, 20, 20)
            maps[:, 0] = -3 + torch.rand(20, 20) * 1e-6
            return maps

    _, scores = outputs.DetectionAnswer(Even(), mirror=False)(torch.zeros(1, 3, 160, 160))
    assert scores.max() == 0


def test_unmarked_points_teach_nothing():
    """A point that is not marked has no part in the loss, wherever it is said to be."""
    heat = torch.rand(2, 3, 8, 8)
    weights = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    points = torch.rand(2, 3, 2)
    other = torch.where(weights[..., None] > 0, points, points + 5)
    there = torch.ones(2)
    assert losses.of_heatmaps(heat, points, weights, there) == losses.of_heatmaps(heat, other, weights, there)
    assert losses.of_heatmaps(heat, points, weights, there) != losses.of_heatmaps(
        heat, points + 0.1, weights, there
    )


def test_where_no_head_is_no_place_is_right():
    """For a frame without a head the loss is least without any peak, wherever its points are said to be."""
    points, weights, nobody = torch.rand(2, 3, 2), torch.ones(2, 3), torch.zeros(2)
    even, peaked = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    peaked[..., 2, 5] = 9
    loss = losses.of_heatmaps(even, points, weights, nobody)
    assert loss == losses.of_heatmaps(even, points + 0.2, weights, nobody)
    assert loss < losses.of_heatmaps(peaked, points, weights, nobody)
    sure = torch.cat([points, torch.full((2, 3, 1), 5.0)], 2)
    assert losses.of_numbers(sure, points, weights, nobody) > losses.of_numbers(
        -sure, points, weights, nobody
    )
