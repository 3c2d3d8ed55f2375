"""The page of a run and its API: what is answered, what is kept, how it begins and ends."""

import base64
import csv
import importlib.util
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import page_server
import pytest
from command import byod, compiled
from keypoint_nets import POINTS, jpeg, run_folder, scene
from page_server import GREEN, RED, form, get, picture, post, request, served, wire
from PIL import Image

from byod.api import feedback, serve
from byod.dataset import feedback_inbox
from byod.dataset.dataset_folder import Dataset
from byod.images.resize import resized
from byod.schema.errors import DatasetError, ModelError, PictureError, UsageError
from byod.schema.keypoints import Keypoints, KeypointSet, keypoints_file, read_keypoints
from byod.schema.model_card import InputRule
from byod.schema.recipe import Recipe
from byod.schema.records import Task
from byod.tasks import TASKS
from byod.tasks.classify.predict import Predictor
from byod.tasks.classify.served_model import area_of
from byod.tasks.keypoints.served_model import ServedKeypoints
from byod.web import ground_truth, inference


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset of two classes with difficult names, and a run of the colour trainer on it."""
    return page_server.trained(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def place(made):
    """A server of the page, as it is without options: it keeps nothing, so tests share it."""
    with served(made) as at:
        yield at


def knowing(points):
    """A served model that knows these points, and no more than takes to read what people say."""
    model = ServedKeypoints.__new__(ServedKeypoints)
    model.card = SimpleNamespace(points=points)
    return model


def test_a_picture_gets_what_predict_says(place, made):
    """Raw or in a form, the answer is that of `byod predict`, with the upright size and a word on being sure."""
    content = picture()
    (expected,) = Predictor(made).predict([("-", content)])
    body, kind = form(image=("C:\\cat.jpg", "image/jpeg", content))
    for answer in (post(place, content=content), post(place, content=body, kind=kind)):
        assert answer.status == 200
        said = answer.json
        assert said["label"] == expected.label == RED
        assert said["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
        assert said["probability"] == max(said["probabilities"].values())
        assert (said["path"], said["width"], said["height"], said["look"]) == ("-", 64, 48, None)
        assert said["unsure"] is False
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_all_picture_types_are_taken(place, kind):
    """Every type byod opens is answered, whatever the request calls it."""
    assert (
        post(place, content=picture((70, 160, 70), kind=kind), kind="application/octet-stream").json["label"]
        == GREEN
    )


@pytest.mark.slow
def test_it_says_when_it_is_unsure(made):
    """An answer below the threshold is marked, one above is not; the threshold stands in what the page is told."""
    between = np.linspace((170, 70, 60), (70, 160, 70), 12).astype(int)
    for below in (0.0, 0.7, 0.95):
        with served(made, model=inference.open_model(made, unsure_below=below)) as at:
            assert get(at, "/api/model").json["unsure_below"] == below
            said = [post(at, content=picture(tuple(colour))).json for colour in between]
            assert [one["unsure"] for one in said] == [one["probability"] < below for one in said]
    assert any(one["unsure"] for one in said)
    assert not all(one["unsure"] for one in said)


def test_what_the_model_looked_at(place):
    """Covering the red half takes the certainty away that it is red: the veil is warm there, over the whole picture."""
    image = Image.new("RGB", (300, 100), (70, 160, 70))
    image.paste((255, 0, 0), (0, 0, 150, 100))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    look = post(place, "/api/predict?look=1", stream.getvalue()).json["look"]
    assert look["label"] == RED
    assert look["area"] == [0, 0, 300, 100]
    assert look["clear"] is True
    assert look["veil"].startswith("data:image/png;base64,")
    veil = look["veil"].partition(",")[2]
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(veil))).convert("RGBA")).astype(int)
    warmth = (drawn[..., 0] - drawn[..., 2]) * drawn[..., 3]
    assert warmth[:, :28].sum() > 0 > warmth[:, 28:].sum()


@pytest.mark.parametrize("resize", ["squish", "crop", "pad"])
@pytest.mark.parametrize("size", [(300, 100), (80, 240)])
def test_the_box_looked_at_is_what_the_net_saw(resize, size):
    """What the net's input shows of a picture lies where `area` says, for every way of resizing."""
    rule = InputRule(width=64, height=48, resize=resize)
    x0, y0, x1, y1 = area_of(rule, *size)
    down, across = np.mgrid[0 : size[1], 0 : size[0]]
    ramp = np.stack([across * 255 / size[0], down * 255 / size[1], np.full(across.shape, 127)], axis=-1)
    net = np.asarray(resized(Image.fromarray(ramp.astype(np.uint8)), rule)).astype(float)
    row, column = 24, 32
    x, y = x0 + (column + 0.5) / 64 * (x1 - x0), y0 + (row + 0.5) / 48 * (y1 - y0)
    assert net[row, column, 0] * size[0] / 255 == pytest.approx(x, abs=size[0] / 20)
    assert net[row, column, 1] * size[1] / 255 == pytest.approx(y, abs=size[1] / 20)


def turned():
    """A picture that stands on its side, with an EXIF orientation, a place on earth and a comment."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    exif[0x010E] = "SECRET PLACE"
    image = Image.new("RGB", (80, 40), (170, 70, 60))
    image.paste((70, 160, 70), (0, 0, 40, 40))
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif, comment=b"SECRET COMMENT", quality=95)
    return stream.getvalue()


def test_pictures_come_back_upright_and_bare(place):
    """A picture that is given back stands upright and holds no EXIF, no place, no comment, no profile."""
    answer = post(place, "/api/picture", turned())
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    image = Image.open(io.BytesIO(answer.body))
    assert image.size == (40, 80)
    assert image.getpixel((20, 10))[1] > 120 > image.getpixel((20, 70))[1]
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"SECRET" not in answer.body
    assert b"Exif" not in answer.body
    assert (lambda said: (said["width"], said["height"]))(post(place, content=turned()).json) == (40, 80)


def test_the_page_and_its_files(place):
    """The page, its files and the API's page come with their types and a strict policy, and name no other site."""
    page = get(place, "/")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    for path in ("/", "/index.html", "/docs", "/docs.css", "/openapi.json", "/api/model", "/nothing"):
        answer = get(place, path)
        assert answer.status == (404 if path == "/nothing" else 200)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
    tag = page.headers["etag"]
    assert wire(place, request(place, If_None_Match=tag, Connection="close")).status == 304
    docs = get(place, "/docs").body.decode()
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", docs)
    assert "/api/predict" in docs


def test_the_api_describes_itself(made, tmp_path):
    """The OpenAPI document names every path that is served, and its schemas fit the answers given."""
    with served(made, dataset=made.parent.parent) as at:
        document = get(at, "/openapi.json").json
        assert document["openapi"].startswith("3.1")
        assert set(document["paths"]) == {"/api/predict", "/api/picture", "/api/model", "/api/report"}
        said = {
            "ClassesSaid": post(at, "/api/predict?look=1", picture()).json,
            "About": get(at, "/api/model").json,
            "Fault": post(at, content=b"no").json,
        }
    for name, answer in said.items():
        schema = {**document["components"]["schemas"][name], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)
        assert set(answer) == set(schema["properties"])
    assert said["About"]["classes"] == [RED, GREEN]
    assert said["About"]["reports"] is True
    with served(made) as at:
        assert "/api/report" not in get(at, "/openapi.json").json["paths"]


def test_nothing_is_kept_unless_it_is_allowed(made, place, tmp_path):
    """Without leave a report is refused, and predicting writes nothing into the dataset."""
    before = sorted(made.parent.parent.rglob("*"))
    body, kind = form(image=picture(), truth=b'{"label": null}')
    refused = post(place, "/api/report", body, kind)
    assert refused.status == 403
    assert "--allow-reports" in refused.json["error"]
    assert post(place, content=picture()).status == 200
    assert sorted(made.parent.parent.rglob("*")) == before


@pytest.fixture
def copied(made, tmp_path):
    """A copy of the dataset with the run in it."""
    shutil.copytree(made.parent.parent, tmp_path / "colours")
    return tmp_path / "colours"


@pytest.mark.slow
def test_a_report_is_kept_and_taken_up(made, copied, tmp_path):
    """A reported picture waits upright and bare beside its label; `byod add --reports` brings it in, unreviewed."""
    body, kind = form(
        image=("../../../etc/passwd", "image/jpeg", turned()), truth=json.dumps({"label": GREEN}).encode()
    )
    with served(copied / "runs" / made.name, dataset=copied) as at:
        kept = post(at, "/api/report", body, kind)
        assert kept.status == 201
        assert post(at, "/api/report", body, kind).json == kept.json
        odd, kind = form(image=picture((0, 0, 250), (300, 300)), truth=b'{"label": null}')
        assert post(at, "/api/report", odd, kind).status == 201
    room = copied / feedback_inbox.ROOM
    sha256 = kept.json["kept"]
    assert {file.suffix for file in room.iterdir()} == {".jpg", ".json"}
    assert len(list(room.iterdir())) == 4
    content = (room / f"{sha256[:20]}.jpg").read_bytes()
    assert b"SECRET" not in content
    assert Image.open(io.BytesIO(content)).size == (40, 80)
    told = byod("status", str(copied), folder=tmp_path)
    assert f"2 reports wait; take them up: byod add --reports --into {copied}" in " ".join(
        (told.stdout + told.stderr).split("\n")
    )
    assert json.loads(byod("status", str(copied), "--json", folder=tmp_path).stdout)["reports"] == 2
    done = json.loads(byod("add", "--reports", "--into", str(copied), "--json", folder=tmp_path).stdout)
    assert (done["taken"], done["left"]) == (1, 1)
    with Dataset(copied, TASKS, lock=False) as dataset:
        sample = dataset.catalog.samples.get(sha256)
        assert dataset.shown(sample.label) == GREEN
        assert (copied / sample.path).read_bytes() == content
        assert sha256 not in reviewed_in(dataset)
    assert len(list(room.iterdir())) == 2  # "none of the classes" has no class to go to
    with (copied / "CREDITS.csv").open(encoding="utf-8", newline="") as file:
        assert "reports" in {row["source"] for row in csv.DictReader(file)}
    again = json.loads(byod("add", "--reports", "--into", str(copied), "--json", folder=tmp_path).stdout)
    assert (again["taken"], again["left"]) == (0, 1)


def reviewed_in(dataset):
    from byod.api.review_queue import reviewed

    return reviewed(dataset)


def test_reports_of_points_come_in_with_their_marks(tmp_path):
    """A large picture is kept smaller and its points with it; taken up, the points lie beside the picture."""
    names = KeypointSet(
        names=("eye_image_left", "eye_image_right"), flips=(("eye_image_left", "eye_image_right"),)
    )
    recipe = Recipe(task=Task.KEYPOINTS, points=names, min_side=16, sources=(), max_side=512).with_class(
        "cat"
    )
    with Dataset.create(tmp_path / "cats", recipe, TASKS):
        pass
    noise = np.random.default_rng(3).integers(0, 255, (30, 40, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).resize((4000, 3000)).save(stream, "JPEG")
    model = knowing(names)
    said = {
        "width": 4000,
        "height": 3000,
        "heads": [{"points": {"eye_image_left": [1000, 1500], "eye_image_right": [4100, 1600]}}],
    }
    label, marks = ground_truth.read(json.dumps(said).encode(), model)
    assert label is None
    kept = feedback_inbox.keep(tmp_path / "cats", stream.getvalue(), run="r", label=None, marks=marks)
    assert (kept.width, kept.height) == (2048, 1536)
    assert kept.marks.heads[0].points["eye_image_left"].x == pytest.approx(512)
    done = feedback.import_feedback(tmp_path / "cats", say=str, watch=lambda tallies: None)
    assert (done.taken, done.left) == (1, 0)
    (sample,) = done.snapshot.kept
    there = read_keypoints(tmp_path / "cats" / keypoints_file(sample.path))
    assert (there.sha256, there.width, there.height) == (sample.sha256, 512, 384)
    left, right = (there.heads[0].points[name] for name in names.names)
    assert (left.x, left.y, left.inside) == (pytest.approx(128), pytest.approx(192), True)
    assert right.inside is False
    assert not list((tmp_path / "cats" / feedback_inbox.ROOM).iterdir())


@pytest.fixture
def cats(tmp_path):
    """A run with two nets made by hand, in a dataset of points."""
    recipe = Recipe(task=Task.KEYPOINTS, points=POINTS, min_side=16, sources=()).with_class("cat")
    with Dataset.create(tmp_path / "cats", recipe, TASKS) as dataset:
        run = dataset.folder / "runs" / "r"
    run.mkdir(parents=True)
    return run_folder(run)


def test_every_head_of_a_picture_is_answered(cats):
    """Two heads give two, none gives none, and a file stored turned gives points of the upright picture."""
    image, truth = scene([(100, 110, 40, 0.0), (290, 180, 48, 0.35)])
    with served(cats) as at:
        about = get(at, "/api/model").json
        assert (about["task"], about["look"], about["points"]["names"]) == (
            "keypoints",
            False,
            list(POINTS.names),
        )
        schemas = get(at, "/openapi.json").json["components"]["schemas"]
        stored = np.ascontiguousarray(np.rot90(image))
        for content in (jpeg(image), jpeg(stored, 6)):
            said = post(at, "/api/predict?look=1", content).json
            assert (said["width"], said["height"], len(said["heads"])) == (400, 300, 2)
            assert set(said) == set(schemas["KeypointsPrediction"]["properties"])
            for points_of_one in truth:
                errors = [
                    np.abs(np.array([head["points"][n] for n in POINTS.names]) - points_of_one).max()
                    for head in said["heads"]
                ]
                assert min(errors) < 2
        assert post(at, content=jpeg(np.full((200, 100, 3), 80, np.uint8))).json["heads"] == []


@pytest.mark.slow
def test_corrected_points_come_in_for_the_next_round(cats):
    """What the page sends back about a cat, its points moved, is in the dataset after `byod add --reports`."""
    image, (marked,) = scene([(150, 140, 50, 0.1)])
    with served(cats, dataset=cats.parent.parent) as at:
        said = post(at, content=jpeg(image)).json
        head = {"points": dict(said["heads"][0]["points"]), "box": said["heads"][0]["box"]}
        head["points"]["mouth"] = None
        head["points"]["eye_image_left"] = [marked[0, 0] + 1, marked[0, 1]]
        told = {"width": said["width"], "height": said["height"], "heads": [head]}
        body, kind = form(image=jpeg(image), truth=json.dumps(told).encode())
        assert post(at, "/api/report", body, kind).status == 201
        wrong, kind = form(image=jpeg(image), truth=json.dumps({**told, "width": 399}).encode())
        assert "399 x 300" in post(at, "/api/report", wrong, kind).json["error"]
        none, kind = form(image=jpeg(image[:, ::-1]), truth=json.dumps({**told, "heads": []}).encode())
        assert post(at, "/api/report", none, kind).status == 201
    done = feedback.import_feedback(cats.parent.parent, say=str, watch=lambda tallies: None)
    assert (done.taken, done.left) == (2, 0)
    marks = [read_keypoints(done.snapshot.folder / keypoints_file(one.path)) for one in done.snapshot.samples]
    assert sorted(len(each.heads) for each in marks) == [0, 1]
    (there,) = next(each.heads for each in marks if each.heads)
    assert there.points["mouth"] is None
    assert there.points["eye_image_left"].x == pytest.approx(marked[0, 0] + 1)


@pytest.mark.long
def test_a_crowd_is_answered(made, tmp_path):
    """Sixteen clients for eight seconds get answers or 503, nothing else."""
    source = Path(__file__).parents[2] / "benchmarks" / "serve.py"
    spec = importlib.util.spec_from_file_location("serve_benchmark", source)
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark  # its dataclasses look themselves up there
    spec.loader.exec_module(benchmark)
    process, port = benchmark.started(made, tmp_path)
    try:
        load = benchmark.hammer(port, process.pid, 16, 8)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(300)
        process.stdout.close()
        del sys.modules[spec.name]
    assert set(load.statuses) <= {200, 503}
    assert load.statuses[200] > 16


@pytest.fixture(scope="module")
def keeping(made, tmp_path_factory):
    """A server that keeps reports, and the dataset it keeps them in."""
    dataset = tmp_path_factory.mktemp("keeping") / "colours"
    shutil.copytree(made.parent.parent, dataset)
    with served(made, dataset=dataset) as at:
        yield at, dataset


@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b"{}", b"{", b'{"label": "cat"}', b'{"label": 1}', b'{"label": null, "more": 1}',
        b'{"heads": []}', b'{"label": null, "heads": []}', b'{"label": "' + b"x" * 300_000 + b'"}', b"\xff\xfe",
        b'{"label": {"a": 1}}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_report_says_what_the_model_knows(keeping, said):
    """A truth that is none, or about something else, is refused in one line, and nothing is kept."""
    at, dataset = keeping
    body, kind = form(image=picture(), truth=said)
    answer = post(at, "/api/report", body, kind)
    assert answer.status == 400
    assert len(answer.json["error"].splitlines()) == 1
    assert not (dataset / feedback_inbox.ROOM).exists()


@pytest.mark.parametrize(
    "heads",
    [
        [{"points": {"nose": [1, 2]}}], [{"points": {}}], [{"points": {"eye": [1]}}], [{"points": {"eye": [1e9, 1]}}],
        [{"points": {"eye": ["a", 1]}}], [{"points": {"eye": None}}], [{"points": {"eye": [1, 2]}}] * 51,
        [{"points": {"eye": [1, 2]}, "box": [1, 2]}], [{"points": {"eye": [1, 2]}, "file": "../x"}],
    ],
)  # fmt: skip
def test_marks_are_those_of_the_model(heads):
    """Points that the model does not know, numbers that are none, and heads without end are refused."""
    from starlette.exceptions import HTTPException

    model = knowing(KeypointSet(names=("eye",)))
    said = {"width": 10, "height": 10, "heads": heads}
    with pytest.raises(HTTPException) as refused:
        ground_truth.read(json.dumps(said).encode(), model)
    assert refused.value.status_code == 400
    assert "\n" not in refused.value.detail


def test_reports_do_not_fill_the_disk(copied, monkeypatch):
    """When many wait, the next is refused with what to do; one that waits already may be said anew."""
    monkeypatch.setattr(feedback_inbox, "MOST", 2)
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    for colour in colours[:2]:
        feedback_inbox.keep(copied, picture(colour), run="r", label=RED, marks=None)
    with pytest.raises(DatasetError, match="byod add --reports"):
        feedback_inbox.keep(copied, picture(colours[2]), run="r", label=RED, marks=None)
    feedback_inbox.keep(copied, picture(colours[0]), run="r", label=GREEN, marks=None)
    assert [one.label for one in feedback_inbox.waiting(copied)].count(GREEN) == 1
    with pytest.raises(DatasetError, match="64 x 48"):
        feedback_inbox.keep(copied, picture(), run="r", label=None, marks=Keypoints(width=9, height=9))
    with pytest.raises(PictureError):
        feedback_inbox.keep(copied, b"<svg>", run="r", label=RED, marks=None)


@pytest.mark.slow
def test_what_cannot_be_served_is_said_in_one_line(made, copied, tmp_path):
    """No run, a damaged one, a port in use, an address that is none, reports without a dataset: one line each."""
    with pytest.raises(ModelError):
        serve.page(tmp_path, say=str, ready=str)
    with served(made) as (_, port), pytest.raises(UsageError, match=f"port {port} is taken"):
        serve.page(made, port=port, say=str, ready=str)
    with pytest.raises(UsageError, match="no such address"):
        serve.page(made, host="no.such.host.invalid", say=str, ready=str)
    alone = tmp_path / "a" / "runs" / "r"
    alone.parent.mkdir(parents=True)
    shutil.copytree(made, alone)
    with pytest.raises(UsageError, match="no dataset"):
        serve.page(alone, allow_reports=True, say=str, ready=str)
    for wrong in (("--url", "http://127.0.0.1:1"), ("--label-studio", "--allow-reports"), ("--port", "0")):
        done = byod("serve", str(made), *wrong, folder=tmp_path, check=2)
        assert "Traceback" not in done.stderr


def started(run, *more, folder):
    """`byod serve` as a process of its own, and what it printed when it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "byod", "serve", str(run), "--json", *more],
        cwd=folder,
        env=compiled(),
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
def test_byod_serve_lasts_until_ctrl_c(copied, tmp_path):
    """The command says where its page is, answers there, and ends at once and cleanly while pictures are sent."""
    process, said = started(copied / "runs" / "20260101-000000-colour", "--allow-reports", folder=tmp_path)
    stop = threading.Event()
    try:
        at = "127.0.0.1", int(said["url"].rsplit(":", 1)[1])
        assert Path(said["reports"]) == copied / feedback_inbox.ROOM
        assert post(at, content=picture()).json["label"] == RED
        busy = [threading.Thread(target=_sending, args=(at, stop), daemon=True) for _ in range(4)]
        for thread in busy:
            thread.start()
    finally:
        told = interrupted(process)
        stop.set()
    assert process.returncode == 130
    assert "Traceback" not in told
    assert f"answers at {said['url']}" in told
    assert "password" not in told


def interrupted(process):
    """End a server as Ctrl-C does, and give what it said; one that does not end is killed, and the test fails."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=300)[1]
    finally:
        process.kill()


def _sending(at, stop):
    while not stop.is_set():
        try:
            post(at, content=picture())
        except (OSError, ValueError, IndexError):
            return


@pytest.mark.slow
def test_a_host_for_others_says_what_it_means(made, tmp_path):
    """With --host the command says who may come in; then numbers and the names given are let in, others are not."""
    process, said = started(made, "--host", "0.0.0.0", "--name", "cats.example", folder=tmp_path)
    try:
        at = "127.0.0.1", int(said["url"].rsplit(":", 1)[1])
        for host, status in {
            "192.0.2.7:8000": 200,
            "cats.example": 200,
            "[2001:db8::1]": 200,
            "evil.example": 421,
        }.items():
            assert wire(at, request(at, path="/api/model", host=host)).status == status
    finally:
        told = interrupted(process)
    assert "no password" in told
