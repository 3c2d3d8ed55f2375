"""benchmarks/sources_live.py on recordings in the place of the internet, and where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import compiled
from recordings import Recordings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "sources_live.py"), *arguments],
        env={**compiled(), "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def test_a_table_says_what_came(tmp_path):
    """A row a word: offered, fetched, licences, and what differs from the recordings; the traffic is kept."""
    with Recordings("pixabay", "google") as web:
        recorded = next(each for each in web.recorded if each.name == "images" and each.source == "google")
        recorded.content["response"]["body"]["images_results"][0]["new_field"] = 1
        recorded.content["response"]["body"]["images_results"][0]["original"] = "{server}/1.jpg"
        pixabay = next(each for each in web.recorded if each.name == "images" and each.source == "pixabay")
        del pixabay.content["request"]["params"]["q"]  # it is asked for a cat first
        account = {
            "request": {"path": "/account.json"},
            "response": {"status": 200, "headers": {}, "text": "{}"},
        }
        web.recorded.append(type(recorded)("google", "account", account))
        sources = [word for name in ("google", "pixabay") for word in ("--source", name)]
        arguments = [*sources, "--words", "dog", "--record", str(tmp_path / "kept")]
        rows = run(*arguments, **web.environment()).stdout.splitlines()
    assert rows[0] == "| source | word | offered | fetched | opened | licences | oddities |"
    google, pixabay = rows[2:]
    assert google.startswith("| google | dog | 2 | 0 | 0 | none stated 2 |")
    assert "shape: images_results[].new_field is integer, not listed" in google
    assert pixabay.startswith("| pixabay | dog | 3 | 0 | 0 | Pixabay 3 | 3 x not-found")
    assert (tmp_path / "kept" / "google.txt").read_text(encoding="utf-8").startswith("byod api recording 1")


def test_without_internet_it_is_one_line():
    """Where no source answers, one line says so and names the first reason."""
    done = run("--source", "openverse", BYOD_OPENVERSE_URL="http://127.0.0.1:9", BYOD_ALLOW_PRIVATE_HOSTS="1")
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(
        "nothing was measured: no source answers (openverse: no answer from 127.0.0.1:9"
    )
