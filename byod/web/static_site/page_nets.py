"""The nets of a page: their weights in 16 bits where the answers stay the same, packed for the way.

Whether they do is looked at at each export: the nets as the run has them and those for the page answer the same
pictures, and the task says how far apart two answers are.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from byod.images.picture_types import SUFFIXES
from byod.schema import files
from byod.schema.errors import PictureError
from byod.schema.model_card import Card
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.schema.serving import ServedModel, Serving
from byod.training.half_weights import halved
from byod.web.assets import STATIC
from byod.web.inference import open_model

MODEL_CARD = "model.json"
SAMPLE = STATIC / "chelsea.jpg"
PICTURES = 24
"""So many pictures of the dataset are looked at with both, beside the sample."""


class OfflineWeights(Record):
    """The bits that a weight of the nets has in the page: 16, or 32 where the answers would not stay the same.

    `apart` is how far answers by 16 bits were from those by 32 on `pictures` pictures, in shares of what counts as the
    same (1: a thousandth of the probability that differs most; half a hundredth of the distance of the eyes, by which
    those of the find moved that moved most); null where they disagreed on what is there, or nothing was found.
    """

    bits: int
    apart: float | None
    pictures: int


class PageNets(NamedTuple):
    """The files of the nets by their names, and what is to be said of their weights."""

    files: Mapping[str, bytes]
    weights: OfflineWeights


def page_nets(run: Path, serving: Serving, card: Card, model: ServedModel, *, say: Say) -> PageNets:
    """The nets of a run for a page.

    Args:
        run: a run's folder.
        serving: how its task is served.
        card: its model card.
        model: the run, opened.
        say: gets a line where the weights stay in 32 bits.
    """
    given = {file: files.read(run / file) for file in serving.nets(card).values()}
    small = {file: halved(content) for file, content in given.items()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / run.name
        _stand_in(folder, run, given, small)
        other = open_model(folder)
        answers = list(_answers(model, other, _pictures(run)))
    most = serving.apart(card, answers)
    known = None if most == float("inf") else most
    if most <= 1:
        return PageNets(small, OfflineWeights(bits=16, apart=known, pictures=len(answers)))
    how = "do not see the same" if known is None else f"are {most:.1f} times as far apart as they may be"
    say(
        f"the nets of the page keep weights of 32 bits: with 16, answers {how} (on {len(answers)} pictures); "
        "the page takes longer to come"
    )
    return PageNets(given, OfflineWeights(bits=32, apart=known, pictures=len(answers)))


def _stand_in(folder: Path, run: Path, given: Mapping[str, bytes], small: Mapping[str, bytes]) -> None:
    """A run with the small nets, whose card names their hashes."""
    folder.mkdir()
    text = (run / MODEL_CARD).read_text(encoding="utf-8")
    for file, content in small.items():
        (folder / file).write_bytes(content)
        before, after = (hashlib.sha256(each).hexdigest() for each in (given[file], content))
        text = text.replace(before, after)
    (folder / MODEL_CARD).write_text(text, encoding="utf-8")


def _answers(
    model: ServedModel, other: ServedModel, pictures: Iterator[bytes]
) -> Iterator[tuple[Record, Record]]:
    """The answers of both to each picture; a file that is no picture is passed over."""
    for content in pictures:
        try:
            said = model.answer(content, look=False)
        except PictureError:
            continue
        yield said, other.answer(content, look=False)


def _pictures(run: Path) -> Iterator[bytes]:
    """The sample, and pictures of the run's dataset from all over it, where they lie there still."""
    yield SAMPLE.read_bytes()
    own = sorted(
        file
        for file in (run.resolve().parent.parent / "images").rglob("*")
        if file.suffix.lower() in SUFFIXES and file.is_file()
    )
    for file in own[:: max(1, len(own) // PICTURES)][:PICTURES]:
        yield files.read(file)
