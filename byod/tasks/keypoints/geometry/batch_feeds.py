"""Feeds for trainers of points: batches of cut and augmented pictures with their truth in 0..1 of the frame.

Each item is drawn from a generator seeded by (seed, epoch, its number), so that a training repeats, and a resumed one
goes on, whatever the order of the batches. Shapes: B pictures, S pixels a side, K points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from byod.images.pixel_cache import MEGABYTES, Blocks
from byod.schema.errors import TrainerError
from byod.schema.keypoints import Keypoints, KeypointSet, box_of
from byod.schema.model_card import Stage
from byod.schema.progress import Say, silent
from byod.schema.records import Example, Sha256
from byod.tasks.keypoints.geometry import augment
from byod.tasks.keypoints.geometry.augment import Jitter, Random
from byod.tasks.keypoints.geometry.crops import GREY, Bytes, Frame, Numbers, Pair, of_box, whole
from byod.tasks.keypoints.geometry.regions import Keeping, Square
from byod.tasks.keypoints.geometry.targets import TrueInstance, eyes_of, eyes_rule, true_instances

__all__ = ["MARGIN", "DetectionBatch", "DetectionFeed", "Jitter", "KeypointBatch", "KeypointFeed", "Stage"]

MARGIN = 1.3
"""The side of the frame in which points are looked for, in longer sides of the object's box."""

WIDER = 1.9
"""The side of what is kept of a picture around an object, in sides of that frame: room to turn and move."""

LARGEST = 320
"""Pixels a side of what is kept of an object or of a whole picture, at most; else twice the size of the input."""

USUAL = Jitter()

EMPTY, MOSAIC = 0.1, 0.1
"""The shares of pictures without an object, and of those put together from four."""

ABSENT = 0.2
"""So many frames without an object are shown for each object, that points are not found where there is none."""

Floats = NDArray[np.float32]
Placed = tuple[Numbers, Numbers]
Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class KeypointBatch:
    """Objects: `images` uint8 [B, S, S, 3]; `points` float32 [B, K, 2] in 0..1 of the frame, possibly outside.

    `known` is float32 [B, K]: 1 where a point is marked and lies inside both picture and frame, else 0, and then its
    place means nothing. `there` is float32 [B]: 0 where the frame shows no object at all, else 1.
    """

    images: Bytes
    points: Floats
    known: Floats
    there: Floats


@dataclass(frozen=True, slots=True)
class DetectionBatch:
    """Pictures: `images` uint8 [B, S, S, 3], and the boxes of the objects of each: float32 [n, 4] in 0..1, n from 0."""

    images: Bytes
    boxes: list[Floats]


class KeypointFeed:
    """The objects of some examples that have at least one point to learn from."""

    def __init__(
        self,
        examples: Sequence[Example],
        keypoints: Mapping[Sha256, Keypoints],
        points: KeypointSet,
        size: int,
        *,
        seed: int = 0,
        margin: float = MARGIN,
        jitter: Jitter = USUAL,
        cache: Path | None = None,
        cache_mb: int = MEGABYTES,
        say: Say = silent,
    ) -> None:
        """See what there is to learn from; pictures are opened with the first batch.

        Args:
            examples: pictures; those without keypoints, or without a marked point, are passed over.
            keypoints: those of the pictures, by SHA-256.
            points: which points an object has; its order is that of the batches.
            size: pixels a side of the net's input.
            seed: of all chance.
            margin: the side of the true frame, in longer sides of the object's box.
            jitter: how far training moves frames and colours.
            cache, cache_mb: a folder for decoded pixels (None: memory), and its bound in megabytes.
            say: takes lines for the user.

        Raises:
            TrainerError: the points would be mislabelled by mirroring.
        """
        augment.check_mirror(points, jitter)
        self.points, self.size, self.margin, self.jitter = points, size, margin, jitter
        self.heads = tuple(
            instance for instance in true_instances(examples, keypoints, points) if instance.known.any()
        )
        self.eyes = eyes_rule(self.heads, points, margin)
        self._pair = eyes_of(points)
        self._seed, self._keeping = seed, Keeping(cache, cache_mb, say)
        self._region = min(2 * size, LARGEST)
        self._beside = DetectionFeed(
            examples, keypoints, size, jitter=jitter, cache=cache, cache_mb=cache_mb, say=say
        )
        self._absent = round(ABSENT * len(self.heads)) if len(self._beside) else 0

    def __len__(self) -> int:
        return len(self.heads)

    def frame(self, number: int) -> Frame:
        """The true frame of an object: `margin` times the longer side of its box, upright."""
        return of_box(self.heads[number].box, self.margin)

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch."""
        return -(-(len(self) + self._absent) // batch_size)

    def epoch(self, number: int, batch_size: int) -> Iterator[KeypointBatch]:
        """All objects once, and some frames beside them, shuffled and augmented; the same for the same number.

        Raises:
            TrainerError: there is no object, or a picture cannot be opened any more.
        """
        if not len(self):
            raise TrainerError("no point is marked in the training pictures; there is nothing to learn")
        order = _order(len(self) + self._absent, self._seed, number)
        return _ahead(lambda some: self._augmented(some, number), _parts(order, batch_size))

    def plain(self, batch_size: int) -> Iterator[KeypointBatch]:
        """All objects once, in order, in their true frames and colours."""
        return _ahead(self._true, _parts(np.arange(len(self)), batch_size))

    @cached_property
    def _wide(self) -> tuple[tuple[Frame, ...], Blocks]:
        frames = tuple(of_box(instance.box, self.margin * WIDER) for instance in self.heads)
        return frames, self._keeping.squares(self._squares(frames), self._region)

    @cached_property
    def _crops(self) -> Blocks:
        frames = [self.frame(number) for number in range(len(self))]
        return self._keeping.squares(self._squares(frames), self.size)

    def _squares(self, frames: Sequence[Frame]) -> list[Square]:
        return [Square(h.example, f, h.width, h.height) for h, f in zip(self.heads, frames, strict=True)]

    def _true(self, numbers: NDArray[np.int64]) -> KeypointBatch:
        placed = [_placed(self.heads[n], self.frame(n), None) for n in numbers]
        return _points(self._crops.rows(numbers), placed, len(self.points.names))

    def _augmented(self, numbers: NDArray[np.int64], epoch: int) -> KeypointBatch:
        shown = [self._shown(int(number), epoch) for number in numbers]
        images, placed = zip(*shown, strict=True)
        return _points(np.stack(images), placed, len(self.points.names))

    def _shown(self, number: int, epoch: int) -> tuple[Bytes, Placed | None]:
        """An object; or, from so many on as there are objects, a frame without one, if any is found."""
        random = np.random.default_rng((self._seed, epoch, number))
        image = self._beside.without_instances(random) if number >= len(self) else None
        return (image, None) if image is not None else self._one(number % len(self), random)

    def _one(self, number: int, random: Random) -> tuple[Bytes, Placed]:
        """One object, augmented, and its points in the frame."""
        frames, blocks = self._wide
        instance = self.heads[number]
        eyes = self._eyes(instance)
        frame = augment.of_instance(instance.box, eyes, self.eyes, self.margin, self.jitter, random)
        near = frame.within(frames[number], self._region)
        image = augment.taken(blocks.rows([number])[0], near, self.size, self.jitter, random)
        return image, _placed(instance, frame, self.points.permutation if frame.mirrored else None)

    def _eyes(self, instance: TrueInstance) -> tuple[Pair, Pair] | None:
        if self._pair is None:
            return None
        left, right = self._pair
        if not (instance.known[left] and instance.known[right]):
            return None
        (x0, y0), (x1, y1) = instance.points[left], instance.points[right]
        return (float(x0), float(y0)), (float(x1), float(y1))


class DetectionFeed:
    """The whole pictures of some examples with the boxes of their objects; those with no object are kept as such."""

    def __init__(
        self,
        examples: Sequence[Example],
        keypoints: Mapping[Sha256, Keypoints],
        size: int,
        *,
        seed: int = 0,
        jitter: Jitter = USUAL,
        cache: Path | None = None,
        cache_mb: int = MEGABYTES,
        say: Say = silent,
    ) -> None:
        """See what there is to learn from; pictures are opened with the first batch.

        Args: as for `KeypointFeed`; pictures without keypoints, and those with an object of which nothing is marked,
            not even a box, are passed over.
        """
        self.size, self.jitter = size, jitter
        self._seed, self._keeping = seed, Keeping(cache, cache_mb, say)
        self.examples, self.keypoints, self.boxes = _pictures(examples, keypoints)
        self._kept = min(2 * size, LARGEST)

    def __len__(self) -> int:
        return len(self.examples)

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch."""
        return -(-len(self) // batch_size)

    def epoch(self, number: int, batch_size: int) -> Iterator[DetectionBatch]:
        """All pictures once, shuffled and augmented; the same for the same number.

        A tenth of them shows no object, and a tenth is put together from four.

        Raises:
            TrainerError: there is no object, or a picture cannot be opened any more.
        """
        if not any(len(boxes) for boxes in self.boxes):
            raise TrainerError("no object is marked in the training pictures; there is nothing to learn")
        order = _order(len(self), self._seed, number)
        return _ahead(lambda some: self._augmented(some, number), _parts(order, batch_size))

    def plain(self, batch_size: int) -> Iterator[DetectionBatch]:
        """All pictures once, in order, whole and in their own colours."""
        return _ahead(self._true, _parts(np.arange(len(self)), batch_size))

    def without_instances(self, random: Random) -> Bytes | None:
        """A frame of any picture that shows no object, augmented: uint8 [S, S, 3]; None where none was found."""
        for number in random.integers(0, len(self), augment.TRIES):
            marked = self.keypoints[number]
            frame = augment.beside(self.boxes[number], marked.width, marked.height, self.jitter, random)
            if frame is not None:
                return self._taken(int(number), frame, self.size, random)
        return None

    @cached_property
    def _blocks(self) -> Blocks:
        return self._keeping.squares(self._squares(), self._kept)

    @cached_property
    def _plain(self) -> Blocks:
        return self._keeping.squares(self._squares(), self.size)

    def _squares(self) -> list[Square]:
        both = zip(self.examples, self.keypoints, strict=True)
        return [Square(e, whole(m.width, m.height), m.width, m.height) for e, m in both]

    def _true(self, numbers: NDArray[np.int64]) -> DetectionBatch:
        sizes = [(self.keypoints[n].width, self.keypoints[n].height) for n in numbers]
        boxes = [augment.seen(self.boxes[n], whole(*s))[0] for n, s in zip(numbers, sizes, strict=True)]
        return DetectionBatch(self._plain.rows(numbers), [each.astype(np.float32) for each in boxes])

    def _augmented(self, numbers: NDArray[np.int64], epoch: int) -> DetectionBatch:
        images, boxes = [], []
        for number in numbers:
            random = np.random.default_rng((self._seed, epoch, int(number)))
            if random.random() < MOSAIC:
                image, found = self._mosaic(int(number), random)
            else:
                image, found = self._one(int(number), random, self.size, (0.12, 0.8))
            images.append(image)
            boxes.append(found.astype(np.float32))
        return DetectionBatch(np.stack(images), boxes)

    def _one(
        self, number: int, random: Random, size: int, sizes: tuple[float, float]
    ) -> tuple[Bytes, Numbers]:
        """One picture's frame and the boxes in it; an object takes a share within `sizes` of it."""
        marked, boxes = self.keypoints[number], self.boxes[number]
        seen: Numbers = np.empty((0, 4))
        frame = None
        if random.random() < EMPTY:
            frame = augment.beside(boxes, marked.width, marked.height, self.jitter, random)
        if frame is None:
            frame, seen = augment.of_picture(
                boxes, marked.width, marked.height, self.jitter, random, sizes=sizes
            )
        return self._taken(number, frame, size, random), seen

    def _taken(self, number: int, frame: Frame, size: int, random: Random) -> Bytes:
        marked = self.keypoints[number]
        near = frame.within(whole(marked.width, marked.height), self._kept)
        return augment.taken(self._blocks.rows([number])[0], near, size, self.jitter, random)

    def _mosaic(self, number: int, random: Random) -> tuple[Bytes, Numbers]:
        """Four pictures in one, some of them left out: several objects, and borders within the picture."""
        half = self.size // 2
        image = np.full((self.size, self.size, 3), GREY, np.uint8)
        found: list[Numbers] = []
        others = [number, *(int(n) for n in random.integers(0, len(self), 3))]
        for place, other in enumerate(random.permutation(others)):
            if other != number and random.random() < 0.3:
                continue
            x, y = place % 2, place // 2
            tile, boxes = self._one(int(other), random, half, (0.3, 0.9))
            image[y * half : (y + 1) * half, x * half : (x + 1) * half] = tile
            found.append((boxes + np.array((x, y, x, y))) * (half / self.size))
        return image, np.concatenate(found)


def _pictures(
    examples: Sequence[Example], keypoints: Mapping[Sha256, Keypoints]
) -> tuple[list[Example], list[Keypoints], list[Numbers]]:
    """The pictures of which every object is marked, their keypoints, and the objects' boxes in pixels [n, 4]."""
    kept: list[Example] = []
    texts: list[Keypoints] = []
    numbers: list[Numbers] = []
    for example in examples:
        marked = keypoints.get(example.sha256)
        if marked is None:
            continue
        boxes = [box_of(instance, marked.width, marked.height) for instance in marked.heads]
        if None in boxes:  # an object that is there and must not be learned as none
            continue
        kept.append(example)
        texts.append(marked)
        numbers.append(np.array(boxes, np.float64).reshape(-1, 4))
    return kept, texts, numbers


def _placed(instance: TrueInstance, frame: Frame, permutation: tuple[int, ...] | None) -> Placed:
    """An object's points in a frame, [K, 2] and known [K]; `permutation` in a mirrored one."""
    unit, known = frame.to_unit(instance.points), instance.known
    if permutation is not None:
        unit, known = augment.exchanged(unit, known, permutation)
    with np.errstate(invalid="ignore"):
        inside = ((unit >= 0) & (unit <= 1)).all(axis=1)
    return np.nan_to_num(unit, nan=0.5), (known & inside).astype(np.float64)


def _points(images: Bytes, placed: Sequence[Placed | None], count: int) -> KeypointBatch:
    """A batch of so many points; None is a frame without an object."""
    nowhere = np.full((count, 2), 0.5), np.zeros(count)
    points, known = (
        np.stack(each).astype(np.float32) for each in zip(*(p or nowhere for p in placed), strict=True)
    )
    return KeypointBatch(images, points, known, np.array([p is not None for p in placed], np.float32))


def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(count)


def _parts(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [order[at : at + size] for at in range(0, len(order), size)]


def _ahead(make: Callable[[NDArray[np.int64]], Batch], parts: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
    """One batch for each part, the next one made on a thread while the last one is used."""
    if not parts:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="byod-feed") as thread:
        coming = thread.submit(make, parts[0])
        for part in parts[1:]:
            batch, coming = coming.result(), thread.submit(make, part)
            yield batch
        yield coming.result()
