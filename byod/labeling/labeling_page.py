"""The labelling page of a project: picture, classes with hotkeys, reject; or points (https://labelstud.io/tags/)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree  # type: ignore[import-untyped]

from byod.dataset.dataset_folder import Dataset
from byod.schema.errors import ReviewError
from byod.schema.recipe import Recipe
from byod.schema.records import Record
from byod.schema.review_tasks import Purpose

REJECT = "__reject__"
LABEL = "label"
POINTS = "points"
POINTS_TYPE = "keypointlabels"
"""How Label Studio calls a point with a name."""
_REJECT_TEXT = "✗ Reject: belongs to no class"
_UNTICKED = "Tick a class, or reject. The key of a ticked one takes its tick away: then press it again."
_REJECT_POINTS = "✗ Reject: no picture for this dataset"
_KEYS = "Ctrl+Enter submits the ticked class; the key beside a class ticks it."
_POINT_KEYS = (
    "Drag a point to where it belongs. To add one, press its key (or click its name), then click into the picture; "
    "Backspace removes the chosen one. Ctrl+Enter submits."
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
    return wanted if _frame(before) in ([], _frame(wanted)) else _merged(before, wanted)


def added(config: str, recipe: Recipe) -> list[str]:
    """The classes that somebody added to a labelling page on the server, and that the recipe does not have."""
    names = {*recipe.classes, *(entry.name for entry in recipe.classes.values())}
    choices = (e for e in _parsed(config) if e.tag == "Choice" and e.get("alias") is None)
    return [value for element in choices if (value := str(element.get("value") or "")) and value not in names]


def _frame(config: str) -> Sequence[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """The structure of a page without what byod fills in from the recipe."""
    return [part for part in structure(config) if part[0] not in ("Choice", "Label", "Filter")]


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
        f"</Choices>\n{_hint(_POINT_KEYS)}"
    )


def _values(config: str) -> dict[str, dict[str, str]]:
    """The choices of a config: tag → {value stored: value shown}."""
    found: dict[str, dict[str, str]] = {}
    for element in _parsed(config):
        value = element.get("value")
        if element.tag in ("Choice", "Label") and value is not None:
            found.setdefault(str(element.tag), {})[element.get("alias") or value] = value
    return found


def structure(config: str) -> Sequence[tuple[str, str, tuple[tuple[str, str], ...]]]:
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
