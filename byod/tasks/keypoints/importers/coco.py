"""COCO keypoints: one JSON for many pictures, three numbers a point (x, y, and whether it is marked).

A point with v = 0 is not marked; v = 1 (hidden) and v = 2 are both marked. Crowds (`iscrowd`) mark no single object.
COCO states no flip pairs; names that differ only in "left" and "right" are taken for pairs, unless the category has
`flip_pairs`, as byod's own export does; so does `scale_pair`, the two points whose distance errors are divided by.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from byod.collection.importers.stores import MAX_MEMBER, Store, some
from byod.schema.errors import KeypointsError, UsageError
from byod.schema.keypoints import Instance, Keypoint, KeypointSet, Pixels, mirrored_pairs
from byod.tasks.keypoints.importers.annotated import AnnotatedImage, Annotations, Notes, address

NAME = "coco"

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Key = int | str


class _Part(BaseModel):
    """A part of the JSON; what byod does not use is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Image(_Part):
    id: _Key
    file_name: str
    width: int | None = None
    height: int | None = None


class _Category(_Part):
    id: _Key
    name: str
    keypoints: tuple[str, ...] = ()
    flip_pairs: tuple[tuple[str, str], ...] | None = None
    scale_pair: tuple[str, str] | None = None
    skeleton: tuple[tuple[int, int], ...] = ()


class _Annotation(_Part):
    id: _Key = "?"
    image_id: _Key
    category_id: _Key
    keypoints: tuple[_Number, ...] = ()
    bbox: tuple[Pixels, Pixels, Pixels, Pixels] | None = None
    iscrowd: int = 0


P = TypeVar("P", bound=_Part)


def read(file: Path, stores: Sequence[Store], category: str | None, label: str | None) -> Annotations:
    """Find the pictures of an annotation file; whatever is malformed, missing or passed over becomes a line.

    A picture without annotations is one without objects.

    Args:
        file: the JSON with images, annotations and categories.
        stores: folders or archives with the pictures.
        category: the category whose points are meant, when several have any.
        label: the class the objects belong to; None: the category's name.

    Raises:
        UsageError: the file is no such JSON, or it is not clear which category is meant.
    """
    values = _values(file)
    notes = Notes()
    kind = _category(list(_parts(values, "categories", _Category, notes)), category, file)
    points = _points(kind, file)
    images = {image.id: image for image in _parts(values, "images", _Image, notes)}
    passed: Counter[str] = Counter()
    instances, unclear = _instances(values, kind, images, notes, passed)
    crowds = [f"{number} annotations {what} are passed over" for what, number in sorted(passed.items())]
    clear = [image for image in images.values() if image.id not in unclear or instances.get(image.id)]
    if left := [
        image.file_name for image in images.values() if image.id in unclear and not instances.get(image.id)
    ]:
        crowds.append(
            f"{len(left)} pictures show objects of which no annotation can be used; they are left out: {some(left)}"
        )
    pictures = tuple(_pictures(clear, instances, stores, notes))
    return Annotations(NAME, label or kind.name, points, pictures, (*notes.lines(), *crowds))


def _instances(
    values: Mapping[str, Any],
    kind: _Category,
    images: Mapping[_Key, _Image],
    notes: Notes,
    passed: Counter[str],
) -> tuple[Mapping[_Key, Sequence[Instance]], set[_Key]]:
    """The objects of each image, and the images with annotations that are not used: they do show something."""
    instances: defaultdict[_Key, list[Instance]] = defaultdict(list)
    unclear: set[_Key] = set()

    def refused(value: Any) -> None:
        image = value.get("image_id") if isinstance(value, dict) else None
        if isinstance(image, int | str):
            unclear.add(image)

    for said in _parts(values, "annotations", _Annotation, notes, refused):
        try:
            if said.category_id != kind.id:
                passed["of other categories"] += 1
            elif said.iscrowd:
                passed["of crowds"] += 1
                unclear.add(said.image_id)
            elif said.image_id not in images:
                raise KeypointsError(f"annotation {said.id} names image {said.image_id}, which is not listed")
            else:
                instances[said.image_id].append(_head(said, kind.keypoints))
        except KeypointsError as error:
            notes.add("annotations cannot be used and are left out", str(said.id), f"{error}; it is left out")
            unclear.add(said.image_id)
    return instances, unclear


def _values(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > MAX_MEMBER:
            raise UsageError(f"{file} is too large for a file of annotations")
        values = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read as JSON: {error}") from error
    keys = ("images", "annotations", "categories")
    if not isinstance(values, dict) or not all(isinstance(values.get(key), list) for key in keys):
        raise UsageError(f"{file} is not a COCO file: it lists no images, annotations and categories")
    return values


def _parts(
    values: Mapping[str, Any],
    key: str,
    kind: type[P],
    notes: Notes,
    refused: Callable[[Any], None] = lambda value: None,
) -> Iterator[P]:
    """The entries of a list that are what they should be, and a note for each that is not, which `refused` is told."""
    for number, value in enumerate(values[key], start=1):
        try:
            yield kind.model_validate(value)
        except ValidationError as error:
            refused(value)
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            line = f"{key}, entry {number}: {where}: {first['msg']}; it is left out"
            notes.add(
                f"entries of {key} are not what they should be and are left out", f"entry {number}", line
            )


def _category(categories: Sequence[_Category], wanted: str | None, file: Path) -> _Category:
    found = [one for one in categories if one.keypoints and wanted in (None, one.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(one.name) for one in categories if one.keypoints) or "none"
    what = "says no category with points" if not found else "has points of several categories"
    raise UsageError(f"{file} {what} that could be meant: name one with --category (there are: {names})")


def _points(kind: _Category, file: Path) -> KeypointSet:
    flips = mirrored_pairs(kind.keypoints) if kind.flip_pairs is None else kind.flip_pairs
    names, places = kind.keypoints, range(1, len(kind.keypoints) + 1)
    # COCO counts from 1; lines to points that there are not are nothing to refuse a file for
    lines = tuple((names[a - 1], names[b - 1]) for a, b in kind.skeleton if a in places and b in places)
    try:
        return KeypointSet(names=names, flips=flips, scale=kind.scale_pair, skeleton=lines)
    except ValidationError as error:
        raise UsageError(f"{file}: the points of {kind.name!r}: {error.errors()[0]['msg']}") from error


def _head(said: _Annotation, names: Sequence[str]) -> Instance:
    """The object of one annotation.

    Raises:
        KeypointsError: its numbers are not those of these points.
    """
    numbers = said.keypoints
    if len(numbers) not in (0, 3 * len(names)):
        raise KeypointsError(f"annotation {said.id}: {len(numbers)} numbers where {3 * len(names)} belong")
    marked: dict[str, Keypoint | None] = dict.fromkeys(names)
    for name, x, y, seen in zip(names, numbers[::3], numbers[1::3], numbers[2::3], strict=False):
        if seen not in (0, 1, 2):
            raise KeypointsError(
                f"annotation {said.id}: {name} has v = {seen:g}, which is none of 0, 1 and 2"
            )
        if max(abs(x), abs(y)) > 1e6:
            raise KeypointsError(f"annotation {said.id}: {name} lies far outside any picture")
        if seen:
            marked[name] = Keypoint(x=x, y=y)
    if said.bbox is None:
        return Instance(points=marked)
    x, y, width, height = said.bbox
    if width <= 0 or height <= 0:
        raise KeypointsError(f"annotation {said.id}: its box has no area")
    return Instance(points=marked, box=(x, y, x + width, y + height))


def _pictures(
    images: Iterable[_Image],
    instances: Mapping[_Key, Sequence[Instance]],
    stores: Sequence[Store],
    notes: Notes,
) -> Iterator[AnnotatedImage]:
    """The images that are there, by the name they are listed with, or by the end of a longer path."""
    ends: defaultdict[str, list[tuple[Store, str]]] = defaultdict(list)
    for store in stores:
        for entry in store.entries:
            ends[entry.rpartition("/")[2]].append((store, entry))
    for image in images:
        name = image.file_name.replace("\\", "/")
        found = [
            (store, entry)
            for store, entry in ends.get(name.rpartition("/")[2], ())
            if entry == name or entry.endswith(f"/{name}")
        ]
        if len(found) != 1:
            why = "is not there" if not found else f"is there more than once ({some([e for _, e in found])})"
            kind = "pictures are not there" if not found else "pictures are there more than once"
            notes.add(f"{kind} and are left out", image.file_name, f"{image.file_name} {why}; it is left out")
            continue
        store, entry = found[0]
        size = (image.width, image.height) if image.width and image.height else None
        folder = entry.rpartition("/")[0].rpartition("/")[2] or store.where.resolve().stem
        said = tuple(instances.get(image.id, ()))
        yield AnnotatedImage(entry, folder, address(store, entry), store, entry, said, size)
