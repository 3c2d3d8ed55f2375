"""`import byod`: its names, what the verbs check and return, and that the command line takes the same road."""

import ast
import inspect
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from library_place import sources
from loopback_sources import LoopbackSources, Work

import byod
from byod import exports
from byod.api import runs
from byod.api.plan import AddOptions, CollectOptions, SplitOptions
from byod.api.review_actions import ReviewOptions
from byod.cli import app
from byod.dataset import dataset_folder
from byod.tasks import TASKS

ROOT = Path(__file__).parents[2]
SHAPES = "datasets/shapes"


@pytest.fixture
def here(place, tmp_path, monkeypatch) -> Path:
    """The current folder: a copy of the place."""
    shutil.copytree(place, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.slow
def test_a_public_name_stays_what_it_is_when_every_module_was_imported(tmp_path):
    """Importing a module of byod puts nothing in a public name's place, and a verb can be called before and after."""
    program = """
import importlib, pkgutil, byod
before = {name: getattr(byod, name) for name in byod.__all__}
byod.draw_classes("drawn", per_class=3)
assert byod.add("drawn", into="one", progress=False).counts == {"circle": 3, "square": 3}
for module in pkgutil.walk_packages(byod.__path__, "byod."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert {name: getattr(byod, name) for name in byod.__all__} == before
assert byod.add("drawn", into="two", progress=False).counts == {"circle": 3, "square": 3}
from byod import *
assert (Dataset, collect, errors) == (before["Dataset"], before["collect"], before["errors"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_byod_has_its_names_and_no_others():
    """`dir(byod)` shows every public name; an unknown one is an AttributeError, also for `hasattr` and `from byod`."""
    assert set(byod.__all__) <= set(dir(byod))
    assert byod.errors.__name__ == "byod.schema.errors"
    assert byod.plugin.__name__ == "byod.plugin"
    assert not hasattr(byod, "nosuch")
    with pytest.raises(ImportError, match="nosuch"):
        exec("from byod import nosuch")


def test_the_command_line_calls_what_byod_exports():
    """No command imports a verb from below `byod`; only the demo, with a stand of its own, shows progress itself."""
    found = set()
    for path in (ROOT / "byod" / "cli").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typing = {
            id(each)
            for node in ast.walk(tree)
            if isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
            for each in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in typing:
                modules = {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
                found |= {(path.name, name) for name in modules if name.startswith("byod.api.")}
    assert {module for _, module in found if module.count(".") == 2} == {"byod.api.progress_display"}
    assert {name for name, _ in found} == {"demo.py"}


RENAMED = {
    "meaning": "meanings",
    "exclude_host": "exclude_hosts",
    "source": "sources",
    "query": "queries",
    "name": "names",
    "set": "options",
    "no_probe": "probe",
}
TERMINAL = {"json", "open", "help", "run", "dataset", "no_browser", "show_leak", "delete"}
"""Options that are about the terminal, or name what a method belongs to; `close --delete` is an action of its own."""
OF_THE_DATASET = {"follow_links"}
"""Options of `byod.Dataset` itself, which hold for all that is done with it."""
OF_THE_RUN = {"refit"}
"""Options of `byod.Run` itself."""


@pytest.mark.parametrize(
    ("command", "functions"),
    [
        ("collect", [byod.collect, CollectOptions]),
        ("add", [byod.add, AddOptions]),
        ("convert cats", [byod.convert]),
        ("convert voc", [byod.convert]),
        ("convert coco", [byod.convert]),
        ("check", [byod.Dataset.check]),
        ("dedupe", [byod.Dataset.dedupe]),
        ("split", [byod.Dataset.leak, SplitOptions]),
        ("restore", [byod.Dataset.restore]),
        ("review", [ReviewOptions]),
        ("export", [byod.Dataset.export, byod.Run.export]),
        ("train", [byod.Dataset.train]),
        ("evaluate", [byod.Run.evaluate]),
        ("compare", [byod.compare]),
        ("serve", [byod.Run.serve]),
    ],
)
def test_a_keyword_is_called_like_its_option(command, functions):
    """Every option of a command is a keyword of the function behind it, by the same name or in the plural."""
    keywords = {
        name
        for each in functions
        for name in (each.__annotations__ if inspect.isclass(each) else inspect.signature(each).parameters)
    }
    found = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]
    options = {
        name.removeprefix("--").replace("-", "_")
        for option in found.params
        for name in option.opts
        if name.startswith("--")
    }
    keywords |= OF_THE_DATASET & set(inspect.signature(byod.Dataset).parameters)
    keywords |= OF_THE_RUN & set(inspect.signature(byod.Run).parameters)
    assert {RENAMED.get(name, name) for name in options - TERMINAL} <= keywords


WRONG = {
    "no class": byod.collect,
    "a class twice": lambda: byod.collect("a", "a"),
    "no name": lambda: byod.collect("a/b"),
    "a refused source": lambda: byod.collect("a", sources="pexels"),
    "no policy": lambda: byod.collect("a", license="free"),
    "none kept": lambda: byod.collect("a", per_class=0),
    "no worker": lambda: byod.collect("a", workers=0, deadline=-1),
    "terms of no class": lambda: byod.collect("a", queries={"b": "c"}),
    "recipe and class": lambda: byod.collect("a", recipe=SHAPES),
    "nothing to add": byod.add,
    "reports and pictures": lambda: byod.add("own", reports=True),
    "no such picture": lambda: byod.add("nowhere.jpg", label="a", into="d"),
    "no such format": lambda: byod.convert("dogs", "x"),
    "no place": lambda: byod.convert("coco", "x.json", "y"),
    "another's option": lambda: byod.convert("cats", "annotated", points={"a": "b"}),
    "a point twice": lambda: byod.convert("voc", "x", into="d", points={"a": ("b", "b")}),
    "no task": lambda: byod.Dataset(SHAPES).train(task="dreams"),
    "no GPU": lambda: byod.Dataset(SHAPES).train(gpus=0),
    "no export": lambda: byod.Dataset(SHAPES).export("paper"),
    "nothing to restore": lambda: byod.Dataset(SHAPES).restore(),
    "suspects and a run": lambda: byod.Dataset(SHAPES).review("push", suspects=True, run="x"),
    "no action": lambda: byod.Dataset(SHAPES).review("dance"),
    "no table": lambda: byod.fetch_labels("flickr"),
    "no such source": lambda: byod.who_knows("cat", sources="altavista"),
    "no word": lambda: byod.who_knows("a/b"),
    "none asked": lambda: byod.Dataset(SHAPES).review("push", limit=0),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
def test_what_does_not_go_together_is_a_usage_error(here, call):
    """What the command line refuses with exit code 2 is a UsageError of one line, and no picture comes or goes."""
    before = set(here.rglob("*.jpg"))
    with pytest.raises(byod.errors.UsageError) as refused:
        call()
    assert "\n" not in str(refused.value)
    assert set(here.rglob("*.jpg")) == before


def test_an_unknown_keyword_is_a_type_error(here):
    """A keyword that was mistyped is never passed over."""
    with pytest.raises(TypeError, match="per_clas"):
        byod.collect("a", per_clas=3)
    with pytest.raises(TypeError, match="suspect"):
        byod.Dataset(SHAPES).review("push", suspect=True)


def test_a_dataset_is_found_like_on_the_command_line(here):
    """A path, a string, a name below datasets/ and nothing at all mean the same dataset; a stranger is refused."""
    found = [byod.Dataset(each) for each in (SHAPES, Path(SHAPES), "shapes", None)]
    assert {each.folder.resolve() for each in found} == {(here / SHAPES).resolve()}
    assert repr(found[0]) == "byod.Dataset('datasets/shapes')"
    assert found[0].runs == []
    with pytest.raises(byod.errors.DatasetError, match="nowhere"):
        byod.Dataset("nowhere")
    with pytest.raises(byod.errors.ModelError, match="train first"):
        byod.Run()


def test_no_lock_is_held_between_two_calls(here):
    """What people did to the folders meanwhile is in the next call's counts, and another byod can open the dataset."""
    dataset = byod.Dataset(SHAPES)
    assert dataset.counts == {"circle": 30, "square": 30}
    first = next((here / SHAPES / "images" / "circle").iterdir())
    with dataset_folder.Dataset(here / SHAPES, TASKS):
        first.rename(here / SHAPES / "images" / "square" / first.name)
    assert dataset.counts == {"circle": 29, "square": 31}
    assert dataset.rejected == {}
    table = dataset.to_pandas()
    assert set(table[table.status == "kept"].label) == {"circle", "square"}
    assert len(table) == 60
    assert table.dtypes["width"].kind == "i"


def test_without_pandas_one_line_says_what_is_missing(here, monkeypatch):
    """to_pandas names what to install, and everything else works without."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(byod.errors.ByodError, match="pip install pandas") as missing:
        byod.Dataset(SHAPES).to_pandas()
    assert "\n" not in str(missing.value)


def test_a_run_can_be_exported_as_what_byod_writes():
    """The words by which the command line tells a run's formats from a dataset's are those that are written."""
    assert (*runs.RUN_FORMATS, runs.WEB) == byod.Run.FORMATS
    assert not set(byod.Run.FORMATS) & set(exports.formats(TASKS))


def test_status_says_what_the_command_line_prints(here):
    """The counts and reasons of the object are those of `byod status --json`."""
    printed = subprocess.run(
        [sys.executable, "-m", "byod", "status", SHAPES, "--json"], capture_output=True, text=True, check=True
    )
    document = json.loads(printed.stdout)
    dataset = byod.Dataset(SHAPES)
    assert (document["classes"], document["rejected"]) == (dataset.counts, dataset.rejected)
    assert document["reports"] == dataset.reports == 0


def test_own_pictures_get_a_class_and_the_names_of_folders(here):
    """`add` takes strings and Paths, with a label or as class folders, and returns the dataset with its record."""
    made = byod.add(
        here / "photos" / "circle.jpg", "photos/square.jpg", label="both", into="new", progress=False
    )
    assert made.counts == {"both": 2}
    assert made.result.snapshot.fingerprint == made.status(progress=False).fingerprint
    assert byod.add("own", into="new", progress=False).counts == {"both": 2, "circle": 30, "square": 30}


class Impatient(LoopbackSources):
    """Sources before which somebody presses Ctrl-C when the third picture is asked for."""

    pressed = False

    def file(self, path):
        """The file; the key is pressed once."""
        if not self.pressed and sum(asked.path in self.files for asked in self.asked) == 3:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)
        return super().file(path)


def test_ctrl_c_leaves_what_a_second_call_goes_on_with(here, monkeypatch):
    """KeyboardInterrupt comes out of `collect`, the lock is free, and the same call again completes the dataset."""
    with Impatient() as web:
        for number, path in enumerate(sorted((here / "own" / "circle").iterdir())[:8]):
            web.offer("kreis", Work(url=web.put(f"/{number}.jpg", path.read_bytes()), width=220, height=210))
        for name, value in web.environment().items():
            monkeypatch.setenv(name, value)
        options = {"per_class": 8, "sources": "openverse", "languages": "none", "progress": False}
        with pytest.raises(KeyboardInterrupt):
            byod.collect("Kreis", per_host=1, **options)
        assert byod.collect("Kreis", **options).counts == {"Kreis": 8}


def test_a_dry_run_is_a_preview_and_writes_nothing(here, monkeypatch):
    """What would be fetched comes with the reason for what would be refused."""
    with sources(here / "others", {"circle": "kreis"}) as web:
        for name, value in web.environment().items():
            monkeypatch.setenv(name, value)
        options = {"sources": ["openverse"], "languages": (), "dry_run": True, "progress": False}
        found = byod.collect("Kreis", **options)
        assert [reason for _, reason in found.candidates] == [None] * 5
        assert {candidate.source for candidate, _ in found.candidates} == {"openverse"}
        refused = byod.collect("Kreis", min_side=1000, **options)
        assert all(reason == "too-small" for _, reason in refused.candidates)
    assert not (here / "datasets" / "Kreis").exists()
