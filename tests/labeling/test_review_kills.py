"""byod or its Label Studio killed at any moment of a push or a pull, and people who answer meanwhile."""

import io
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import label_studio
import numpy as np
import pytest
import studio_proxy
from command import compiled
from PIL import Image

from byod.api import adding, review
from byod.dataset.dataset_folder import Dataset
from byod.labeling import local_server
from byod.labeling.client import LabelStudio
from byod.labeling.identity import key, marker
from byod.labeling.labeling_page import REJECT
from byod.schema.recipe import Recipe
from byod.schema.review_tasks import Purpose, ReviewQueue
from byod.tasks import TASKS

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("BYOD_KILLS", "5"))
"""How often a push, and how often a pull, is killed; BYOD_KILLS=20 for the long form."""
PICTURES = 2200  # three batches
ASKED = 120
CLASSES = ("Katze", "Hund", "Maus")


def silent(*_):
    """Nobody listens."""


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """A dataset of pictures that no duplicate search takes for one another."""
    home = tmp_path_factory.mktemp("many")
    for number in range(PICTURES):
        noise = np.random.default_rng(number).integers(0, 256, (12, 15, 3), np.uint8)
        body = io.BytesIO()
        Image.fromarray(noise).resize((80, 64), Image.Resampling.BICUBIC).save(body, "JPEG")
        room = home / "drawn" / CLASSES[number % len(CLASSES)]
        room.mkdir(parents=True, exist_ok=True)
        (room / f"{number}.jpg").write_bytes(body.getvalue())
    adding.add([home / "drawn"], None, home / "set", Recipe(min_side=16), say=silent, watch=silent)
    return home / "set"


class Command:
    """`byod review VERB` on a dataset, as a user runs it."""

    def __init__(
        self, verb: str, folder: Path, *arguments: str, running: local_server.Running | None = None
    ) -> None:
        self._arguments = [sys.executable, "-m", "byod", "review", verb, str(folder), *arguments]
        self._environment = compiled()
        if running is not None:
            self._arguments += ["--files-root", str(running.files)]
            self._environment |= {
                "BYOD_LABEL_STUDIO_URL": running.url,
                "BYOD_LABEL_STUDIO_TOKEN": running.token,
            }

    def started(self) -> subprocess.Popen:
        return subprocess.Popen(
            self._arguments,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def done(self) -> str:
        """Run it to its good end; what it said on stderr."""
        running = self.started()
        _, said = running.communicate(timeout=300)
        assert running.returncode == 0, said
        return said

    def killed(self, after: float) -> bool:
        """Kill it after some seconds; False when it had ended by then."""
        running = self.started()
        time.sleep(after)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=300)
        return running.returncode == -signal.SIGKILL


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def studio_of(running: local_server.Running) -> LabelStudio:
    return LabelStudio(running.url, running.token)


def project_of(folder: Path, studio: LabelStudio) -> int:
    mine = marker(key(folder), ReviewQueue(purpose=Purpose.LABELS))
    (found,) = [one for one in studio.projects() if mine in (one["description"] or "")]
    return int(found["id"])


def tasks(folder: Path, studio: LabelStudio, *include: str) -> list[dict]:
    return studio.tasks(project_of(folder, studio), include=include, page_size=2000)


def asked_once(folder: Path, studio: LabelStudio) -> None:
    """Every kept picture of the dataset has exactly one task, and nothing comes after."""
    with Dataset(folder, TASKS) as dataset:
        kept = {sample.sha256 for sample in dataset.snapshot().kept}
    for _ in range(2):
        assert Counter(one["data"]["byod_id"] for one in tasks(folder, studio, "id", "data")) == Counter(kept)
        time.sleep(1.5)


def choice(label: str) -> list[dict]:
    return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]


def logged(folder: Path) -> list[tuple[str, str, str, str | None]]:
    """The label log as (picture, who, when, label)."""
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return [(v["sha256"], v["who"], v["when"], v["label"]) for v in map(json.loads, lines)]


def standing(folder: Path) -> dict[str, str]:
    """Where each file lies: the beginning of its hash (its name) → the folder below the dataset."""
    return {
        path.stem: path.parent.relative_to(folder).as_posix()
        for room in ("images", "rejected")
        for path in (folder / room).glob("*/*.jpg")
    }


def agree(folder: Path) -> None:
    """The catalog names just the files that are there, and promises no move."""
    with sqlite3.connect(folder / "catalog.db") as catalog:
        rows = {path for (path,) in catalog.execute("SELECT path FROM samples WHERE path <> ''")}
        promised = catalog.execute("SELECT COUNT(*) FROM moves").fetchone()[0]
    there = {
        path.relative_to(folder).as_posix()
        for room in ("images", "rejected")
        for path in (folder / room).glob("*/*.jpg")
    }
    assert rows == there
    assert promised == 0


def one_line(said: str) -> str:
    """The one line of an error among what a command said."""
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("byod: ")]
    assert said.strip().splitlines()[-1] == line
    return line


class Moments:
    """Moments to kill a command at; one that was over before is quicker than it was measured beside other processes."""

    def __init__(self, seed: int, least: float, seconds: float) -> None:
        self.chance, self.least, self.seconds = random.Random(seed), least, seconds
        self.killed = 0

    def kill(self, command: Command) -> None:
        if command.killed(self.chance.uniform(self.least, max(self.least, self.seconds))):
            self.killed += 1
        else:
            self.seconds *= 0.7


def test_a_push_killed_at_any_moment_is_ended_by_the_next_one(many, live_studio, tmp_path):
    """However often byod was killed, each picture is asked about exactly once."""
    studio = studio_of(live_studio)
    began = time.monotonic()
    Command("push", copied(many, tmp_path / "whole"), running=live_studio).done()
    moments = Moments(0, 0.5, time.monotonic() - began)
    asked_once(tmp_path / "whole", studio)
    for number in range(KILLS):
        folder = copied(many, tmp_path / f"killed {number}")
        command = Command("push", folder, running=live_studio)
        for _ in range(1 + number % 3):
            moments.kill(command)
        command.done()
        asked_once(folder, studio)
        studio.delete(f"/api/projects/{project_of(folder, studio)}/")
        shutil.rmtree(folder)
    assert moments.killed > KILLS / 2


@pytest.fixture
def answered(many, live_studio, tmp_path) -> tuple[Path, list[dict]]:
    """A dataset of which some pictures were asked about and nearly all of these judged, and the tasks."""
    folder = copied(many, tmp_path / "set")
    Command("push", folder, "--limit", str(ASKED), running=live_studio).done()
    studio, chance = studio_of(live_studio), random.Random(1)
    for task in tasks(folder, studio, "id", "data")[:-20]:
        label = chance.choice([*CLASSES, REJECT])
        studio.post(f"/api/tasks/{task['id']}/annotations/", json={"result": choice(label)})
    return folder, tasks(folder, studio)


def as_said(folder: Path, found: list[dict], before: int) -> None:
    """The log has each answer exactly once, and each file lies where its picture's answer puts it."""
    answers = {
        (task["data"]["byod_id"], "byod@localhost", one["updated_at"]): one["result"][0]["value"]["choices"][
            0
        ]
        for task in found
        for one in task["annotations"]
    }
    new = logged(folder)[before:]
    assert Counter(list(answers)) == Counter((sha256, who, when) for sha256, who, when, _ in new)
    for sha256, who, when, label in new:
        assert answers[sha256, who, when] == (REJECT if label is None else label)
    lies = standing(folder)
    for task in found:
        label = task["data"]["label"]
        for one in task["annotations"]:
            label = one["result"][0]["value"]["choices"][0]
        name = Path(task["data"]["file"]).stem
        assert lies[name] == ("rejected/review" if label == REJECT else f"images/{label}")
    assert len(lies) == PICTURES
    agree(folder)


def test_a_pull_killed_at_any_moment_is_ended_by_the_next_one(answered, live_studio, tmp_path):
    """However often byod was killed, each answer is logged exactly once and the files lie as was said."""
    folder, found = answered
    before = len(logged(folder))
    whole = copied(folder, tmp_path / "whole")
    began = time.monotonic()
    Command("pull", whole, running=live_studio).done()
    moments = Moments(2, 0.3, time.monotonic() - began)
    as_said(whole, found, before)
    for number in range(KILLS):
        one = copied(folder, tmp_path / f"killed {number}")
        command = Command("pull", one, running=live_studio)
        for _ in range(1 + number % 3):
            moments.kill(command)
        command.done()
        as_said(one, found, before)
        command.done()
        as_said(one, found, before)
        shutil.rmtree(one)
    assert moments.killed > KILLS / 2


@pytest.fixture
def own(studio_home, label_studio_program):
    """Settings of byod's own server, which runs."""
    settings = label_studio.settings(studio_home, label_studio_program)
    local_server.start(settings, silent)
    return settings


def kill_server(settings) -> None:
    os.kill(local_server.running(settings).pid, signal.SIGKILL)


def at_the_second(settings, method: str, path: str, wait: float):
    """What a proxy does so that the server dies while it works on the second such request."""
    seen = []

    def act(told_method: str, told_path: str) -> None:
        if told_method == method and path in told_path:
            seen.append(told_path)
            if len(seen) == 2:
                threading.Timer(wait, kill_server, [settings]).start()

    return act


def test_the_server_killed_during_a_push(many, own, tmp_path):
    """One clear line and exit code 1; when it runs again the same command ends well."""
    folder = copied(many, tmp_path / "set")
    running = local_server.running(own)
    with studio_proxy.proxy(running.url) as front:
        command = Command("push", folder, running=running.model_copy(update={"url": front.url}))
        front.act = at_the_second(own, "POST", "/import", wait=0.2)
        pushing = command.started()
        _, said = pushing.communicate(timeout=120)
        assert pushing.returncode == 1
        assert "Label Studio" in one_line(said)
        again = local_server.start(own, silent)
        front.upstream, front.act = again.url, studio_proxy.nothing
        assert 0 < len(tasks(folder, studio_of(again), "id")) < PICTURES
        command.done()
        asked_once(folder, studio_of(again))


def test_the_server_killed_during_a_pull(many, own, tmp_path):
    """One clear line, exit code 1 and nothing changed; when it runs again the same command ends well."""
    folder = copied(many, tmp_path / "set")
    running = local_server.running(own)
    with studio_proxy.proxy(running.url) as front:
        there = running.model_copy(update={"url": front.url})
        Command("push", folder, running=there).done()
        accept_all(studio_of(running), project_of(folder, studio_of(running)))
        before, lay = len(logged(folder)), standing(folder)
        front.act = at_the_second(own, "GET", "/api/tasks/", wait=0.1)
        pulling = Command("pull", folder, running=there).started()
        _, said = pulling.communicate(timeout=120)
        assert pulling.returncode == 1
        assert "Label Studio" in one_line(said)
        assert (len(logged(folder)), standing(folder)) == (before, lay)
        again = local_server.start(own, silent)
        front.upstream, front.act = again.url, studio_proxy.nothing
        Command("pull", folder, running=there).done()
        as_said(folder, tasks(folder, studio_of(again)), before)


def accept_all(studio: LabelStudio, project: int) -> None:
    """Accept every preselected label at one stroke, as the page's menu can."""
    everything = {
        "selectedItems": {"all": True, "excluded": []},
        "filters": {"conjunction": "and", "items": []},
        "project": project,
    }
    path = "/api/dm/actions/"
    studio.post(path, params={"id": "predictions_to_annotations", "project": project}, json=everything)


def test_answers_given_while_pulls_run(many, live_studio, tmp_path):
    """Somebody who answers and changes answers while byod pulls again and again: none is lost, none is doubled."""
    folder = copied(many, tmp_path / "set")
    Command("push", folder, "--limit", str(ASKED), running=live_studio).done()
    before = len(logged(folder))
    studio, person = studio_of(live_studio), studio_of(live_studio)
    found = tasks(folder, studio, "id", "data")
    failed = []

    def answer() -> None:
        chance, given = random.Random(3), []
        try:
            for task in found:
                said = {"result": choice(chance.choice([*CLASSES, REJECT]))}
                given.append(person.post(f"/api/tasks/{task['id']}/annotations/", json=said)["id"])
                if chance.random() < 0.3:
                    said = {"result": choice(chance.choice([*CLASSES, REJECT]))}
                    person.patch(f"/api/annotations/{chance.choice(given)}/", json=said)
        except Exception as error:
            failed.append(error)
            raise

    session = review.ReviewSession(studio=studio, server=live_studio.url, files=live_studio.files)
    answering = threading.Thread(target=answer)
    answering.start()
    pulls = 0
    while answering.is_alive():
        review.pull(folder, session, say=silent)
        pulls += 1
    answering.join()
    review.pull(folder, session, say=silent)
    assert not failed
    assert pulls > 2
    new = logged(folder)[before:]
    assert len({one[:3] for one in new}) == len(new)
    final = tasks(folder, studio)
    last = {sha256: (when, label) for sha256, _, when, label in new}
    for task in final:
        (one,) = task["annotations"]
        label = one["result"][0]["value"]["choices"][0]
        assert last[task["data"]["byod_id"]] == (one["updated_at"], None if label == REJECT else label)
        name = Path(task["data"]["file"]).stem
        assert standing(folder)[name] == ("rejected/review" if label == REJECT else f"images/{label}")
    agree(folder)
