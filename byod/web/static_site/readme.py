"""The README beside a page that runs by itself: how to put it on the web, and whose work is in it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from byod.report import markdown
from byod.report.i18n import Phrase, chosen, joined, listed, number, say
from byod.report.languages import Language
from byod.report.record_wording import licence_name
from byod.schema import licences
from byod.schema.model_card import Card
from byod.web.static_site import runtime

NOTICES = "ThirdPartyNotices.txt"
_MIT = """MIT License

Copyright (c) {holder}

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def licence_texts() -> dict[str, str]:
    """The licences of the programs in the page, by file name.

    The package of the runtime brings no texts along. Its notices on other people's work in it are those of the
    onnxruntime that byod itself runs, which is built from the same sources.
    """
    texts = {
        "byod.txt": _MIT.format(holder="2026 The byod authors"),
        "onnxruntime-web.txt": _MIT.format(holder="Microsoft Corporation"),
    }
    found = find_spec("onnxruntime")
    for place in (found and found.submodule_search_locations) or ():
        notices = Path(place) / NOTICES
        if notices.is_file():
            texts["onnxruntime-web-notices.txt"] = notices.read_text(encoding="utf-8", errors="replace")
    return texts


def readme(card: Card, sizes: Mapping[str, int], credited: bool) -> str:
    """README.md of the folder, in the language that `BYOD_LANGUAGE` says.

    Args:
        card: the model's.
        sizes: its largest files in bytes.
        credited: whether the credits of the pictures lie in the folder.
    """
    run = markdown.escape(card.run)
    title = say("# A page that runs the model {run} by itself", run=run)
    parts = [title, _WHERE_IT_RUNS, *_on_the_web(sizes), *_whose_work(card, credited)]
    return joined(parts, "\n\n").text(chosen()) + "\n"


_WHERE_IT_RUNS = say(
    "Everything happens in the browser: no picture leaves the device on which the page is opened, and the page asks "
    "nobody but the place it came from. Once it was opened over https it also works without a network."
)


def _on_the_web(sizes: Mapping[str, int]) -> list[Phrase | str]:
    largest = [
        joined([f"`{name}`", number(max(size / 1e6, 0.1), 1), "MB"], " ") for name, size in sizes.items()
    ]
    return [
        say("## Putting it on the web"),
        say(
            "Upload this folder, as it is, to any host of plain files: GitHub Pages, GitLab Pages, Netlify, a folder "
            "of nginx or Apache, an intranet share with a web server. It may lie in a subfolder, needs no program on "
            "the server, and no special headers. To try it here, run this, then open http://127.0.0.1:8000:"
        ),
        "    python -m http.server --bind 127.0.0.1 8000",
        say("Opening `index.html` from the file manager does not work: browsers run no modules from there."),
        say(
            "What is loaded is mostly {largest}, packed already; the page unpacks it, whatever the host does.",
            largest=listed(largest),
        ),
        say(
            "`index.html` carries a Content-Security-Policy that allows the page its own files only. Nobody but the "
            "host can forbid that other sites show the page in a frame: `Content-Security-Policy: frame-ancestors "
            "'none'`, where headers can be set."
        ),
        say(
            "A new export replaces the folder as a whole; who had the page open sees the new one after closing it and "
            "coming back."
        ),
    ]


def _whose_work(card: Card, credited: bool) -> list[Phrase | str]:
    lines = [
        say("- The page: byod, MIT (`licences/byod.txt`)."),
        say(
            "- `runtime/`: {package}, unchanged but for one file's ending, Copyright Microsoft Corporation, MIT "
            "(`licences/onnxruntime-web.txt`; other people's work in it: `licences/onnxruntime-web-notices.txt`).",
            package=runtime.PACKAGE,
        ),
        say("- `chelsea.jpg`, the cat to try it with: Stéfan van der Walt, CC0."),
        say("- The model (`model.json` says more of it) learned from pictures under these licences:"),
    ]
    who = (
        say("`CREDITS.csv` says where each of them comes from.")
        if credited
        else say("Their dataset says where they come from.")
    )
    return [
        say("## Whose work this is"),
        joined(lines, "\n"),
        _pictures(card),
        say("None of these pictures lies in this folder.") + who,
    ]


def _pictures(card: Card) -> Phrase:
    """The licences of the pictures, as a table."""
    found = sorted(card.licences.items(), key=lambda item: (-item[1], item[0]))
    if not found:
        return say("The model card names none.")

    def written(spoken: Language) -> str:
        head = [say("licence"), say("pictures"), say("text")]
        rows = []
        for code, pictures in found:
            known = licences.licence(code)
            link = markdown.Markup(f"<{known.url}>") if known and known.url else ""
            rows.append((licence_name(code).write(spoken), pictures, link))
        return markdown.table([name.write(spoken) for name in head], rows, (1,))

    return Phrase(write=written)
