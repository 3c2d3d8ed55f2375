"""Every picture decoded once, into one block of uint8 near the training size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from byod.errors import PictureError, TrainerError
from byod.modelcard import InputRule
from byod.records import Example
from byod.resizing import pixels


def decoded(
    examples: Sequence[Example], rule: InputRule, *, megabytes: int, scratch: Path
) -> NDArray[np.uint8]:
    """uint8 [N, height, width, 3] of all examples, in memory up to `megabytes`, else mapped from a file.

    Raises:
        TrainerError: one of them cannot be opened any more.
    """
    shape = (len(examples), rule.height, rule.width, 3)
    if np.prod(shape) <= megabytes * 1_000_000:
        block: NDArray[np.uint8] = np.empty(shape, np.uint8)
    else:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        block = np.memmap(scratch, np.uint8, "w+", shape=shape)

    def fill(index: int) -> None:
        try:
            block[index] = pixels(examples[index].path, rule)
        except PictureError as error:
            raise TrainerError(
                f"{examples[index].path} cannot be opened any more ({error.detail}); move it away, and train again"
            ) from error

    with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:
        for _ in threads.map(fill, range(len(examples))):
            pass
    return block


class Batches:
    """Batches from a block: what fastai calls a DataLoader, without workers, since nothing is left to decode.

    Training batches come in a new order each epoch (by torch's own generator, hence by the seed) and leave out a
    rest of one picture, on which batch norm could not work.
    """

    def __init__(
        self,
        block: NDArray[np.uint8],
        labels: Sequence[int],
        size: int,
        device: torch.device,
        *,
        shuffle: bool,
    ) -> None:
        self.block, self.labels = block, torch.tensor(labels)
        self.bs, self.device, self.shuffle = size, device, shuffle
        self.drop_last = False

    @property
    def dataset(self) -> NDArray[np.uint8]:
        """What fastai counts pictures by."""
        return self.block

    def __len__(self) -> int:
        return len(self._cuts())

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(len(self.block)) if self.shuffle else torch.arange(len(self.block))
        for start, end in self._cuts():
            chosen = order[start:end].numpy()
            batch = torch.from_numpy(np.ascontiguousarray(self.block[chosen]))
            image = batch.to(self.device).permute(0, 3, 1, 2).float().div_(255)
            yield image, self.labels[chosen].to(self.device)

    def _cuts(self) -> list[tuple[int, int]]:
        count = len(self.block)
        cuts = [(start, min(start + self.bs, count)) for start in range(0, count, self.bs)]
        if self.shuffle and len(cuts) > 1 and cuts[-1][1] - cuts[-1][0] < 2:
            cuts.pop()
        return cuts

    def to(self, device: torch.device) -> Batches:
        """Send batches elsewhere from now on."""
        self.device = device
        return self
