"""What all tests share: isolated settings, and the real pictures where they are at hand."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def drawn_snapshot():
    """A function that draws a small dataset into a folder and gives its Snapshot, every picture with an origin.

    `classes` maps shown names to folder names; parts of the split are dealt out four, one, one. Fields of the
    Snapshot can be replaced by name.
    """
    import hashlib
    import io
    from datetime import UTC, datetime

    import numpy as np
    from PIL import Image

    from byod.schema.records import Origin, Sample, Snapshot, Split, Status, Task

    def drawn(folder: Path, classes: dict[str, str], per_class: int = 6, **fields) -> Snapshot:
        parts = [Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST, Split.TRAIN, Split.TRAIN]
        samples, origins, splits = [], {}, {}
        for number, (label, name) in enumerate(classes.items()):
            for position in range(per_class):
                noise = np.random.default_rng(number * 10_000 + position).integers(
                    0, 256, (4, 5, 3), np.uint8
                )
                body = io.BytesIO()
                Image.fromarray(noise).resize((60, 48), Image.Resampling.BICUBIC).save(body, "JPEG")
                sha256 = hashlib.sha256(body.getvalue()).hexdigest()
                path = folder / "images" / name / f"{sha256[:16]}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body.getvalue())
                samples.append(
                    Sample(
                        sha256=sha256,
                        label=label,
                        status=Status.KEPT,
                        path=f"images/{name}/{path.name}",
                        format="JPEG",
                        width=60,
                        height=48,
                        size=path.stat().st_size,
                    )
                )
                origins[sha256] = (
                    Origin(
                        sha256=sha256,
                        url=f"https://pictures.example/{number}/{position}.jpg",
                        source="openverse",
                        terms=label,
                        page=f"https://pictures.example/{number}/{position}",
                        title=f"{label} {position}",
                        creator="Jörg Müller",
                        licence="CC-BY-4.0",
                        licence_url="https://creativecommons.org/licenses/by/4.0/",
                        fetched_at=datetime(2026, 1, 2, 3, 4, position % 60, tzinfo=UTC),
                    ),
                )
                splits[sha256] = parts[position % len(parts)]
        values = {
            "folder": folder,
            "name": folder.name,
            "task": Task.CLASSIFY,
            "classes": classes,
            "samples": tuple(samples),
            "origins": origins,
            "splits": splits,
            "groups": (),
            "conflicts": (),
            "lookalikes": (),
            "yields": (),
            "misses": {},
            "fingerprint": hashlib.sha256("".join(sorted(origins)).encode()).hexdigest(),
        }
        return Snapshot(**(values | fields))

    return drawn


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A function that gives the folder of a name, which the first process to ask fills while the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, fill: Callable[[Path], None]) -> Path:
        place = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not (place / "whole").exists():
                place.mkdir(exist_ok=True)
                fill(place)
                (place / "whole").touch()
        return place

    return folder


@pytest.fixture(scope="session")
def label_studio_program():
    """The path of a Label Studio: `BYOD_TEST_LABEL_STUDIO`, or one that byod installs beside the tests' own tools."""
    import label_studio as studio

    from byod.labeling import local_server
    from byod.schema.errors import ReviewError

    program = studio.wanted_program()
    if program is not None:
        return program
    try:
        return local_server.install(studio.settings(Path(sys.prefix) / "label-studio" / "home"), studio.quiet)
    except ReviewError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def studio_template(label_studio_program, once):
    """A home whose server ran once and was stopped: its database is set up, its one account is made."""
    import label_studio as studio

    from byod.labeling import local_server

    def run(place: Path) -> None:
        settings = studio.settings(place / "template", label_studio_program)
        try:
            local_server.start(settings, studio.quiet)
        finally:
            local_server.stop(settings, studio.quiet)

    return once("studio", run) / "template"


@pytest.fixture
def studio_home(studio_template, label_studio_program, tmp_path, monkeypatch):
    """A home of the test's own, which the environment names; a server that the test starts in it is stopped."""
    import label_studio as studio

    from byod.labeling import local_server

    home = studio.copied(studio_template, tmp_path / "studio")
    monkeypatch.setenv("BYOD_LABEL_STUDIO", str(label_studio_program))
    monkeypatch.setenv("BYOD_LABEL_STUDIO_HOME", str(home))
    yield home
    local_server.stop(studio.settings(home, label_studio_program), studio.quiet)


@pytest.fixture(scope="session")
def live_studio(studio_template, label_studio_program, tmp_path_factory):
    """One running server for all tests that need no more than a project of their own."""
    import label_studio as studio

    from byod.labeling import local_server

    home = studio.copied(studio_template, tmp_path_factory.mktemp("studio") / "live")
    settings = studio.settings(home, label_studio_program)
    try:
        yield local_server.start(settings, studio.quiet)
    finally:
        local_server.stop(settings, studio.quiet)


@pytest.fixture(scope="session")
def onnxruntime_web(tmp_path_factory):
    """What runs ONNX in browsers: `package`, the file that npm made, and `files`, what byod takes out of it.

    `BYOD_TEST_ONNXRUNTIME_WEB` may name the package; else npm gets it, for this session.
    """
    from types import SimpleNamespace

    from byod.schema.errors import ByodError
    from byod.web.static_site import runtime

    named = os.environ.get("BYOD_TEST_ONNXRUNTIME_WEB")
    folder = Path(named).parent if named else tmp_path_factory.mktemp("npm")
    try:
        files = runtime.files(folder, given=Path(named) if named else None, say=print)
    except ByodError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    return SimpleNamespace(package=Path(named) if named else folder / runtime.ARCHIVE, files=files)
