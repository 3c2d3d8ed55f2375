"""What is built from the tree: a wheel and an sdist of byod and of each plugin, and that they install as ours."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from byod import __version__

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
HEAVY = ("torch", "fastai", "onnxruntime", "pandas", "scipy", "label_studio_sdk")

pytestmark = pytest.mark.slow


def uv() -> str:
    """The uv of this environment, else the one on the path."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    assert found, "uv is not here; `make` puts it into .venv"
    return found


def run(*command, cwd) -> str:
    """Run a program away from the repository; its output, or a failure that shows what it said."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, dict[str, Path]]:
    """Wheel and sdist of each distribution, as `make dist` builds them in a tree with other people's files in it."""
    tree = tmp_path_factory.mktemp("tree") / "byod"
    ignored = shutil.ignore_patterns(".git", ".venv", "*_cache", "dist", "build", "byod-demo", ".byod")
    pictures = shutil.ignore_patterns("runs", "images", "rejected")
    shutil.copytree(
        ROOT,
        tree,
        ignore=lambda at, names: (
            ignored(at, names) | (pictures(at, names) if ROOT / "datasets" in Path(at).parents else set())
        ),
    )
    for stray in (
        "datasets/mine/images/cat/1.jpg",
        "datasets/mine/catalog.db",
        "byod/__pycache__/x.pyc",
        "note.txt",
    ):
        (tree / stray).parent.mkdir(parents=True, exist_ok=True)
        (tree / stray).write_bytes(b"stray")
    # each wheel is built from the sdist, as an index or a distribution would do it
    run("make", "dist", f"UV={uv()}", cwd=tree)
    out = {}
    for name in ("byod", *PLUGINS):
        start = f"{name.replace('byod', 'byod_toolkit', 1).replace('-', '_')}-{__version__}"
        (wheel,), (sdist,) = (tree / "dist").glob(f"{start}-*.whl"), (tree / "dist").glob(f"{start}.tar.gz")
        out[name] = {"wheel": wheel, "sdist": sdist}
    assert len(list((tree / "dist").glob("*.whl"))) == len(out)
    return out


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """An empty environment into which byod was installed, with what it needs, and each plugin's wheel alone."""
    home = tmp_path_factory.mktemp("environment")
    run(uv(), "venv", "--quiet", "--python", sys.executable, str(home / "venv"), cwd=home)
    programs = home / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = (uv(), "pip", "install", "--quiet", "--python", str(programs / "python"))
    run(*pip, str(built["byod"]["wheel"]), cwd=home)
    # a plugin's own requirements are several gigabytes; its entry point is there without them
    run(*pip, "--no-deps", *(str(built[plugin]["wheel"]) for plugin in PLUGINS), cwd=home)
    return programs


def contents(archive: Path) -> set[str]:
    """The files of a wheel, or those of an sdist below its one folder."""
    if archive.suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def metadata(wheel: Path):
    """The METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def tracked(folder: Path) -> set[str]:
    """The files of a package in the tree, caches left out."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_byods_wheel_holds_the_package_alone(built):
    """All of byod/ with templates, py.typed and licence, and nothing else."""
    names = contents(built["byod"]["wheel"])
    assert {name.split("/")[0] for name in names} == {"byod", f"byod_toolkit-{__version__}.dist-info"}
    assert {name for name in names if name.startswith("byod/")} == tracked(ROOT / "byod")
    assert "byod/py.typed" in names
    assert any(name.startswith("byod/web/templates/") for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugins_wheel_holds_its_package_alone(built, plugin):
    """All of the plugin's package, no tests, and it requires byod by the name of our distribution."""
    names = contents(built[plugin]["wheel"])
    package = plugin.replace("-", "_")
    (other,) = {name.split("/")[0] for name in names} - {package}
    assert other.endswith(".dist-info")
    assert {name for name in names if name.startswith(f"{package}/")} == tracked(
        ROOT / "plugins" / plugin / package
    )
    described = metadata(built[plugin]["wheel"])
    assert described["Name"] == plugin.replace("byod-", "byod-toolkit-")
    assert any(need.split()[0].startswith("byod-toolkit") for need in described.get_all("Requires-Dist"))


def test_byods_sdist_holds_what_it_should(built):
    """The package, its tests, the recipes, the pages and what builds them; no pictures, no plugins, no strays."""
    names = contents(built["byod"]["sdist"])
    pages = {"README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "pyproject.toml"}
    assert pages | {"PKG-INFO", "conftest.py", "Makefile", ".importlinter"} <= names
    assert tracked(ROOT / "byod") <= names
    assert "tests/project/test_packaging.py" in names
    assert "datasets/vegetables/byod.toml" in names
    tops = {name.split("/")[0] for name in names if "/" in name}
    assert tops == {"byod", "tests", "datasets", "docs", "examples", "benchmarks"}
    recipes = {name for name in names if name.startswith("datasets/")}
    assert all(name.endswith(("/byod.toml", "/README.md")) for name in recipes)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugins_sdist_holds_package_and_tests(built, plugin):
    """The plugin's package and tests, and nothing of byod's."""
    names = contents(built[plugin]["sdist"])
    package = plugin.replace("-", "_")
    assert tracked(ROOT / "plugins" / plugin / package) <= names
    assert {name.split("/")[0] for name in names if "/" in name} <= {package, "tests"}


def test_the_distribution_is_named_so_that_it_is_ours(built):
    """The wheel is byod-toolkit, requires no heavy package, and supports the Pythons it says."""
    described = metadata(built["byod"]["wheel"])
    assert (described["Name"], described["Version"]) == ("byod-toolkit", __version__)
    needs = [need for need in described.get_all("Requires-Dist") if "extra ==" not in need]
    assert not [
        need for need in needs if need.split()[0].startswith(("torch", "fastai", "pandas", "label-studio"))
    ]
    assert described["Requires-Python"] == "<3.14,>=3.11"
    assert described["License-Expression"] == "MIT"


def test_what_pip_installs_is_our_byod(installed, tmp_path):
    """In an empty environment the package `byod` belongs to byod-toolkit, lies in that environment and runs."""
    program = (
        "import byod, importlib.metadata as m; "
        "print(byod.__file__, byod.__version__, m.packages_distributions()['byod'])"
    )
    where = run(str(installed / "python"), "-c", program, cwd=tmp_path)
    assert where.startswith(str(installed.parent))
    assert where.split(None, 1)[1].strip() == f"{__version__} ['byod-toolkit']"
    assert __version__ in run(str(installed / "byod"), "--version", cwd=tmp_path)
    assert "collect" in run(str(installed / "byod"), "--help", cwd=tmp_path)


def test_the_installed_byod_loads_nothing_heavy(installed, tmp_path):
    """`import byod` and `import byod.cli` leave torch, onnxruntime and their like alone."""
    program = f"import sys, byod, byod.cli; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    assert run(str(installed / "python"), "-c", program, cwd=tmp_path).split() == []


def test_the_installed_byod_speaks_german(installed, tmp_path):
    """The wheel carries the catalogues of languages, which are read as they stand."""
    program = "from byod.report.i18n import say; print(say('class').text('de'))"
    assert run(str(installed / "python"), "-c", program, cwd=tmp_path).strip() == "Klasse"


def test_installed_plugins_are_found_without_being_imported(installed, tmp_path):
    """Each plugin is listed by its entry point, also by `byod plugins`, though its requirements are not there."""
    program = "import importlib.metadata as m; print(*sorted(e.name for e in m.entry_points(group='byod.trainers')))"
    names = run(str(installed / "python"), "-c", program, cwd=tmp_path).split()
    assert names == sorted(plugin.removeprefix("byod-") for plugin in PLUGINS)
    listed = run(str(installed / "byod"), "plugins", cwd=tmp_path)
    assert all(name in listed for name in names)


def test_the_installed_byod_runs_the_demos_collecting(installed, tmp_path):
    """What `make dist` built collects, checks and de-duplicates in an environment that knows no clone."""
    said = run(
        str(installed / "byod"), "demo", "--only", "collect", "--into", "shown", "--json", cwd=tmp_path
    )
    found = json.loads(said)["collected"]
    assert {line["planted"] == line["found"] for line in found["lines"]} == {True}
    assert len(list((tmp_path / found["dataset"] / "images").glob("*/*.*"))) > 100
