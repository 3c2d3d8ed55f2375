"""Batches of tensors from pictures that were decoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from byod.plugin import Pixels


class Batches:
    """Batches of pictures and class numbers: a data loader without workers, since nothing is left to decode.

    Training batches come in a new order each epoch (by torch's own generator, hence by the seed) and leave out a
    rest of one picture, on which batch norm could not work. With several processes (`world` > 1, and a
    process group of torch.distributed) all share the order of rank 0, and each takes every `world`-th picture of
    every batch; `size` is the batch of all of them together.
    """

    def __init__(
        self,
        pixels: Pixels,
        labels: Sequence[int],
        size: int,
        device: torch.device,
        *,
        shuffle: bool,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.pixels, self.labels = pixels, torch.tensor(labels)
        self.bs, self.device, self.shuffle = max(size, 2 * world), device, shuffle
        self.rank, self.world = rank, world
        self.drop_last = False

    @property
    def dataset(self) -> Pixels:
        """The number of pictures, as fastai counts it."""
        return self.pixels

    def __len__(self) -> int:
        return len(self._cuts())

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = self._order()
        for start, end in self._cuts():
            chosen = order[start:end][self.rank :: self.world].numpy()
            batch = torch.from_numpy(self.pixels.rows(chosen))
            image = batch.to(self.device).permute(0, 3, 1, 2).float().div_(255)
            yield image, self.labels[chosen].to(self.device)

    def _order(self) -> torch.Tensor:
        count = len(self.pixels)
        if not self.shuffle:
            return torch.arange(count)
        order = torch.randperm(count)
        if self.world > 1:
            from torch import distributed

            # NCCL sends only what lies on a GPU
            shared = order.to(self.device) if distributed.get_backend() == "nccl" else order
            distributed.broadcast(shared, 0)
            order = shared.cpu()
            # each process needs two pictures, or batch norm cannot work
            order = order.repeat(-(-2 * self.world // count))
        return order

    def _cuts(self) -> list[tuple[int, int]]:
        count, least = len(self.pixels), 2 * self.world if self.shuffle else 1
        if self.world > 1 and self.shuffle:
            count = max(count, least)
        cuts = [(start, min(start + self.bs, count)) for start in range(0, count, self.bs)]
        if self.shuffle and len(cuts) > 1 and cuts[-1][1] - cuts[-1][0] < least:
            cuts.pop()
        return cuts

    def to(self, device: torch.device) -> Batches:
        """Send batches elsewhere from now on."""
        self.device = device
        return self
