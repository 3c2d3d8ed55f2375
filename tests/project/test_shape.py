"""The shape of the code: sizes, names, and what may stand where. Each rule is a plain look at the syntax tree."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_trees import nodes

import byod
from byod.dataset.dataset_list import has_pictures
from byod.schema.recipe import read
from byod.schema.records import Task

ROOT = Path(__file__).parents[2]
BYOD = sorted((ROOT / "byod").rglob("*.py"))
PLUGINS = sorted(path for path in (ROOT / "plugins").glob("*/byod_*/**/*.py") if path.is_file())
CODE = [*BYOD, *PLUGINS]
PUBLIC = {
    "byod.plugin",
    "byod.testing",
}
"""What a plugin may import."""
BANNED = ("Manager", "Handler", "Factory", "Service", "Processor", "Engine")
VAGUE = {"data", "info", "util", "utils", "helper", "helpers", "common", "misc"}
HEAVY = (
    *("torch", "fastai", "onnxruntime", "pandas", "scipy", "label_studio_sdk", "numpy", "PIL", "jinja2"),
    *("typer", "rich", "requests", "pydantic", "matplotlib", "IPython", "starlette", "sqlite3"),
)
LIGHT = {"byod.cli": {"typer"}}
"""What a module may load of it all the same."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports anywhere in it, in full, with the line."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno} imports relatively"
            yield node.module or "", node.lineno
            # `from byod import pictures` imports a module as well
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def importing(modules: tuple[str, ...], paths: list[Path]) -> list[str]:
    """The places where one of the modules, or a part of it, is imported."""
    return [
        f"{name(path)}:{line} imports {module}"
        for path in paths
        for module, line in imports(path)
        if any(module == wanted or module.startswith(f"{wanted}.") for wanted in modules)
    ]


def outside(room: str) -> list[Path]:
    """The files of byod that do not belong to a room (a package, or a single module)."""
    at = ROOT / "byod" / room
    return [path for path in BYOD if at not in path.parents and path != at.with_suffix(".py")]


def test_there_is_code_to_look_at():
    """The rules below look at files that exist."""
    assert len(BYOD) > 20
    assert PLUGINS


def test_files_stay_under_400_lines():
    """A file that grows beyond 400 lines holds two things; it is time to part them."""
    assert not [name(path) for path in CODE if len(path.read_text(encoding="utf-8").splitlines()) >= 400]


def test_functions_stay_under_50_lines():
    """A function is short enough to be read at one go: fewer than 50 lines.

    Two kinds are longer, and only by what no other place can hold: a command of byod/cli, whose signature is the table
    of its options, and a verb of byod/api with examples, whose signature and docstring are its page of docs/api.md. Of
    both the lines of the body count.
    """
    assert not [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in CODE
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - first_line(node, path) + 1 >= 50
    ]


def first_line(node: ast.FunctionDef | ast.AsyncFunctionDef, path: Path) -> int:
    """Where a function begins to count."""
    if path.parent == ROOT / "byod" / "api" and ">>> " in (ast.get_docstring(node) or ""):
        return node.body[1].lineno
    return (node.body[0] if is_cli(path) else node).lineno


def is_cli(path: Path) -> bool:
    return path.parent == ROOT / "byod" / "cli"


def test_only_the_command_line_speaks():
    """print, typer and click stand in byod/cli and nowhere else."""
    printing = [
        f"{name(path)}:{node.lineno}"
        for path in [*outside("cli"), *PLUGINS]
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not printing
    assert not importing(("typer", "click"), [*outside("cli"), *PLUGINS])


def test_one_place_cleans_what_is_printed():
    """Nothing is written to the terminal but by byod/cli/output.py and the progress display, which clean names."""
    streams = ("sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho", "print", "Console")
    found = {
        name(path)
        for path in BYOD
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in streams
    }
    assert found == {"byod/cli/output.py", "byod/api/progress_display.py"}


def test_only_the_catalog_knows_sql():
    """sqlite3 is imported in byod/dataset/catalog and nowhere else."""
    assert not importing(("sqlite3",), [*outside("dataset/catalog"), *PLUGINS])


def test_nothing_is_pickled():
    """No pickle and none of its kin is imported, but for the error that says that somebody else's was refused."""
    found = importing(("pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"), CODE)
    refusals = {
        where.removesuffix(".UnpicklingError") for where in found if where.endswith(".UnpicklingError")
    }
    assert not [where for where in found if where.removesuffix(".UnpicklingError") not in refusals]


def test_byod_knows_no_trainer():
    """torch, its friends and the plugins are imported nowhere in byod."""
    plugins = tuple({path.relative_to(ROOT / "plugins").parts[1] for path in PLUGINS})
    assert not importing(("torch", "torchvision", "fastai", "timm", "keras", *plugins), BYOD)


def test_plugins_use_what_is_public():
    """A plugin imports only byod's public modules, and from them no private name."""
    wrong = [
        f"{name(path)}:{node.lineno} {node.module}: {', '.join(alias.name for alias in node.names)}"
        for path in PLUGINS
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "byod"
        if node.module not in PUBLIC or any(alias.name.startswith("_") for alias in node.names)
    ]
    plain = [
        f"{name(path)}:{node.lineno} {alias.name}"
        for path in PLUGINS
        for node in nodes(path)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.split(".")[0] == "byod" and alias.name not in PUBLIC
    ]
    assert not wrong + plain


def test_no_error_is_swallowed_wholesale():
    """A bare `except`, or one for Exception, may only clean up and raise the same error again."""
    wrong = []
    for path in CODE:
        for node in nodes(path):
            if not isinstance(node, ast.ExceptHandler):
                continue
            named = ast.walk(node.type) if node.type else [ast.Name(id="BaseException")]
            broad = {each.id for each in named if isinstance(each, ast.Name)} & {"Exception", "BaseException"}
            last = node.body[-1]
            if broad and not (isinstance(last, ast.Raise) and last.exc is None):
                wrong.append(f"{name(path)}:{node.lineno}")
    assert not wrong


def test_names_say_what_things_are():
    """No class is a Manager or the like (http.server's own base names excepted), no module is a grab bag."""
    classes = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in CODE
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED)
    ]
    assert not classes
    assert not [name(path) for path in CODE if path.stem in VAGUE]


def test_no_module_shares_its_name_with_a_public_name():
    """`import byod.x` must give the module x: none is called like a public name, but the one that is its module."""
    modules = {path.stem for path in (ROOT / "byod").glob("*.py")}
    modules |= {path.name for path in (ROOT / "byod").iterdir() if path.is_dir()}
    assert set(byod.__all__) & modules == {"plugin"}


def test_datasets_and_plugins_are_no_packages():
    """No `__init__.py` directly in them: an empty package `datasets` would hide another library's."""
    assert not (ROOT / "datasets" / "__init__.py").exists()
    assert not (ROOT / "plugins" / "__init__.py").exists()


def test_every_recipe_can_be_read_and_says_where_its_pictures_come_from():
    """Each folder of datasets/ that is committed has a byod.toml that byod reads, and a page on origin and licence."""
    folders = sorted(
        path.parent for path in (ROOT / "datasets").glob("*/byod.toml") if not has_pictures(path.parent)
    )
    assert {ROOT / "datasets" / "vegetables", ROOT / "datasets" / "cats"} <= set(folders)
    for folder in folders:
        recipe = read(folder)
        if recipe.task == Task.CLASSIFY:
            assert len(recipe.classes) >= 2
            assert all(entry.queries for entry in recipe.classes.values())
        else:
            assert recipe.points is not None
            assert recipe.points.unpaired == ()
        assert "licence" in (folder / "README.md").read_text(encoding="utf-8").lower()


def test_nobody_is_told_to_install_somebody_elses_byod():
    """The name on the package index belongs to another project, so no text names it as something to install."""
    wrong = (
        "pip install " + "byod",
        "pip install -U " + "byod",
        "uv add " + "byod",
        "pipx install " + "byod",
    )
    texts = [
        path
        for pattern in ("*.md", "*.py", "*.toml", "*.html", "Makefile", "run")
        for root in (ROOT, ROOT / "byod", ROOT / "plugins", ROOT / "datasets", ROOT / ".ci")
        for path in (root.glob(pattern) if root == ROOT else root.rglob(pattern))
    ]
    assert len(texts) > 20
    assert not [
        name(path) for path in texts if any(each in path.read_text(encoding="utf-8") for each in wrong)
    ]


@pytest.mark.parametrize("what", ["byod", "byod.cli"])
def test_importing_byod_loads_nothing_heavy(what):
    """`import byod` loads none of what takes long to load, and `byod --help` only what it prints with."""
    program = f"import sys, {what}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= LIGHT.get(what, set())


def test_the_import_rules_hold():
    """The layers of .importlinter are kept."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
            "--no-logo",
        ],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_models_are_opened_in_one_place():
    """Only `byod.training.model_runtime` opens a graph with onnxruntime, so that none is run without byod's look."""
    calls = [
        name(path)
        for path in CODE
        for node in nodes(path)
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) == "InferenceSession"
        and path != ROOT / "byod" / "training" / "model_runtime.py"
    ]
    assert not calls
