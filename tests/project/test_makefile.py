"""The Makefile: which torch it asks for, what it says of it, and how it comes back where that is not to be had."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
UV = """#!/bin/sh
echo "${UV_TORCH_BACKEND:-ordinary} $*" >> "$0.log"
case "$*" in *--dry-run*) test ! -e "$0.unreachable";; esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A clone with one trainer, and in the place of uv a program that writes down how it was called."""
    shutil.copy(MAKEFILE, tmp_path)
    for folder in (tmp_path, tmp_path / "plugins" / "byod-one"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    program(tmp_path / ".venv" / "bin" / "uv", UV)
    return tmp_path


def program(file: Path, text: str) -> None:
    """Write a program."""
    file.write_text(text, encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IEXEC)


def made(tree: Path, *words: str, system: str = "Linux", **environment: str) -> tuple[str, list[str]]:
    """What `make` says, and how it called uv."""
    (tree / "system").mkdir()
    program(tree / "system" / "uname", f"#!/bin/sh\necho {system}\n")
    known = {
        name: value for name, value in os.environ.items() if name not in ("UV_TORCH_BACKEND", "MAKEFLAGS")
    }
    known["PATH"] = f"{tree / 'system'}{os.pathsep}{known['PATH']}"
    done = subprocess.run(
        ["make", *words], cwd=tree, env={**known, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout, (tree / ".venv" / "bin" / "uv.log").read_text(encoding="utf-8").splitlines()


CORE, ALL = "pip install -p .venv -e .", "pip install -p .venv -e . -e plugins/byod-one"
PROBE = "pip install -p .venv --quiet --dry-run --reinstall --no-deps --torch-backend cpu torch"


def test_without_a_driver_torch_comes_without_cuda(tree: Path):
    """Where no NVIDIA driver is found the trainers are installed with the small torch, and that is said."""
    said, calls = made(tree, "setup", "NVIDIA=no")
    assert calls == [f"ordinary {CORE}", f"ordinary {PROBE}", f"cpu {ALL}"]
    assert "without CUDA, since no NVIDIA driver was found (about 0.3 GB" in said


def test_where_the_small_torch_is_out_of_reach_the_ordinary_one_is_taken(tree: Path):
    """When the index of the small torch does not answer, the trainers come with the ordinary one, and that is said."""
    (tree / ".venv" / "bin" / "uv.unreachable").touch()
    said, calls = made(tree, "setup", "NVIDIA=no")
    assert calls == [f"ordinary {CORE}", f"ordinary {PROBE}", f"ordinary {ALL}"]
    assert "the index with the smaller one does not answer" in said


def test_with_a_driver_torch_comes_with_cuda(tree: Path):
    """Where an NVIDIA driver is found nothing else than the ordinary torch is asked for."""
    said, calls = made(tree, "setup", "NVIDIA=yes")
    assert calls == [f"ordinary {CORE}", f"ordinary {ALL}"]
    assert "with CUDA, for the NVIDIA driver that was found (about 3 GB)" in said


def test_the_users_own_choice_holds(tree: Path):
    """UV_TORCH_BACKEND reaches uv as it stands, and nothing is probed."""
    said, calls = made(tree, "setup", "NVIDIA=no", UV_TORCH_BACKEND="cu126")
    assert calls == [f"cu126 {CORE}", f"cu126 {ALL}"]
    assert "cu126, as UV_TORCH_BACKEND says" in said


def test_a_mac_takes_the_ordinary_torch(tree: Path):
    """Outside Linux the ordinary torch is the small one already."""
    said, calls = made(tree, "setup", "NVIDIA=no", system="Darwin")
    assert calls == [f"ordinary {CORE}", f"ordinary {ALL}"]
    assert "torch: the ordinary one" in said


def test_a_second_make_does_nothing(tree: Path):
    """What is installed is not installed again."""
    made(tree, "setup", "NVIDIA=no")
    shutil.rmtree(tree / "system")
    _, calls = made(tree, "setup", "NVIDIA=no")
    assert len(calls) == 3


def test_the_help_names_every_target(tree: Path):
    """`make` alone tells of every target there is."""
    makefile = MAKEFILE.read_text(encoding="utf-8")
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    done = subprocess.run(["make"], cwd=tree, capture_output=True, text=True, check=True)
    assert [target for target in phony if f"make {target}" not in done.stdout] == ["help"]
