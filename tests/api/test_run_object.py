"""`byod.Run`: what it takes for a picture, what it gives away, and the road of a newcomer in a notebook."""

import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from library_place import sources
from PIL import Image

import byod

pytestmark = pytest.mark.slow

SHAPES = "datasets/shapes"


@pytest.fixture
def run(trained, tmp_path, monkeypatch) -> byod.Run:
    """The run of a copy of the place, which is the current folder."""
    shutil.copytree(trained, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return byod.Run(SHAPES)


def test_a_picture_may_be_a_file_a_picture_of_pil_an_array_or_bytes(run):
    """All forms of one picture are predicted alike, one by one and in a list."""
    path = Path("photos/circle.jpg")
    image = Image.open(path)
    array = np.asarray(image)
    forms = [path, str(path), path.read_bytes(), ("mine", path.read_bytes()), image, array, array / 255.0]
    alone = [run.predict(form) for form in forms]
    together = run.predict(forms)
    assert {one.label for one in (*alone, *together)} == {"circle"}
    for one in (*alone, *together):
        assert one.probability == pytest.approx(alone[0].probability, abs=1e-3)
    assert [one.path for one in together[:4]] == [str(path), str(path), "picture 2", "mine"]
    assert [Path(one.path).name for one in run.predict("photos")] == ["circle.jpg", "square.jpg"]


def test_a_picture_of_pil_is_turned_as_its_exif_says(run):
    """A photo that lies on its side is predicted as its file is, whether PIL has turned it already or not."""
    upright = Image.open("photos/square.jpg").crop((0, 0, 200, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.rotate(90, expand=True).save("turned.png", exif=exif)
    turned = Image.open("turned.png")
    assert turned.size == (100, 200)
    wanted = run.predict("turned.png").probabilities
    assert run.predict(turned).probabilities == wanted
    assert run.predict(upright).probabilities == wanted


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK", "I;16", "F", "YCbCr", "HSV"])
def test_every_mode_of_pil_is_a_picture(run, mode):
    """Whatever PIL can hold is predicted."""
    image = Image.open("photos/circle.jpg")
    other = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    assert run.predict(other).label in ("circle", "square")


@pytest.mark.parametrize(
    "nothing",
    [
        np.zeros((5, 5, 2), np.uint8),
        np.zeros((2, 5, 5, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.full((40, 40, 3), 7, np.int64),
        np.full((40, 40, 3), 1.5),
        np.full((40, 40, 3), np.nan),
        3,
        None,
    ],
)
def test_what_is_no_picture_is_said_in_one_line(run, nothing):
    """An array of another shape, type or range, or something else altogether, is a UsageError."""
    with pytest.raises(byod.errors.UsageError, match="is not a picture"):
        run.predict(nothing)


def test_a_picture_that_cannot_be_opened_is_an_error_alone_and_a_record_in_a_list(run):
    """One broken picture costs its own place, and the others are predicted."""
    Path("broken.jpg").write_bytes(b"<html>")
    with pytest.raises(byod.errors.PictureError, match=r"broken\.jpg"):
        run.predict("broken.jpg")
    broken, whole = run.predict(["broken.jpg", "photos/circle.jpg"])
    assert broken.error.startswith("broken.jpg")
    assert whole.label == "circle"
    assert run.predict([]) == []


def test_a_run_says_what_it_is(run):
    """Card, metrics, history and report are those on disk, and the dataset lists the run."""
    assert run.metrics == run.card.metrics
    assert run.metrics.accuracy > 0.8
    assert run.report.is_file()
    assert [row["epoch"] for row in run.history] == sorted(row["epoch"] for row in run.history)
    assert "sklearn" in run.card.command
    assert [one.folder for one in byod.Dataset(SHAPES).runs] == [run.folder]
    shown = run._repr_html_()
    assert shown.count("<td style=") == 4  # two classes, each taken for either
    assert f"{100 * run.metrics.accuracy:.1f}" in shown


def cells(*sources: str) -> nbformat.NotebookNode:
    """A notebook."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return notebook


def test_a_notebook_as_a_newcomer_would_write_it(place, tmp_path, monkeypatch):
    """Collect, check, train and predict with strings as paths and `import byod` alone; each cell shows what it does."""
    from nbclient import NotebookClient

    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    (tmp_path / "home").mkdir()
    shutil.copy(place / "photos" / "circle.jpg", tmp_path / "home")
    notebook = cells(
        "import byod\n"
        'dataset = byod.collect("kreis", "quadrat", per_class=25, sources="openverse", languages="none")\n'
        "dataset",
        'print(dataset.check(into="look.html").page, dataset.counts)',
        'run = dataset.train("sklearn", from_scratch=True)\nrun',
        'print(run.predict("circle.jpg").label)',
        'print([one.label for one in byod.Run("kreis-quadrat").predict(["circle.jpg", "circle.jpg"])])',
        "byod.Dataset().counts",
    )
    with sources(place / "own", {"circle": "kreis", "square": "quadrat"}) as web:
        for name, value in web.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("BYOD_CONTACT")
        client = NotebookClient(
            notebook,
            timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": str(tmp_path / "home")}},
        )
        client.execute()
    collected, checked, trained, predicted, listed, counted = (cell.outputs for cell in notebook.cells)
    progress, dataset = (output.data["text/html"] for output in collected)
    assert "asking openverse" in progress
    assert '<progress value="25" max="25">' in progress
    assert dataset.count("data:image/jpeg;base64,") == 12
    assert "no contact is set" in progress
    assert "look.html {'kreis': 25, 'quadrat': 25}" in checked[-1].text
    assert "accuracy" in trained[0].data["text/html"]
    assert trained[-1].data["text/html"].count("<td style=") == 4
    assert predicted[0].text == "kreis\n"
    assert listed[0].text == "['kreis', 'kreis']\n"
    assert counted[0].data["text/plain"] == "{'kreis': 25, 'quadrat': 25}"
    assert not [out for cell in notebook.cells for out in cell.outputs if out.get("name") == "stderr"]
