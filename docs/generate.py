"""Write the generated parts of the pages anew: what stands between `<!-- generated: … -->` and `<!-- end -->`.

    python docs/generate.py

Every part is made from the code itself: the commands, the reasons, the fields of the recipe, the options of the
trainers, the lists of sources and of export formats, the parts of a task. The text around the parts is written by hand.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import tomlkit
import typer.main

import byod.plugin
from byod.cli import app
from byod.collection.http.source_limits import LIMITS
from byod.collection.sources import ELSEWHERE, REFUSED, SOURCES
from byod.plugin import Task
from byod.schema.keypoints import KeypointSet
from byod.schema.reasons import Reason, Retry, When
from byod.schema.recipe import ClassRecipe, OwnRecipe, Recipe, SourceRecipe
from byod.schema.review_tasks import Reviewing
from byod.schema.search_words import Meaning
from byod.schema.serving import Serving
from byod.schema.task import Exchange, Labels, Pages, Storage
from byod.schema.task_learning import Comparing, Evaluating, LabelledSet, Learning, Predicting
from byod.tasks import TASKS

DOCS = Path(__file__).parent
PART = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_DEFAULT = re.compile(r"(.+?)(?: \(default: (.+)\)|; default: (.+))\.")
_KINDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "`true` or `false`",
    "array": "list",
    "object": "table",
}


def page(text: str) -> str:
    """The text of a page with its generated parts made anew."""

    def made(part: re.Match[str]) -> str:
        name, *words = part[2].split()
        return f"{part[1]}\n{PARTS[name](*words)}\n\n{part[3]}"

    return PART.sub(made, text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def prose(text: str) -> str:
    """A help text as Markdown: nothing in it is taken for a tag, and options stand out."""
    text = " ".join(text.split()).replace("<", "&lt;")
    return _typed().sub(r"`\1`", text)


@functools.cache
def _typed() -> re.Pattern[str]:
    """What is to be typed, as it stands in help texts: a command with what follows it, an option, a variable."""
    named = "|".join(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    command = rf"byod (?:{named})(?: --[a-z-]+| [A-Z]{{2,}}| [a-z]+(?=\)))*"
    return re.compile(rf"(?<![\w`-])({command}|--[a-z][a-z-]+|BYOD_\w+)")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by the words it is called with, as the command line itself has them."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        verbs = getattr(command, "commands", None)
        if verbs is None:
            yield name, command
        else:
            yield from ((f"{name} {verb}", each) for verb, each in verbs.items())


def command(*words: str) -> str:
    """What a command does, and its arguments and options."""
    found = dict(commands())[" ".join(words)]
    paragraphs = [prose(text) for text in inspect.cleandoc(found.help).split("\n\n")]
    rows = [_parameter(each) for each in found.params if each.name != "as_json"]
    if not rows:
        return "\n\n".join(paragraphs)
    return "\n\n".join([*paragraphs, table(("option", "what it does", "default"), rows)])


def _parameter(parameter: Any) -> tuple[str, str, str]:
    text = parameter.help
    told = _DEFAULT.fullmatch(text)
    default = prose(told[2] or told[3]) if told else ""
    text = f"{told[1]}." if told else text
    if parameter.default is not None and not parameter.is_flag:
        default = (
            f"`{parameter.default:g}`" if isinstance(parameter.default, float) else f"`{parameter.default}`"
        )
    names = ", ".join(name for name in parameter.opts if name.startswith("-")) or parameter.metavar
    typed = names if names == parameter.metavar or parameter.is_flag else f"{names} {parameter.metavar}"
    limits = parameter if hasattr(parameter, "min") else parameter.type
    between = _between(limits.min, limits.max) if getattr(limits, "min", None) is not None else ""
    return f"`{typed}`", f"{prose(text)}{between}", default


def _between(low: float, high: float | None) -> str:
    if high is not None:
        return f" From {low:g} to {high:g}."
    return f" At least {low:g}." if low > 1 else ""


def reasons(stage: str) -> str:
    """The reasons of one step: what each means, and what byod does."""
    chosen = [reason for reason in Reason if reason.traits.when is When[stage]]
    rows = [(f"`{reason}`", _meaning(reason), _consequence(reason)) for reason in chosen]
    if When[stage] is When.PERSON:
        return table(("reason", "what it means"), (row[:2] for row in rows))
    return table(("reason", "what it means", "what byod does"), rows)


def _meaning(reason: Reason) -> str:
    statuses = [str(status) for status in reason.traits.statuses]
    if reason is Reason.SERVER_ERROR:
        statuses.append("5xx")
    if reason is Reason.HTTP_ERROR:
        statuses.append("4xx that no other reason names")
    return f"{reason.traits.words} (HTTP {', '.join(statuses)})" if statuses else reason.traits.words


def _consequence(reason: Reason) -> str:
    traits = reason.traits
    if traits.when is When.OPENED:
        return f"keeps the file in `rejected/{reason}/`"
    if traits.when is When.COMPARED:
        return f"moves the file to `rejected/{reason}/`"
    if traits.retry is Retry.ON_REQUEST:
        return "leaves it alone, unless `--ignore-optout` is given"
    if traits.retry is Retry.OTHER_ASKER:
        return "asks again when the contact, byod or the key is another, or with `--ask-again`"
    if traits.retry is Retry.NEXT_RUN:
        return "tries again at once, and at the next run" if traits.at_once else "tries again at the next run"
    return "does not fetch it" if traits.when is When.OFFERED else "gives the address up"


def sources() -> str:
    """The sources: what each offers, and its key."""
    rows = [
        (
            f"`{name}`, as `{entry.form}`" if entry.form else f"`{name}`",
            prose(entry.summary),
            "yes" if entry.licences else "no",
            f"`{entry.key}`" if entry.key else "",
        )
        for name, entry in SOURCES.items()
    ]
    return table(("source", "what it offers", "states licences", "needs"), rows)


def limits() -> str:
    """What each source allows, and how byod keeps to it."""
    rows = []
    for name, limit in LIMITS.items():
        size = f"{limit.page_size}" + (f", {limit.with_key} with a key" if limit.with_key else "")
        pace = f"{limit.per_minute}" + (
            f", {limit.per_minute_with_key} with a key" if limit.per_minute_with_key else ""
        )
        reach = "" if limit.reach is None else f"{limit.reach:,}"
        rows.append((f"`{name}`", size, reach, pace, prose(limit.day), limit.agent, prose(limit.terms)))
    head = ("source", "a page", "a query", "requests a minute", "in all", "who asks", "beyond numbers")
    return table(head, rows)


def limit_origins() -> str:
    """Where the limits were written down, and when."""
    return "\n".join(f"- `{name}`: {limit.origin}, {limit.date}" for name, limit in LIMITS.items())


def refused_sources() -> str:
    """The names that are no sources, and why."""
    return "\n".join(
        f"- `{name}` {prose(line.removeprefix(name))}" for name, line in (REFUSED | ELSEWHERE).items()
    )


def exports() -> str:
    """The formats in which a dataset can be exported."""
    rows = [
        (f"`{name}`", f"`{task.name}`", prose(each.read_by))
        for task in TASKS.values()
        for name, each in task.exchange.exports.items()
    ]
    return table(("format", "task", "read by"), rows)


def recipe(part: str) -> str:
    """The keys of byod.toml, or of one of its tables."""
    tables = {
        "top": Recipe,
        "class": ClassRecipe,
        "meaning": Meaning,
        "source": SourceRecipe,
        "own": OwnRecipe,
    }
    model = {**tables, "points": KeypointSet}[part]
    schema = model.model_json_schema()
    rows = []
    for key, said in schema["properties"].items():
        default = said.get("default")
        plain = default is not None and not isinstance(default, dict)
        shown = "" if not plain else f"`{tomlkit.item(default).as_string()}`"
        rows.append((f"`{key}`", _value(said, schema), shown, prose(said.get("description", ""))))
    return table(("key", "value", "default", "what it is"), rows)


def trainers() -> dict[str, Any]:
    """The classes of the trainers in plugins/, by name."""
    found = {}
    for file in sorted((DOCS.parent / "plugins").glob("*/pyproject.toml")):
        groups = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["entry-points"]
        for name, place in groups["byod.trainers"].items():
            found[name] = EntryPoint(name, place, "byod.trainers").load()
    return found


def trainer(name: str) -> str:
    """What a trainer can do, and its options."""
    found = trainers()[name]
    facts = {
        "Tasks": ", ".join(f"`{task}`" for task in found.tasks),
        "Goes on after a kill": "yes" if found.resumes else "no, it begins again",
        "Several GPUs": "yes" if hasattr(found, "launch") else "no",
    }
    module = sys.modules[found.Options.__module__]
    schema = found.Options.model_json_schema()
    rows = []
    for key, said in schema["properties"].items():
        task = Task.CLASSIFY if key in getattr(module, "CLASSES_ONLY", ()) else None
        task = Task.KEYPOINTS if key in getattr(module, "POINTS_ONLY", ()) else task
        default = said.get("default")
        shown = (
            "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        )
        told = prose(said.get("description", "").removeprefix("points: "))
        rows.append((f"`{key}`", _value(said, schema), shown, told, f"`{task}`" if task else ""))
    head = ("option", "value", "default", "what it does", "only for")
    width = 5 if any(row[4] for row in rows) else 4
    return "\n\n".join(
        [
            " · ".join(f"{fact}: {value}" for fact, value in facts.items()),
            table(head[:width], (row[:width] for row in rows)),
        ]
    )


def _value(said: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The values a key may have, from its JSON schema."""
    kinds = said.get("anyOf") or said.get("oneOf") or [said]
    several = [each for each in kinds if each.get("type") != "null"]
    if len(several) > 1 and any(each.get("type") == "object" for each in several):
        return " or ".join(_value(each, schema) for each in several)
    said = several[0] if several else said
    if reference := said.get("$ref"):
        said = schema["$defs"][reference.rpartition("/")[2]]
    if choices := said.get("enum") or ([said["const"]] if "const" in said else []):
        return " or ".join(f"`{choice}`" for choice in choices)
    if said.get("format") == "path":
        return "file"
    low, above = said.get("minimum"), said.get("exclusiveMinimum")
    high, below = said.get("maximum"), said.get("exclusiveMaximum")
    limits = [
        f"{word} {limit:.10g}"
        for word, limit in (("from", low), ("above", above), ("to", high), ("below", below))
        if limit is not None
    ]
    kind = "list of texts" if said.get("items", {}).get("type") == "string" else _KINDS[said["type"]]
    return f"{kind}{', ' if limits else ''}{' '.join(limits)}"


def plugin_names() -> str:
    """The names of byod.plugin, each with the first line of its docstring."""
    rows = []
    for name in byod.plugin.__all__:
        lines = inspect.getdoc(getattr(byod.plugin, name)) or ""
        told = "float32 numpy array" if name == "Floats" else lines.splitlines()[0].rstrip(".")
        rows.append((f"`{name}`", prose(told)))
    return table(("name", "what it is"), rows)


PROTOCOLS = {
    protocol.__name__: protocol
    for protocol in (
        *(Storage, Labels, Pages, Exchange, Learning, LabelledSet),
        *(Evaluating, Predicting, Comparing, Serving, Reviewing),
    )
}


def protocol(name: str) -> str:
    """What a part of a task has: each name with its arguments, and what it is."""
    rows = []
    for member, made in vars(PROTOCOLS[name]).items():
        if member.startswith("_"):
            continue
        words = inspect.getdoc(made) or ""
        given = ""
        if not isinstance(made, property):
            given = f"({', '.join(p for p in inspect.signature(made).parameters if p != 'self')})"
        rows.append((f"`{member}{given}`", prose(words.split("\n\n")[0])))
    return table(("name", "what it is"), rows)


def source(name: str) -> str:
    """A file of the third task in the tests, as it is."""
    text = (DOCS.parent / "tests" / "fixtures" / name).read_text(encoding="utf-8")
    return f"```python\n{text.rstrip()}\n```"


PARTS: dict[str, Callable[..., str]] = {
    "command": command,
    "reasons": reasons,
    "sources": sources,
    "refused-sources": refused_sources,
    "limits": limits,
    "limit-origins": limit_origins,
    "exports": exports,
    "recipe": recipe,
    "trainer": trainer,
    "plugin-names": plugin_names,
    "protocol": protocol,
    "source": source,
}


def main() -> None:
    """Write every page whose generated parts have changed."""
    for file in sorted(DOCS.glob("*.md")):
        before = file.read_text(encoding="utf-8")
        after = page(before)
        if after != before:
            file.write_text(after, encoding="utf-8")
            print(f"written: {file}")


if __name__ == "__main__":
    main()
