"""Markdown and YAML front matter made from strangers' text without letting it become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from byod.schema.names import visible

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$&:@]|(?<=www)\.)", re.IGNORECASE)
_OPENING = re.compile(r"^(\d*)([-+=#.)])")
_Plain = str | int | float | bool | None
Value = _Plain | Sequence["Value"] | Mapping[str, "Value"]


class Markup(str):
    """Text that is Markdown already, of byod's own making."""


def escape(text: str) -> str:
    """The text as Markdown that shows exactly it: one line, no markup, no HTML, no links made by themselves.

    Source: https://spec.commonmark.org/0.31.2/#backslash-escapes
    """
    if isinstance(text, Markup):
        return text
    line = " ".join(visible(text).split())
    line = _OPENING.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line))
    return line.replace(r"\<", "&lt;").replace(r"\>", "&gt;").replace(r"\&", "&amp;")


def table(head: Sequence[str], rows: Iterable[Sequence[str | int]], numbers: Sequence[int] = ()) -> str:
    """A Markdown table; `numbers` are the columns (from 0) set to the right. Text is escaped here."""
    rule = ["---:" if column in numbers else "---" for column in range(len(head))]
    lines = [list(map(escape, head)), rule]
    lines += [[str(cell) if isinstance(cell, int) else escape(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: str) -> str:
    """The text as one line of inline code, whatever backticks it holds."""
    line = " ".join(visible(text).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if fence != "`" or not line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def front_matter(values: Mapping[str, Value]) -> str:
    """The YAML block between two lines of dashes; every text stands in double quotes.

    Source: https://yaml.org/spec/1.2.2/#731-double-quoted-style
    """
    return "\n".join(["---", *_lines(values, 0), "---"]) + "\n"


def _lines(values: Mapping[str, Value], depth: int) -> list[str]:
    pad = "  " * depth
    lines: list[str] = []
    for key, value in values.items():
        name = key if re.fullmatch(r"[a-z][a-z_]{2,}", key) and key not in _WORDS else _quoted(key)
        if isinstance(value, Mapping):
            lines += [f"{pad}{name}:", *_lines(value, depth + 1)]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines += [f"{pad}{name}:", *(line for item in value for line in _item(item, depth))]
        else:
            lines.append(f"{pad}{name}: {_scalar(value)}")
    return lines


def _item(value: Value, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(value, Mapping):
        inner = _lines(value, depth + 1)
        return [f"{pad}- {inner[0].lstrip()}", *inner[1:]]
    return [f"{pad}- {_scalar(value)}"]


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return value if re.fullmatch(r"[a-z]+[a-z-]*[a-z]", value) and value not in _WORDS else _quoted(value)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


# words that YAML readers take for something else than text
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off"})


def _quoted(text: str) -> str:
    inner = "".join(_escaped(character) for character in text)
    return f'"{inner}"'


def _escaped(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
