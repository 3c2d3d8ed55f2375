"""What the conftest of the whole suite promises of CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts pytest several times
ROOT = Path(__file__).parents[2]
FILES = {
    "test_whole.py": "import pytest\npytest.skip('no such library', allow_module_level=True)\n",
    "test_some.py": (
        "import pytest\ndef test_one(): pytest.skip('no browser')\n"
        "@pytest.mark.xfail\ndef test_two(): assert 0\n"
    ),
    "test_good.py": "def test_three(): pass\n",
}


def outcome(folder, processes, **environment):
    """The suite of some files, run as CI runs it."""
    shutil.copy(ROOT / "conftest.py", folder)
    own = {
        name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")
    }
    own["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other people's plugins take seconds to load
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-n", str(processes), str(folder)]
    return subprocess.run(
        command,
        cwd=folder,
        env={**own, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("processes", [0, 2])
def test_a_skip_fails_in_ci(tmp_path, processes):
    """In CI a test or a file that was skipped fails the run and is named, with one process and with several."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    done = outcome(tmp_path, processes, CI="true")
    assert done.returncode == 1, done.stdout
    told = done.stdout.partition("which counts as failed")[2]
    assert "test_whole.py: Skipped: no such library" in told
    assert "test_some.py::test_one: Skipped: no browser" in told
    assert "test_two" not in told
    assert outcome(tmp_path, processes).returncode == 0
    for name in ("test_whole.py", "test_some.py"):
        (tmp_path / name).unlink()
    assert outcome(tmp_path, processes, CI="true").returncode == 0


@pytest.mark.parametrize("name", ["test_whole.py", "test_some.py"])
def test_one_skip_is_enough(tmp_path, name):
    """A skipped file alone fails the run, and so does a skipped test alone."""
    for kept in (name, "test_good.py"):
        (tmp_path / kept).write_text(FILES[kept])
    assert outcome(tmp_path, 2, CI="true").returncode == 1
