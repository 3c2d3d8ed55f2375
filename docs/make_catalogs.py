"""Bring the catalogues of languages up to date with the texts in the code; with a code, begin one for that language.

    python docs/make_catalogs.py          # make texts
    python docs/make_catalogs.py fr       # begins byod/report/locale/fr/LC_MESSAGES/byod.po

Texts are found where they stand: in calls of `say` and `many` in byod's modules and templates, in the texts of the page
in the browser, and in tables whose words pages say. A text that is used no more leaves the catalogue.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import jinja2
from jinja2 import nodes
from pydantic.json_schema import models_json_schema

from byod.report import languages, po_file
from byod.report.languages import CONVENTIONS, PLACE
from byod.report.po_file import Entry
from byod.schema.model_card import KeypointsPrediction
from byod.schema.reasons import TRAITS
from byod.schema.serving import About, ClassesSaid, Truth
from byod.web import openapi, page_texts
from byod.web.schemas import Fault, Kept

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "byod"
HEADER = """Project-Id-Version: byod
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
Language: {code}
Plural-Forms: nplurals=2; plural=n != 1;
"""
MADE = {"report/record_wording.py": 1, "web/openapi.py": 1}
"""Modules in which so many texts come out of a table, which is looked at here itself."""


def messages() -> dict[tuple[str | None, str], Entry]:
    """Every text for people in byod, each once, in the order of the files; none is translated here."""
    found: dict[tuple[str | None, str], Entry] = {}
    for entry in [*_conventions(), *_in_modules(), *_in_templates(), *_on_the_page(), *_in_tables()]:
        if entry.context not in CONVENTIONS and not re.search(r"[^\W\d_]", PLACE.sub("", entry.msgid)):
            continue  # nothing but places: there is nothing to translate
        known = found.setdefault(entry.key, entry)
        plural = known.plural or entry.plural
        places = dict.fromkeys((*known.places, *entry.places))
        found[entry.key] = known.model_copy(update={"places": tuple(places), "plural": plural})
    return found


def updated(code: str, before: tuple[Entry, ...]) -> str:
    """The catalogue of a language as it must be, with the translations that it had."""
    had = {entry.key: entry for entry in before if not entry.obsolete}
    head = had.get((None, "")) or Entry(msgid="", strings=(HEADER.format(code=code),))
    forms, _ = languages.plural_rule([head], code)
    entries = [head.model_copy(update={"obsolete": False})]
    for key, entry in messages().items():
        old = had.get(key)
        empty = ("",) if entry.plural is None else ("",) * forms
        if old is None or old.plural != entry.plural:
            entries.append(entry.model_copy(update={"strings": empty}))
        else:
            kept = {"strings": old.strings, "flags": old.flags, "remarks": old.remarks}
            entries.append(entry.model_copy(update=kept))
    return po_file.write(entries)


def _conventions() -> Iterator[Entry]:
    for context, text in CONVENTIONS.items():
        yield Entry(msgid=text, context=context, places=("byod/report/languages.py",))


def _in_modules() -> Iterator[Entry]:
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "report.i18n import" not in text:
            continue
        made = MADE.get(file.relative_to(PACKAGE).as_posix(), 0)
        for call in ast.walk(ast.parse(text)):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            texts = [each.value if isinstance(each, ast.Constant) else None for each in call.args]
            context = [k.value for k in call.keywords if k.arg == "context"]
            told = context[0].value if context and isinstance(context[0], ast.Constant) else None
            if call.func.id == "say" and None in texts[:1] and made:
                made -= 1
            else:
                yield from _called(call.func.id, texts, told, f"{file}:{call.lineno}")


def _in_templates() -> Iterator[Entry]:
    syntax = jinja2.Environment()
    for file in sorted(PACKAGE.rglob("templates/*.html")):
        for call in syntax.parse(file.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name):
                texts = [each.value if isinstance(each, nodes.Const) else None for each in call.args]
                context = [k.value for k in call.kwargs if k.key == "context"]
                told = context[0].value if context and isinstance(context[0], nodes.Const) else None
                yield from _called(call.node.name, texts, told, f"{file}:{call.lineno}")


def _called(name: str, texts: list[object], context: object, place: str) -> Iterator[Entry]:
    """The text of a call of `say` or `many`; anything else is no text."""
    wanted = {"say": texts[:1], "many": texts[1:3]}.get(name)
    if wanted is None:
        return
    first, *more = wanted
    if not all(isinstance(each, str) for each in wanted) or not isinstance(context, str | None):
        raise SystemExit(f"{place}: {name}() must be given its text itself, so that it can be translated")
    file = Path(place.rpartition(":")[0]).relative_to(ROOT).as_posix()
    plural = str(more[0]) if more else None
    yield Entry(msgid=str(first), plural=plural, context=context, places=(file,))


def _on_the_page() -> Iterator[Entry]:
    place = (page_texts.TEXTS.relative_to(ROOT).as_posix(),)

    def texts(text: page_texts.Text) -> Iterator[Entry]:
        if isinstance(text, dict):
            for inner in text.values():
                yield from texts(inner)
        elif isinstance(text, list):
            yield Entry(msgid=text[0], plural=text[1], places=place)
        elif text:
            yield Entry(msgid=text, places=place)

    yield from texts(json.loads(page_texts.TEXTS.read_text(encoding="utf-8")))


def _in_tables() -> Iterator[Entry]:
    """The reasons for which pictures are refused, and what the records of the API are."""
    for traits in TRAITS.values():
        yield Entry(msgid=traits.words, context="reason", places=("byod/schema/reasons.py",))
    models = (About, ClassesSaid, KeypointsPrediction, Kept, Fault, Truth)
    _, schemas = models_json_schema([(model, "serialization") for model in models])
    for schema in schemas["$defs"].values():
        text = openapi.record_words(schema).text()
        if text:
            yield Entry(msgid=text, context="record of the API", places=("byod/web/openapi.py",))


def main(codes: list[str]) -> None:
    """Write the catalogues."""
    files = {languages.LOCALE / code / languages.FILE for code in codes}
    for file in sorted(files | set(languages.LOCALE.glob(f"*/{languages.FILE}"))):
        code = file.parents[1].name
        if not languages.is_code(code):
            raise SystemExit(f"{code!r} is not the code of a language to translate into, as de or pt_BR are")
        before = po_file.read(file.read_text(encoding="utf-8"), str(file)) if file.is_file() else ()
        text = updated(code, before)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        entries = po_file.read(text, str(file))
        missing = sum("" in entry.strings for entry in entries)
        print(f"{file.relative_to(ROOT)}: {len(entries) - 1} texts, {missing} without a translation")


if __name__ == "__main__":
    main(sys.argv[1:])
