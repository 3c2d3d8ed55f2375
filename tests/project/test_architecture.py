"""ARCHITECTURE.md: the rooms, the walks and the places it names are those of the code."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_trees import nodes, tree

import byod
import byod.plugin

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROOMS = (
    "schema",
    "images",
    "report",
    "dataset",
    "collection",
    "training",
    "tasks",
    "exports",
    "labeling",
    "web",
)
FACES = ("api", "plugin.py", "demo", "testing", "cli", "__init__.py", "__main__.py", "py.typed")
WALKS = {
    "A candidate to a file": 22,
    "A verdict to a moved file": 14,
    "A picture to its number in the report": 20,
}
"""How many files a reader may have to open."""
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def found(place: str) -> Function:
    """The function or class that `file:name` names."""
    file, _, name = place.partition(":")
    node: ast.AST = tree(ROOT / file)
    for part in name.split("."):
        body = getattr(node, "body", [])
        nodes = [each for each in body if isinstance(each, Function) and each.name == part]
        assert nodes, f"{place}: there is no {part}"
        node = nodes[-1]  # the ones before it are its overloads
    assert isinstance(node, Function)
    return node


def named(place: str) -> set[str]:
    """Every name and attribute that stands in a function, by the name it was imported from."""
    imported = {
        alias.asname: alias.name
        for node in nodes(ROOT / place.partition(":")[0])
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    names = {
        each.id if isinstance(each, ast.Name) else each.attr
        for each in ast.walk(found(place))
        if isinstance(each, ast.Name | ast.Attribute)
    }
    return {imported.get(name, name) for name in names}


def walk(title: str) -> list[tuple[int, str]]:
    """The lines of a walk: how deep each is indented, and its place."""
    text = PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]
    return [(len(m[1]) // 2, m[2]) for m in re.finditer(r"^( *)- `([^`]+)`$", text, flags=re.MULTILINE)]


@pytest.mark.parametrize("title", WALKS)
def test_each_step_of_a_walk_is_called_by_the_one_it_stands_under(title: str):
    """Every function of a walk exists, and the one it is indented under names it."""
    above: dict[int, str] = {}
    for depth, place in walk(title):
        function = found(place)
        above[depth] = place
        if depth:
            caller, called = above[depth - 1], place.partition(":")[2].removesuffix(".__init__")
            assert called.rpartition(".")[2] in named(caller), f"{caller} does not call {place}"
        assert ast.get_docstring(function) or function.name.startswith("_"), (
            f"{place} does not say what it does"
        )


@pytest.mark.parametrize(("title", "most"), WALKS.items())
def test_a_walk_leads_through_few_files(title: str, most: int):
    """Who follows it opens no more files than are promised."""
    files = {place.partition(":")[0] for _, place in walk(title)}
    assert 5 < len(files) <= most


def test_the_house_has_ten_rooms_and_few_doors():
    """byod/ holds the ten rooms in the order of the import rule, the faces, and nothing else."""
    entries = {path.name for path in (ROOT / "byod").iterdir() if path.name != "__pycache__"}
    assert entries == {*ROOMS, *FACES}
    assert len(entries) <= 18
    rule = (ROOT / ".importlinter").read_text(encoding="utf-8").partition("contract:rooms]")[2]
    layers = rule.partition("layers =\n")[2].partition("\n\n")[0].split()
    assert [layer for layer in reversed(layers) if layer in ROOMS] == list(ROOMS)
    table = re.findall(r"^\| `(\w+)/` \|", PAGE, flags=re.MULTILINE)
    assert [room for room in table if room in ROOMS] == list(ROOMS)


def test_every_place_the_page_names_is_there():
    """Whatever file, folder or function the page names exists."""
    for place in re.findall(r"`(byod/[\w/.]+\.py:[\w.]+)`", PAGE):
        assert found(place) is not None
    for path in re.findall(r"`((?:byod|tests|docs|plugins)/[\w/.-]+)`", PAGE):
        assert (ROOT / path).exists(), path
    for path in re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w/]+\.py)`", PAGE):
        assert (ROOT / "byod" / path).exists(), path


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of byod and its plugins, by name."""
    roots = [ROOT / "byod", *(path for path in (ROOT / "plugins").glob("*/byod_*") if path.is_dir())]
    for root in roots:
        for file in sorted(root.rglob("*.py")):
            parts = (root.name, *file.relative_to(root).with_suffix("").parts)
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def test_no_import_runs_in_a_circle():
    """No module imports another that imports it again, however far round, in functions and plugins as well."""
    files = dict(modules())
    wanted: dict[str, set[str]] = {}
    for name, file in files.items():
        wanted[name] = set()
        for node in nodes(file):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    wanted[name] |= {full if full in files else node.module or ""} & files.keys()
            elif isinstance(node, ast.Import):
                wanted[name] |= {alias.name for alias in node.names} & files.keys()
        wanted[name].discard(name)
    while free := [name for name, needs in wanted.items() if not needs]:
        for name in free:
            del wanted[name]
        for needs in wanted.values():
            needs.difference_update(free)
    assert not wanted


def test_a_module_name_stands_twice_only_for_two_faces_of_one_thing():
    """The same file in two tasks, `cli/x` for `api/x` and for what a trainer does, importer and exporter; no other."""
    places: dict[str, set[str]] = {}
    for name, file in modules():
        if file.stem not in ("__init__", "__main__"):
            places.setdefault(file.stem, set()).add(name)
    faces = (
        r"byod\.tasks\.(classify|keypoints)\.(report\.)?\w+",
        r"(byod\.(api|cli)|byod_\w+(\.keypoints)?)\.\w+",
        r"byod\.tasks\.\w+\.(importers|exports)\.\w+",
    )
    wrong = {
        stem: names
        for stem, names in places.items()
        if len(names) > 1 and not any(all(re.fullmatch(face, name) for name in names) for face in faces)
    }
    assert not wrong


@pytest.mark.slow
def test_every_module_can_be_imported_by_itself():
    """Each module of byod is imported in a process that has imported nothing else of it before."""
    names = [name for name, _ in modules() if name.split(".")[0] == "byod" and not name.endswith("__main__")]
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for old in [m for m in sys.modules if m.split('.')[0] == 'byod']: del sys.modules[old]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_room_bears_the_name_of_no_public_function():
    """Python would put the module in the function's place: neither a verb of the API nor a public name is a room's."""
    verbs = {
        name
        for module in pkgutil.iter_modules(importlib.import_module("byod.api").__path__)
        for name, value in vars(importlib.import_module(f"byod.api.{module.name}")).items()
        if callable(value) and not name.startswith("_") and value.__module__ == f"byod.api.{module.name}"
    }
    assert {"collect", "train", "predict"} <= verbs
    modules = {"plugin"}  # a public name that is the module of that name
    assert not {*ROOMS, *(face.removesuffix(".py") for face in FACES)} & {*verbs, *byod.__all__} - modules


def test_what_a_plugin_may_import_is_fixed():
    """byod.plugin offers just these names, each with a docstring of its own or of its type."""
    assert tuple(byod.plugin.__all__) == (
        "Answering", "Architecture", "Beginning", "Checking", "Checkpoint", "DetectionBatch", "DetectionFeed",
        "Example", "ExportedGraph", "Extractor", "FeatureGraph", "Floats", "InputRule", "Instance", "Jitter",
        "Keypoint", "KeypointBatch", "KeypointFeed", "KeypointSet", "Keypoints", "Launching",
        "Listing", "LrFinder", "Pixels", "Resize", "Run", "Split", "Stage", "Task", "Trained", "Trainer",
        "TrainerError", "TrainingData", "UsageError", "as_input", "cache_folder", "extractor",
        "extractor_identity", "eyes_of", "give_way", "onnx_function",
    )  # fmt: skip
    assert all(getattr(byod.plugin, name).__doc__ for name in byod.plugin.__all__)


def test_an_entry_point_still_finds_its_trainers():
    """The group under which trainers are found is what outsiders have written down."""
    for file in (ROOT / "plugins").glob("*/pyproject.toml"):
        groups = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["entry-points"]
        assert "byod.trainers" in groups


def test_first_lines_of_docstrings_are_no_relative_clauses():
    """A docstring begins with an imperative, or says what the thing is: at most 3 in 100 begin "What", "Whether", …"""
    lines = [
        text.splitlines()[0]
        for _, file in modules()
        for node in nodes(file)
        if isinstance(node, ast.Module | Function) and (text := ast.get_docstring(node))
    ]
    clauses = [
        line for line in lines if re.match(r"(What|Whether|How|Where|Who|Which|Why|When|That)\b", line)
    ]
    assert len(clauses) <= 0.03 * len(lines), clauses
