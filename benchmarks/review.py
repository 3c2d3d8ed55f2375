"""Review there and back: byod's whole verbs beside bare API calls for the same, on one Label Studio, in turn.

    BYOD_TEST_LABEL_STUDIO=…/label-studio python benchmarks/review.py [--pictures 10000] [--rounds 3]

Push: 10,000 pictures are asked about, beside the bare import of the very same tasks in batches of 1,000. Pull: 100
changes among 9,000 tasks are brought into the class folders, beside the bare query for what changed. The verbs count
whole: dataset opened, folders taken up, previews made, log written, files moved, generated files written. Goal: at
most 1.2 times the bare calls. Beside other work, which stretches every second, the seconds of CPU of byod's own process
tell more than the rest. Without BYOD_TEST_LABEL_STUDIO a Label Studio is installed for the run.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import requests
from PIL import Image

from byod.api import adding, review
from byod.api.review_queue import ReviewRequest
from byod.dataset.dataset_folder import Dataset
from byod.labeling import local_server
from byod.labeling.fetch import OVERLAP
from byod.schema.config import Settings
from byod.schema.recipe import Recipe
from byod.tasks import TASKS

CLASSES = tuple(f"class {number}" for number in range(10))
BATCH = 1000
OPEN = 9000  # tasks in the project that is pulled from
CHANGES = 100


class Bare:
    """The API without byod: one session, JSON in and out."""

    def __init__(self, running: local_server.Running) -> None:
        self._url = running.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Token {running.token}"

    def ask(self, method: str, path: str, **how: Any) -> Any:
        """What a path answers; anything but a success ends the benchmark."""
        answer = self._session.request(method, self._url + path, timeout=600, **how)
        answer.raise_for_status()
        return json.loads(answer.content) if answer.content else None

    def load(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Import tasks."""
        for at in range(0, len(tasks), BATCH):
            self.ask("POST", f"/api/projects/{project}/import", json=tasks[at : at + BATCH])

    def changed(self, project: int, since: str) -> list[dict[str, Any]]:
        """The tasks of a project that changed after a moment, with all that was said of them."""
        item = {
            "filter": "filter:tasks:updated_at",
            "operator": "greater",
            "type": "Datetime",
            "value": since,
        }
        query = {"filters": {"conjunction": "and", "items": [item]}, "ordering": ["tasks:updated_at"]}
        params = {"project": project, "page_size": 500, "fields": "all", "query": json.dumps(query)}
        found: list[dict[str, Any]] = self.ask("GET", "/api/tasks/", params=params)["tasks"]
        return found


def draw(folder: Path, number: int) -> None:
    """Small JPEGs that no duplicate search takes for one another, in a folder for each class."""
    for count in range(number):
        noise = np.random.default_rng(count).integers(0, 256, (12, 15, 3), np.uint8)
        body = io.BytesIO()
        Image.fromarray(noise).resize((80, 64), Image.Resampling.BICUBIC).save(body, "JPEG")
        room = folder / CLASSES[count % len(CLASSES)]
        room.mkdir(parents=True, exist_ok=True)
        (room / f"{count}.jpg").write_bytes(body.getvalue())


def made(home: Path, number: int) -> Path:
    """A dataset of `number` pictures, as `byod add` makes it."""
    draw(home / "drawn", number)
    recipe = Recipe(min_side=16)
    for name in CLASSES:
        recipe = recipe.with_class(name)
    folder = home / "datasets" / "many"
    adding.add([home / "drawn"], None, folder, recipe, say=nothing, watch=nothing)
    shutil.rmtree(home / "drawn")
    with Dataset(folder, TASKS) as dataset:
        kept = len(dataset.snapshot().kept)
    if kept < number:
        raise SystemExit(f"{number} pictures were drawn and {kept} kept: they are too much alike")
    return folder


def nothing(*_: object) -> None:
    """What a verb says on its way is of no interest here."""


@contextmanager
def studio(home: Path) -> Iterator[local_server.Running]:
    """A Label Studio of the benchmark's own, stopped afterwards."""
    told = {"BYOD_CONFIG": str(home / "none.toml"), "BYOD_LABEL_STUDIO_HOME": str(home / "studio")}
    if program := os.environ.get("BYOD_TEST_LABEL_STUDIO"):
        told["BYOD_LABEL_STUDIO"] = program
    settings = Settings.load(told)
    try:
        yield local_server.start(settings, say)
    finally:
        local_server.stop(settings, nothing)


def say(line: str) -> None:
    """One line on stdout, now."""
    print(line, flush=True)


class Took(NamedTuple):
    """What a call took: seconds, and those of CPU of this process, whatever else runs beside it."""

    seconds: float
    cpu: float


def timed(call: Callable[[], Any]) -> tuple[Took, Any]:
    """What a call took, and what it gave."""
    started, cpu = time.perf_counter(), time.process_time()
    given = call()
    return Took(time.perf_counter() - started, time.process_time() - cpu), given


class Bench:
    """One dataset, one server, and both ways to them."""

    def __init__(self, folder: Path, running: local_server.Running) -> None:
        self.folder, self.bare = folder, Bare(running)
        self.files = running.files
        where = review.ServerChoice(url=running.url, token=running.token, files=running.files)
        with review.at(where, Settings.load({}), nothing) as self.desk:
            pass  # a server that is there already: nothing is started or stopped
        self.random = random.Random(0)

    def pushed(self) -> tuple[Took, int]:
        """What `byod review push` took, and the project."""
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir()
        seconds, done = timed(
            lambda: review.push(
                self.folder, self.desk, ReviewRequest(), self.folder, say=nothing, progress=nothing
            )
        )
        return seconds, done[0].project.number

    def same(self, project: int) -> tuple[list[dict[str, Any]], str]:
        """The tasks of a project as they were imported, and its labelling page."""
        exported = self.bare.ask(
            "GET",
            f"/api/projects/{project}/export",
            params={"exportType": "JSON", "download_all_tasks": "true"},
        )
        opinion = {"from_name": "label", "to_name": "image", "type": "choices"}
        tasks = [
            {
                "data": task["data"],
                "predictions": [
                    {
                        "model_version": "folder",
                        "result": [{**opinion, "value": {"choices": [task["data"]["label"]]}}],
                    }
                ],
            }
            for task in exported
        ]
        return tasks, str(self.bare.ask("GET", f"/api/projects/{project}/")["label_config"])

    def loaded(self, tasks: Sequence[Mapping[str, Any]], config: str) -> tuple[Took, int]:
        """What the bare import into a new project took, and the project."""
        project = self.bare.ask("POST", "/api/projects/", json={"title": "bare", "label_config": config})[
            "id"
        ]
        seconds, _ = timed(lambda: self.bare.load(project, tasks))
        return seconds, project

    def push(self, rounds: int) -> int:
        """Push and bare import in turn; the number of byod's last project."""
        _, project = self.pushed()  # a round that does not count, for the tasks
        tasks, config = self.same(project)
        self.bare.ask("DELETE", f"/api/projects/{project}/")
        ours: list[Took] = []
        bare: list[Took] = []
        for number in range(rounds):
            for first in (number % 2, 1 - number % 2):
                seconds, project = self.pushed() if first else self.loaded(tasks, config)
                (ours if first else bare).append(seconds)
                self._complete(project, len(tasks))
                if not (first and number == rounds - 1):
                    self.bare.ask("DELETE", f"/api/projects/{project}/")
                else:
                    kept = project
        report(f"push of {len(tasks)} pictures", ours, bare)
        return kept

    def _complete(self, project: int, tasks: int) -> None:
        found = self.bare.ask("GET", f"/api/projects/{project}/")["task_number"]
        if found != tasks:
            raise SystemExit(f"{tasks} tasks were sent and {found} are there")

    def pull(self, project: int, rounds: int) -> None:
        """Some judge CHANGES pictures; the bare query and the pull in turn."""
        everything = self.bare.ask(
            "GET",
            "/api/tasks/",
            params={"project": project, "page_size": 100_000, "fields": "all", "include": "id,data"},
        )["tasks"]
        self._only(project, everything)
        review.pull(self.folder, self.desk, say=nothing)
        ours: list[Took] = []
        bare: list[Took] = []
        for number in range(rounds):
            time.sleep(OVERLAP.total_seconds() + 1)  # what was pulled before is not read again
            since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            evaluated = everything[number * CHANGES : (number + 1) * CHANGES]
            for task in evaluated:
                self._judge(task)
            for first in (number % 2, 1 - number % 2):
                if first:
                    seconds, pulled = timed(lambda: review.pull(self.folder, self.desk, say=nothing))
                    ours.append(seconds)
                    found = pulled.answers
                else:
                    seconds, tasks = timed(lambda: self.bare.changed(project, since))  # noqa: B023
                    bare.append(seconds)
                    found = len(tasks)
                if found != len(evaluated):
                    raise SystemExit(f"{len(evaluated)} pictures were judged and {found} found")
        report(f"pull of {CHANGES} changes of {len(everything)}", ours, bare)

    def _only(self, project: int, tasks: list[dict[str, Any]]) -> None:
        """Delete tasks until OPEN are left."""
        spare = [task["id"] for task in tasks[OPEN:]]
        del tasks[OPEN:]
        if spare:
            self.bare.ask(
                "POST",
                "/api/dm/actions/",
                params={"id": "delete_tasks", "project": project},
                json={
                    "selectedItems": {"all": False, "included": spare},
                    "filters": {"conjunction": "and", "items": []},
                    "project": project,
                },
            )

    def _judge(self, task: Mapping[str, Any]) -> None:
        """Say something of a picture: half the time what its folder says."""
        label = self.random.choice([task["data"]["label"], self.random.choice([*CLASSES, "__reject__"])])
        choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
        self.bare.ask("POST", f"/api/tasks/{task['id']}/annotations/", json={"result": [choice]})


def report(what: str, ours: Sequence[Took], bare: Sequence[Took]) -> None:
    """Both medians and the ratio."""
    mine, least = (statistics.median(one.seconds for one in some) for some in (ours, bare))
    cpu = statistics.median(one.cpu for one in ours)
    pairs = ", ".join(f"{m.seconds:.2f}/{b.seconds:.2f}" for m, b in zip(ours, bare, strict=True))
    say(
        f"{what}: byod {mine:.2f} s ({cpu:.2f} s of CPU), bare API {least:.2f} s, ratio {mine / least:.2f} "
        f"(rounds {pairs})"
    )


def main() -> None:
    """Make a dataset, start a server, time both ways in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="byod-review-") as name:
        home = Path(name).resolve()
        folder = made(home, options.pictures)
        with studio(home) as running:
            bench = Bench(folder, running)
            bench.pull(bench.push(options.rounds), options.rounds)


if __name__ == "__main__":
    main()
