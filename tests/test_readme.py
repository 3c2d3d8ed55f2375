"""The README: each command it shows is one that byod or make knows, with options they have."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from byod.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "datasets").glob("*/README.md"))]


def shown(page: Path) -> list[str]:
    """The commands of a page: of its indented blocks and of its code spans."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ {4}(\S.*)$", text, flags=re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    commands = [re.split(r"\s{2,}|\s#", line)[0].strip() for line in (*blocks, *spans)]
    return sorted({line for line in commands if line.split()[0] in ("byod", "make")})


def known(line: str) -> bool:
    """Whether byod takes the line as it stands."""
    _, *words = shlex.split(line.replace("…", ""))
    if not words or words[0].startswith("-"):
        return words in ([], ["--help"], ["--version"])
    command = typer.main.get_command(app).commands[words[0]]
    if verbs := getattr(command, "commands", None):
        command = verbs[words.pop(1)] if len(words) > 1 else command
    options = {name for option in command.params for name in option.opts}
    for word in words[1:]:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"{line}: {word}"
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_shown_exists_with_its_options(page: Path):
    """A command or option that was renamed is found on the page that still shows it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    for line in shown(page):
        if line.startswith("make"):
            words = [word for word in shlex.split(line)[1:] if "=" not in word]
            assert set(words) <= targets, line
        else:
            assert known(line), line


def test_every_command_of_byod_is_in_the_readme():
    """No command is left out of the README's table."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in typer.main.get_command(app).commands:
        assert f"`byod {name}" in text, name


def test_every_file_the_readme_links_to_is_there():
    """No link of the README leads nowhere."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (ROOT / target).exists(), target
