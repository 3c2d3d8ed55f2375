"""Find what may be wrong with this installation, without importing anything heavy."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from byod.collection.sources import SOURCES
from byod.dataset.dataset_list import ROOT, datasets_under
from byod.dataset.own_places import INCOMING
from byod.schema import defaults
from byod.schema.config import Settings
from byod.schema.errors import ReviewError, TrainerError
from byod.schema.records import Record
from byod.training import protocol


class Diagnosis(Record):
    """One line of the doctor: `level` is "ok", "note" (works, could be better) or "fault" (will not work)."""

    level: str
    what: str
    remedy: str = ""


def examine(settings: Settings, root: Path = ROOT) -> list[Diagnosis]:
    """Look at Python, torch, GPU driver, trainers, contact, keys, Label Studio and left-over files."""
    return [
        *_python(),
        *_torch(),
        *_driver(),
        *_trainers(),
        *_contact(settings),
        *_keys(settings),
        *_review(settings),
        *_left_over(root),
    ]


def examine_online(settings: Settings) -> Iterator[Diagnosis]:
    """Ask every source that is configured one cheap question, and say of each what it answered, as it comes."""
    from byod.collection import source_check

    yield from (Diagnosis(level="ok", what=line) for line in source_check.surroundings(settings))
    for said in source_check.answers(settings):
        if said.good:
            yield Diagnosis(level="ok" if said.asked else "note", what=said.told)
        else:
            yield Diagnosis(
                level="fault", what=f"{said.source} does not answer ({said.word})", remedy=said.told
            )


def _python() -> Iterator[Diagnosis]:
    number = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Diagnosis(level="ok", what=f"Python {number}")
    else:
        yield Diagnosis(level="fault", what=f"Python {number}", remedy="byod needs Python 3.11, 3.12 or 3.13")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _torch() -> Iterator[Diagnosis]:
    """torchvision is built for one torch: its own requirement names it, and their builds must be of one kind."""
    torch, vision = _installed("torch"), _installed("torchvision")
    if torch is None:
        yield Diagnosis(
            level="note",
            what="torch is not installed",
            remedy="only training needs it; from a clone: uv pip install -e plugins/byod-fastai",
        )
        return
    yield Diagnosis(level="ok", what=f"torch {torch}")
    if vision is None:
        return
    pinned = next(
        (
            found[1]
            for line in requires("torchvision") or []
            if (found := re.match(r"torch\s*\(?==\s*([\w.+]+)", line))
        ),
        None,
    )
    plain, _, build = torch.partition("+")
    vision_build = vision.partition("+")[2]
    if (pinned is not None and pinned.partition("+")[0] != plain) or build != vision_build:
        told = f"torchvision {vision} is built for torch {pinned or 'of another build'}, and torch {torch} is here"
        yield Diagnosis(
            level="fault",
            what=told,
            remedy="install both together: uv pip install --reinstall torch torchvision",
        )
    else:
        yield Diagnosis(level="ok", what=f"torchvision {vision} fits it")


def _driver() -> Iterator[Diagnosis]:
    if _installed("torch") is None or sys.platform == "darwin":
        return
    there = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    if there:
        yield Diagnosis(level="ok", what="an NVIDIA driver is there")
    else:
        yield Diagnosis(
            level="note",
            what="no GPU driver found: training runs on the processor",
            remedy="with an NVIDIA card, install its driver (nvidia-smi must answer)",
        )


def _trainers() -> Iterator[Diagnosis]:
    for name in protocol.installed():
        try:
            lines = protocol.load(name).doctor()
        except TrainerError as error:
            yield Diagnosis(level="fault", what=f"trainer {name}", remedy=str(error))
            continue
        yield from (Diagnosis(level="fault", what=f"trainer {name}: {line}") for line in lines)
        if not lines:
            yield Diagnosis(level="ok", what=f"trainer {name} is ready")
    if not protocol.installed():
        yield Diagnosis(
            level="note",
            what="no trainer is installed",
            remedy="from a clone of byod: uv pip install -e plugins/byod-fastai",
        )


def _contact(settings: Settings) -> Iterator[Diagnosis]:
    if settings.contact:
        yield Diagnosis(level="ok", what=f"contact: {settings.contact}")
    else:
        yield Diagnosis(
            level="note",
            what="no contact is set: Wikimedia (Commons, Wikidata) is not asked",
            remedy=f'set BYOD_CONTACT, or contact = "you@example.org" in {settings.config_file}',
        )


def _keys(settings: Settings) -> Iterator[Diagnosis]:
    for name, entry in SOURCES.items():
        if entry.key is None:
            continue
        if settings.environment.get(entry.key):
            yield Diagnosis(level="ok", what=f"source {name}: {entry.key} is set")
        else:
            yield Diagnosis(
                level="note", what=f"source {name} needs a key", remedy=f"set {entry.key} to use it"
            )
    yield Diagnosis(level="ok", what=f"sources without a key: {', '.join(defaults.SOURCES)}")
    yield from _openverse_key(settings)


def _openverse_key(settings: Settings) -> Iterator[Diagnosis]:
    """Openverse answers without a key; one that is half there is a fault."""
    name, secret = "BYOD_OPENVERSE_CLIENT_ID", "BYOD_OPENVERSE_CLIENT_SECRET"
    there = [each for each in (name, secret) if settings.environment.get(each)]
    if len(there) == 1:
        missing = secret if there == [name] else name
        yield Diagnosis(
            level="fault", what=f"source openverse: {there[0]} is set alone", remedy=f"set {missing} too"
        )
    elif there:
        yield Diagnosis(level="ok", what=f"source openverse: {name} and {secret} are set")
    elif settings.key("openverse"):
        yield Diagnosis(
            level="note",
            what="source openverse: BYOD_OPENVERSE_TOKEN is set, and a token lives 12 hours",
            remedy=f"set {name} and {secret} instead, and byod fetches tokens itself",
        )


def _review(settings: Settings) -> Iterator[Diagnosis]:
    from byod.labeling import local_server

    try:
        program = local_server.program(settings)
        running = local_server.running(settings)
    except ReviewError as error:
        yield Diagnosis(level="fault", what="Label Studio cannot be used", remedy=str(error))
        return
    if program is None and running is None:
        yield Diagnosis(
            level="note",
            what="Label Studio is not installed",
            remedy="byod review open installs it, in an environment of its own (about 0.8 GB)",
        )
        return
    name = f"Label Studio {(program and local_server.version(program)) or ''}".strip()
    yield Diagnosis(level="ok", what=f"{name} {f'runs at {running.url}' if running else 'does not run'}")


def _left_over(root: Path) -> Iterator[Diagnosis]:
    for folder in datasets_under(root):
        waiting = sum(1 for file in (folder / INCOMING).glob("*") if file.is_file())
        if waiting:
            yield Diagnosis(
                level="note",
                what=f"{folder}: {waiting} fetched pictures wait to be placed",
                remedy=f"byod collect --recipe {folder}",
            )
        for part in folder.glob("runs/.*.unfinished"):
            yield Diagnosis(
                level="note",
                what=f"{part} is left of a training that was cut off",
                remedy="the same byod train command goes on with it; it is cleared away after a week",
            )
