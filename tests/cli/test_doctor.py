"""The doctor names what does not fit before anything heavy is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from byod.dataset.dataset_folder import Dataset
from byod.schema.recipe import Recipe
from byod.tasks import TASKS


def pretend(folder: Path, name: str, version: str, *requires: str) -> None:
    """Metadata of an installed distribution, as importlib reads it."""
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {line}" for line in requires]
    (place / "METADATA").write_text("\n".join(lines) + "\n")


def doctor(folder: Path, *, path: Path | None = None) -> tuple[int, list[dict[str, str]]]:
    environment = dict(os.environ)
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    code = (
        "import sys\nfrom byod.cli import app\n"
        "try:\n app(['doctor', '--json'])\n"
        "finally:\n heavy = {'torch', 'torchvision', 'fastai'} & set(sys.modules)\n assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AssertionError" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("torch", "vision", "pinned"),
    [pytest.param("2.13.0", "0.29.2", "2.15.0", marks=pytest.mark.slow), ("2.15.0+cpu", "0.29.2", "2.15.0")],
    ids=["another version", "another build"],
)
def test_torch_and_torchvision_that_do_not_fit_are_a_fault(tmp_path, torch, vision, pinned):
    """A torchvision built for another torch, or one of another build, ends with 1 and says what to install."""
    pretend(tmp_path / "site", "torch", torch)
    pretend(tmp_path / "site", "torchvision", vision, f"torch=={pinned}")
    code, lines = doctor(tmp_path, path=tmp_path / "site")
    faults = [line for line in lines if line["level"] == "fault" and "torchvision" in line["what"]]
    assert code == 1
    assert faults
    assert "torch" in faults[0]["remedy"]


@pytest.mark.slow
def test_torch_and_torchvision_that_fit_are_no_fault(tmp_path):
    """A matching pair is not complained of."""
    pretend(tmp_path / "site", "torch", "2.15.0")
    pretend(tmp_path / "site", "torchvision", "0.29.2", "torch==2.15.0")
    _, lines = doctor(tmp_path, path=tmp_path / "site")
    assert not [line for line in lines if line["level"] == "fault" and "torchvision" in line["what"]]


@pytest.mark.slow
def test_what_a_cut_off_run_left_is_named(tmp_path):
    """Fetched pictures that wait, and a training that was cut off, are named with the way to go on."""
    with Dataset.create(tmp_path / "datasets" / "d", Recipe().with_class("cat"), TASKS) as dataset:
        folder = dataset.folder
    (folder / ".byod" / "incoming").mkdir()
    (folder / ".byod" / "incoming" / "1.jpg").write_bytes(b"x")
    (folder / "runs" / ".20260101-fastai.123.unfinished").mkdir(parents=True)
    _, lines = doctor(tmp_path)
    assert any("byod collect --recipe" in line["remedy"] for line in lines)
    assert any("unfinished" in line["what"] for line in lines)


@pytest.mark.parametrize(
    ("variables", "level", "says"),
    [
        ({"CLIENT_ID": "a", "CLIENT_SECRET": "b"}, "ok", "are set"),
        ({"CLIENT_ID": "a"}, "fault", "BYOD_OPENVERSE_CLIENT_ID is set alone"),
        ({"CLIENT_SECRET": "b"}, "fault", "BYOD_OPENVERSE_CLIENT_SECRET is set alone"),
        ({"TOKEN": "a"}, "note", "lives 12 hours"),
        ({}, None, ""),
    ],
)
def test_a_key_of_openverse_is_whole_or_a_fault(variables, level, says):
    """Both halves of Openverse's key are fine, one is a fault that names the other, and a bare token does not last."""
    from byod.cli.doctor import _keys
    from byod.schema.config import Settings

    given = Settings.load({f"BYOD_OPENVERSE_{name}": value for name, value in variables.items()})
    found = [line for line in _keys(given) if line.what.startswith("source openverse")]
    assert [(line.level, says in line.what) for line in found] == ([(level, True)] if level else [])
