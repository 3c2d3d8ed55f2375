"""Batches show every picture once, in one process and in several."""

import numpy as np
import torch
from byod_torch.batches import Batches
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.schema.model_card import InputRule
from byod.schema.records import Example, Split
from byod.training.protocol import Pixels

RULE = InputRule(width=8, height=8)


def _pixels(count, folder):
    """Pictures that are told apart by their one grey value."""
    store = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1).repeat(8, 1).repeat(8, 2).repeat(3, 3)
    one = Example(sha256="0" * 64, path=folder / "none.jpg", label="x", split=Split.TRAIN, group="")
    return Pixels([one] * count, RULE, store, np.arange(count))


def _shown(batches):
    """The (grey value, label) pairs of each batch."""
    return [
        [
            (round(float(image[0, 0, 0]) * 255), int(label))
            for image, label in zip(images, labels, strict=True)
        ]
        for images, labels in batches
    ]


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(2, 9))
def test_every_picture_is_shown_once(tmp_path_factory, count, size):
    """Validation shows all in order; training all in another order, but for a rest of one."""
    pixels = _pixels(count, tmp_path_factory.getbasetemp())
    for shuffle in (False, True):
        batches = Batches(pixels, list(range(count)), size, torch.device("cpu"), shuffle=shuffle)
        shown = _shown(batches)
        pairs = [pair for batch in shown for pair in batch]
        assert len(batches) == len(shown)
        assert all(pixel == label for pixel, label in pairs)
        if shuffle:
            assert len(set(pairs)) == len(pairs) >= count - 1
            assert all(len(batch) > 1 for batch in shown)
        else:
            assert [label for _, label in pairs] == list(range(count))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(2, 9), st.integers(2, 3))
def test_processes_share_each_batch(tmp_path_factory, count, size, world):
    """Without shuffling, the shares of all ranks are all pictures, and no rank takes more than its part of a batch."""
    pixels = _pixels(count, tmp_path_factory.getbasetemp())
    shares = [
        _shown(
            Batches(
                pixels,
                list(range(count)),
                size,
                torch.device("cpu"),
                shuffle=False,
                rank=rank,
                world=world,
            )
        )
        for rank in range(world)
    ]
    assert sorted(label for share in shares for batch in share for _, label in batch) == list(range(count))
    assert len({len(share) for share in shares}) == 1
    for batches in zip(*shares, strict=True):
        assert max(map(len, batches)) - min(map(len, batches)) <= 1


def test_the_order_is_the_seeds(tmp_path):
    """The same seed gives the same order, and each epoch another one."""
    batches = Batches(_pixels(20, tmp_path), list(range(20)), 4, torch.device("cpu"), shuffle=True)
    torch.manual_seed(3)
    first, second = _shown(batches), _shown(batches)
    torch.manual_seed(3)
    assert _shown(batches) == first != second


def test_pictures_are_numbers_from_0_to_1(tmp_path):
    """Grey 255 is 1, grey 0 is 0, and the channels come before height and width."""
    pixels = _pixels(256, tmp_path)
    ((images, _),) = Batches(pixels, [0] * 256, 256, torch.device("cpu"), shuffle=False)
    assert images.shape == (256, 3, 8, 8)
    assert images.dtype == torch.float32
    assert (float(images.min()), float(images.max())) == (0.0, 1.0)
