"""Pascal VOC boxes whose centres are points: `cat_eyes` boxes become eyes, the `cat_face` box around them an object.

A box holds no name of a point, so points of one kind are told apart by their order from left to right, which holds
for an object that is upright or nearly so. Where an object has another number of them than there are names, they stay
unmarked: which is which would be a guess. Box edges are taken as pixels from the left and top edge, as labelImg writes
them.
Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from byod.collection.importers.stores import Store, is_picture, some
from byod.schema.errors import DamagedError, KeypointsError, UsageError
from byod.schema.keypoints import Instance, Keypoint, KeypointSet, mirrored_pairs
from byod.tasks.keypoints.importers.annotated import DAMAGED, AnnotatedImage, Annotations, Notes, address

NAME = "voc"
MAX_BYTES = 2_000_000

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class VocAnnotation:
    """One XML file: the picture it names, the size it states (None when it states none), and its boxes by class."""

    file: str
    size: tuple[int, int] | None
    boxes: Mapping[str, tuple[Box, ...]]


def read(
    stores: Sequence[Store], points: Mapping[str, Sequence[str]], instance: str | None, label: str
) -> Annotations:
    """Find annotated pictures; whatever is malformed, missing or unclear becomes a line.

    Args:
        stores: folders or archives with XML files and pictures.
        points: for each class of boxes whose centres are points, the names of these from left to right.
        instance: the class of the boxes around objects; None: each picture shows one object without a box.
        label: the class that the objects belong to.

    Raises:
        UsageError: there is no annotation, or none names one of the classes.
    """
    names = tuple(name for kinds in points.values() for name in kinds)
    notes = Notes()
    pictures: list[AnnotatedImage] = []
    classes: Counter[str] = Counter()
    for store, entry, picture, said in _usable(stores, notes):
        classes.update({kind: len(boxes) for kind, boxes in said.boxes.items()})
        instances = tuple(_heads(said, points, instance, names, entry, notes))
        folder = PurePosixPath(picture).parent.name or store.where.resolve().stem
        pictures.append(
            AnnotatedImage(picture, folder, address(store, picture), store, picture, instances, said.size)
        )
    where = ", ".join(str(store.where) for store in stores)
    if not classes and not pictures:
        raise UsageError(
            f"{where}: there is no annotated picture in it"
            + "".join(f": {line}" for line in notes.lines()[:1])
        )
    _check_classes(classes, (*points, *([instance] if instance else [])), where)
    more = []
    if unused := sorted(set(classes) - {*points, instance}):
        told = some([f"{kind} ({classes[kind]})" for kind in unused], 8)
        more.append(f"boxes of other classes are passed over: {told}")
    once = tuple(_once(pictures, notes))
    known = KeypointSet(names=names, flips=mirrored_pairs(names))
    ordered = tuple(map(tuple, points.values()))
    lines = (*notes.lines(), *more)
    return Annotations(NAME, label, known, once, lines, damaged=notes.count(DAMAGED), ordered=ordered)


def _usable(stores: Sequence[Store], notes: Notes) -> Iterator[tuple[Store, str, str, VocAnnotation]]:
    """The XML files that can be used, each with its store, its name and its picture's."""
    for store in stores:
        by_name = _pictures(store)
        for entry in store.entries:
            if not entry.lower().endswith(".xml"):
                continue
            try:
                said = parse(store.read(entry), entry)
                picture = _picture(by_name, said, entry)
            except KeypointsError as error:
                notes.add("annotations cannot be used and are left out", entry, f"{error}; it is left out")
            except DamagedError as error:
                notes.add(DAMAGED, entry, f"{error}; it is left out")
            else:
                yield store, entry, picture, said


def _check_classes(there: Mapping[str, int], wanted: Iterable[str], where: str) -> None:
    for kind in wanted:
        if kind not in there:
            raise UsageError(
                f"{where}: no box is called {kind!r}; there are: {', '.join(sorted(there)) or 'none'}"
            )


def parse(content: bytes, where: str) -> VocAnnotation:
    """Read one annotation.

    Raises:
        KeypointsError: it is not an annotation, or a box in it is none; the message names the file and the reason.
    """
    from lxml import etree  # type: ignore[import-untyped]

    if len(content) > MAX_BYTES:
        raise KeypointsError(f"{where}: {len(content):,} bytes are too many for an annotation")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise KeypointsError(f"{where}: it declares entities, which no annotation needs")
    try:
        root = etree.fromstring(
            content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        )
    except (etree.XMLSyntaxError, ValueError) as error:
        raise KeypointsError(f"{where}: no XML ({error})") from error
    if root.tag != "annotation":
        raise KeypointsError(f"{where}: it is not a VOC annotation (its root is {root.tag!r})")
    boxes: defaultdict[str, list[Box]] = defaultdict(list)
    for number, entry in enumerate(root.findall("object"), start=1):
        kind = (entry.findtext("name") or "").strip()
        box = entry.find("bndbox")
        if not kind or box is None:
            raise KeypointsError(f"{where}: object {number} has no name or no box")
        sides = [
            _number(box.findtext(side), where, f"object {number}, {side}")
            for side in ("xmin", "ymin", "xmax", "ymax")
        ]
        if sides[0] >= sides[2] or sides[1] >= sides[3]:
            raise KeypointsError(f"{where}: the box of object {number} has no area")
        boxes[kind].append((sides[0], sides[1], sides[2], sides[3]))
    size = [_number(root.findtext(f"size/{side}") or "0", where, side) for side in ("width", "height")]
    file = PureWindowsPath((root.findtext("filename") or "").strip()).name
    stated = (int(size[0]), int(size[1])) if min(size) >= 1 else None
    return VocAnnotation(file, stated, {kind: tuple(found) for kind, found in boxes.items()})


def _number(text: str | None, where: str, what: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise KeypointsError(f"{where}: {what} is {text!r}, no number") from None
    if not -1e6 < value < 1e6:  # also refuses what is not a number at all
        raise KeypointsError(f"{where}: {what} is {text!r}, which lies in no picture")
    return value


def _pictures(store: Store) -> dict[str, list[str]]:
    """The pictures of a store by name, and by name without ending, both in small letters."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for entry in store.entries:
        if is_picture(entry):
            name = PurePosixPath(entry)
            found[name.name.lower()].append(entry)
            found[f"{name.stem.lower()}/"].append(entry)
    return found


def _picture(by_name: Mapping[str, list[str]], said: VocAnnotation, entry: str) -> str:
    """The picture an annotation belongs to: by the file it names, else by its own name."""
    found = by_name.get(said.file.lower()) or by_name.get(f"{PurePosixPath(entry).stem.lower()}/", [])
    if not found:
        raise KeypointsError(f"{entry}: its picture {said.file or PurePosixPath(entry).stem!r} is not there")
    if len(found) > 1:
        raise KeypointsError(f"{entry}: several pictures go by the name {said.file!r}: {some(found)}")
    return found[0]


def _heads(
    said: VocAnnotation,
    points: Mapping[str, Sequence[str]],
    instance: str | None,
    names: Sequence[str],
    entry: str,
    notes: Notes,
) -> Iterator[Instance]:
    """The objects of a picture, each with the points that lie in its box."""
    frames: list[Box | None] = list(said.boxes.get(instance, ())) if instance is not None else [None]
    inside: list[dict[str, list[tuple[float, float]]]] = [defaultdict(list) for _ in frames]
    for kind in points:
        for box in said.boxes.get(kind, ()):
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            around = [n for n, frame in enumerate(frames) if frame is None or _within(x, y, frame)]
            if not around:
                line = f"{entry}: a {kind} at {x:g}, {y:g} lies in no {instance}; it is left out"
                notes.add(f"{kind} boxes lie in no {instance} and are left out", entry, line)
                continue
            inside[min(around, key=lambda n: _area(frames[n]))][kind].append((x, y))
    for frame, found in zip(frames, inside, strict=True):
        marked: dict[str, Keypoint | None] = dict.fromkeys(names)
        for kind, wanted in points.items():
            if len(found[kind]) == len(wanted):
                for name, (x, y) in zip(wanted, sorted(found[kind]), strict=True):
                    marked[name] = Keypoint(x=x, y=y)
            elif found[kind]:
                line = f"{entry}: an object has {len(found[kind])} {kind} where {len(wanted)} belong: which is which is"
                notes.add(
                    f"objects have another number of {kind} than {len(wanted)}, which stay unmarked",
                    entry,
                    f"{line} unknown, so they stay unmarked",
                )
        if frame is not None or any(marked.values()):
            yield Instance(points=marked, box=frame)


def _within(x: float, y: float, box: Box) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _area(box: Box | None) -> float:
    return 0.0 if box is None else (box[2] - box[0]) * (box[3] - box[1])


def _once(pictures: Sequence[AnnotatedImage], notes: Notes) -> Iterator[AnnotatedImage]:
    """Each picture once: a second annotation of it is said and left out."""
    known: set[str] = set()
    for picture in pictures:
        if picture.url in known:
            line = f"{picture.name} is annotated twice; the first annotation is taken"
            notes.add("pictures are annotated twice, and the first annotation is taken", picture.name, line)
        else:
            known.add(picture.url)
            yield picture
