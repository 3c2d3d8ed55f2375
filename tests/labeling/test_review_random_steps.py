"""A review at random: people on the server, hands in the folders, byod between them, kills and clocks."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import studio_proxy
from command import compiled
from server_clock import Clock

from byod.api import adding, datasets, review
from byod.api.review import ReviewSession
from byod.api.review_queue import ReviewRequest
from byod.dataset.dataset_folder import Dataset
from byod.labeling import fetch, labeling_page
from byod.labeling.client import LabelStudio
from byod.schema.errors import UsageError
from byod.schema.recipe import Recipe
from byod.schema.review_tasks import Purpose
from byod.tasks import TASKS
from byod.testing import draw_classes

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1800)]

LABELS = ("Katze", "Hund", "Maus")
STEPS = 200


def quiet(*_):
    pass


class Model:
    """What stands where, by what was said last: a log for each picture, rounds as what they changed."""

    def __init__(self, stands):
        self.stands, self.step = dict(stands), 0
        self.log = {sha: [] for sha in stands}  # (step, who, label)
        self.asked = {}  # task → step at which it was asked or brought in step
        self.fresh = {}  # picture → {task: label} said since the last pull, the last one last
        self.rounds = [{}]  # picture → (before, after): each (place, log)
        self.undone = []  # the rounds that were taken back, the last one last

    def hand(self, sha, label):
        self.stands[sha] = label
        self.log[sha] = [*self.log[sha], (self.step, "hand", label)]

    def pull(self):
        if self.fresh and any(self.rounds[-1] is one for one in self.undone):
            self.rounds[-1] = {}
        for sha, some in self.fresh.items():
            task, label = list(some.items())[-1]
            before = self.stands[sha], self.log[sha]
            last = before[1][-1] if before[1] else (0, "", None)
            moved = last[1] == "hand" and last[0] > self.asked[task] and last[2] != label
            gone = self.stands[sha] == "gone"
            self.stands[sha] = "gone" if gone else "conflict" if moved else label
            self.log[sha] = [*before[1], (self.step, "person", label)]
            first = self.rounds[-1].get(sha, (before,))[0]
            self.rounds[-1][sha] = first, (self.stands[sha], self.log[sha])
        if self.fresh:  # what was taken back is over
            self.rounds = [one for one in self.rounds if not any(one is u for u in self.undone)] or [{}]
            self.undone = []
        self.fresh = {}

    def says(self, sha, task, label):
        self.takes_back(sha, task)
        self.fresh.setdefault(sha, {})[task] = label

    def takes_back(self, sha, task):
        some = self.fresh.get(sha, {})
        some.pop(task, None)
        if not some:
            self.fresh.pop(sha, None)

    def back_and_forth(self, taken, old, new):
        for sha, states in taken.items():
            if self.log[sha] == states[old][1]:
                self.stands[sha] = "gone" if self.stands[sha] == "gone" else states[new][0]
                self.log[sha] = [*states[new][1]]


class Walk:
    """The same steps in the real thing and in the model."""

    def __init__(self, folder, session, tmp_path, seed, server_clock):
        self.folder, self.session, self.place = folder, session, tmp_path
        self.server_clock, self.seed = server_clock, seed
        self.random = random.Random(seed)
        self.model = Model(self.standing())
        self.told = []

    def standing(self):
        """The label or reason under which each picture lies, as the disk has it."""
        found = {}
        for sample in datasets.status(self.folder, say=quiet).samples:
            if sample.path:
                assert (self.folder / sample.path).is_file()
                found[sample.sha256] = sample.path.split("/")[1]
            else:
                found[sample.sha256] = "gone"
        return found

    def tasks(self):
        with Dataset(self.folder, TASKS) as dataset:
            number = dataset.catalog.reviews.project(self.session.server, Purpose.LABELS)
        return [] if number is None else self.session.studio.tasks(number)

    def live(self, task):
        return [one for one in task["annotations"] if not one["was_cancelled"]]

    def said(self, task, label):
        said = "review" if label == labeling_page.REJECT else label
        self.model.says(task["data"]["byod_id"], task["id"], said)

    def answer(self):
        label = self.random.choice([*LABELS, labeling_page.REJECT])
        some = [task for task in self.tasks() if not self.live(task)]
        if some:
            task = self.random.choice(some)
            result = [labeling_page.choice(label)]
            self.session.studio.post(f"/api/tasks/{task['id']}/annotations/", json={"result": result})
            self.said(task, label)

    def on_answered(self):
        some = [task for task in self.tasks() if self.live(task)]
        return self.random.choice(some) if some else None

    def change(self):
        if task := self.on_answered():
            label = self.random.choice([*LABELS, labeling_page.REJECT])
            path = f"/api/annotations/{self.live(task)[-1]['id']}/"
            self.session.studio.patch(path, json={"result": [labeling_page.choice(label)]})
            self.said(task, label)

    def skip(self):
        if task := self.on_answered():
            path = f"/api/annotations/{self.live(task)[-1]['id']}/"
            self.session.studio.patch(path, json={"was_cancelled": True})
            self.model.takes_back(task["data"]["byod_id"], task["id"])

    def delete_answer(self):
        if task := self.on_answered():
            self.session.studio.delete(f"/api/annotations/{self.live(task)[-1]['id']}/")
            self.model.takes_back(task["data"]["byod_id"], task["id"])

    def file(self):
        return self.random.choice(sorted((self.folder / "images").glob("*/*")))

    def sha(self, file):
        with Dataset(self.folder, TASKS) as dataset:
            found = {sample.path: sample.sha256 for sample in dataset.snapshot().samples}
        return found[file.relative_to(self.folder).as_posix()]

    def move(self):
        file = self.file()
        label = self.random.choice([one for one in LABELS if one != file.parent.name])
        sha = self.sha(file)
        shutil.move(file, self.folder / "images" / label / file.name)
        datasets.status(self.folder, say=quiet)
        self.model.hand(sha, label)

    def delete(self):
        if self.random.random() < 0.3:  # else soon none is left
            file = self.file()
            sha = self.sha(file)
            file.unlink()
            datasets.status(self.folder, say=quiet)
            self.model.hand(sha, "gone")

    def rename(self):
        file = self.file()
        file.rename(file.with_name(f"renamed-{self.model.step}{file.suffix}"))

    def push(self):
        before = {task["id"]: task["data"] for task in self.tasks()}
        request = ReviewRequest(again=self.random.random() < 0.5)
        review.push(self.folder, self.session, request, self.place / "cache", say=quiet, progress=quiet)
        self.pushed(before)

    def pushed(self, before):
        found = self.tasks()
        for task in found:
            if before.get(task["id"], {}).get("seen") != task["data"]["seen"] or task["id"] not in before:
                self.model.asked[task["id"]] = self.model.step
        asked = [t for t in found if not t["total_annotations"] + t["cancelled_annotations"]]
        pictures = [task["data"]["byod_id"] for task in asked]
        assert len(pictures) == len(set(pictures)), "nothing is asked twice"
        for task in asked:
            if not task["draft_exists"]:
                stands = self.model.stands[task["data"]["byod_id"]]
                assert task["data"]["label"] == stands or stands in ("conflict", "review") or self.left(task)
        if self.model.rounds[-1] or self.model.rounds[-1] in self.model.undone:
            self.model.rounds.append({})

    def left(self, task):
        """An answer was pulled and is gone from the server: the question waits for a pull to tell."""
        log = self.model.log[task["data"]["byod_id"]]
        return bool(log) and log[-1][1] == "person"

    def pull(self):
        review.pull(self.folder, self.session, say=quiet)
        self.model.pull()

    def undo(self):
        rounds = [one for one in self.model.rounds if one and not any(one is u for u in self.model.undone)]
        try:
            review.undo(self.folder, say=quiet)
        except UsageError:
            assert not rounds
            return
        self.model.back_and_forth(rounds[-1], 1, 0)
        self.model.undone.append(rounds[-1])

    def redo(self):
        try:
            review.redo(self.folder, say=quiet)
        except UsageError:
            assert not self.model.undone
            return
        self.model.back_and_forth(self.model.undone.pop(), 0, 1)

    def kill(self):
        """A push or a pull that is killed at any moment, and the same one again."""
        verb = self.random.choice(["push", "pull"])
        before = {task["id"]: task["data"] for task in self.tasks()}
        if verb == "pull" and not before:
            return
        where = ["--url", self.session.studio.url, "--files-root", str(self.session.files)]
        process = subprocess.Popen(
            [sys.executable, "-m", "byod", "review", verb, str(self.folder), *where],
            env={**compiled(), "BYOD_LABEL_STUDIO_TOKEN": self.session.studio.token},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(self.random.uniform(0.3, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if verb == "push":
            request = ReviewRequest()
            review.push(self.folder, self.session, request, self.place / "cache", say=quiet, progress=quiet)
            self.pushed(before)
        else:
            self.pull()

    def clock(self):
        """The server's clock goes two hours forth or back, or right again."""
        self.server_clock.set(self.random.choice([-2, 0, 2]))

    def take(self):
        often = [self.answer] * 6 + [self.pull] * 3 + [self.push] * 2 + [self.change] * 2
        rarely = [self.skip, self.delete_answer, self.move, self.delete, self.rename]
        step = self.random.choice([*often, *rarely, self.undo, self.redo, self.kill, self.clock])
        self.model.step += 1
        self.told.append(step.__name__)
        if step.__name__ in ("pull", "undo", "redo", "kill") and not self.tasks():
            return
        step()
        now = self.standing()
        wrong = {sha: (now[sha], stands) for sha, stands in self.model.stands.items() if now[sha] != stands}
        told = "\n".join(f"{sha[:8]} {places} {self.model.log[sha]}" for sha, places in wrong.items())
        assert not wrong, f"seed {self.seed}, after {' '.join(self.told[-12:])}:\n{told}"


@pytest.mark.parametrize("seed", range(2))
def test_two_hundred_random_steps_leave_the_folders_as_a_model_has_them(
    live_studio, tmp_path, monkeypatch, seed
):
    """After each step every picture lies where the model says, once; no question stands twice."""
    monkeypatch.setattr(fetch, "_FEW", 0)
    draw_classes(tmp_path / "drawn", classes=LABELS, per_class=6, seed=seed)
    folder = tmp_path / "set"
    adding.add([tmp_path / "drawn"], None, folder, Recipe(), say=quiet, watch=quiet)
    clock = Clock()
    with studio_proxy.proxy(live_studio.url) as front:
        front.alter, front.passed = clock.alter, clock.upstream
        studio = LabelStudio(front.url, live_studio.token)
        session = ReviewSession(studio=studio, server=studio.url, files=live_studio.files)
        walk = Walk(folder, session, tmp_path, seed, clock)
        assert len(walk.model.stands) == 18
        for _ in range(STEPS):
            walk.take()
    assert Path(folder / "labels.jsonl").is_file()
