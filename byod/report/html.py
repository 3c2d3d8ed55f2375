"""The frame of byod's bilingual pages: templates, the switch of languages, a policy that forbids the rest."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from byod.report.i18n import listed, many, number, percent, rate, say
from byod.schema.names import in_utf8

SCRIPT = (
    '(()=>{const d=document,g=d.getElementById("german");if(/^de\\b/i.test(navigator.language))g.checked=true;'
    'const s=()=>{d.documentElement.lang=g.checked?"de":"en"};'
    'd.getElementsByName("language").forEach(e=>e.addEventListener("change",s));s()})()'
)
"""The only script on a page: it chooses German where the browser does. All else works without it."""

_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode("utf-8")).digest()).decode("ascii")
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    f"script-src 'sha256-{_DIGEST}'"
)
"""The page's own Content-Security-Policy (https://www.w3.org/TR/CSP3/): nothing is fetched, no other script runs."""


def page(template: str, content: dict[str, Any], *, folder: Path | None = None) -> str:
    """A page as text; `content` are the template's names, and what strangers wrote in it stays text.

    Templates are byod's own, and those in `folder`, which may extend them.
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
    )
    templates.filters |= {"percent": percent}
    templates.globals |= {
        "say": say,
        "many": many,
        "number": number,
        "percent": percent,
        "rate": rate,
        "listed": listed,
        "policy": POLICY,
        "script": Markup(SCRIPT),  # our own text, and the policy names its digest
    }
    return in_utf8(templates.get_template(template).render(content))
