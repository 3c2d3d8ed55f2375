"""The labelling page of a project: picture, classes with hotkeys, reject; or points (https://labelstud.io/tags/)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree  # type: ignore[import-untyped]

from byod.dataset.dataset_folder import Dataset
from byod.labeling import skeleton
from byod.schema.errors import ReviewError
from byod.schema.keypoints import Keypoints, keypoints_file, read_keypoints
from byod.schema.recipe import Recipe
from byod.schema.records import Record, Status
from byod.schema.review_tasks import Purpose

REJECT = "__reject__"
LABEL = "label"
POINTS = "points"
POINTS_TYPE = "keypointlabels"
"""How Label Studio calls a point with a name."""
TASK_DATA = (
    *("image", "byod_id", "file", "kind", "label", "seen", "suspicion", "question"),
    *("draw", "marks"),
)
"""What the data of a task may be told under, beside what somebody else put there."""
_REJECT_TEXT = "✗ Reject: belongs to no class"
_UNTICKED = "Tick a class, or reject. The key of a ticked one takes its tick away: then press it again."
_REJECT_POINTS = "✗ Reject: no picture for this dataset"
_KEYS = "Ctrl+Enter submits the ticked class; the key beside a class ticks it."
_SET_POINTS = "Drag each point to where it belongs."
_POINT_KEYS = (
    "To add a point, press its key (or click its name), then click into the picture; Backspace removes the chosen "
    "one. Ctrl+Enter submits."
)
"""What is to be known of the keys, on the pages themselves."""
# digits first; of the letters only those the page itself does not use
_HOTKEYS = (*"123456789", *"qwertyasdfgzxcvbn")
_ALL_SHOWN = 20  # classes that fit beside the picture; beyond, a box to filter them, and "reject" first
_COLOURS = ("#e6194b", "#4363d8", "#3cb44b", "#f58231", "#911eb4", "#008080", "#f032e6", "#9a6324", "#808000")


def choice(label: str) -> dict[str, Any]:
    """A class as Label Studio writes it in a result; `label` is its folder, which the page stores."""
    return {"from_name": LABEL, "to_name": "image", "type": "choices", "value": {"choices": [label]}}


class ShownChoice(Record):
    """A class as a labelling page shows it: its name there, and its key ("" where it has none)."""

    name: str
    key: str


def shown(config: str) -> dict[str, ShownChoice]:
    """The classes of a labelling page, by the folder that it stores."""
    return {
        element.get("alias") or element.get("value"): ShownChoice(
            name=str(element.get("value")), key=element.get("hotkey") or ""
        )
        for element in _parsed(config)
        if element.tag == "Choice" and element.get("value") is not None
    }


def config(dataset: Dataset, purpose: Purpose, before: str = "") -> str:
    """The labelling page of a project (https://labelstud.io/tags/): picture, classes with hotkeys, reject; or points.

    The page shows a class's name and stores its folder. Classes and points of the config `before` that the recipe
    no longer has are kept, since removing one would make its annotations unreadable; so are those that somebody added
    on the server, and whatever else somebody changed there.
    """
    wanted = _config(dataset, purpose, before)
    frame = _frame(before)
    if not frame or frame == _frame(wanted) or _digest(frame) in _EARLIER:
        return before if _is_same(before, wanted) else wanted
    return _merged(before, wanted)


def _is_same(before: str, wanted: str) -> bool:
    """True of a page that differs from the one that is wanted by where its drawing has the points alone."""
    return [_undrawn(part) for part in structure(before)] == [_undrawn(part) for part in structure(wanted)]


def _undrawn(part: Part) -> Part:
    return (part[0], part[1].partition(_DRAWING)[0], part[2]) if part[0] == "Style" else part


def added(config: str, recipe: Recipe) -> list[str]:
    """The classes that somebody added to a labelling page on the server, and that the recipe does not have."""
    names = {*recipe.classes, *(entry.name for entry in recipe.classes.values())}
    choices = (e for e in _parsed(config) if e.tag == "Choice" and e.get("alias") is None)
    return [value for element in choices if (value := str(element.get("value") or "")) and value not in names]


Part = tuple[str, str, tuple[tuple[str, str], ...]]
"""A part of a page: its tag, its text, and its attributes."""


def _frame(config: str) -> list[Part]:
    """The structure of a page without what byod fills in from the recipe, and without its own style."""
    return [part for part in structure(config) if part[0] not in _FILLED and not _is_own_style(part)]


_FILLED = ("Choice", "Label", "Filter")


def _is_own_style(part: Part) -> bool:
    tag, text, _ = part
    own = text in (_STYLE, _EARLIER_STYLE) or (text.startswith(_STYLE) and _DRAWING in text)
    return tag == "Style" and own


def _digest(frame: Sequence[Part]) -> str:
    return hashlib.sha256(repr(frame).encode()).hexdigest()[:16]


def _merged(before: str, wanted: str) -> str:
    """The page that somebody made of byod's, with the classes and points of the one that is wanted.

    A page without byod's question is none that byod could read: it gets byod's own.
    """
    theirs, ours = _parsed(before), _parsed(wanted)
    for tag, name in (("Choices", LABEL), ("KeyPointLabels", POINTS)):
        mine = [e for e in ours if e.tag == tag and e.get("name") == name]
        other = [e for e in theirs if e.tag == tag and e.get("name") == name]
        if mine and not other:
            return wanted
        for element, filled in zip(other, mine, strict=False):
            element[:] = list(filled)
    if not any(e.tag == "Image" and e.get("name") == "image" for e in theirs):
        return wanted
    return str(etree.tostring(theirs[0], encoding="unicode"))


def _config(dataset: Dataset, purpose: Purpose, before: str) -> str:
    """The page as byod makes it."""
    kept = _values(before)
    if purpose is Purpose.POINTS:
        return _points_config(dataset, kept)
    classes = {folder: entry.name for folder, entry in dataset.recipe.classes.items()}
    lines = []
    for position, (folder, name) in enumerate(_distinct(classes).items()):
        hotkey = f" hotkey={quoteattr(_HOTKEYS[position])}" if position < len(_HOTKEYS) else ""
        lines.append(f"<Choice value={quoteattr(_literal(name))} alias={quoteattr(folder)}{hotkey}/>")
    own = added(before, dataset.recipe)
    lines += [f"<Choice value={quoteattr(value)}/>" for value in own]
    for alias, value in kept.get("Choice", {}).items():
        if alias not in classes and alias != REJECT and alias not in own:
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
        f"{choices}\n</Choices>\n{_hint(_KEYS)}",
        above='<Header value="$question" size="5"/>',
    )


def _hint(words: str) -> str:
    """A line for people below the answers, in small letters: the page's own headers are large."""
    return f'<View style="zoom: 0.7; opacity: 0.8"><Header value={quoteattr(words)} size="6"/></View>'


_GONE = " (no longer a class)"


_STYLE = (
    ".lsf-toolbar { margin-right: -42px; flex-shrink: 0 } "
    ".lsf-sidepanels { padding-left: 0 !important; padding-right: 0 !important } "
    ".lsf-sidepanels__wrapper { display: none !important }"
)
"""The room of a page for its picture: no panels beside it that tell of drawn regions, which people need not know.

The page fits a picture to its room before the tool bar takes a part of it, and would cut its edges off.
"""
_EARLIER_STYLE = ".lsf-toolbar { margin-right: -42px; flex-shrink: 0 }"
_DRAWING = " /* drawing */ "
"""Before the drawing of points in a page's style."""
_EARLIER = frozenset({"7ef32451c0e1b434", "5404309836153ff8"})
"""The digests of the pages that earlier versions of byod made: what stands there is no change of anybody's."""
_TALLEST = "calc(100vh - 182px)"
"""A picture's height: the window without what stands above and below it."""


def _page(beside: str, above: str, style: str = "") -> str:
    """Picture and answers side by side, so that both are seen at once however many classes there are."""
    return (
        f"<View><Style>{_STYLE}{style}</Style>"
        f'{above}<View style="display: flex; gap: 16px; align-items: flex-start">\n'
        '<View style="flex: 1 1 auto; min-width: 0; padding-right: 42px">'
        '<Image name="image" value="$image" zoom="true" zoomControl="true" maxHeight="'
        f'{_TALLEST}"/></View>\n'
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
    places = {name: _HOTKEYS[number] for number, name in enumerate(names[: len(_HOTKEYS)])}
    colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}
    pose = skeleton.mean_pose(_marked(dataset), points.names)
    figure = '<View className="byod-skeleton"/>' if pose else ""
    return _page(
        f'<View style="zoom: 0.8">{figure}<KeyPointLabels name="{POINTS}" toName="image" strokeWidth="4" '
        f'opacity="0.9">\n{lines}\n'
        f'</KeyPointLabels><Choices name="{LABEL}" toName="image" choice="single-radio">'
        f"<Choice value={quoteattr(_REJECT_POINTS)} alias={quoteattr(REJECT)} hotkey={quoteattr('0')}/>"
        f"</Choices>\n{_hint(_POINT_KEYS)}</View>",
        above=f'<Header value={quoteattr(_SET_POINTS)} size="5"/>',
        style=_drawing(pose, points.skeleton, places, colours) if pose else "",
    )


def _drawing(
    pose: skeleton.Pose,
    lines: Sequence[tuple[str, str]],
    keys: Mapping[str, str],
    colours: Mapping[str, str],
) -> str:
    """The style of a page with a drawing of the points; it begins with all that the drawing is made from but places."""
    named = " ".join("-".join(pair) for pair in lines)
    return f" /* {named} */{_DRAWING}{skeleton.drawn(pose, lines, keys, colours)}"


def _marked(dataset: Dataset) -> Iterator[Keypoints]:
    """What is marked in the dataset's pictures, one after the other."""
    for sample in dataset.catalog.samples.all():
        if sample.path and sample.status is Status.KEPT:
            found = read_keypoints(dataset.folder / keypoints_file(sample.path))
            if found is not None:
                yield found


def _values(config: str) -> dict[str, dict[str, str]]:
    """The choices of a config: tag → {value stored: value shown}."""
    found: dict[str, dict[str, str]] = {}
    for element in _parsed(config):
        value = element.get("value")
        if element.tag in ("Choice", "Label") and value is not None:
            found.setdefault(str(element.tag), {})[element.get("alias") or value] = value
    return found


def structure(config: str) -> list[Part]:
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
