"""The whole road on one machine: plant trouble, serve it on loopback, collect, train, predict, compare.

Everything but the planting is what the real commands do: the pictures come over real HTTP from a stand that speaks
Openverse's wire format. What was done is not done again, so a demo that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from byod.api import collecting, evaluate, train
from byod.collection.pipeline import Watch
from byod.dataset.dataset_folder import Dataset
from byod.demo import findings, scenes
from byod.demo.fake_source import serve_fake_source
from byod.demo.findings import DemoLine
from byod.demo.scenes import HOSTS
from byod.schema.config import Settings
from byod.schema.model_card import ModelCard, Prediction, Unreadable
from byod.schema.progress import Say
from byod.schema.recipe import Recipe
from byod.schema.recipe_classes import dataset_name
from byod.schema.records import Record, Snapshot, Split
from byod.tasks import TASKS

SHOWN = 6
"""How many test pictures the demo predicts for people to look at."""


class Collected(Record):
    """The result of collecting, beside what was planted."""

    dataset: Path
    lines: tuple[DemoLine, ...]


class TrainedModel(Record):
    """The result of training, and the model's predictions of a few pictures it never saw."""

    run: Path
    card: ModelCard
    shown: tuple[tuple[str, Prediction], ...]


def collect(folder: Path, pictures: Path | None, settings: Settings, *, say: Say, watch: Watch) -> Collected:
    """Plant, serve and collect into a dataset below `folder`, unless that was done before."""
    done = folder / "found.json"
    if done.exists():
        found = Collected.model_validate_json(done.read_bytes())
        say(f"collected before: {found.dataset} (remove {folder} to begin anew)")
        return found
    say(
        "drawing pictures and planting trouble among them …"
        if pictures is None
        else f"planting trouble in {pictures} …"
    )
    planted = scenes.drawn() if pictures is None else scenes.pictures_from(pictures)
    folder.mkdir(parents=True, exist_ok=True)
    with serve_fake_source(planted, _ports(folder)) as here:
        (folder / "ports.json").write_text(json.dumps(here.ports))
        say(f"{len(planted.pictures)} addresses are served on {here.base}; collecting over HTTP")
        snapshot = collecting.collect(
            folder / dataset_name(planted.classes),
            _recipe(planted.classes, len(planted.pictures)),
            collecting.Web(settings=_on_loopback(settings, folder, here.base)),
            say=say,
            watch=watch,
        )
    found = Collected(
        dataset=snapshot.folder, lines=tuple(findings.compare(planted, snapshot, _misses(snapshot)))
    )
    done.write_text(found.model_dump_json())
    return found


def train_model(dataset: Path, *, say: Say, log: Callable[[Mapping[str, object]], None]) -> TrainedModel:
    """Fine-tune fastai's default net on what was collected, and let it predict."""
    wanted = train.TrainRequest(plugin="fastai")
    run, card = train.train(dataset, wanted, command="byod demo", say=say, log=log)
    with Dataset(dataset, TASKS) as opened:
        unseen = [example for example in opened.examples(opened.snapshot()) if example.split is Split.TEST]
    labels = {str(example.path): example.label for example in unseen[:: max(1, len(unseen) // SHOWN)][:SHOWN]}
    found = evaluate.predict(run, [Path(path) for path in labels])
    shown = tuple((labels[one.path], one) for one in found if not isinstance(one, Unreadable))
    return TrainedModel(run=run, card=card, shown=shown)


def _ports(folder: Path) -> tuple[int, ...]:
    """The ports of a stand that was stopped, so that its addresses are known; any free ones at first."""
    file = folder / "ports.json"
    if not file.exists():
        return (0,) * HOSTS
    return tuple(int(port) for port in json.loads(file.read_text()))


def _recipe(classes: tuple[str, ...], most: int) -> Recipe:
    recipe = Recipe(sources=("openverse",), languages=(), per_class=most)
    for name in classes:
        recipe = recipe.with_class(name)
    return recipe


def _on_loopback(settings: Settings, folder: Path, base: str) -> Settings:
    """The user's settings with the stand in Openverse's place."""
    theirs = {**settings.environment, "BYOD_OPENVERSE_URL": base, "BYOD_ALLOW_PRIVATE_HOSTS": "1"}
    theirs.pop("BYOD_OPENVERSE_TOKEN", None)
    return settings.model_copy(update={"environment": theirs, "cache": folder / "cache"})


def _misses(snapshot: Snapshot) -> dict[str, str]:
    with Dataset(snapshot.folder, TASKS) as dataset:
        return dataset.catalog.candidates.reasons()
