"""The pixels that feeds cut from: each picture decoded once, squares of it kept as uint8, on disk or in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import numpy as np

from byod.images.decode import open_picture
from byod.images.pixel_cache import MEGABYTES, Blocks, PixelCache
from byod.schema.errors import PictureError, TrainerError
from byod.schema.progress import Say, silent
from byod.schema.records import Example
from byod.tasks.keypoints.geometry.crops import Bytes, Frame, cut

KIND = "frame-1"
"""The number is that of the pixel rule's code; another one makes new files."""

MEMORY = 1_000_000_000
"""Bytes kept in memory where there is no folder for a cache."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """The store of cut squares: a folder, up to so many megabytes, or (None) memory; `say` takes lines for users."""

    folder: Path | None = None
    megabytes: int = MEGABYTES
    say: Say = silent

    def squares(self, pictures: Sequence[Square], side: int) -> Blocks:
        """The squares, each `side` pixels wide, by number: uint8 [N, side, side, 3].

        Raises:
            TrainerError: a picture cannot be opened, or is of another size than its keypoints say.
        """

        def make(number: int) -> Bytes:
            return pictures[number].pixels(side)

        if self.folder is not None:
            cache = PixelCache(self.folder, megabytes=self.megabytes, say=self.say)
            return cache.blocks([picture.key for picture in pictures], KIND, (side, side), make)
        room = min(len(pictures), MEMORY // (side * side * 3))
        if room < len(pictures):
            self.say(f"{len(pictures) - room} of {len(pictures)} pictures are decoded anew in each epoch")
        store = np.empty((room, side, side, 3), np.uint8)
        with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:
            for number, block in enumerate(threads.map(make, range(room))):
                store[number] = block
        return Blocks(
            make, (side, side), store, np.where(np.arange(len(pictures)) < room, np.arange(len(pictures)), -1)
        )


@dataclass(frozen=True, slots=True)
class Square:
    """A frame of one picture, which the keypoints say is `width` x `height` pixels."""

    example: Example
    frame: Frame
    width: int
    height: int

    @property
    def key(self) -> bytes:
        """32 bytes for the picture's content and the frame."""
        return hashlib.sha256(
            f"{self.example.sha256} {self.frame} {self.width} {self.height}".encode()
        ).digest()

    def pixels(self, side: int) -> Bytes:
        """Decode the picture and cut the square: uint8 [side, side, 3]."""
        return cut(opened(self.example, self.width, self.height), self.frame, side)


def opened(example: Example, width: int, height: int) -> Bytes:
    """The upright picture of an example: uint8 [height, width, 3], at full size.

    Raises:
        TrainerError: it cannot be opened, or is of another size than its keypoints say.
    """
    try:
        pixels = np.asarray(open_picture(example.path))
    except PictureError as error:
        raise TrainerError(
            f"{example.path} cannot be opened any more ({error.detail}); move it away, and train again"
        ) from error
    if pixels.shape[:2] != (height, width):
        raise TrainerError(
            f"{example.path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, but its points were marked on "
            f"{width} x {height}; fix its file in points/, or move the picture away, and train again"
        )
    return pixels
