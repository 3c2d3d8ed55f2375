"""What all tests share: isolated settings, and the real pictures where they are at hand."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory, monkeypatch):
    """No test reads the user's own keys, config, caches or current folder's datasets."""
    for name in list(os.environ):
        if name.startswith("BYOD_") and name != "BYOD_TEST_DATA":
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BYOD_CONFIG", str(home / "config.toml"))
    monkeypatch.setenv("BYOD_CACHE", str(home / "cache"))
    return home


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

    from byod.records import Origin, Sample, Snapshot, Split, Status, Task

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
