"""A second look at each find: is what the frame shows like the objects that were marked?

A few hundred marked objects teach two nets what an object looks like, and not what looks almost like one: without a
single dog among its pictures a finder of cats finds dogs. A body that was trained on a million pictures of other kinds
tells the two apart. So the frames of the objects are described by its feature maps, and how far a frame lies from
theirs (`byod.training.typicality`) becomes a factor in the confidence of the points, inside the points' own model file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byod.images.resize import as_input
from byod.schema.model_graph import Typicality, TypicalityKind
from byod.schema.progress import Say
from byod.tasks.keypoints.geometry.augment import Jitter
from byod.tasks.keypoints.geometry.batch_feeds import MARGIN, KeypointFeed
from byod.training import extractors, typicality
from byod.training.extractors import FeatureGraph
from byod.training.finished_model import Gate
from byod.training.protocol import Floats, Run, TrainingData
from byod.training.typicality import Likeness

LAYER = "blocks"
"""All of the body but its last convolution, which is a seventh of its weights and tells little more."""
MARGINS = (MARGIN, 0.88 * MARGIN, 1.15 * MARGIN)
"""A find's box is never quite the marked one: each object is learned from in frames of these sizes, and mirrored."""
FEWEST = 20
"""With fewer objects, or groups of them, than this nothing says where their likeness ends."""
PARTS = 5
"""The objects are described without themselves: a fifth of them each time."""
FALSE_ALARMS = 0.02
"""The share of marked objects whose confidence may be halved or more."""
SOFT = 0.25
"""The width of the edge, in standard deviations of the objects' typicalities."""
STEP = 64


@dataclass(frozen=True)
class Verification:
    """How frames are told to be like the marked objects: the factor in a model file, and the entry of its card."""

    gate: Gate
    measured: Typicality


def identity() -> str:
    """The body that will be asked, with its weights, in one line; empty where there is none."""
    return extractors.identity(extractors.DEFAULT)


def learned(data: TrainingData, side: int, run: Run) -> Verification | None:
    """The likeness of the objects in the training pictures, for the points' net of `side` pixels.

    None, and a line that says so, where no body is installed, or there are too few objects.

    Raises:
        TrainerError: a picture cannot be opened any more, or the body cannot be exported.
    """
    assert data.points is not None
    if not identity():
        run.say(_without("it takes the extractor lite0, which comes with byod-torch"))
        return None
    feeds = [
        KeypointFeed(
            data.train,
            data.keypoints,
            data.points,
            side,
            margin=margin,
            jitter=Jitter(mirror=0),
            cache=run.cache,
        )
        for margin in MARGINS
    ]
    groups = [instance.example.group for instance in feeds[0].heads]
    if len(set(groups)) < FEWEST:
        run.say(_without(f"{len(set(groups))} different objects are too few, it takes {FEWEST}"))
        return None
    graph = extractors.extractor(extractors.DEFAULT, {"size": str(side), "layer": LAYER}, run.say)
    return _of(graph, feeds, groups, run.say)


def _without(why: str) -> str:
    return f"finds get no second look ({why}): what looks almost like an object may be found as well"


def _of(
    graph: FeatureGraph, feeds: Sequence[KeypointFeed], groups: Sequence[str], say: Say
) -> Verification | None:
    # from so many objects on, one frame of each says enough
    views = feeds if len(groups) * 2 * len(feeds) <= typicality.MOST_PICTURES else feeds[:1]
    some = (
        np.linspace(0, len(groups) - 1, min(len(groups), typicality.MOST_PICTURES)).round().astype(np.int64)
    )
    given = [_features(graph, feed, some, mirrored) for feed in views for mirrored in (False, True)]
    part = _parts([groups[number] for number in some])
    like = _likeness(given, np.ones(len(some), np.bool_))
    if like is None:
        say(_without("the objects look all alike"))
        return None
    said = np.empty(len(some))
    for number in range(PARTS):
        others = _likeness(given, part != number)
        said[part == number] = (others or like).typicality(given[0][part == number])
    edge = float(np.quantile(said, FALSE_ALARMS))
    measured = Typicality(
        kind=TypicalityKind.MAHALANOBIS,
        threshold=edge,
        false_alarms=FALSE_ALARMS,
        pictures=len(some),
        features=graph.card.width,
    )
    return Verification(Gate(graph.content, like, edge, SOFT * float(said.std()) or 1.0), measured)


def _features(graph: FeatureGraph, feed: KeypointFeed, some: NDArray[np.int64], mirrored: bool) -> Floats:
    """float32 [N, width], a row for each of some objects in its own frame."""
    wanted, rows, at = set(some.tolist()), [], 0
    for batch in feed.plain(STEP):
        inside = [number for number in range(len(batch.images)) if at + number in wanted]
        at += len(batch.images)
        if inside:
            images = batch.images[inside]
            rows.append(graph.compute(as_input(images[:, :, ::-1] if mirrored else images)))
    return np.concatenate(rows)


def _parts(groups: Sequence[str]) -> NDArray[np.int64]:
    """The part (from 0) in which each object is described by the others; a group is in one."""
    part = {group: number % PARTS for number, group in enumerate(sorted(set(groups)))}
    return np.array([part[group] for group in groups])


def _likeness(given: Sequence[Floats], chosen: NDArray[np.bool_]) -> Likeness | None:
    features = np.concatenate([each[chosen] for each in given])
    return typicality.likeness(features, np.zeros(len(features), np.int64))
