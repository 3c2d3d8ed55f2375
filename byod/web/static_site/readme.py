"""The README beside a page that runs by itself: how to put it on the web, and whose work is in it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from byod.report import markdown
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
    """README.md of the folder.

    Args:
        card: the model's.
        sizes: its largest files in bytes.
        credited: whether the credits of the pictures lie in the folder.
    """
    largest = ", ".join(f"`{name}` {max(size / 1e6, 0.1):.1f} MB" for name, size in sizes.items())
    return _TEXT.format(
        run=markdown.escape(card.run),
        largest=largest,
        pictures=_pictures(card, credited),
        package=runtime.PACKAGE,
    )


def _pictures(card: Card, credited: bool) -> str:
    rows: list[tuple[str | int, ...]] = []
    for code, number in sorted(card.licences.items(), key=lambda item: (-item[1], item[0])):
        known = licences.licence(code)
        link = markdown.Markup(f"<{known.url}>") if known and known.url else ""
        rows.append((known.name if known else code if code != "unknown" else "not stated", number, link))
    table = (
        markdown.table(("licence", "pictures", "text"), rows, (1,)) if rows else "The model card names none."
    )
    who = (
        "`CREDITS.csv` says where each of them comes from."
        if credited
        else "Their dataset says where they come from."
    )
    return f"{table}\n\nNone of these pictures lies in this folder. {who}"


_TEXT = """# A page that runs the model {run} by itself

Everything happens in the browser: no picture leaves the device on which the page is opened, and the page asks nobody
but the place it came from. Once it was opened over https it also works without a network.

## Putting it on the web

Upload this folder, as it is, to any host of plain files: GitHub Pages, GitLab Pages, Netlify, a folder of nginx or
Apache, an intranet share with a web server. It may lie in a subfolder, needs no program on the server, and no special
headers. Here, to try it:

    python -m http.server --bind 127.0.0.1 8000        then open http://127.0.0.1:8000

Opening `index.html` from the file manager does not work: browsers run no modules from there.

What is loaded is mostly {largest}.
A host that compresses `.wasm` and `.onnx` (gzip or brotli) shortens the first visit.
`index.html` carries a Content-Security-Policy that allows the page its own files only. Nobody but the host can forbid
that other sites show the page in a frame: `Content-Security-Policy: frame-ancestors 'none'`, where headers can be set.

A new export replaces the folder as a whole; who had the page open sees the new one after closing it and coming back.

## Whose work this is

- The page: byod, MIT (`licences/byod.txt`).
- `runtime/`: {package}, unchanged but for one file's ending, Copyright Microsoft Corporation, MIT
  (`licences/onnxruntime-web.txt`; other people's work in it: `licences/onnxruntime-web-notices.txt`).
- The model (`model.json` says more of it) learned from pictures under these licences:

{pictures}
"""
