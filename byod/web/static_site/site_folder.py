"""A run as a folder of plain files: a page that runs the model in the browser, from any host, without a server."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from byod.collection import local_files
from byod.report import attribution
from byod.schema import files
from byod.schema.errors import UsageError
from byod.schema.file_formats import Format
from byod.schema.model_card import Card
from byod.schema.progress import Say, silent
from byod.schema.records import Record
from byod.schema.serving import About
from byod.tasks import of_run
from byod.training import run_folder
from byod.web import page_texts
from byod.web.assets import STATIC, TYPES
from byod.web.inference import UNSURE_BELOW, about, open_model
from byod.web.security import POLICY
from byod.web.static_site import link_preview, readme
from byod.web.static_site.page_nets import OfflineWeights, PageNets, page_nets
from byod.web.uploads import UploadLimits

CARD, README, PAGE, LANGUAGES, KEEPER = (
    "model.json",
    "README.md",
    "index.html",
    "languages.js",
    "offline.js",
)
KEEPING = STATIC.parent / "templates" / KEEPER
LEFT_OUT = frozenset({"predictor-server.js", "docs.css", PAGE})
"""What of the served page is of no use without a server, or is written anew."""
PAGE_POLICY = (
    POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'").replace(
        "; frame-ancestors 'none'", ""
    )
    + "; worker-src 'self' blob:"
)
"""The served page's policy, and WebAssembly. A worker from a blob is under the same policy; `frame-ancestors` means
nothing in a page (https://www.w3.org/TR/CSP3/#meta-element)."""
_SERVED = '<meta name="byod-predictor" content="server">'
_ALONE = f"""<meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="byod-predictor" content="onnx">"""


_TITLE = """<meta property="og:title" content="byod">
<meta property="og:description" content="Show it a photo: the model runs where you are.">"""
_PASSED_ON = f"""<meta property="og:type" content="website">
<meta property="og:title" content="Sunglasses for cats">
<meta property="og:description" content="Show it a photo of a cat: it puts sunglasses on. No photo leaves your device.">
<meta property="og:image" content="{link_preview.FILE}">
<meta property="og:image:width" content="{link_preview.SIZE[0]}">
<meta property="og:image:height" content="{link_preview.SIZE[1]}">
<meta property="og:image:alt" content="{link_preview.ALT}">
<meta name="twitter:card" content="summary_large_image">"""
"""What is said of the page where it is passed on; only its host knows the address before the picture's name."""
_NOTICE = '<p id="notice" role="status"></p>'
"""A hint takes its place, which stands until the page's program begins: at once, or never."""


class OfflineFile(Record):
    """One file of the page that is packed with gzip, its bytes, and those of the plain file.

    That one lies beside it, under the same name without `.gz`, for browsers that cannot unpack.
    """

    file: str
    bytes: int
    plain: int


class OfflineModel(About):
    """`model.json` of the folder: what the page is told by a server, and what it needs in order to be its own.

    `finder` is the task's rule by which outputs become answers, where it has one.
    """

    format: Format = 1
    nets: dict[str, OfflineFile]
    weights: OfflineWeights = OfflineWeights(bits=32, apart=None, pictures=0)
    runtime: OfflineFile | None = None
    finder: dict[str, JsonValue] | None = None


def write(
    run: Path,
    into: Path,
    runtime: Mapping[str, bytes],
    *,
    unsure_below: float = UNSURE_BELOW,
    say: Say = silent,
) -> Path:
    """Write the folder `into`, which must not be there yet, and return it.

    Args:
        run: a run's folder.
        into: where to.
        runtime: the files of `byod.web.static_site.runtime`.
        unsure_below: below which probability (0..1) an answer counts as unsure.
        say: gets a line where the page is larger than it might be.

    Raises:
        ModelError: the run cannot be used.
        UsageError: the place is taken.
    """
    if into.exists():
        raise UsageError(f"{into} is there already; name another place with --into")
    task, card = of_run(run)
    model = open_model(run, unsure_below=unsure_below)
    described = about(model, UploadLimits(bytes=local_files.MAX_BYTES), reports=False)
    with files.staging(into) as staging:
        _page(staging, described)
        nets = page_nets(run, task.serving, card, model, say=say)
        finder, program = task.serving.page_rule(card), _runtime(staging, runtime)
        _model(staging, task.serving.nets(card), nets, described, finder=finder, runtime=program)
        _papers(staging, run, card)
        _offline(staging)
        staging.replace(into)
    return into


def _page(staging: Path, about: About) -> None:
    for source in sorted(STATIC.rglob("*")):
        name = source.relative_to(STATIC).as_posix()
        if source.suffix in TYPES and source.is_file() and name not in LEFT_OUT:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, staging / name)
    text = page_texts.index((STATIC / PAGE).read_text(encoding="utf-8"))
    hint = f'<p id="notice" role="status">{page_texts.side_by_side(page_texts.NEEDS_SERVER)}</p>'
    text = text.replace(_SERVED, _ALONE).replace(_NOTICE, hint)
    cats = about.points is not None and "eye_image_left" in about.points.names  # as app.js tells them
    if cats:
        (staging / link_preview.FILE).write_bytes(link_preview.link_preview())
        text = text.replace(_TITLE, _PASSED_ON)
    (staging / PAGE).write_text(text, encoding="utf-8")
    (staging / LANGUAGES).write_text(page_texts.script(), encoding="utf-8")


def _runtime(staging: Path, runtime: Mapping[str, bytes]) -> OfflineFile | None:
    """The runtime's files, and the program beside itself packed: not all hosts pack what they send."""
    (staging / "runtime").mkdir()
    packed = None
    for name, content in runtime.items():
        if name.endswith(".wasm"):
            packed = _packed(staging, f"runtime/{name}", content)
        else:
            (staging / "runtime" / name).write_bytes(content)
    return packed


def _packed(staging: Path, name: str, content: bytes) -> OfflineFile:
    """Write a file, and itself packed."""
    packed = gzip.compress(content, mtime=0)
    (staging / name).write_bytes(content)
    (staging / f"{name}.gz").write_bytes(packed)
    return OfflineFile(file=f"{name}.gz", bytes=len(packed), plain=len(content))


def _model(staging: Path, named: Mapping[str, str], nets: PageNets, described: About, **more: object) -> None:
    """The nets, and `model.json`; `named` has the file of each net, `more` the other fields of `OfflineModel`."""
    packed = {name: _packed(staging, file, nets.files[file]) for name, file in named.items()}
    offline = OfflineModel.model_validate(
        {**dict(described), **more, "nets": packed, "weights": nets.weights}
    ).model_dump(mode="json", exclude={"takes"})
    text = json.dumps(offline, ensure_ascii=False, indent=1, allow_nan=False)
    (staging / CARD).write_text(text, encoding="utf-8")


def _papers(staging: Path, run: Path, card: Card) -> None:
    """README.md, the licences, and who made the pictures the model learned from or was measured with."""
    (staging / "licences").mkdir()
    for name, text in readme.licence_texts().items():
        (staging / "licences" / name).write_text(text, encoding="utf-8")
    listed, used = run.resolve().parent.parent / attribution.FILE, run_folder.read_examples(run)
    rows = [row for row in attribution.read_credits(listed) if row.sha256 in used] if listed.is_file() else []
    if rows:
        (staging / attribution.FILE).write_text(attribution.to_csv(rows), encoding="utf-8", newline="")
    large = sorted(staging.rglob("*.*"), key=lambda file: -file.stat().st_size)
    sizes = {
        file.relative_to(staging).as_posix(): file.stat().st_size for file in large if file.suffix == ".gz"
    }
    (staging / README).write_text(readme.readme(card, sizes, bool(rows)), encoding="utf-8")


def _offline(staging: Path) -> None:
    """The script with which a browser keeps the page; its first lines change whenever a file does."""
    kept = [
        file
        for file in sorted(staging.rglob("*"))
        if file.suffix in (TYPES.keys() | {".gz"}) - {".wasm"} and file.is_file()
    ]
    digest = hashlib.sha256()
    for file in kept:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    names = ["./", *(file.relative_to(staging).as_posix() for file in kept)]
    head = f'const EDITION = "{digest.hexdigest()[:20]}";\nconst FILES = {json.dumps(names, indent=1)};\n\n'
    (staging / KEEPER).write_text(head + KEEPING.read_text(encoding="utf-8"), encoding="utf-8")
