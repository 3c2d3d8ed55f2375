"""The installation of Label Studio with the real uv and pip, from a small wheel of the same name and version."""

import os
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import label_studio as studio
import pytest

from byod.labeling import install
from byod.schema.config import Settings
from byod.schema.errors import ReviewError

INSTALLER = (
    "import sys\nfrom byod.labeling import install\nfrom byod.schema.config import Settings\n"
    "print(install.install(Settings.load(), lambda line: None))"
)


def wheel(index: Path, version: str = install.VERSION) -> None:
    """Offer a wheel that is called label-studio, whose program says "here"; its many files take a while."""
    folder = index / "label-studio"
    folder.mkdir(exist_ok=True)
    metadata = f"label_studio-{version}.dist-info"
    files = {
        "label_studio/__init__.py": "def main():\n    print('here')\n",
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: label-studio\nVersion: {version}\n",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{metadata}/entry_points.txt": "[console_scripts]\nlabel-studio = label_studio:main\n",
        **{f"label_studio/many/{number}.txt": str(number) for number in range(2000)},
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{metadata}/RECORD"])
    with zipfile.ZipFile(folder / f"label_studio-{version}-py3-none-any.whl", "w") as archive:
        for name, text in (files | {f"{metadata}/RECORD": record}).items():
            archive.writestr(name, text)
    links = "".join(f'<a href="{file.name}">{file.name}</a>' for file in sorted(folder.glob("*.whl")))
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """A home that the environment names, and the folder that is the only package index."""
    index = tmp_path / "index"
    index.mkdir()
    for name, value in {
        "BYOD_LABEL_STUDIO_HOME": str(tmp_path / "home"),
        "UV_DEFAULT_INDEX": index.as_uri(),
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "PIP_INDEX_URL": index.as_uri(),
    }.items():
        monkeypatch.setenv(name, value)
    return index


@pytest.fixture(params=["uv", "pip"])
def tool(request, monkeypatch):
    """Each of the two installers."""
    if request.param == "pip":
        monkeypatch.setattr(install, "_uv", lambda: None)
    elif install._uv() is None:
        pytest.skip("uv is not installed")
    return request.param


def spoken(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_it_is_installed_once_and_found(offered, tool):
    """The program is installed in an environment of its own, the size said first; it is found again, not made again."""
    wheel(offered)
    settings, said = Settings.load(), []
    assert install.program(settings) is None
    program = install.install(settings, said.append)
    assert spoken(program) == "here"
    assert "0.8 GB" in said[0]
    assert install.program(settings) == program
    assert install.version(program) == install.VERSION
    assert not str(program.resolve()).startswith(sys.prefix)
    assert install.install(settings, said.append) == program
    assert len([line for line in said if "0.8 GB" in line]) == 1
    assert install.home(settings).stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_what_cannot_be_installed(offered, tool):
    """Where the index has no such version, one line says what the installer said; nothing is left but its log."""
    wheel(offered, "1.0.0")
    settings = Settings.load()
    with pytest.raises(
        ReviewError, match=r"cannot be installed: .*label-studio==1\.23\.2.*install\.log"
    ) as refused:
        install.install(settings, studio.quiet)
    assert "\n" not in str(refused.value)
    assert install.program(settings) is None
    assert list(install.home(settings).glob("venv-*")) == []


@pytest.mark.slow
def test_an_earlier_version_is_replaced(offered, monkeypatch):
    """What an earlier byod installed is not taken for this one's Label Studio, and makes room for it."""
    wheel(offered, "1.0.0")
    wheel(offered)
    settings = Settings.load()
    with monkeypatch.context() as earlier:
        earlier.setattr(install, "VERSION", "1.0.0")
        old = install.install(settings, studio.quiet)
        assert install.program(settings) == old
    assert install.program(settings) is None
    new = install.install(settings, studio.quiet)
    assert install.version(new) == install.VERSION
    assert not old.exists()


@pytest.mark.slow
def test_killed_during_an_installation(offered):
    """Killed at any moment, an installation is never taken for a whole one, and the next one is whole."""
    wheel(offered)
    settings = Settings.load()
    home, moments, halves = install.home(settings), random.Random(7), 0
    for turn in range(8):
        known = set(home.glob("venv-*"))
        process = subprocess.Popen([sys.executable, "-c", INSTALLER], stdout=subprocess.DEVNULL)
        while process.poll() is None and not set(home.glob("venv-*")) - known:
            time.sleep(0.001)  # until its environment is begun: how long that takes is the machine's business
        time.sleep(moments.uniform(0, 0.8) if turn else 0)
        process.kill()
        process.wait()
        found = install.program(settings)
        if found is None:
            halves += bool(list(home.glob("venv-*")))
            continue
        assert spoken(found) == "here"
        (home / "program").unlink()
    assert halves
    program = install.install(settings, studio.quiet)
    assert spoken(program) == "here"
    assert install.program(settings) == program


@pytest.mark.slow
def test_two_installations_at_the_same_time(offered):
    """Two byods that install at the same moment install once."""
    wheel(offered)
    both = [
        subprocess.Popen([sys.executable, "-c", INSTALLER], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = {process.communicate(timeout=120)[0].strip() for process in both}
    assert told == {str(install.program(Settings.load()))}
    assert len(list(install.home(Settings.load()).glob("venv-*"))) == 1


def test_a_program_that_is_named(tmp_path):
    """`BYOD_LABEL_STUDIO` names the program; one that is missing, or cannot be run, is refused in one line."""
    program = tmp_path / "label-studio"
    settings = studio.settings(tmp_path / "home", program)
    for make in (lambda: None, program.mkdir, lambda: (program.rmdir(), program.write_text("x"))):
        make()
        with pytest.raises(ReviewError, match="BYOD_LABEL_STUDIO is"):
            install.program(settings)
    program.chmod(0o755)
    assert install.program(settings) == program
    assert install.version(program) is None
    assert os.listdir(tmp_path) == ["label-studio"]
