"""byod review as a person meets it: a real Chromium on a real Label Studio, and the folders afterwards."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import label_studio as studio
import pytest
from command import byod, compiled
from headless import chromium
from labelling_page import Page, signed_up
from PIL import Image
from reviewed_datasets import added, logged, named, pulled, pushed, said, samples, shapes, silent, standing

from byod.api import review, review_push, review_queue
from byod.api.review_queue import ReviewRequest
from byod.schema.keypoints import (
    Instance,
    Keypoint,
    Keypoints,
    KeypointSet,
    keypoints_file,
    read_keypoints,
)
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Status, Task
from byod.schema.review_tasks import LabelConcern
from byod.testing import draw_classes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

REJECT = "✗ Reject: belongs to no class"
STRANGE = (
    "Wild boar",
    "Ämter & Öfen",
    "🐈 cat",
    "<b>&amp; bold",
    "\"quoted\" 'single'",
    "a,b;c",
    "$question",
)


@pytest.fixture
def live(live_studio, monkeypatch):
    """The running server, which byod's commands find as their own."""
    monkeypatch.setenv("BYOD_LABEL_STUDIO_HOME", str(live_studio.files.parent))
    return live_studio


@pytest.fixture(scope="module")
def person(live_studio):
    """A browser that is logged in, with the page it shows."""
    with chromium() as browser:
        studio.log_in(browser, live_studio)
        yield Page(browser, live_studio)


def test_labels_by_clicks_and_keys(live, person, tmp_path):
    """Accept, change by click and by key, reject and skip: folders and log show exactly that, in the person's name."""
    folder = shapes(tmp_path)
    before, lines, there = standing(folder), logged(folder), samples(folder)
    person.open(pushed(folder, "--order", "folder")["labels"])
    expected, answers = dict(before), []

    def evaluated(place: str, label: str | None) -> None:
        expected[sha256] = place
        answers.append((sha256, label, live.email))

    sha256 = person.sha256
    assert person.picture_size() == [640, 480]
    assert person.is_whole()
    with Image.open(folder / there[sha256].path) as picture:
        assert person.likeness(picture) < 12
    other = next(s for s in there.values() if s.sha256 != sha256)
    with Image.open(folder / other.path) as picture:
        assert person.likeness(picture) > 20, "the screenshot would be like any picture"
    assert person.labels() == ["circle[1]", "square[2]", "star[3]", f"{REJECT}[0]"]
    assert person.chosen() == ["circle"]
    assert "Stands in circle" in person.text
    person.press("Submit")
    evaluated("images/circle", "circle")

    sha256 = person.sha256
    person.click("star")
    person.press("Submit")
    evaluated("images/star", "star")

    sha256 = person.sha256
    assert person.chosen() == ["square"]
    person.key("1")
    person.wait(lambda: person.chosen() == ["circle"])
    person.submit_by_keys()
    evaluated("images/circle", "circle")

    sha256 = person.sha256
    person.key("0")
    person.wait(lambda: person.chosen() == [REJECT])
    person.submit_by_keys()
    evaluated("rejected/review", None)

    skipped = person.sha256
    person.press("Skip")
    assert person.sha256 not in {skipped, *(sha for sha, _, _ in answers)}

    report = pulled(folder)
    assert (report["answers"], report["relabelled"], report["rejected"]) == (4, 2, 1)
    assert report["by"] == {live.email: 4}
    assert standing(folder) == expected
    assert sorted(said(folder, lines), key=str) == sorted(answers, key=str)
    assert pulled(folder)["answers"] == 0


@pytest.mark.long
def test_names_of_any_kind_are_shown_and_clickable(live, person, tmp_path):
    """Names with blanks, umlauts, emoji, markup, quotes and $ read as they are, and lead to their own folders."""
    folder = named(tmp_path, STRANGE)
    person.open(pushed(folder)["labels"])
    assert person.choices() == [*STRANGE, REJECT]
    first, holder = person.sha256, standing(folder)
    for name in STRANGE:
        person.click(name)
    person.press("Submit")
    second = person.sha256
    person.click("<b>&amp; bold")
    person.press("Submit")
    assert pulled(folder)["answers"] == 2
    assert standing(folder) == {
        **holder,
        first: "images/$question",
        second: "images/_b_&amp; bold",
    }


@pytest.mark.long
def test_a_hundred_classes_fit_the_page(live, person, tmp_path):
    """With 100 classes the picture, the box to find one, reject and Submit are in view at once; keys reach 26."""
    names = [f"class number {number + 1}" for number in range(100)]
    folder = named(tmp_path, names)
    person.open(pushed(folder, "--order", "folder")["labels"])
    height = person.asks("return innerHeight")
    _, top, _, tall = person.place()
    assert top > 0
    assert top + tall < height
    assert tall > 400
    box = person.browser.find_element("css selector", "input[placeholder*=ilter]")
    reject = person.browser.find_element("xpath", f"//label[contains(., '{REJECT}')]")
    submit = person.browser.find_element("xpath", "//button[normalize-space()='Submit']")
    for element in (box, reject, submit):
        where = person.asks(
            "const r = arguments[0].getBoundingClientRect(); return [r.top, r.bottom]", element
        )
        assert 0 < where[0] < where[1] <= height
    assert person.chosen() == ["class number 1"]
    for key, name in zip("23456789qwertyasdfgzxcvbn", names[1:], strict=False):
        person.key(key)
        person.wait(lambda name=name: person.chosen() == [name])
    box.send_keys("77")
    person.wait(lambda: person.choices() == ["class number 77"])
    sha256 = person.sha256
    person.click("class number 77")
    person.submit_by_keys()
    assert pulled(folder)["relabelled"] == 1
    assert standing(folder)[sha256] == "images/class number 77"


def test_suspects_show_both_opinions(live, person, tmp_path, monkeypatch):
    """A doubted label is asked about with both opinions in words; the folder's is chosen, a key takes the other."""
    folder = shapes(tmp_path, ("circle", "square"), per_class=3)
    issues = next(iter(samples(folder).values()))
    doubt = LabelConcern(sha256=issues.sha256, suggested="square", quality=0.02)
    # what the probe finds is another test's; which label it doubts is decided here
    monkeypatch.setattr(review_push, "label_concerns", lambda folder, cache, say: [doubt])
    session = review.ReviewSession(
        studio=review.LabelStudio(live.url, live.token),
        server=review.OWN,
        files=live.files,
    )
    asked = ReviewRequest(suspects=True)
    done = review.push(folder, session, asked, tmp_path / "cache", say=silent, progress=lambda done, of: None)
    number = done[0].project.number
    person.open(number)
    assert "Stands in circle ▸ the other pictures: square 98% (key 2)" in person.text
    assert person.chosen() == ["circle"]
    task = studio.asked(live, f"/api/tasks/?project={number}")["tasks"][0]["id"]
    person.open(number, task)
    assert person.chosen() == ["circle"]
    person.key("2")
    person.wait(lambda: person.chosen() == ["square"])
    person.press("Submit")
    assert pulled(folder)["relabelled"] == 1
    assert standing(folder)[issues.sha256] == "images/square"


def test_habit_changes_no_label_whatever_a_model_says(live, person, tmp_path, monkeypatch):
    """Ctrl+Enter at every picture confirms the folders, with a model that is sure of the opposite beside them."""
    folder = shapes(tmp_path, ("circle", "square"), per_class=3)
    before, there = standing(folder), samples(folder)
    wrong = {sha: {"circle": 0.03, "square": 0.97} for sha, s in there.items() if s.label == "circle"}
    wrong |= {sha: {"circle": 0.97, "square": 0.03} for sha, s in there.items() if s.label == "square"}
    run = review_queue.RunPredictions("model", wrong)
    monkeypatch.setattr(review_push, "predict_all", lambda dataset, snapshot, request, say: run)
    session = review.ReviewSession(
        studio=review.LabelStudio(live.url, live.token), server=review.OWN, files=live.files
    )
    asked = ReviewRequest(uncertain=True)
    done = review.push(folder, session, asked, tmp_path / "cache", say=silent, progress=lambda done, of: None)
    person.open(done[0].project.number)
    for _ in before:
        label = there[person.sha256].label
        assert person.chosen() == [label]
        assert f"▸ model: {'square' if label == 'circle' else 'circle'} 97% (key " in person.text
        person.submit_by_keys()
    report = pulled(folder)
    assert (report["answers"], report["relabelled"]) == (6, 0)
    assert standing(folder) == before


def test_a_conflict_is_decided(live, person, tmp_path):
    """A picture that stood in two class folders: both are named, none is preselected, the answer decides."""
    own = tmp_path / "own"
    draw_classes(own, classes=("circle", "square"), per_class=3, size=(320, 240), seed=6)
    shutil.copy(own / "circle/circle-000.jpg", own / "square/twice.jpg")
    folder = added(tmp_path / "datasets" / f"conflict-{tmp_path.name}", own)
    sha256 = next(s.sha256 for s in samples(folder).values() if s.reason is Reason.CONFLICT)
    person.open(pushed(folder, "--conflicts")["labels"])
    assert person.sha256 == sha256
    assert "Claimed to be: circle / square" in person.text
    assert person.chosen() == []
    person.clicked(lambda: person.browser.find_element("xpath", "//button[normalize-space()='Submit']"))
    person.agree("Tick a class, or reject")
    person.click("circle")
    person.press("Submit")
    assert pulled(folder)["answers"] == 1
    assert standing(folder)[sha256] == "images/circle"
    status = json.loads(byod("review", "status", str(folder), "--json", folder=folder.parent).stdout)
    assert status["models"] == [], "a claim is nobody's opinion that people could agree with"


FACE = {"left eye": Keypoint(x=100.3, y=80.7), "right eye": Keypoint(x=200.1, y=90.9), "nose": None}


def faces(tmp_path: Path, *, lines: bool = False) -> Path:
    """A dataset of keypoints: two drawn pictures with two of three points each; one point lies outside."""
    draw_classes(tmp_path / "own", classes=("circle",), per_class=2, size=(330, 250), seed=8)
    names = KeypointSet(
        names=("left eye", "right eye", "nose", "tail"),
        flips=(("left eye", "right eye"),),
        skeleton=(("left eye", "right eye"), ("left eye", "nose")) if lines else (),
    )
    recipe = Recipe(task=Task.KEYPOINTS, points=names, min_side=1)
    folder = added(tmp_path / "datasets" / f"faces-{tmp_path.name}", tmp_path / "own", recipe)
    head = Instance(points={**FACE, "tail": Keypoint(x=-12.5, y=40.0, inside=False)})
    for sample in samples(folder).values():
        keypoints = Keypoints(sha256=sample.sha256, width=sample.width, height=sample.height, heads=(head,))
        (folder / keypoints_file(sample.path)).write_text(keypoints.model_dump_json())
    return folder


def marked(folder: Path, sha256: str) -> dict[str, Keypoint | None]:
    read = read_keypoints(folder / keypoints_file(samples(folder)[sha256].path))
    assert read is not None
    assert len(read.heads) == 1
    return dict(read.heads[0].points)


def test_a_point_dragged_and_one_added(live, person, tmp_path):
    """A dragged point moves by what the mouse moved, a new one stands where it was put, the others stay put."""
    folder = faces(tmp_path)
    person.open(pushed(folder)["points"])
    assert person.is_whole()
    sha256 = person.sha256
    picture = samples(folder)[sha256]
    _, _, wide, tall = person.place()
    scale = wide / picture.width
    assert tall / picture.height == pytest.approx(scale, rel=0.01)
    drawn = person.points()
    assert set(drawn) == {"left eye", "right eye"}
    for name, (x, y) in drawn.items():
        assert abs(x / scale - FACE[name].x) < 0.5
        assert abs(y / scale - FACE[name].y) < 0.5
    person.drag("right eye", 60, -24)
    person.wait(lambda: person.points()["right eye"] != drawn["right eye"])
    person.add("3", 0.5 * wide, 0.6 * tall)
    reported = person.reported()
    person.press("Submit")
    assert pulled(folder)["points"] == 1
    after = marked(folder, sha256)
    assert after["left eye"] == FACE["left eye"]
    assert after["tail"] == Keypoint(x=-12.5, y=40.0, inside=False)
    moved, nose = after["right eye"], after["nose"]
    assert moved.x - FACE["right eye"].x == pytest.approx(60 / scale, abs=0.5)
    assert moved.y - FACE["right eye"].y == pytest.approx(-24 / scale, abs=0.5)
    for name, point in (("right eye", moved), ("nose", nose)):
        x, y = reported[name]
        assert abs(point.x - x * picture.width / 100) < 1e-6
        assert abs(point.y - y * picture.height / 100) < 1e-6
    assert nose.x == pytest.approx(0.5 * picture.width, abs=1.5 / scale)
    assert nose.y == pytest.approx(0.6 * picture.height, abs=1.5 / scale)
    untouched = next(sha for sha in samples(folder) if sha != sha256)
    assert marked(folder, untouched)["right eye"] == FACE["right eye"]


@pytest.mark.parametrize(("wide", "tall"), [(1280, 800), (1440, 900)])
def test_the_picture_is_most_of_the_window_and_all_that_people_need_is_beside_it(
    live, person, tmp_path, wide, tall
):
    """At least 70 % of the window's height or width; instruction, drawing of the points, keys and Submit in view."""
    person.browser.set_window_size(wide, tall)
    own = tmp_path / "own"
    for number, size in enumerate(((330, 250), (250, 330), (600, 280))):
        draw_classes(own / str(number), classes=("circle", "square"), per_class=1, size=size, seed=number)
        for file in (own / str(number)).glob("*/*"):
            (tmp_path / "flat" / file.parent.name).mkdir(parents=True, exist_ok=True)
            file.rename(tmp_path / "flat" / file.parent.name / f"{number}-{file.name}")
    labels = added(tmp_path / "datasets" / f"sizes-{tmp_path.name}", tmp_path / "flat")
    projects = [pushed(faces(tmp_path, lines=True))["points"], pushed(labels)["labels"]]
    for project in projects:
        person.open(project)
        for number in range(len(studio.asked(live, f"/api/tasks/?project={project}")["tasks"])):
            if number:
                person.submit_by_keys()
            room = person.asks("return [innerWidth, innerHeight]")
            left, top, across, down = person.place()
            assert max(across / room[0], down / room[1]) >= 0.7
            assert person.is_whole()
            assert top + down <= room[1]
            for words in ("Ctrl+Enter", "Reject"):
                place = (
                    "const w = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);"
                    "while (w.nextNode()) if (w.currentNode.data.includes(arguments[0])"
                    " && w.currentNode.parentElement.checkVisibility()) {"
                    " const r = w.currentNode.parentElement.getBoundingClientRect(); return [r.x, r.bottom] }"
                )
                x, bottom = person.asks(place, words)
                assert left + across <= x
                assert bottom <= room[1]
    person.open(projects[0], studio.asked(live, f"/api/tasks/?project={projects[0]}")["tasks"][0]["id"])
    assert "Drag each point to where it belongs." in person.text
    drawing = (
        "const e = document.querySelector('.byod-skeleton'); return e && getComputedStyle(e).backgroundImage"
    )
    assert "%3Cpath" in person.asks(drawing)


@pytest.mark.long
def test_points_rejected_and_accepted(live, person, tmp_path):
    """Submit leaves the points file as it is to the last byte; reject sets the picture aside."""
    folder = faces(tmp_path)
    texts = {file.name: file.read_bytes() for file in (folder / "points").iterdir()}
    person.open(pushed(folder)["points"])
    accepted = person.sha256
    person.press("Submit")
    rejected = person.sha256
    person.key("0")
    person.wait(lambda: person.chosen() == ["✗ Reject: no picture for this dataset"])
    person.submit_by_keys()
    assert pulled(folder)["answers"] == 2
    places = standing(folder)
    assert places == {accepted: "images/circle", rejected: "rejected/review"}
    file = folder / keypoints_file(samples(folder)[accepted].path)
    assert file.read_bytes() == texts[file.name]


@pytest.mark.long
def test_two_people_who_differ(live, person, tmp_path):
    """A second person comes in by invitation; where the two differ the picture is a conflict, and status counts it."""
    folder = shapes(tmp_path, ("circle", "square"), per_class=2)
    lines = logged(folder)
    number = pushed(folder)["labels"]
    tasks = studio.asked(live, f"/api/tasks/?project={number}&fields=all")["tasks"]
    mine = ("circle", "circle", "square", "square")
    theirs = ("circle", "square", "square", "square")
    for task, label in zip(tasks, mine, strict=True):
        person.open(number, task["id"])
        person.click(label)
        person.press("Submit")
    second = f"second-{tmp_path.name}@example.org"
    with chromium() as browser:
        signed_up(browser, live, second, "a good long password")
        other = Page(browser, live)
        for task, label in zip(tasks, theirs, strict=True):
            other.open(number, task["id"])
            other.another()
            other.click(label)
            other.press("Submit")
    report = pulled(folder)
    disputed = tasks[1]["data"]["byod_id"]
    assert report["by"] == {live.email: 4, second: 4}
    assert len(report["conflicts"]) == 1
    assert report["conflicts"][0]["why"] == f"{live.email} says circle, {second} says square"
    assert standing(folder)[disputed] == "rejected/conflict"
    assert sum(place == "rejected/conflict" for place in standing(folder).values()) == 1
    assert {who for _, _, who in said(folder, lines)} == {live.email, second, "review"}
    status = json.loads(byod("review", "status", str(folder), "--json", folder=folder.parent).stdout)
    tally = status["tallies"][0]
    assert (tally["pushed"], tally["done"], tally["disagreeing"]) == (4, 4, 1)
    assert tally["by"] == {live.email: 4, second: 4}
    pair = status["people"][0]
    assert (pair["tasks"], pair["agreement"], pair["kappa"]) == (4, 0.75, 0.5)
    told = byod("review", "status", str(folder), folder=folder.parent).stdout
    assert "0.50" in told


@pytest.mark.long
def test_review_until_ctrl_c(live, person, tmp_path):
    """`byod review` brings answers back while people work; Ctrl-C brings the last ones and ends without a fault."""
    folder = shapes(tmp_path, ("circle", "square"), per_class=2)
    there = standing(folder)
    command = [sys.executable, "-m", "byod", "review", str(folder), "--no-browser"]
    with (tmp_path / "told.txt").open("w") as told:
        waiting = subprocess.Popen(command, stdout=told, stderr=told, env=compiled(), cwd=tmp_path)
        try:
            person.wait(lambda: "Ctrl-C ends it" in (tmp_path / "told.txt").read_text())
            number = next(
                project["id"]
                for project in studio.asked(live, "/api/projects/?page_size=100")["results"]
                if project["title"].startswith(folder.name[:36])
            )
            assert f"{live.url}/projects/{number}/data?labeling=1" in (tmp_path / "told.txt").read_text()
            person.open(number)
            first = person.sha256
            person.click("square")
            person.press("Submit")
            person.wait(lambda: any((folder / "images/square").glob(f"{first[:16]}*")))
            last = person.sha256
            person.key("0")
            person.submit_by_keys()
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(300) == 0
        finally:
            waiting.kill()
    assert standing(folder) == {**there, first: "images/square", last: "rejected/review"}
    assert samples(folder)[last].status is Status.REJECTED
    assert "Traceback" not in (tmp_path / "told.txt").read_text()
    assert studio.asked(live, "/api/version")["release"], "a server that was there before goes on"
