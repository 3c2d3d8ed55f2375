"""What byod has stands on a page, and what a page says byod has is there: commands, reasons, variables, keys, names.

The tests walk the code itself. Whoever adds a command, an option, a reason, a variable, a source or a format is told
here which page lacks a word of it, or that it has no test.
"""

import ast
import functools
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from brightness import interchange
from brightness.trainer import Line
from documented import ROOT, name, options, pages, section, spans, text
from source_trees import nodes

import byod.plugin
from byod.api import runs
from byod.cli.review import ACTIONS
from byod.collection.sources import ELSEWHERE, REFUSED, SOURCES
from byod.schema import recipe
from byod.schema.config import Settings
from byod.schema.keypoints import KeypointSet
from byod.schema.reasons import Reason, When
from byod.schema.recipe import ClassRecipe, OwnRecipe, Recipe, SourceRecipe
from byod.schema.search_words import Meaning
from byod.tasks import TASKS

README = ROOT / "README.md"
FORMATS = {name for task in TASKS.values() for name in task.exchange.exports}
COMMANDS, REASONS, CONFIGURATION, RECIPE, TRAINERS, WRITING = (
    ROOT / "docs" / f"{page}.md"
    for page in ("commands", "reasons", "configuration", "recipe", "trainers", "writing-a-trainer")
)
CODE = [*(ROOT / "byod").rglob("*.py"), *(ROOT / "plugins").glob("*/byod_*/**/*.py")]
TESTED = sorted((ROOT / "tests").rglob("test_*.py"))
VARIABLE = r"\bBYOD_[A-Z]+(?:_[A-Z]+)*\b"


@functools.cache
def generated():
    """The script that writes the generated parts."""
    place = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert place is not None
    assert place.loader is not None
    script = importlib.util.module_from_spec(place)
    place.loader.exec_module(script)
    return script


@functools.cache
def code(path: Path) -> str:
    """The text of a file of code."""
    return path.read_text(encoding="utf-8")


def words_after(pattern: str) -> set[str]:
    """What pages say behind a pattern, like the names after an option."""
    return {
        word
        for page in pages()
        if page.name != "CHANGELOG.md"
        for found in re.findall(rf"{pattern}([\w|-]+)", text(page))
        for word in found.split("|")
    }


def test_the_generated_parts_are_those_of_the_code():
    """`make docs` would change no page."""
    old = [page for page in (ROOT / "docs").glob("*.md") if generated().page(text(page)) != text(page)]
    assert not [name(page) for page in old], "run: make docs"


# commands


def test_every_command_has_a_section_with_its_options():
    """docs/commands.md has a heading for each command, all of its options under it, and no other command."""
    headings = re.findall(r"^#{3,4} byod (.+)$", text(COMMANDS), flags=re.MULTILINE)
    assert set(headings) == set(options()) | {command.split()[0] for command in options()}
    assert len(headings) == len(set(headings))
    for command, known in options().items():
        rank = "####" if " " in command else "###"
        told = section(COMMANDS, f"{rank} byod {command}")
        assert known - {"--json"} <= set(re.findall(r"^\| `(--[a-z-]+)", told, flags=re.MULTILINE)), command


def test_every_command_and_parameter_says_what_it_is():
    """A command, an option and an argument has a help text, a whole sentence, and what takes a value says which."""
    for command, found in generated().commands():
        assert found.help, command
        assert re.match(r"[A-Z].*[.]$", found.help, flags=re.DOTALL), command
        for parameter in found.params:
            where = f"byod {command}: {parameter.name}"
            assert parameter.help, where
            assert parameter.help.endswith((".", "?")), where
            assert parameter.metavar or parameter.is_flag, where


def test_every_verb_of_a_review_is_on_its_pages():
    """`byod review VERB` stands in docs/review.md and in docs/commands.md, verb by verb."""
    for page in (COMMANDS, ROOT / "docs" / "review.md"):
        assert set(ACTIONS) == set(re.findall(r"\bbyod review ([a-z]+)\b", text(page))), name(page)


# reasons


def test_every_reason_has_a_word_of_advice():
    """docs/reasons.md says of each reason what to do, under the step at which it is given, and knows no other."""
    for when, heading in zip(
        When,
        (
            "## Before it is fetched",
            "## While it is fetched",
            "## By what the picture itself is",
            "## By comparison with the others",
            "## By a person",
        ),
        strict=True,
    ):
        told = section(REASONS, heading)
        advice = re.findall(r"^- ((?:`[\w-]+`(?:, )?)+):", told, flags=re.MULTILINE)
        assert {Reason(span) for line in advice for span in spans(line)} == {
            reason for reason in Reason if reason.traits.when is when
        }


def test_every_reason_a_page_names_is_one():
    """A folder of rejected pictures, and what is restored, bears the name of a reason."""
    folders = words_after(r"rejected/(?!<|reason/)") | words_after(r"byod restore (?!rejected/)")
    assert folders - {"REASON"} <= set(Reason)


# configuration


def called(path: Path, attribute: str) -> Iterator[ast.Call]:
    """The calls of a method of that name in a file."""
    for node in nodes(path):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == attribute
        ):
            yield node


@functools.cache
def bases() -> dict[str, str]:
    """The variables that lead to another host, with the host they lead away from."""
    found = {}
    for path in (path for path in CODE if ".base(" in code(path)):
        constants = {
            node.targets[0].id: node.value.value
            for node in nodes(path)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for call in called(path, "base"):
            source, instead = call.args
            named = constants[source.id] if isinstance(source, ast.Name) else ast.literal_eval(source)
            inner = instead.args[1] if isinstance(instead, ast.Call) else instead
            found[f"BYOD_{named.upper()}_URL"] = ast.literal_eval(inner)
    return found


def read_variables() -> set[str]:
    """The variables that code asks the environment for by name."""
    found = set()
    for path in (path for path in CODE if "environ" in code(path)):
        for node in nodes(path):
            asked = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                if node.func.attr in ("get", "setdefault"):
                    asked = (node.func.value, node.args[0])
            elif isinstance(node, ast.Subscript):
                asked = (node.value, node.slice)
            if asked is None or not re.search(r"\benviron(ment)?$", ast.unparse(asked[0])):
                continue
            if isinstance(asked[1], ast.Constant):
                found.add(asked[1].value)
    return found


@functools.cache
def ours() -> set[str]:
    """The BYOD_ variables of the code: those it names, and those made of a source's name."""
    named = {variable for path in CODE for variable in re.findall(VARIABLE, code(path))}
    return named | set(bases()) | {entry.key for entry in SOURCES.values() if entry.key}


def test_every_variable_is_in_the_configuration():
    """docs/configuration.md has every BYOD_ variable of the code and no other, and no other page names one more."""
    assert set(re.findall(VARIABLE, text(CONFIGURATION))) == ours()
    for page in pages():
        named = set(re.findall(VARIABLE, text(page)))
        assert {variable for variable in named if not variable.startswith("BYOD_TEST_")} <= ours(), name(page)


def test_every_host_that_can_be_replaced_is_named():
    """The table of other addresses names each variable with the host whose place it takes."""
    told = section(CONFIGURATION, "## Other addresses: a mirror, a proxy, a test")
    for variable, host in bases().items():
        assert re.search(rf"^\| `{variable}` \| (`{host}`|the same)", told, flags=re.MULTILINE), variable


def test_variables_of_others_are_named_and_read():
    """What byod reads of other programs' variables is in docs/configuration.md, and whatever is there is read."""
    told = section(CONFIGURATION, "## Variables of others that byod reads")
    table = {span for span in spans(told) if re.fullmatch(r"[A-Z_]{4,}", span)} - {"PASSIVE"}
    assert {variable for variable in read_variables() if not variable.startswith("BYOD_")} <= table
    assert not [variable for variable in table if not any(variable in code(path) for path in CODE)]


def test_the_config_file_shown_is_read(tmp_path):
    """Each line of the example is a setting that byod knows."""
    [example] = re.findall(r"```toml\n(.+?)```", text(CONFIGURATION), flags=re.DOTALL)
    (tmp_path / "config.toml").write_text(example, encoding="utf-8")
    settings = Settings.load({"BYOD_CONFIG": str(tmp_path / "config.toml")})
    assert set(settings.environment) - {"BYOD_CONFIG"} <= ours()
    assert settings.contact == "you@example.org"
    assert settings.allow_private_hosts
    assert settings.key("flickr") == "0123456789abcdef"


# recipe


def test_the_recipes_shown_are_recipes_with_every_key(tmp_path):
    """byod reads the examples of docs/recipe.md, and together they show every key there is."""
    shown: dict[type, set[str]] = {
        each: set() for each in (Recipe, ClassRecipe, KeypointSet, Meaning, OwnRecipe, SourceRecipe)
    }
    for example in re.findall(r"```toml\n(.+?)```", text(RECIPE), flags=re.DOTALL):
        (tmp_path / recipe.FILE).write_text(example, encoding="utf-8")
        assert recipe.read(tmp_path).classes
        values = tomllib.loads(example)
        shown[Recipe] |= set(values)
        shown[KeypointSet] |= set(values.get("points", ()))
        shown[ClassRecipe] |= {key for entry in values["classes"].values() for key in entry}
        shown[Meaning] |= {key for entry in values["classes"].values() for key in entry.get("meaning", ())}
        shown[OwnRecipe] |= set(values.get("own", ()))
        if isinstance(values["sources"], dict):
            shown[SourceRecipe] |= {key for own in values["sources"].values() for key in own}
    assert {model: set(model.model_fields) for model in shown} == shown


def test_settings_that_pages_name_exist():
    """`key = value` in a code span is a line of byod.toml or of the config file."""
    keys = {
        *Recipe.model_fields,
        *ClassRecipe.model_fields,
        *KeypointSet.model_fields,
        *OwnRecipe.model_fields,
        *SourceRecipe.model_fields,
    }
    keys |= {variable.removeprefix("BYOD_").lower() for variable in ours()}
    for page in [README, *(ROOT / "docs").glob("*.md"), *(ROOT / "datasets").glob("*/README.md")]:
        named = {found[1] for span in spans(text(page)) if (found := re.match(r"([a-z_]+) = ", span))}
        assert named - {"resumes"} <= keys, name(page)


def test_every_key_and_option_says_what_it_is():
    """Each field of byod.toml and of the trainers' options has a description, from which its row is made."""
    models = [Recipe, ClassRecipe, Meaning, OwnRecipe, SourceRecipe, KeypointSet]
    models += [*(each.Options for each in generated().trainers().values())]
    missing = [
        f"{model.__module__}.{key}"
        for model in models
        for key, field in model.model_fields.items()
        if not field.description
    ]
    assert not missing


# trainers


@pytest.mark.parametrize("trainer", sorted(path.name[5:] for path in (ROOT / "plugins").glob("byod-*")))
def test_every_option_of_a_trainer_is_on_its_pages(trainer: str):
    """docs/trainers.md and the plugin's README have a row for each option, and none for another."""
    known = set(generated().trainers()[trainer].Options.model_fields)
    own = section(ROOT / "plugins" / f"byod-{trainer}" / "README.md", "## Options (`--set KEY=VALUE`)")
    for told in (section(TRAINERS, f"## {trainer}"), own):
        rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", told, flags=re.MULTILINE)
        assert {option for row in rows for option in spans(row)} == known


def test_every_option_that_is_set_on_a_page_exists():
    """`--set KEY=…` and `--plugin NAME` on pages name options and trainers there are, or those of the examples."""
    trainers = generated().trainers()
    known = {option for trainer in trainers.values() for option in trainer.Options.model_fields}
    assert words_after("--set ") - {"KEY"} <= known
    assert words_after("--plugin ") - {"NAME", "nearest", Line.name} <= set(trainers)
    headings = re.findall(r"^## (.+)$", text(TRAINERS), flags=re.MULTILINE)
    assert set(headings) == set(trainers)


def test_the_page_for_plugins_names_what_they_may_import():
    """docs/writing-a-trainer.md has a row for each name of byod.plugin, and imports and names no other."""
    told = section(WRITING, "## All names of `byod.plugin`")
    assert re.findall(r"^\| `(\w+)` \|", told, flags=re.MULTILINE) == list(byod.plugin.__all__)
    for page in pages():
        imports = re.findall(r"^from byod\.plugin import (.+)$", text(page), flags=re.MULTILINE)
        named = {word.strip() for line in imports for word in line.split(",")}
        named |= set(re.findall(r"\bbyod\.plugin\.(\w+)", text(page)))
        assert named <= set(byod.plugin.__all__), name(page)


# sources, importers, exports


def test_every_source_is_on_its_pages():
    """README.md and docs/recipe.md name every source and every one that is refused, and pages choose no other."""
    for page in (README, RECIPE):
        told = spans(section(page, "## Sources"))
        assert {*SOURCES} <= set(told), name(page)
        assert all(re.search(refused, section(page, "## Sources"), re.IGNORECASE) for refused in REFUSED), (
            name(page)
        )
    assert {*ELSEWHERE} <= set(spans(section(RECIPE, "## Sources")))
    assert words_after("--source ") - {"NAME"} <= set(SOURCES)


def test_every_source_has_replies_and_tests():
    """Each source answers on loopback in tests, and is among those that the tests of sources go through."""
    from loopback_sources import LoopbackSources

    with LoopbackSources() as server:
        assert set(server.environment()) >= set(bases()) - {"BYOD_GOOGLE_URL"}  # asked through SerpApi
    tests = (ROOT / "tests" / "collection" / "sources").glob("test_*.py")
    tested = {
        key
        for path in tests
        for node in nodes(path)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PLACES"
        for key in ast.literal_eval(node.value)
    }
    assert set(SOURCES) <= tested
    modules = {path.stem for path in (ROOT / "byod" / "collection" / "sources").glob("*.py")}
    assert {entry.module for entry in SOURCES.values()} == modules - {
        "__init__",
        "class_names",
        "folder",
        "label_table",
        "parquet_pictures",
        "table_fetch",
        "web_search",
        "wikimedia_files",
    }


def test_every_importer_is_on_its_pages_and_tested():
    """Each `byod convert KIND` stands in README.md and docs/points.md; each reader has a command and a test module."""
    kinds = {command.split()[1] for command in options() if command.startswith("convert ")}
    points = ROOT / "docs" / "points.md"
    assert set(re.findall(r"^ {4}byod convert (\w+)", text(points), flags=re.MULTILINE)) == kinds
    assert all(re.search(rf"`(byod convert )?{kind}\b", section(README, "## Commands")) for kind in kinds)
    readers = {
        path.stem
        for path in (ROOT / "byod" / "tasks").glob("*/importers/*.py")
        if re.search(r"^def read\(", code(path), flags=re.MULTILINE)
    }
    assert len(readers) == len(kinds)
    tests = [path.stem for path in TESTED if path.parent.name == "importers"]
    for reader in readers:
        assert any(reader in test for test in tests), f"no test module names {reader}"
        faces = (path for path in CODE if path.parent.name in ("api", "cli"))
        assert any(re.search(rf"\b{reader}\b", code(path)) for path in faces), f"no command calls {reader}"


def test_every_export_format_is_on_its_pages_and_tested():
    """README.md and docs/commands.md name each, pages no other (but the third task's), a test writes a dataset's."""
    formats = {*FORMATS, *runs.RUN_FORMATS, runs.WEB}
    for told in (section(README, "## Commands"), section(COMMANDS, "### byod export")):
        assert not [format for format in formats if not re.search(rf"[` ]{format}`", told)]
    assert words_after("--format ") - {"FORMAT", *interchange.exports} <= formats
    written = {
        argument.value
        for path in TESTED
        if "byod.exports" in code(path) or "datasets.export" in code(path)
        for node in nodes(path)
        if isinstance(node, ast.Call) and re.search(r"\bexport(ed)?$", ast.unparse(node.func))
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    assert written >= FORMATS
