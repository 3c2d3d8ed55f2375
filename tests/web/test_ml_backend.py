"""The live helper: what a model thinks, in a Label Studio that asks for it and for the tasks nobody has opened yet."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import direct_training as train
import pytest
import requests
from colour_trainer import Colour, coloured
from command import byod, compiled
from keypoint_nets import run_folder

from byod.api import adding, datasets
from byod.api import serve as serving
from byod.dataset.dataset_folder import Dataset
from byod.labeling import identity, labeling_page, predictions
from byod.labeling.client import LabelStudio
from byod.labeling.labeling_page import REJECT
from byod.schema.errors import DatasetError, ModelError, ReviewError, UsageError
from byod.schema.folder_names import safe_folder
from byod.schema.recipe import Recipe
from byod.schema.records import Split
from byod.schema.review_tasks import Purpose, ReviewQueue
from byod.tasks import TASKS
from byod.tasks.classify.predict import Predictor
from byod.web import ml_backend
from byod.web.server import listening

RED, GREEN = "rot <&\"'>", "grün 🥦"
RED_FOLDER = safe_folder(RED)
PER_CLASS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset of two classes with difficult names, and a run of the colour trainer on it."""
    folder = tmp_path_factory.mktemp("home") / "datasets" / "colours"
    coloured(folder.parent.parent / "own", per_class=PER_CLASS)
    recipe = Recipe(min_side=16).with_class(RED).with_class(GREEN)
    for label, name in (("red", RED), ("green", GREEN)):
        place = folder.parent.parent / "own" / label
        adding.add([place], name, folder, recipe, say=str, watch=lambda tallies: None)
    with Dataset(folder, TASKS) as dataset:
        datasets.assign(dataset)
        snapshot = dataset.snapshot()
        examples = dataset.examples(snapshot)
    examples = [e.model_copy(update={"split": part}) for e, part in zip(examples, _parts(), strict=False)]
    run = folder / "runs" / "20260101-000000-colour"
    train.train(examples, list(snapshot.classes), Colour(), {"epochs": "4"}, folder=run)
    return run


def _parts():
    while True:
        yield from (Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST)


@pytest.fixture
def run(made, tmp_path):
    """A copy of its own, with the run in it."""
    shutil.copytree(made.parent.parent, tmp_path / "colours")
    return tmp_path / "colours" / "runs" / made.name


def samples(run):
    """The kept pictures of a run's dataset, and what its model says of each: hash → (class folder, probability)."""
    with Dataset(run.parent.parent, TASKS, lock=False) as dataset:
        kept = dataset.snapshot().kept
        said = list(Predictor(run).predict(dataset.folder / sample.path for sample in kept))
        folder = {entry.name: name for name, entry in dataset.recipe.classes.items()}
    return {
        sample.sha256: (folder[one.label], pytest.approx(one.probability, abs=1e-5))
        for sample, one in zip(kept, said, strict=True)
    }


class Client:
    """Requests to a helper."""

    def __init__(self, url):
        self._url = url

    def get(self, path, **how):
        return requests.get(self._url + path, timeout=300, **how)

    def post(self, path, **how):
        return requests.post(self._url + path, timeout=300, **how)


@pytest.fixture
def client(run):
    """The helper of a copy that a test may change."""
    with helper_at(run) as (_, url):
        yield Client(url)


@pytest.fixture(scope="module")
def reader(made):
    """The helper of what was made, which no test changes."""
    with helper_at(made) as (_, url):
        yield Client(url)


def asked(client, ids):
    """The answer to one request for predictions, as (class folder, score); None for an empty one."""
    tasks = [
        {"id": n, "data": {"byod_id": one, "image": "/data/local-files/?d=x"}} for n, one in enumerate(ids)
    ]
    answer = client.post("/predict", json={"tasks": tasks, "project": "1.1", "label_config": "<View/>"})
    assert answer.status_code == 200
    return [
        one and (one["result"][0]["value"]["choices"][0], one["score"]) for one in answer.json()["results"]
    ]


def test_every_task_gets_what_predict_says(reader, made):
    """Order and length are kept; the label is the class folder, the score the probability, the version the run."""
    expected = samples(made)
    ids = [*expected, "f" * 64, *list(expected)[:2]]
    found = asked(reader, ids)
    assert found == [expected.get(one, []) for one in ids]
    assert {label for label, _ in expected.values()} == {RED_FOLDER, GREEN}
    (first,) = reader.post("/predict", json={"tasks": [{"data": {"byod_id": ids[0]}}]}).json()["results"]
    assert first["model_version"] == made.name


def test_the_protocol_answers_in_json(reader, made):
    """Health, set-up, versions and webhooks are answered as Label Studio wants them; the token it sends is not kept."""
    assert reader.get("/health").json() == {"status": "UP", "model_class": "byod"}
    asked_for = {"project": "1.2", "schema": "<View/>", "access_token": "s3cret", "hostname": "http://x"}
    assert reader.post("/setup", json=asked_for).json() == {"model_version": made.name}
    assert reader.get("/versions").json() == {"versions": [made.name]}
    assert reader.post("/webhook", json={"action": "ANNOTATION_CREATED"}).json() == {}
    for answer, status in (
        (reader.get("/nothing"), 404),
        (reader.get("/predict"), 405),
        (reader.post("/predict", data=b"{"), 400),
        (reader.post("/predict", data=b"[" * 100_000), 400),
        (reader.post("/predict", json=[]), 400),
        (reader.post("/predict", json={"tasks": {}}), 400),
    ):
        assert answer.status_code == status
        assert answer.json()["error"]


@pytest.mark.parametrize(
    "task", [None, 3, {}, {"data": None}, {"data": {"byod_id": 7}}, {"data": {"byod_id": "../../etc/passwd"}}]
)
def test_a_task_that_is_none_of_byods_gets_nothing(reader, made, task):
    """What names no picture of the dataset gets an empty answer, and its neighbours theirs."""
    known = next(iter(samples(made)))
    answer = reader.post("/predict", json={"tasks": [task, {"data": {"byod_id": known}}]}).json()["results"]
    assert answer[0] == []
    assert answer[1]["result"]


def test_only_loopback_is_answered(reader):
    """A request for another host's name is refused: a page that rebinds its name gets nothing."""
    for host in ("evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:80"):
        answer = reader.get("/health", headers={"host": host})
        assert answer.status_code == 421
        assert answer.json()["error"]
    for host in ("localhost:9090", "127.0.0.1", "[::1]:9090"):
        assert reader.get("/health", headers={"host": host}).status_code == 200


def test_a_request_that_is_too_large_is_refused(reader, monkeypatch):
    """The body is bounded, whatever its header claims."""
    monkeypatch.setattr(ml_backend, "MAX_BYTES", 1000)
    answer = reader.post("/predict", data=iter([b" " * 600, b" " * 600]))
    assert answer.status_code == 413
    assert "fewer tasks" in answer.json()["error"]


def test_a_picture_moved_renamed_or_rejected_by_hand_is_still_known(client, run):
    """Before byod has noticed what people did to the folders, a picture is found by its bytes."""
    expected = samples(run)
    images = run.parent.parent / "images"
    first, second, third, gone = (images / path for path in _paths(run)[:4])
    first.rename(images / GREEN / "quite another name.jpg")
    second.rename(images / GREEN / second.name) if second.parent.name != GREEN else None
    (images.parent / "rejected" / "review").mkdir(parents=True)
    third.rename(images.parent / "rejected" / "review" / third.name)
    gone.write_bytes(gone.read_bytes()[:-1] + b"x")
    ids = list(expected)
    assert asked(client, ids) == [
        *(expected[one] for one in ids[:3]),
        [],
        *(expected[one] for one in ids[4:]),
    ]


def _paths(run):
    with Dataset(run.parent.parent, TASKS, lock=False) as dataset:
        return [sample.path.removeprefix("images/") for sample in dataset.snapshot().kept]


def test_a_relabelled_picture_is_found_where_it_is_now(client, run):
    """byod moves a picture and the recipe renames a class while the helper runs: both are taken up."""
    expected = samples(run)
    path = next(path for path in _paths(run) if path.startswith(RED_FOLDER))
    images = run.parent.parent / "images"
    (images / path).rename(images / GREEN / Path(path).name)
    with datasets.opened(run.parent.parent, str) as dataset:
        assert dataset.catalog.samples.get(hash_of(images / GREEN / Path(path).name)).label == GREEN
    assert asked(client, list(expected)) == list(expected.values())


def test_a_class_that_the_recipe_lost_is_no_answer(client, run):
    """Where the model says a class that byod.toml no longer has, the task gets nothing, and the others theirs."""
    expected = samples(run)
    file = run.parent.parent / "byod.toml"
    text = file.read_text(encoding="utf-8")
    at = text.index('[classes."rot') if '[classes."rot' in text else text.index("[classes.")
    end = text.index("[classes", at + 1) if "[classes" in text[at + 1 :] else len(text)
    lost = RED_FOLDER if "rot" in text[at:end] else GREEN
    file.write_text(text[:at] + text[end:], encoding="utf-8")
    assert asked(client, list(expected)) == [[] if said[0] == lost else said for said in expected.values()]
    with contextlib.closing(ml_backend.MLBackend(run, run.parent.parent)) as labeller:
        assert labeller.unknown_classes() == [RED if lost == RED_FOLDER else GREEN]


def hash_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_what_is_not_done_in_time_is_left_for_the_next_request(client, run, monkeypatch):
    """Label Studio gives up after 100 s: it gets what there is by then, and the rest when it asks again."""
    monkeypatch.setattr(ml_backend, "SECONDS", 0.0)
    ids = list(samples(run))
    assert asked(client, ids) == [[]] * len(ids)
    monkeypatch.undo()
    assert all(asked(client, ids))


@pytest.mark.slow
def test_what_cannot_help_is_refused_in_one_line(run, tmp_path):
    """A run for points, a folder without a catalog, a port that is taken."""
    cats = tmp_path / "cats"
    cats.mkdir()
    with pytest.raises(ModelError, match="not for classes"):
        ml_backend.MLBackend(run_folder(cats), run.parent.parent)
    with pytest.raises(DatasetError, match="no catalog"):
        ml_backend.MLBackend(run, tmp_path)
    with (
        labelling_at(run) as url,
        pytest.raises(UsageError, match="is taken"),
        labelling_at(run, port=int(url.rsplit(":", 1)[1])),
    ):
        pass
    done = byod("serve", str(run), "--url", "http://127.0.0.1:1", folder=tmp_path, check=2)
    assert "--label-studio" in done.stderr
    assert done.stderr.count("\n") == 1


@contextlib.contextmanager
def labelling_at(run, port=None):
    """A helper in this process, at an address."""
    with helper_at(run, port) as (_, url):
        yield url


@contextlib.contextmanager
def helper_at(run, port=None):
    """A helper in this process, and its address."""
    with (
        contextlib.closing(ml_backend.MLBackend(run, run.parent.parent)) as labeller,
        listening(ml_backend.app(labeller), port=port, usual=0) as url,
    ):
        yield labeller, url


# ---- with a real Label Studio


@pytest.fixture
def studio(live_studio):
    return LabelStudio(live_studio.url, live_studio.token)


@pytest.fixture
def project(studio, run):
    """A project as a push makes it: a task for each picture with the folder's opinion, and one task without any."""
    folder = run.parent.parent
    with Dataset(folder, TASKS) as dataset:
        config = labeling_page.config(dataset, Purpose.LABELS)
        kept = dataset.snapshot().kept
    marked = identity.marker(identity.key(folder), ReviewQueue(purpose=Purpose.LABELS))
    made = studio.post(
        "/api/projects/",
        json={
            "title": "colours",
            "description": f"Made by byod. {marked}",
            "label_config": config,
            "show_collab_predictions": True,
        },
    )
    tasks = [
        {
            "data": {
                "image": "/data/local-files/?d=none.jpg",
                "byod_id": sample.sha256,
                "label": sample.path.split("/")[1],
                "question": "Stands somewhere",
                "seen": 0,
            },
            "predictions": [opinion(sample.path.split("/")[1])] if number else [],
        }
        for number, sample in enumerate(kept)
    ]
    studio.post(f"/api/projects/{made['id']}/import", json=tasks)
    yield int(made["id"])
    studio.delete(f"/api/projects/{made['id']}/")


def opinion(label):
    return {
        "model_version": "folder",
        "result": predictions.prediction(predictions.PredictedLabel(label=label, score=1), "")["result"],
    }


def tasks_of(studio, project):
    """Task numbers by picture."""
    return {t["data"]["byod_id"]: t["id"] for t in studio.tasks(project, include=("id", "data"))}


def opinions_in(studio, project):
    """All predictions of a project: picture → [(model, class folder, score)]."""
    pictures = {t["id"]: t["data"]["byod_id"] for t in studio.tasks(project, include=("id", "data"))}
    found = {}
    for one in studio.get("/api/predictions/", params={"project": project}):
        said = (one["model_version"], one["result"][0]["value"]["choices"][0], one["score"])
        found.setdefault(pictures[one["task"]], []).append(said)
    return found


def connections(studio, project):
    return studio.get("/api/ml/", params={"project": project})


def hooks(studio, project):
    return [
        hook
        for hook in studio.get("/api/webhooks/", params={"project": project})
        if hook["project"] == project
    ]


@pytest.mark.slow
def test_opening_a_task_shows_the_models_opinion(studio, project, run):
    """A task without any prediction is asked about as it is opened: the page gets what `byod predict` says."""
    expected = samples(run)
    with helper_at(run) as (labeller, url):
        visit = serving.Visit(studio, run.parent.parent, labeller, url, str)
        visit.look()
        sha256 = next(iter(expected))
        new = studio.post(
            f"/api/projects/{project}/import",
            params={"return_task_ids": "true"},
            json=[{"data": {"image": "/data/local-files/?d=new.jpg", "byod_id": sha256}}],
        )
        opened = studio.get(f"/api/tasks/{new['task_ids'][0]}/", params={"project": project})
    (shown,) = opened["predictions"]
    assert shown["model_version"] == run.name
    assert (shown["result"][0]["value"]["choices"][0], shown["score"]) == expected[sha256]


@pytest.mark.slow
def test_retrieving_predictions_asks_for_all_chosen_tasks(studio, project, run):
    """The data manager's action stores an opinion for each task whose picture is known, and nothing for the other."""
    stranger = {"data": {"image": "/data/local-files/?d=none.jpg", "byod_id": "f" * 64}}
    studio.post(f"/api/projects/{project}/import", json=[stranger])
    chosen = {"all": True, "excluded": []}
    body = {"selectedItems": chosen, "filters": {"conjunction": "and", "items": []}, "project": project}
    with labelling_at(run) as url:
        predictions.attach(studio, project, url, str)
        studio.post(
            "/api/dm/actions/", params={"id": "retrieve_tasks_predictions", "project": project}, json=body
        )
    found = opinions_in(studio, project)
    mine = {
        sha256: [(label, score) for model, label, score in said if model == run.name]
        for sha256, said in found.items()
    }
    assert mine == {sha256: [said] for sha256, said in samples(run).items()}


@pytest.mark.slow
def test_a_helper_is_connected_once_and_replaced_by_the_next(studio, project, run):
    """Attaching twice changes nothing, another address takes the first one's place, and no webhook stays."""
    with labelling_at(run) as first:
        one = predictions.attach(studio, project, first, str)
        assert predictions.attach(studio, project, first + "/", str) == one
        with labelling_at(run) as second:
            other = predictions.attach(studio, project, second, str)
            assert [(c["id"], c["url"], c["readable_state"]) for c in connections(studio, project)] == [
                (other, second, "Connected")
            ]
            predictions.detach(studio, project, other, second)
    assert connections(studio, project) == []
    assert hooks(studio, project) == []


@pytest.mark.slow
def test_a_look_writes_what_is_lacking_and_nothing_twice(studio, project, run):
    """Open tasks get the run's opinion once, beside the folder's, which stays chosen; answered ones get none."""
    expected = samples(run)
    numbers = tasks_of(studio, project)
    answered = list(numbers)[2]
    studio.post(
        f"/api/tasks/{numbers[answered]}/annotations/", json={"result": opinion(RED_FOLDER)["result"]}
    )
    said = []
    with helper_at(run) as (labeller, url):
        visit = serving.Visit(studio, run.parent.parent, labeller, url, said.append)
        assert visit.look() == len(expected) - 1
        assert visit.look() == 0
        late = {"data": {"image": "/data/local-files/?d=n.jpg", "byod_id": answered}, "predictions": []}
        studio.post(f"/api/projects/{project}/import", json=[late])
        assert visit.look() == 1
        assert list(visit.connected) == [project]
        visit.leave()
    found = opinions_in(studio, project)
    mine = {
        sha: [(label, score) for model, label, score in each if model == run.name]
        for sha, each in found.items()
    }
    assert mine == {sha256: [one] for sha256, one in expected.items()}
    assert studio.get(f"/api/projects/{project}/")["model_version"] == "folder"
    for task in studio.tasks(project, include=("id", "data")):
        told = task["data"]["question"].count(f"▸ {run.name}: ")
        assert told == (task["id"] != numbers[answered])
    assert connections(studio, project) == []
    assert len(said) == 2


def test_a_server_that_is_away_is_said_once(run):
    """While the server does not answer, the helper waits and repeats nothing; leaving says that it stays connected."""

    class Away:
        url = "http://127.0.0.1:1"

        def projects(self):
            raise ReviewError("no Label Studio answers at http://127.0.0.1:1")

        def delete(self, path, **how):
            raise ReviewError("no Label Studio answers at http://127.0.0.1:1")

    said = []
    visit = serving.Visit(Away(), run.parent.parent, None, "http://127.0.0.1:2", said.append)
    visit.connected[1] = 1
    with contextlib.closing(ml_backend.MLBackend(run, run.parent.parent)) as labeller:
        visit._labeller = labeller
        visit.look_again()
        visit.look_again()
    visit.leave()
    assert len(said) == 2
    assert "trying again" in said[0]
    assert "stays connected" in said[1]


def serve(run, live_studio, *more):
    """`byod serve` as a process of its own; what it prints when it is ready."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "byod",
            "serve",
            str(run),
            "--label-studio",
            "--url",
            live_studio.url,
            "--json",
            *more,
        ],
        env={**compiled(), "BYOD_LABEL_STUDIO_TOKEN": live_studio.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("}"):
            return process, json.loads("".join(lines))
    raise AssertionError(process.communicate()[1])


@pytest.mark.slow
def test_byod_serve_lasts_until_ctrl_c(studio, live_studio, project, run):
    """The command connects, writes, answers, and leaves nothing behind but its opinions when it is interrupted."""
    process, place = serve(run, live_studio)
    try:
        assert place["projects"] == [project]
        assert requests.get(f"{place['url']}/health", timeout=60).json()["status"] == "UP"
        assert [c["url"] for c in connections(studio, project)] == [place["url"]]
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert connections(studio, project) == []
    assert studio.get(f"/api/projects/{project}/")["model_version"] == "folder"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_label_studio_goes_on_when_the_helper_is_killed(studio, live_studio, project, run):
    """After kill -9 tasks open with the folder's label chosen, answers are taken, and the next helper takes over."""
    process, place = serve(run, live_studio)
    process.kill()
    process.communicate()
    sha256, number = next(iter(tasks_of(studio, project).items()))
    opened = studio.get(f"/api/tasks/{number}/", params={"project": project})
    assert f"▸ {run.name}: " in opened["data"]["question"]
    following = studio.get(f"/api/projects/{project}/next")
    assert {one["model_version"] for one in following["predictions"]} <= {"folder"}
    studio.post(f"/api/tasks/{number}/annotations/", json={"result": opinion(GREEN)["result"]})
    assert len(connections(studio, project)) == 1
    port = int(place["url"].rsplit(":", 1)[1])
    process, again = serve(run, live_studio, "--port", str(port + 1 if port < 65535 else port - 1))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert again["url"] != place["url"]
    assert connections(studio, project) == []
    assert opinions_in(studio, project)[sha256][0][0] == run.name


@pytest.mark.slow
def test_a_server_that_bans_loopback_is_told_what_to_set(
    studio_template, label_studio_program, tmp_path, run
):
    """A Label Studio as it comes refuses a model on its own machine; the line names two variables."""
    import label_studio

    from byod.labeling import local_server

    home = label_studio.copied(studio_template, tmp_path / "banned")
    settings = label_studio.settings(home, label_studio_program)
    banned = {"LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "true"}
    try:
        running = local_server.start(settings, str, extra=banned)
        there = LabelStudio(running.url, running.token)
        number = there.post("/api/projects/", json={"title": "banned", "label_config": "<View/>"})["id"]
        with labelling_at(run) as url, pytest.raises(ReviewError) as caught:
            predictions.attach(there, number, url, str)
    finally:
        local_server.stop(settings, str)
    assert "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS=false" in str(caught.value)
    assert "LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS=10.0.0.0/8" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert REJECT not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_cannot_reach_the_helper_says_so(studio, project):
    """An address at which nobody answers is one line, and nothing is connected."""
    with pytest.raises(ReviewError, match=r"cannot reach http://127\.0\.0\.1:9;"):
        predictions.attach(studio, project, "http://127.0.0.1:9", str)
    assert connections(studio, project) == []
