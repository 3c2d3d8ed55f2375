"""The README: it begins with both roads, uv knows what the one without make types, and no command is left out."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main
from documented import known

from byod.cli import app

ROOT = Path(__file__).parents[2]


def shown_uv(page: Path) -> list[list[str]]:
    """The commands of uv that a page's indented blocks show, without `python -m` in front."""
    lines = re.findall(r"^ {4}(?:python -m )?(uv .*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [shlex.split(step) for line in lines for step in line.split("#")[0].split("&&") if step.strip()]


def uv_help(*words: str) -> str:
    """What uv says of one of its commands."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.is_file() else shutil.which("uv")
    if program is None:
        pytest.skip("uv is not here")
    return subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "page",
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/erste-schritte.md")],
    ids=lambda p: p.name,
)
def test_every_uv_command_shown_is_one(page: Path):
    """The road without make: uv knows each command and option, and what it is to install or run is there."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    commands = [words for words in shown_uv(page) if words[0] == "uv"]
    assert commands
    for _, *words in commands:
        verb = words[:2] if words[0] == "pip" else words[:1]
        told, rest = uv_help(*verb), words[len(verb) :]
        own = rest[: next((at for at, word in enumerate(rest) if verb == ["run"] and word[0] != "-"), None)]
        for at, word in enumerate(own):
            if word.startswith("-"):
                assert re.search(rf"(^|[\s,]){re.escape(word)}\b", told), f"uv {' '.join(words)}: {word}"
            if at and rest[at - 1] == "-e":
                place, _, extra = word.partition("[")
                assert (ROOT / place / "pyproject.toml").is_file(), word
                assert not extra or extra.rstrip("]") in extras, word
        if verb == ["run"] and "byod" in rest:
            assert known(shlex.join(rest[rest.index("byod") :]))


def test_the_readme_begins_with_both_roads():
    """Its first section shows make, and for whoever has none the same steps with uv, the demo last."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[1]
    assert re.findall(r"^ {4}make (.*)$", section, flags=re.MULTILINE) == ["demo", "test"]
    (block,) = re.findall(r"(?:^ {4}(?!make).*\n)+", section, flags=re.MULTILINE)
    venv, activate, uv, install, demo = (line.split("#")[0].strip() for line in block.splitlines())
    assert (venv, activate) == ("python -m venv .venv", "source .venv/bin/activate")
    assert uv == "python -m pip install uv"
    assert install.startswith("uv pip install --torch-backend auto -e . -e plugins/byod-fastai")
    assert demo == "byod demo"


def test_every_command_of_byod_is_in_the_readme():
    """No command is left out of the README's table."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in typer.main.get_command(app).commands:
        assert f"`byod {name}" in text, name
