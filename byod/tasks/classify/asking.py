"""Ask a probe about pictures without a file: what it learned is said at once, with its temperature.

What a training leaves is measured as an exported file (`evaluated_examples`). Label errors and leakage are
asked of dozens of models that nobody keeps: they need no file, and with features at hand they take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from byod.schema.errors import TrainerError
from byod.schema.records import Example
from byod.tasks.classify.class_set import ClassSet, see_all_classes
from byod.tasks.classify.evaluated_examples import EvaluatedExample
from byod.tasks.classify.predict import prediction
from byod.training import statistics
from byod.training.fit import Work
from byod.training.protocol import Answering, Run, TrainingData


def ask(
    work: Work,
    labelled: ClassSet,
    train: Sequence[Example],
    valid: Sequence[Example],
    test: Sequence[Example],
    part: str,
) -> tuple[list[EvaluatedExample], str]:
    """Ask a model that learned from `train` about every picture of `test`; and the name of what learned.

    The temperature is that of `valid`, by its groups.

    Raises:
        TrainerError: the trainer cannot train this, or a picture cannot be opened any more.
    """
    assert isinstance(work.trainer, Answering)
    classes = labelled.classes
    see_all_classes(train, valid, classes)
    run = Run(work.folder, work.seed, work.device, work.gpus, work.cache, say=work.say)
    data = TrainingData(classes=classes, train=tuple(train), valid=tuple(valid))
    logits, arch = work.trainer.answer(data, work.options, run, (*valid, *test))
    if logits.shape != (len(valid) + len(test), len(classes)) or not np.isfinite(logits).all():
        raise TrainerError(
            f"the trainer {work.trainer.name} answers with what are no logits of these pictures"
        )
    truth = statistics.class_numbers([example.label for example in valid], classes)
    temperature = statistics.temperature(logits[: len(valid)], truth, [example.group for example in valid])
    rows = statistics.softmax(logits[len(valid) :].astype(np.float64) / temperature).astype(np.float32)
    said = [
        EvaluatedExample(example, prediction(str(example.path), classes, row), temperature, part)
        for example, row in zip(test, rows, strict=True)
    ]
    return said, arch
