"""The pages for learners: their offline commands run as they stand, and what they promise of copied datasets holds."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documented import section

from byod.dataset.dataset_folder import Dataset
from byod.tasks import TASKS
from byod.testing import draw_classes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FIRST_STEPS = ROOT / "docs" / "erste-schritte.md"
OFFLINE = "## 2. Üben ohne Internet"


def blocks(text: str) -> list[str]:
    """The lines of indented blocks: what is to be typed."""
    return re.findall(r"^ {4}(\S.*)$", text, flags=re.MULTILINE)


@pytest.mark.long
def test_the_first_steps_offline_run_as_they_stand(tmp_path):
    """Typed in order in an empty folder, each offline command succeeds, and the last one knows the shapes."""
    lines = blocks(section(FIRST_STEPS, OFFLINE))
    assert [line.split()[0] for line in lines] == ["python", *["byod"] * 5]
    for line in lines:
        program, *words = shlex.split(line)
        module = ["-m", "byod"] if program == "byod" else []
        done = subprocess.run(
            [sys.executable, *module, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    rows = [line for line in done.stdout.splitlines() if ".jpg" in line]
    assert len(rows) == 76
    assert sum("/circle-" in row and " circle " in row for row in rows) > 60
    assert (tmp_path / "datasets" / "formen" / "check.html").is_file()
    assert len(list(tmp_path.glob("datasets/formen/runs/*/report.html"))) == 1


def test_a_dataset_can_be_copied_elsewhere(tmp_path):
    """In a copy of its folder byod finds the same pictures on the same sides, and nothing to take up anew."""
    draw_classes(tmp_path / "drawn", per_class=12, size=(230, 210))
    here, there = tmp_path / "datasets" / "formen", tmp_path / "other" / "place"
    run = [sys.executable, "-m", "byod"]
    subprocess.run([*run, "add", tmp_path / "drawn", "--into", here], check=True, capture_output=True)
    subprocess.run([*run, "split", here], check=True, capture_output=True)
    shutil.copytree(here, there)
    shutil.rmtree(here)
    asked = subprocess.run([*run, "status", there], check=True, capture_output=True, text=True)
    with Dataset(there, TASKS) as copy:
        snapshot = copy.snapshot()
    assert len(snapshot.kept) == 24
    assert len(snapshot.splits) == 24
    assert all((there / sample.path).is_file() for sample in snapshot.kept)
    assert "synced from the folders" not in asked.stderr
