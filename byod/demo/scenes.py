"""Plant the demo's pictures: good ones of a few classes, and every trouble that a web search brings along.

`drawn()` draws the pictures, `pictures_from(folder)` takes them from real class folders. Either way the same
trouble is added, and a `Planted` record says what was planted where: what byod finds can be held against it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from byod.demo.vegetables import VEGETABLES, Vegetable, draw
from byod.images.picture_types import MEDIA_TYPES
from byod.schema.errors import DatasetError, UsageError
from byod.schema.recipe import check_class_name
from byod.schema.records import Record

if TYPE_CHECKING:
    from PIL import Image

_HOST_NAMES = ("photos", "archive", "blog")
HOSTS = len(_HOST_NAMES)
"""How many hosts the pictures are spread over."""

FEWEST = 12
"""So many good pictures a class needs at least."""

_LICENCES = (("by", "4.0"), ("by-sa", "4.0"), ("by", "2.0"), ("cc0", "1.0"), ("by-nc", "2.0"), ("pdm", "1.0"))


class Kind(StrEnum):
    """The kind of a planted picture: a good one, or a trouble."""

    GOOD = "good picture"
    EXACT = "exact copy"
    RESIZED = "resized copy"
    RECOMPRESSED = "recompressed copy"
    CAPTIONED = "captioned copy"
    MIRRORED = "mirrored copy"
    BOTH_CLASSES = "offered under two classes"
    TRUNCATED = "cut off in the middle"
    ZEROED = "zeros at the end"
    GARBAGE = "noise instead of a picture"
    HTML = "web page named .jpg"
    TINY = "tiny thumbnail"
    PLACEHOLDER = '"not available" placeholder'
    OPTED_OUT = "marked noai by its host"
    NOT_FOUND = "gone (404)"
    SERVER_ERROR = "server error (500)"


_COUNTS = {
    Kind.EXACT: 4,
    Kind.RESIZED: 4,
    Kind.RECOMPRESSED: 4,
    Kind.CAPTIONED: 3,
    Kind.MIRRORED: 3,
    Kind.TRUNCATED: 3,
    Kind.ZEROED: 2,
    Kind.GARBAGE: 2,
    Kind.HTML: 3,
    Kind.TINY: 4,
    Kind.PLACEHOLDER: 4,
    Kind.OPTED_OUT: 1,
    Kind.NOT_FOUND: 3,
    Kind.SERVER_ERROR: 1,
}
"""How many of each trouble a class of 40 pictures or more gets."""


class PlantedPicture(Record):
    """One address and what lies behind it.

    `path` is the address without its host, unique among all pictures; `host` counts from 0 to `HOSTS` - 1.
    `original` is the path of the picture that this one is a copy of. `body` is the answer itself, or the file that
    holds it. `licence` and `version` are Openverse's words ("by", "4.0"); `width` and `height` in pixels.
    """

    kind: Kind
    label: str
    path: str
    host: int
    body: bytes | Path
    content_type: str = "image/jpeg"
    status: int = 200
    headers: dict[str, str] = {}
    original: str | None = None
    title: str
    creator: str
    licence: str
    version: str
    width: int
    height: int

    def read(self) -> bytes:
        """The bytes of the answer."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()


class Planted(Record):
    """Everything that is offered, in the order in which a search gives it."""

    classes: tuple[str, ...]
    pictures: tuple[PlantedPicture, ...]

    def of(self, *kinds: Kind) -> tuple[PlantedPicture, ...]:
        """The pictures of these kinds."""
        return tuple(offer for offer in self.pictures if offer.kind in kinds)

    @property
    def counts(self) -> dict[Kind, int]:
        """Count the planted pictures of each kind, in the order of `Kind`, those without any left out."""
        counts = {kind: len(self.of(kind)) for kind in Kind}
        return {kind: count for kind, count in counts.items() if count}


def drawn(per_class: int = 72, seed: int = 0) -> Planted:
    """Draw two classes of vegetables and plant the trouble; the same arguments plant the same bytes.

    Raises:
        UsageError: fewer than `FEWEST` pictures per class are asked for.
    """
    if per_class < FEWEST:
        raise UsageError(f"the demo needs at least {FEWEST} pictures per class, not {per_class}")
    good: dict[str, list[bytes | Path]] = {
        vegetable: [_drawn(seed, stream, number, vegetable) for number in range(per_class)]
        for stream, vegetable in enumerate(VEGETABLES)
    }
    both = [_drawn(seed, len(VEGETABLES), number, *VEGETABLES) for number in range(2)]
    return _plant(good, both, seed)


def pictures_from(folder: Path, per_class: int = 180, seed: int = 0) -> Planted:
    """Take up to `per_class` pictures from each class folder and plant the trouble among them.

    Raises:
        DatasetError: there are no two class folders with `FEWEST` pictures each, or a picture cannot be opened.
        UsageError: the name of one of them cannot name a class.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is not a folder; name one that holds a folder of pictures for each class"
        )
    good: dict[str, list[bytes | Path]] = {}
    for each in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(file for file in each.iterdir() if file.suffix.lower() in MEDIA_TYPES)
        if len(files) < FEWEST:
            raise DatasetError(
                f"{each} holds {len(files)} pictures; the demo needs at least {FEWEST} per class"
            )
        good[check_class_name(each.name)] = [*files[:per_class]]
    if len(good) < 2:
        raise DatasetError(f"{folder} holds {len(good)} class folders; the demo needs at least two")
    first = next(iter(good))
    both, good[first] = good[first][:2], good[first][2:]
    return _plant(good, both, seed)


def _drawn(seed: int, stream: int, number: int, *vegetables: Vegetable) -> bytes:
    return _jpeg(draw(np.random.default_rng([seed, stream, number]), *vegetables), quality=88)


def _plant(good: Mapping[str, Sequence[bytes | Path]], both: Sequence[bytes | Path], seed: int) -> Planted:
    """Offer the good pictures and the trouble, in an order that mixes them."""
    labels = tuple(good)
    pictures: list[PlantedPicture] = []
    for index, label in enumerate(labels):
        bed = _Bed(label, np.random.default_rng([seed, 100 + index]))
        bed.plant(good[label])
        for number, body in enumerate(both):
            # alternately first: with two classes each picture is offered once under either name
            if len(labels) == 2 or index in (number % len(labels), (number + 1) % len(labels)):
                bed.offer(Kind.BOTH_CLASSES, body, host=0, stem=f"both-{number}")
        pictures += bed.mixed()
    return Planted(classes=labels, pictures=tuple(pictures))


class _Bed:
    """The pictures of one class while they are being made."""

    def __init__(self, label: str, rng: np.random.Generator) -> None:
        self.label = label
        self.rng = rng
        self.pictures: list[PlantedPicture] = []

    def mixed(self) -> list[PlantedPicture]:
        return [self.pictures[index] for index in self.rng.permutation(len(self.pictures))]

    def offer(
        self,
        kind: Kind,
        body: bytes | Path,
        *,
        host: int,
        stem: str,
        original: PlantedPicture | None = None,
        **answer: Any,
    ) -> PlantedPicture:
        """Add one address; what it claims about its size is true for pictures, and a guess for all else."""
        licence, version = _LICENCES[len(self.pictures) % len(_LICENCES)]
        suffix = body.suffix.lower() if isinstance(body, Path) else ".jpg"
        # a thumbnail claims the size of its original, as they do
        width, height = (original.width, original.height) if original else _claimed_size(body)
        offer = PlantedPicture(
            kind=kind,
            label=self.label,
            path=f"/{_HOST_NAMES[host]}/{quote(self.label, safe='')}/{stem}{suffix}",
            host=host,
            body=body,
            content_type=answer.pop("content_type", MEDIA_TYPES[suffix]),
            original=original.path if original else None,
            title=f"{self.label} {len(self.pictures) + 1}",
            # one each: whoever made several would tie them into one part of the split
            creator=f"Gardener {len(self.pictures) + 1}",
            licence=licence,
            version=version,
            width=width,
            height=height,
            **answer,
        )
        self.pictures.append(offer)
        return offer

    def plant(self, good: Sequence[bytes | Path]) -> None:
        """Offer the good pictures, copies of some of them (each of another one), and what is not a picture."""
        originals = [
            self.offer(Kind.GOOD, body, host=number % HOSTS, stem=f"{number:04}")
            for number, body in enumerate(good)
        ]
        counts = {kind: max(1, round(count * min(1.0, len(good) / 40))) for kind, count in _COUNTS.items()}
        chosen = iter(self.rng.permutation(len(originals)))
        for kind in _CHANGES:
            for number in range(counts[kind]):
                self._copy(kind, number, originals[int(next(chosen))])
        for kind, answer in _NO_PICTURES.items():
            for number in range(counts[kind]):
                body = self.rng.bytes(20_000) if kind is Kind.GARBAGE else _PAGE
                self.offer(kind, body, host=number % HOSTS, stem=f"{kind.name.lower()}-{number}", **answer)
        for number in range(counts[Kind.PLACEHOLDER]):
            stem = f"{int(self.rng.integers(10**6)):06}-{number}"
            self.offer(Kind.PLACEHOLDER, _placeholder(), host=HOSTS - 1, stem=stem)

    def _copy(self, kind: Kind, number: int, original: PlantedPicture) -> None:
        """Offer a changed copy of a picture, on another host than the picture itself."""
        body = _CHANGES[kind](original.read(), number)
        host = (original.host + 1 + number % (HOSTS - 1)) % HOSTS
        headers = {"X-Robots-Tag": "noai, noimageai"} if kind is Kind.OPTED_OUT else {}
        stem = f"{kind.name.lower()}-{number}"
        self.offer(
            kind, body, host=host, stem=stem, original=original, headers=headers, content_type="image/jpeg"
        )


# --- changes: the bytes of a picture and a running number give the bytes of the trouble --------------------


def _same(content: bytes, number: int) -> bytes:
    return content


def _resized(content: bytes, number: int) -> bytes:
    """Larger by half, or smaller (never below 204 pixels, or the size limit would hide that it is a copy)."""
    image = _open(content)
    smaller = min(1.0, max(0.7, 204 / min(image.size)))
    times = 1.5 if number % 2 or smaller > 0.97 else smaller
    return _jpeg(image.resize((round(image.width * times), round(image.height * times))), quality=88)


def _recompressed(content: bytes, number: int) -> bytes:
    return _jpeg(_open(content), quality=(40, 55, 70)[number % 3], progressive=number % 2 == 1)


def _captioned(content: bytes, number: int) -> bytes:
    """A line of text on a see-through bar along the lower edge."""
    from PIL import ImageDraw, ImageFont

    image = _open(content)
    bar = max(14, round(image.height * 0.06))
    canvas = ImageDraw.Draw(image, "RGBA")
    canvas.rectangle((0, image.height - bar, image.width, image.height), fill=(20, 20, 20, 80))
    text = (bar // 2, image.height - bar * 0.88)
    canvas.text(text, f"shared {number + 2} times", (240, 240, 240), ImageFont.load_default(bar * 0.65))
    return _jpeg(image, quality=85)


def _mirrored(content: bytes, number: int) -> bytes:
    from PIL import ImageOps

    return _jpeg(ImageOps.mirror(_open(content)), quality=88)


def _truncated(content: bytes, number: int) -> bytes:
    whole = _jpeg(_open(content), quality=80)
    return whole[: len(whole) * (5 + number % 3) // 10]


def _zeroed(content: bytes, number: int) -> bytes:
    whole = _jpeg(_open(content), quality=80)
    kept = len(whole) * (6 + number % 2) // 10
    return whole[:kept] + bytes(len(whole) - kept)


def _tiny(content: bytes, number: int) -> bytes:
    image = _open(content)
    image.thumbnail((64 + 6 * number, 64 + 6 * number))
    return _jpeg(image, quality=75)


_CHANGES: dict[Kind, Callable[[bytes, int], bytes]] = {
    Kind.EXACT: _same,
    Kind.RESIZED: _resized,
    Kind.RECOMPRESSED: _recompressed,
    Kind.CAPTIONED: _captioned,
    Kind.MIRRORED: _mirrored,
    Kind.TRUNCATED: _truncated,
    Kind.ZEROED: _zeroed,
    Kind.TINY: _tiny,
    Kind.OPTED_OUT: _recompressed,
}
_PAGE = b"<!DOCTYPE html><title>Sign in</title><p>Please sign in to see this picture.</p>" + b" " * 2000
_NO_PICTURES: dict[Kind, dict[str, Any]] = {
    Kind.GARBAGE: {},
    Kind.HTML: {"content_type": "text/html; charset=utf-8"},
    Kind.NOT_FOUND: {"content_type": "text/html", "status": 404},
    Kind.SERVER_ERROR: {"content_type": "text/html", "status": 500},
}


@cache
def _placeholder() -> bytes:
    """The picture that a host shows in place of those it no longer has."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (400, 300), (222, 224, 227))
    canvas = ImageDraw.Draw(image)
    canvas.rounded_rectangle((140, 70, 260, 160), 12, outline=(120, 126, 134), width=7)
    canvas.ellipse((175, 90, 225, 140), outline=(120, 126, 134), width=7)
    canvas.line((120, 180, 280, 50), fill=(196, 74, 68), width=9)
    for line, words in enumerate(("This picture is no", "longer available")):
        canvas.text((200, 205 + 32 * line), words, (70, 76, 84), ImageFont.load_default(26), anchor="mm")
    return _jpeg(image, quality=90)


def _open(content: bytes) -> Image.Image:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGB")


def _claimed_size(body: bytes | Path) -> tuple[int, int]:
    """Width and height in pixels of a picture; of a page or of noise what a source might still claim."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(body) if isinstance(body, bytes) else body) as image:
            return image.size
    except UnidentifiedImageError as error:
        if isinstance(body, Path):
            raise DatasetError(f"{body} cannot be opened as a picture; take it out of the folder") from error
        return 640, 480


def _jpeg(image: Image.Image, *, quality: int, progressive: bool = False) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality, progressive=progressive)
    return content.getvalue()
