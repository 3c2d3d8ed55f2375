"""Nothing phones home: the whole road is gone with a watched home and without a network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from byod.testing import draw_classes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a network"),
]

FIXTURES = Path(__file__).parents[1] / "fixtures"
OTHERS = (
    "HF_",
    "HUGGING",
    "TORCH",
    "KERAS",
    "MPL",
    "XDG_",
    "ORT_",
    "BYOD_",
    "TF_",
    "NUMBA",
    "TRANSFORMERS",
    "FASTAI",
)
"""How the variables begin that tell byod and the libraries below it where to write, or whom not to call."""
HOMES = ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")


def without_network() -> list[str]:
    """What a command begins with to have a network of its own; nothing where the system does not allow that."""
    command = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None:
        return []
    allowed = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if allowed.returncode == 0 else []


def environment(home: Path, folder: Path) -> dict[str, str]:
    """What a person's environment holds who never set anything up; home is empty."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return known | {
        "HOME": str(home),
        "TMPDIR": str(home.with_name("tmp")),
        **{name: str(home / name.lower()) for name in HOMES},
        "BYOD_CACHE": str(folder / "cache"),
        "BYOD_CONFIG": str(folder / "none.toml"),
        "BYOD_LABEL_STUDIO_HOME": str(folder / "studio"),
        "BYOD_ALLOW_PRIVATE_HOSTS": "1",
        "BYOD_TEST_WATCH": str(home.with_name("watch.txt")),
        "PYTHONPATH": os.pathsep.join(
            [str(FIXTURES / "watched_writes"), str(FIXTURES), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
    }


def files_in(*folders: Path) -> list[str]:
    return sorted(str(path) for folder in folders for path in folder.rglob("*") if path.is_file())


def outside(watch: Path, *own: Path) -> tuple[set[str], set[str]]:
    """The files written beyond byod's own places, and the addresses beyond loopback, as the programs themselves say."""
    events = [json.loads(line) for line in watch.read_text().splitlines()]
    code = [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2]]
    own_places = tuple(f"{place}/" for place in (*own, "/dev", "/proc"))
    compiled = tuple(f"{place}/" for place in code)
    files = {
        place
        for event, place in events
        if not event.startswith("socket.")
        and place != ":memory:"
        and not place.startswith(own_places)
        and place not in map(str, own)
        and not (place.startswith(compiled) and "__pycache__" in place)
    }
    asked = {place for event, place in events if event.startswith("socket.")}
    return files, {place for place in asked if not place.startswith(("127.", "localhost", "::1", "0.0.0.0"))}


@pytest.mark.timeout(1800)
def test_nothing_is_written_and_nobody_asked_outside_of_byods_own_places(tmp_path, label_studio_program):
    """From collecting to reviewing, with each trainer, no file is left and no address asked for but byod's own."""
    folder, home, temporary = (tmp_path / name for name in ("work", "home", "tmp"))
    for place in (folder, home, temporary):
        place.mkdir()
    draw_classes(folder / "own", ("circle", "square"), per_class=30)
    draw_classes(folder / "others", ("circle", "square"), per_class=5, seed=1)
    program = [str(label_studio_program)] if label_studio_program else []
    done = subprocess.run(
        [*without_network(), sys.executable, str(FIXTURES / "whole_road.py"), str(folder), *program],
        env=environment(home, folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {verb: said for verb, (code, said) in told["verbs"].items() if code} == {}
    mine = home / "xdg_data_home" / "byod"  # the key of this machine
    files, asked = outside(tmp_path / "watch.txt", folder, temporary, mine)
    assert asked == set()
    assert files == {str(mine.parent)}
    assert files_in(home, temporary) == [str(mine / "key")]
    assert told["alone"] == bool(without_network())
    assert not told["alone"] or told["unreachable"] == 0
