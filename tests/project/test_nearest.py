"""The example trainer of docs/writing-a-trainer.md: short, shown as it is, and installable like any plugin."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from byod.schema.errors import UsageError
from byod.testing import check_trainer, draw_classes
from byod.training import protocol

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "writing-a-trainer.md"
EXAMPLE = ROOT / "docs" / "byod-nearest"


@pytest.fixture
def nearest(monkeypatch):
    """The module as it stands in the folder, importable here and in processes that the contract starts."""
    monkeypatch.syspath_prepend(EXAMPLE)
    return importlib.import_module("byod_nearest")


def test_the_page_shows_the_files_as_they_are():
    """Both files stand on the page, to the letter, and the module has fewer than 60 lines."""
    text = PAGE.read_text(encoding="utf-8")
    for language, name in (("toml", "pyproject.toml"), ("python", "byod_nearest.py")):
        whole = (EXAMPLE / name).read_text(encoding="utf-8")
        assert f"```{language}\n{whole}```\n" in text, name
    assert len((EXAMPLE / "byod_nearest.py").read_text(encoding="utf-8").splitlines()) < 60


def test_the_page_names_what_there_is():
    """Every field of Run and Trained is explained on the page, and every file it links to is there."""
    text = PAGE.read_text(encoding="utf-8")
    ours = {"cache", "cache_mb"}  # byod's own business: run.pixels uses them
    for record, name in ((protocol.Run, "run."), (protocol.Trained, "")):
        for field in record.__dataclass_fields__.keys() - ours:
            assert f"`{name}{field}" in text, field
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in target or (PAGE.parent / target).exists(), target


def test_its_options_are_checked(nearest):
    """A size that the graph cannot take is refused with the option's name."""
    with pytest.raises(UsageError, match="nearest, size"):
        protocol.options(nearest.Nearest(), {"size": "33"})


@pytest.mark.slow
def test_it_keeps_the_contract_of_trainers(nearest):
    """The example passes what every plugin must pass."""
    checked = check_trainer(nearest.Nearest)
    assert checked.accuracy >= 0.9


@pytest.mark.slow
def test_installed_it_is_found_and_trains_from_the_command_line(tmp_path):
    """Built and installed in an empty place, `byod train --plugin nearest` finds it by its entry point and learns."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", tmp_path / "place", EXAMPLE],
        check=True,
        capture_output=True,
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BYOD_")}
    environment = clean | {"PYTHONPATH": str(tmp_path / "place"), "BYOD_CONFIG": str(tmp_path / "none.toml")}

    def byod(*words):
        command = [sys.executable, "-m", "byod", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    draw_classes(tmp_path / "own", classes=("circle", "square"), per_class=60)
    byod("add", "own", "--into", "datasets/shapes", "--json")
    card = byod("train", "--plugin", "nearest", "--set", "size=32", "--no-probe", "--json")
    assert (card["plugin"], card["arch"], card["parameters"]) == ("nearest", "nearest", 2 * 3 * 4 * 4)
    assert card["metrics"]["accuracy"] >= 0.9
    assert card["parity"] < 1e-4
    (answer,) = byod("predict", "own/circle/circle-000.jpg", "--json")
    assert answer["label"] == "circle"
