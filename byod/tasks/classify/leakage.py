"""Measure the leakage of a careless split: the probe's accuracy by group, and with pictures split at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from byod.schema.model_card import Metrics, Paired
from byod.schema.progress import Say
from byod.schema.records import Example, Record
from byod.tasks.classify import evaluate, train
from byod.training import fit
from byod.training.protocol import Trainer


class Leakage(Record):
    """The same probe on the same pictures, cross-validated twice.

    `grouped` keeps near-copies on one side, `random` does not; `difference` is random minus grouped on the same
    pictures. `together` counts pictures that belong with another one: a
    near-copy, or one of the same page or creator.
    """

    probe: str
    grouped: Metrics
    random: Metrics
    difference: Paired
    pictures: int
    together: int


def measure(
    examples: Sequence[Example],
    classes: Sequence[str],
    probe: Trainer,
    folder: Path,
    *,
    options: dict[str, str],
    seed: int,
    cache: Path | None,
    say: Say,
) -> Leakage:
    """Cross-validate the probe by duplicate group, and again as if every picture stood alone."""
    used = train.usable_classes(examples, classes, say)
    alone = [e.model_copy(update={"group": e.sha256}) for e in examples]
    said = {}
    for name, some in (("grouped", examples), ("random", alone)):
        say(f"training the probe on a {'split by near-copies' if name == 'grouped' else 'random split'} …")
        work = train.silent_work(probe, options, used, folder / name, seed=seed, cache=cache)
        work.folder.mkdir(parents=True)
        said[name] = train.cross_validate(work, train.folds(some, used, seed))
    groups = {e.sha256: e.group for e in examples}
    sizes: dict[str, int] = {}
    for e in examples:
        sizes[e.group] = sizes.get(e.group, 0) + 1
    grouped, random = said["grouped"], said["random"]
    return Leakage(
        probe=fit.arch(folder / "grouped"),
        grouped=evaluate.metrics(*grouped, used, seed=seed),
        random=evaluate.metrics(*random, used, seed=seed),
        difference=evaluate.paired(_in(groups, random[0]), grouped[0], seed=seed),
        pictures=len(examples),
        together=sum(1 for e in examples if sizes[e.group] > 1),
    )


def _in(
    groups: dict[str, str], evaluated: Sequence[evaluate.EvaluatedExample]
) -> list[evaluate.EvaluatedExample]:
    """The answers with the groups that their pictures really belong to."""
    return [
        evaluate.EvaluatedExample(
            j.example.model_copy(update={"group": groups[j.example.sha256]}), j.said, j.temperature, j.part
        )
        for j in evaluated
    ]
