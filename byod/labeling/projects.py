"""Projects in Label Studio: one for each dataset and purpose, made from the recipe's classes and kept in step with it.

A project is known by a line in its description, not by its title or number: titles repeat, and numbers return when
a server is set up anew. It is set up through label-studio-sdk (https://api.labelstud.io/api-reference/introduction).
"""

from __future__ import annotations

import posixpath
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from lxml import etree  # type: ignore[import-untyped]

from byod.dataset.dataset_folder import Dataset
from byod.labeling.client import LabelStudio
from byod.schema import files
from byod.schema.errors import ReviewError
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.schema.review_tasks import Purpose

if TYPE_CHECKING:
    from label_studio_sdk.base_client import LabelStudioBase

REJECT = "__reject__"
LABEL = "label"
POINTS = "points"
POINTS_TYPE = "keypointlabels"
"""How Label Studio calls a point with a name."""
IN_ORDER = "Sequential sampling"
LEAST_SURE_FIRST = "Uncertainty sampling"
"""Orders of the label stream: as pushed, or by the score of the preselected prediction, the lowest first."""
_REJECT_TEXT = "✗ Reject: belongs to no class"
_UNTICKED = "Tick a class, or reject. The key of a ticked one takes its tick away: then press it again."
_REJECT_POINTS = "✗ Reject: no picture for this dataset"
# digits first; of the letters only those the page itself does not use
_HOTKEYS = (*"123456789", *"qwertyasdfgzxcvbn")
_ALL_SHOWN = 20  # classes that fit beside the picture; beyond, a box to filter them, and "reject" first
_COLOURS = ("#e6194b", "#4363d8", "#3cb44b", "#f58231", "#911eb4", "#008080", "#f032e6", "#9a6324", "#808000")
_KEY = ".byod/review-key"


class Project(Record):
    """A project on a server; `tasks` counts those it had when it was looked up."""

    number: int
    purpose: Purpose
    url: str
    tasks: int = 0
    config: str = ""

    @property
    def stream(self) -> str:
        """The address at which people are shown one picture after the other."""
        return f"{self.url}data?labeling=1"


def key(dataset: Path) -> str:
    """The name of a dataset on every server, however its folder is called: 16 hexadecimal digits, made once."""
    file = dataset / _KEY
    if file.exists() and re.fullmatch(rb"[0-9a-f]{16}", text := files.read(file).strip()):
        return text.decode()
    made = secrets.token_hex(8)
    with files.opened(dataset) as folder:
        folder.make(posixpath.dirname(_KEY))
        folder.replace(_KEY, f"{made}\n".encode())
    return made


def marker(dataset: Path, purpose: Purpose) -> str:
    """The line in a project's description that says whose it is."""
    return f"[byod {key(dataset)} {purpose}]"


def find(dataset: Dataset, studio: LabelStudio, server: str, purpose: Purpose) -> Project | None:
    """The dataset's project for a purpose on this server, by its remembered number or by its marker; or None."""
    wanted = remembered(dataset, server, purpose)
    found = next(iter(existing(studio, [wanted])), None)
    if found is not None:
        with dataset.catalog.transaction():
            dataset.catalog.reviews.remember(server, purpose, found.number)
    return found


class Remembered(Record):
    """The catalog's record of a project: its number, and how far it was pulled; `marker` tells it on the server."""

    purpose: Purpose
    marker: str
    number: int | None
    updated_at: str


def remembered(dataset: Dataset, server: str, purpose: Purpose) -> Remembered:
    """Look up the dataset's project for a purpose in the catalog."""
    reviews = dataset.catalog.reviews
    return Remembered(
        purpose=purpose,
        marker=marker(dataset.folder, purpose),
        number=reviews.project(server, purpose),
        updated_at=reviews.updated_at(server, purpose),
    )


def existing(studio: LabelStudio, wanted: Sequence[Remembered]) -> list[Project]:
    """The projects that the server has, by their markers; of several the remembered one, else the oldest."""
    listed = sorted(studio.projects(), key=lambda one: int(one["id"]))
    found = []
    for one in wanted:
        marked = [row for row in listed if one.marker in str(row.get("description") or "")]
        if not marked:
            continue
        row = next((row for row in marked if row["id"] == one.number), marked[0])
        found.append(
            Project(
                number=int(row["id"]),
                purpose=one.purpose,
                url=f"{studio.url}/projects/{row['id']}/",
                tasks=int(row.get("task_number") or 0),
                config=str(row.get("label_config") or ""),
            )
        )
    return found


def ensure(dataset: Dataset, studio: LabelStudio, server: str, purpose: Purpose, say: Say) -> Project:
    """The dataset's project for a purpose: found and brought in step with the recipe, or made.

    Raises:
        ReviewError: label-studio-sdk is not installed, or the server refuses.
    """
    project = find(dataset, studio, server, purpose)
    if project is not None:
        wanted = config(dataset, purpose, before=project.config)
        if _structure(wanted) != _structure(project.config):
            with client(studio) as with_sdk:
                sdk_call(studio, lambda: with_sdk.projects.update(project.number, label_config=wanted))
            say(f"the project {project.url} asks for the classes of byod.toml as they are now")
        return project
    title = f"{dataset.name[:36]} · {purpose}"
    note = f"Made by byod from {dataset.name}. Please leave this line: {marker(dataset.folder, purpose)}"
    with client(studio) as with_sdk:
        made: Any = sdk_call(
            studio,
            lambda: with_sdk.projects.create(
                title=title,
                description=note,
                label_config=config(dataset, purpose),
                show_skip_button=True,
                skip_queue="REQUEUE_FOR_OTHERS",
                sampling=IN_ORDER,
                # of several claims none is better than another, so none is preselected
                show_collab_predictions=purpose is not Purpose.CONFLICTS,
            ),
        )
    with dataset.catalog.transaction():
        dataset.catalog.reviews.remember(server, purpose, int(made.id))
    return Project(number=int(made.id), purpose=purpose, url=f"{studio.url}/projects/{made.id}/")


def serve_files(studio: LabelStudio, project: Project, folder: Path) -> None:
    """Let the server show the previews in `folder`: a storage row that finds nothing when somebody syncs it.

    Raises:
        ReviewError: the server does not serve that folder.
    """
    known = studio.get("/api/storages/localfiles/", params={"project": project.number})
    if any(str(row.get("path")) == str(folder) for row in known):
        return
    with client(studio) as with_sdk:
        sdk_call(
            studio,
            lambda: with_sdk.import_storage.local.create(
                project=project.number,
                title="byod's previews",
                path=str(folder),
                use_blob_urls=True,
                recursive_scan=True,
                regex_filter="(?!)",
            ),
        )


@contextmanager
def client(studio: LabelStudio) -> Iterator[LabelStudioBase]:
    """The SDK's client of the same server and account, without its readers of other formats, which load for seconds.

    Raises:
        ReviewError: label-studio-sdk is not installed.
    """
    try:
        import httpx
        from label_studio_sdk.base_client import LabelStudioBase
    except ImportError as error:
        raise ReviewError(
            "byod review needs label-studio-sdk; install it with: uv pip install 'byod-toolkit[review]' "
            "(from a clone: uv pip install -e '.[review]')"
        ) from error
    with httpx.Client(trust_env=studio.proxied, timeout=600.0) as http:
        yield LabelStudioBase(base_url=studio.url, api_key=studio.token, httpx_client=http)


def sdk_call(studio: LabelStudio, call: Callable[[], Any]) -> Any:
    """One call through the SDK; its many-lined errors as one line."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        return call()
    except ApiError as error:
        body = error.body if isinstance(error.body, dict) else {}
        detail = body.get("validation_errors") or body.get("detail") or error.body
        said = " ".join(str(detail).split())[:300]
        raise ReviewError(
            f"the Label Studio at {studio.url} refuses what byod asks ({error.status_code}): {said}"
        ) from error
    except httpx.HTTPError as error:
        raise ReviewError(f"the Label Studio at {studio.url} stopped answering ({error})") from error


def choice(label: str) -> dict[str, Any]:
    """A class as Label Studio writes it in a result; `label` is its folder, which the page stores."""
    return {"from_name": LABEL, "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def config(dataset: Dataset, purpose: Purpose, before: str = "") -> str:
    """The labelling page of a project (https://labelstud.io/tags/): picture, classes with hotkeys, reject; or points.

    The page shows a class's name and stores its folder. Classes and points of the config `before` that the recipe
    no longer has are kept, since removing one would make its annotations unreadable.
    """
    kept = _values(before)
    if purpose is Purpose.POINTS:
        return _points_config(dataset, kept)
    classes = {folder: entry.name for folder, entry in dataset.recipe.classes.items()}
    lines = []
    for position, (folder, name) in enumerate(_distinct(classes).items()):
        hotkey = f" hotkey={quoteattr(_HOTKEYS[position])}" if position < len(_HOTKEYS) else ""
        lines.append(f"<Choice value={quoteattr(_literal(name))} alias={quoteattr(folder)}{hotkey}/>")
    for alias, value in kept.get("Choice", {}).items():
        if alias not in classes and alias != REJECT:
            gone = value if value.endswith(_GONE) else value + _GONE
            lines.append(f"<Choice value={quoteattr(gone)} alias={quoteattr(alias)}/>")
    reject = _REJECT_TEXT
    while reject in classes.values():
        reject = f"✗{reject}"
    many = len(lines) > _ALL_SHOWN
    rejecting = f"<Choice value={quoteattr(reject)} alias={quoteattr(REJECT)} hotkey={quoteattr('0')}/>"
    lines.insert(0 if many else len(lines), rejecting)
    box = f'<Filter name="find" toName="{LABEL}" minlength="1" hotkey="shift+f"/>' if many else ""
    choices = "\n".join(lines)
    return _page(
        f'{box}<Choices name="{LABEL}" toName="image" choice="single-radio" required="true" requiredMessage='
        f"{quoteattr(_UNTICKED)}>\n"
        f"{choices}\n</Choices>",
        above='<Header value="$question" size="5"/>',
    )


_GONE = " (no longer a class)"


def _page(beside: str, above: str = "") -> str:
    """Picture and answers side by side, so that both are seen at once however many classes there are.

    The page fits a picture to its room before the tool bar takes a part of it, and would cut its edges off.
    """
    return (
        "<View><Style>.lsf-toolbar { margin-right: -42px; flex-shrink: 0 }</Style>"
        f'{above}<View style="display: flex; gap: 16px; align-items: flex-start">\n'
        '<View style="flex: 1 1 auto; min-width: 0; padding-right: 42px">'
        '<Image name="image" value="$image" zoom="true" zoomControl="true"/></View>\n'
        '<View style="flex: 0 0 240px; max-height: calc(100vh - 180px); overflow-y: auto">\n'
        f"{beside}\n</View></View></View>"
    )


def _distinct(classes: Mapping[str, str]) -> dict[str, str]:
    """Shown names by folder, with the folder added where two classes are shown alike."""
    names = list(classes.values())
    return {
        folder: name if names.count(name) == 1 else f"{name} ({folder})" for folder, name in classes.items()
    }


def _literal(name: str) -> str:
    """A name that Label Studio shows as it is: a `$` before a letter would be filled in from the task."""
    return re.sub(r"\$(?=[\w\[\].{}])", "$\u2060", name)


def _points_config(dataset: Dataset, kept: Mapping[str, Mapping[str, str]]) -> str:
    points = dataset.recipe.points
    if points is None:
        raise ReviewError(f"{dataset.folder}: byod.toml names no [points], so there are none to review")
    names = [*points.names, *(name for name in kept.get("Label", {}) if name not in points.names)]
    lines = "\n".join(
        f"<Label value={quoteattr(name)} background={quoteattr(_COLOURS[position % len(_COLOURS)])}"
        + (f" hotkey={quoteattr(_HOTKEYS[position])}" if position < len(_HOTKEYS) else "")
        + "/>"
        for position, name in enumerate(names)
    )
    return _page(
        f'<KeyPointLabels name="{POINTS}" toName="image" strokeWidth="4" opacity="0.9">\n{lines}\n'
        f'</KeyPointLabels><Choices name="{LABEL}" toName="image" choice="single-radio">'
        f"<Choice value={quoteattr(_REJECT_POINTS)} alias={quoteattr(REJECT)} hotkey={quoteattr('0')}/>"
        "</Choices>"
    )


def _values(config: str) -> dict[str, dict[str, str]]:
    """The choices of a config: tag → {value stored: value shown}."""
    found: dict[str, dict[str, str]] = {}
    for element in _parsed(config):
        value = element.get("value")
        if element.tag in ("Choice", "Label") and value is not None:
            found.setdefault(str(element.tag), {})[element.get("alias") or value] = value
    return found


def _structure(config: str) -> Sequence[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """A config without its blanks: tags, texts and attributes in order."""
    return [
        (str(e.tag), (e.text or "").strip(), tuple(sorted((str(k), str(v)) for k, v in e.attrib.items())))
        for e in _parsed(config)
    ]


def _parsed(config: str) -> list[Any]:
    if not config.strip():
        return []
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return list(etree.fromstring(config.encode(), parser).iter())
    except etree.XMLSyntaxError as error:
        raise ReviewError(
            f"the project's labelling page is not XML ({error}); fix it in its settings"
        ) from error
