"""A model given away: its preprocessing goes with it, in the graph or as a program that needs no byod."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from page_server import trained
from PIL import Image
from typer.testing import CliRunner

from byod.api import runs
from byod.cli import app
from byod.images import resize
from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import PixelRule, Resize
from byod.tasks.classify.predict import Predictor
from byod.training import graph_check, resize_graph

RANDOM = np.random.default_rng(11)
SIZES = ((7, 5), (64, 48), (333, 200), (90, 700), (1200, 901), (3, 900), (1, 1))
WITHOUT_BYOD = """
import sys, runpy
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "byod":
            raise ImportError("there is no byod here")
sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not [name for name in sys.modules if name.split(".")[0] == "byod"]
"""


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A run of two colours."""
    return trained(tmp_path_factory.mktemp("colours"))


@pytest.fixture
def told(colours, tmp_path):
    """A function that gives the run with another word or two in its card's input."""

    def changed(**words):
        run = shutil.copytree(colours, tmp_path / f"run-{len(list(tmp_path.iterdir()))}")
        card = json.loads((run / "model.json").read_text(encoding="utf-8"))
        card["input"] |= words
        (run / "model.json").write_text(json.dumps(card), encoding="utf-8")
        return run

    return changed


def picture(width, height):
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("how", Resize)
def test_with_its_resize_inside_a_graph_takes_pictures_of_any_size(how, told, tmp_path):
    """Small, large, wide and high, one and several: it says what byod says of the same pixels."""
    run = told(resize=how.value)
    out = runs.export_run(run, "onnx", tmp_path / "out", with_resize=True)
    content = (out / "model.onnx").read_bytes()
    graph_check.check(content)
    (opset,) = onnx.load_from_string(content).opset_import
    assert opset.version >= 18
    session = onnxruntime.InferenceSession(content)
    (port,) = session.get_inputs()
    assert (port.name, port.type, port.shape[3]) == ("pixels", "tensor(uint8)", 3)
    predictor = Predictor(run, threads=1)
    for width, height in SIZES:
        some = np.stack([picture(width, height) for _ in range(2)])
        said = dict(
            zip(
                [each.name for each in session.get_outputs()],
                session.run(None, {"pixels": some}),
                strict=True,
            )
        )
        for at, one in enumerate(some):
            own = predictor.said(resize.block(Image.fromarray(one), predictor.card.input))
            assert said["probabilities"][at] == pytest.approx(list(own.probabilities.values()), abs=1e-4)
            assert said["typicality"][at] == pytest.approx(own.typicality, rel=1e-3)


@pytest.mark.slow
def test_the_card_says_what_the_file_is_given(told, tmp_path):
    """Channels, range and orientation, of the plain file as of the one with its resize; the hash is the file's."""
    run = told()
    plain = json.loads((run / "model.json").read_text(encoding="utf-8"))["graph_input"]
    rule = Predictor(run, threads=1).card.input
    assert plain["shape"] == ["N", 3, rule.height, rule.width]
    assert (plain["name"], plain["type"], plain["layout"], plain["channels"]) == (
        "image",
        "float32",
        "NCHW",
        "RGB",
    )
    assert plain["range"] == [0, 1]
    assert "EXIF" in plain["orientation"]
    out = runs.export_run(run, "onnx", tmp_path / "out", with_resize=True)
    told_now = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert told_now["graph_input"]["shape"] == ["N", "height", "width", 3]
    assert (told_now["graph_input"]["type"], told_now["graph_input"]["range"]) == ("uint8", [0, 255])
    with pytest.raises(ModelError, match="byod uses the run that it was made from"):
        Predictor(out)


@pytest.mark.slow
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("how", Resize)
@pytest.mark.parametrize("pixels", PixelRule)
def test_the_program_beside_an_export_gives_the_same_answers(pixels, how, inside, told, tmp_path):
    """Pillow, NumPy and onnxruntime suffice, in a process in which byod cannot be imported; a turned JPEG included."""
    run = told(resize=how.value, pixels=pixels.value)
    if inside and pixels is PixelRule.REDUCED:
        with pytest.raises(UsageError, match="which no graph can do"):
            runs.export_run(run, "onnx", tmp_path / "out", with_resize=True)
        return
    out = runs.export_run(run, "onnx", tmp_path / "out", with_resize=inside)
    files = []
    for number, (width, height) in enumerate(((80, 60), (45, 100), (30, 30))):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(picture(width, height)).save(files[-1])
    see_through = Image.fromarray(RANDOM.integers(0, 256, (50, 40, 4), dtype=np.uint8))
    see_through.save(tmp_path / "see-through.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    files += [tmp_path / "see-through.png", tmp_path / "turned.jpg"]
    command = [sys.executable, "-I", "-c", WITHOUT_BYOD, str(out / "predict.py"), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    said = json.loads(done.stdout)
    for one, own in zip(said, Predictor(run, threads=1).predict(files), strict=True):
        # Pillow mixes with white in whole numbers; and an older run decodes reduced, which the program does not
        near = 0.02 if one["path"].endswith("see-through.png") or pixels is PixelRule.REDUCED else 1e-3
        assert one["probabilities"] == pytest.approx(own.probabilities, abs=near)
        assert one["typicality"] == pytest.approx(own.typicality, rel=0.05)


def test_the_program_is_short_and_plain(told, tmp_path):
    """It imports three packages, and its functions are some twenty lines."""
    out = runs.export_run(told(resize="crop"), "onnx", tmp_path / "out")
    text = (out / "predict.py").read_text(encoding="utf-8")
    compile(text, "predict.py", "exec")
    imports = [line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["json", "sys", "pathlib", "numpy", "onnxruntime", "PIL"]
    assert sum(line.startswith("    ") for line in text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.slow
def test_a_file_that_is_no_model_is_one_line():
    """What a library makes of a stranger's bytes ends in another process, and here in an error."""
    rule = resize.now(small_rule())
    for content in (b"", b"\xff" * 300, b"\x08\x08"):
        with pytest.raises(ModelError, match="the resize cannot be written into this model") as error:
            resize_graph.with_resize(content, rule)
        assert "\n" not in str(error.value)


def small_rule():
    from byod.schema.model_card import InputRule

    return InputRule(width=16, height=16)


@pytest.mark.slow
def test_the_command_writes_it_and_refuses_it_elsewhere(colours, tmp_path):
    """`--with-resize` is about `--format onnx` of a run for classes; elsewhere it is one line and code 2."""
    call = ["export", str(colours), "--with-resize", "--into", str(tmp_path / "out")]
    assert CliRunner().invoke(app, [*call, "--format", "onnx"]).exit_code == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "model.json",
        "model.onnx",
        "predict.py",
    ]
    for format in ("safetensors", "web", "folders"):
        done = CliRunner().invoke(app, [*call, "--format", format])
        assert done.exit_code == 2
        assert "--with-resize is about --format onnx" in done.stderr
