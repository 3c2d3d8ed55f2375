"""What the tests of byod-torch share: drawn pictures, and weights with random numbers in them."""

import pytest
import torch
import torchvision

from byod.schema.records import Example, Split
from byod.testing import draw_classes
from byod.training.protocol import TrainingData

PARTS = ((0.5, Split.TRAIN), (0.75, Split.VALID), (1.0, Split.TEST))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """80 circles and 80 squares; half of them to learn from, a quarter each to validate and to test."""
    per_class, examples = 80, []
    folder = tmp_path_factory.mktemp("drawn")
    for label, paths in draw_classes(folder, ("circle", "square"), per_class=per_class).items():
        for number, path in enumerate(paths):
            split = next(split for end, split in PARTS if number < end * per_class)
            sha256 = f"{len(examples):064x}"
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    return examples


@pytest.fixture(scope="session")
def small(drawn):
    """A training set of a few of them: `small(circles, squares)`, as many again of each to validate."""

    def some(circles=8, squares=None):
        train, valid = [], []
        for label, count in (("circle", circles), ("square", squares or circles)):
            own = [example for example in drawn if example.label == label]
            train += own[:count]
            valid += own[40 : 40 + count]
        return TrainingData(classes=("circle", "square"), train=tuple(train), valid=tuple(valid))

    return some


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A state dict as torchvision saves it, with random numbers in it."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)
    return file
