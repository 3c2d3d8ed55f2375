"""The frame of byod's pages: templates, the switch of languages, a policy that forbids the rest."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

from byod.report.i18n import Phrase, listed, many, moment, number, percent, rate, say, whole
from byod.report.languages import languages
from byod.report.record_wording import ended, licence_name
from byod.schema.names import in_utf8

SCRIPT = (
    '(()=>{const d=document,all=[...d.getElementsByName("language")],'
    'speaks=(e,t)=>{const v=e.value.toLowerCase();return t===v||t.startsWith(v+"-")},'
    "tell=()=>{d.documentElement.lang=all.find(e=>e.checked).value};"
    "for(const t of navigator.languages){const e=all.find(e=>speaks(e,t.toLowerCase()));if(e){e.checked=true;break}}"
    'all.forEach(e=>e.addEventListener("change",tell));tell()})()'
)
"""The only script on a page: it chooses the language that the browser would have. All else works without it."""

_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode("utf-8")).digest()).decode("ascii")
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    f"script-src 'sha256-{_DIGEST}'"
)
"""The page's own Content-Security-Policy (https://www.w3.org/TR/CSP3/): nothing is fetched, no other script runs."""


def coded(phrase: Phrase) -> str:
    """A phrase without strangers' words in it, whose `backticks` are shown as code."""
    from markupsafe import Markup

    return Markup("".join(phrase.elements("span", markup=_with_code)))


def _with_code(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def page(
    template: str, content: dict[str, Any], *, folder: Path | None = None, language: str | None = None
) -> str:
    """A page as text; what strangers wrote in it stays text.

    Args:
        template: byod's own, or one in `folder`, which may extend those.
        content: the template's names.
        folder: where a task has templates of its own.
        language: the code of the only language of the page; without it the page holds all.
    """
    import jinja2
    from markupsafe import Markup

    own = [] if folder is None else [jinja2.FileSystemLoader(folder)]
    templates = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*own, jinja2.PackageLoader("byod", "report/templates")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda shown: shown.text(language) if language and isinstance(shown, Phrase) else shown,
    )
    templates.filters |= {"percent": percent, "coded": coded}
    templates.globals |= {
        "say": say,
        "many": many,
        "number": number,
        "percent": percent,
        "rate": rate,
        "whole": whole,
        "moment": moment,
        "ended": ended,
        "licence_name": licence_name,
        "languages": languages(),
        "listed": listed,
        "policy": POLICY,
        "script": Markup(SCRIPT),  # our own text, and the policy names its digest
    }
    return in_utf8(templates.get_template(template).render(content))
