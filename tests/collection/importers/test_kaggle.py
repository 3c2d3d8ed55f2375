"""The Cat Dataset from Kaggle: what is missing is said, the version is recorded; Kaggle itself is not asked."""

import json
import sys
from types import ModuleType

import pytest
from marked_pictures import cat_files, laid_out
from typer.testing import CliRunner

from byod.cli import app
from byod.collection.importers import kaggle
from byod.schema.errors import DatasetError, UsageError

TOKEN = {"KAGGLE_API_TOKEN": "x"}


@pytest.fixture
def kagglehub(monkeypatch):
    """A stand-in for kagglehub whose answer a test chooses."""
    module, errors = ModuleType("kagglehub"), ModuleType("kagglehub.exceptions")
    for name in ("BackendError", "DataCorruptionError", "NotFoundError"):
        setattr(errors, name, type(name, (Exception,), {}))
    module.exceptions = errors
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    monkeypatch.setitem(sys.modules, "kagglehub.exceptions", errors)
    return module


def test_without_kagglehub_it_says_what_to_install(monkeypatch):
    """A missing kagglehub is one line with the command that brings it."""
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UsageError, match="uv pip install kagglehub"):
        kaggle.download(TOKEN)


def test_without_a_token_it_says_where_one_goes(kagglehub, tmp_path):
    """Missing credentials are one line, and Kaggle is not asked."""
    nowhere = {"KAGGLE_CONFIG_DIR": str(tmp_path)}
    with pytest.raises(UsageError, match="KAGGLE_API_TOKEN"):
        kaggle.download(nowhere)
    kagglehub.dataset_download = lambda handle: "/x/versions/1"
    (tmp_path / "kaggle.json").write_text("{}")
    assert kaggle.download(nowhere)[1].endswith("/versions/1")


@pytest.mark.parametrize("name", ["BackendError", "DataCorruptionError", "NotFoundError", None])
def test_what_kaggle_refuses_is_said_in_one_line(kagglehub, name):
    """Whatever kagglehub raises becomes one line that says how to go on."""
    error = ConnectionError("no\nroute") if name is None else getattr(kagglehub.exceptions, name)("no\nroute")

    def refuse(handle):
        raise error

    kagglehub.dataset_download = refuse
    with pytest.raises(DatasetError, match="no route; run the same command to go on"):
        kaggle.download(TOKEN)


def test_the_version_is_recorded_with_every_picture(kagglehub, tmp_path, monkeypatch):
    """`--kaggle` converts what was fetched, and CREDITS.csv names the version it came from."""
    cache = laid_out(
        tmp_path / "datasets" / "crawford" / "cat-dataset" / "versions" / "2", cat_files({"CAT_00": 3})
    )
    asked = []
    kagglehub.dataset_download = lambda handle: asked.append(handle) or str(cache)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAGGLE_USERNAME", "a")
    monkeypatch.setenv("KAGGLE_KEY", "b")
    run = CliRunner().invoke(app, ["convert", "cats", "--kaggle", "--into", "cats", "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["pictures"] == 3
    assert asked == ["crawford/cat-dataset"]
    page = "https://www.kaggle.com/datasets/crawford/cat-dataset/versions/2"
    assert (tmp_path / "cats" / "CREDITS.csv").read_text().count(page) == 3
