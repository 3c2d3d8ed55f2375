"""Using a run folder: by onnxruntime alone, and whatever lies in it."""

import json
import subprocess
import sys

import direct_training as train
import numpy as np
import pytest
from colour_trainer import Colour, coloured
from PIL import Image

from byod.images.resize import as_input, pixels
from byod.schema.errors import ModelError
from byod.schema.model_card import Prediction, Unreadable
from byod.tasks.classify.predict import Predictor


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder and the examples it was made from."""
    folder = tmp_path_factory.mktemp("dataset")
    examples = coloured(folder / "images", per_class=60)
    train.train(examples, ("red", "green"), Colour(), {}, folder=folder / "runs" / "one")
    return folder / "runs" / "one", examples


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run that a test may damage."""
    copy = tmp_path / "run"
    copy.mkdir()
    for file in trained[0].iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def test_predictions_come_in_order_and_sum_to_one(trained):
    """One answer a picture, more pictures than a batch, probabilities of all classes."""
    run, examples = trained
    answers = list(Predictor(run).predict(e.path for e in examples))
    assert [a.path for a in answers] == [str(e.path) for e in examples]
    for answer in answers:
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert answer.probability == max(answer.probabilities.values())
        assert answer.probabilities[answer.label] == answer.probability
    assert np.mean([a.label == e.label for a, e in zip(answers, examples, strict=True)]) > 0.9


def test_an_unreadable_picture_does_not_stop_the_others(trained, tmp_path):
    """Broken, missing and empty files are reported under their path, in their place."""
    run, examples = trained
    (tmp_path / "broken.jpg").write_bytes(examples[0].path.read_bytes()[:200])
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "empty.jpg").touch()
    bad = [tmp_path / name for name in ("broken.jpg", "page.jpg", "empty.jpg", "missing.jpg")]
    answers = list(Predictor(run).predict([examples[0].path, *bad, examples[1].path]))
    assert [type(a) for a in answers] == [Prediction, *[Unreadable] * 4, Prediction]
    assert [a.path for a in answers[1:5]] == [str(path) for path in bad]
    assert all(a.error for a in answers[1:5])


def test_bytes_are_predicted_like_the_file(trained):
    """What comes from standard input gets the same answer as the file."""
    run, examples = trained
    path = examples[3].path
    from_file, from_bytes = Predictor(run).predict([path, ("-", path.read_bytes())])
    assert from_bytes.path == "-"
    assert from_bytes.probabilities == from_file.probabilities


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "RGBA"])
def test_modes_and_sizes(trained, tmp_path, mode):
    """CMYK, grey, palette and transparent pictures, down to one pixel, are answered."""
    file = tmp_path / ("one.tif" if mode == "CMYK" else "one.png")
    Image.new("RGB", (1, 1), (170, 70, 60)).convert(mode).save(file)
    (answer,) = Predictor(trained[0]).predict([file])
    assert isinstance(answer, Prediction)


def test_orientation_is_applied(trained, tmp_path):
    """A picture stored on its side with EXIF orientation gives the same input as the upright one."""
    rule = Predictor(trained[0]).card.input
    upright = Image.new("RGB", (64, 64), "white")
    upright.paste((200, 0, 0), (0, 0, 64, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(tmp_path / "upright.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(pixels(tmp_path / "upright.png", rule), pixels(tmp_path / "turned.png", rule))


def test_as_input_is_channels_first_between_0_and_1():
    """uint8 [N, H, W, 3] becomes float32 [N, 3, H, W]."""
    batch = np.zeros((1, 2, 4, 3), np.uint8)
    batch[0, 1, 2] = (255, 128, 0)
    images = as_input(batch)
    assert images.shape == (1, 3, 2, 4)
    assert images.dtype == np.float32
    assert images[0, :, 1, 2].tolist() == pytest.approx([1, 128 / 255, 0])


def test_predicting_needs_no_torch(trained):
    """Opening a run and predicting imports neither torch nor onnx nor fastai."""
    run, examples = trained
    code = (
        "import sys; from pathlib import Path; from byod.tasks.classify.predict import Predictor\n"
        f"print(len(list(Predictor(Path({str(run)!r})).predict([Path({str(examples[0].path)!r})]))))\n"
        "print([m for m in ('torch', 'fastai', 'onnx', 'pickle5', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["1", "[]"]


def _change(run, **values):
    card = json.loads((run / "model.json").read_text("utf-8"))
    (run / "model.json").write_text(json.dumps({**card, **values}), "utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["red"]},
        {"classes": ["red", "red"]},
        {"classes": ["red", "green", "blue"]},
        {"input": {"width": 10_000_000, "height": 16, "resize": "squish"}},
        {"input": {"width": 16, "height": 32, "resize": "squish"}},
        {"input": {"width": 16, "height": 16, "resize": "../../etc/passwd"}},
        {"temperature": 0},
        {"model_sha256": "0" * 64},
        {"model_sha256": "../model"},
        {"task": "keypoints"},
        {"format": 2},
        {"metrics": None},
    ],
)
def test_a_hostile_card_is_refused(run, change):
    """A card that does not fit its model, or is not a card, ends in one line."""
    _change(run, **change)
    with pytest.raises(ModelError) as caught:
        Predictor(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\x80\x04pickle", b'{"a":' * 100_000, "{}".encode("utf-16")]
)
def test_a_card_that_is_no_card_is_refused(run, content):
    """Whatever the bytes are."""
    (run / "model.json").write_bytes(content)
    with pytest.raises(ModelError):
        Predictor(run)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\x08\x07" + b"\xff" * 200])
def test_a_model_file_that_is_none_is_refused(run, content):
    """Also when the card names its hash."""
    import hashlib

    (run / "model.onnx").write_bytes(content)
    _change(run, model_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError):
        Predictor(run)


def test_a_folder_without_a_run_is_said(tmp_path):
    """The line says what a run is."""
    with pytest.raises(ModelError, match=r"no model\.json"):
        Predictor(tmp_path)


def test_a_run_without_its_model_is_said(run):
    """model.json alone is not enough."""
    (run / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"no model\.onnx"):
        Predictor(run)
