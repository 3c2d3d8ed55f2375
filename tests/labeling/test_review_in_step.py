"""Questions and answers in step with the folders: whatever a hand, a person on the server or a clock did meanwhile."""

import shutil
from pathlib import Path

import made_pictures
import pytest
import requests
import studio_proxy
import tomlkit
from review_round import collected, nothing, pull, push, quiet, say, tasks, where

from byod.api import datasets, review
from byod.api.review import ReviewSession
from byod.api.review_queue import ReviewRequest
from byod.dataset.catalog.reviews import Progressed
from byod.dataset.dataset_folder import Dataset
from byod.labeling import fetch, identity, labeling_page, projects
from byod.labeling.client import LabelStudio
from byod.schema.errors import ReviewError, UsageError
from byod.schema.review_tasks import Purpose, ReviewQueue
from byod.tasks import TASKS
from byod.testing import draw_classes

pytestmark = pytest.mark.slow


def other(label):
    return "Hund" if label == "Katze" else "Katze"


def move(folder, task, label):
    """What a hand does: the file into another class folder."""
    (found,) = (folder / "images").glob(f"*/{Path(task['data']['file']).name}")
    shutil.move(found, folder / "images" / label / found.name)


def now(session, task):
    """A task as it is now; None where it is gone."""
    found = [one for one in session.studio.tasks(task["project"]) if one["id"] == task["id"]]
    return found[0] if found else None


def chosen(task):
    """The labels that a task's folder predictions choose."""
    folder = [one for one in task["predictions"] if one["model_version"] == "folder"]
    return [one["result"][0]["value"]["choices"] for one in folder]


def test_the_question_about_a_file_that_a_hand_moved_says_where_it_stands_now(folder, session, tmp_path):
    """The next push brings text and chosen label in step, so that Submit confirms what the hand did."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task, untouched, *_ = tasks(session, pushed)
    label = task["data"]["label"]
    move(folder, task, other(label))
    again = push(folder, session, tmp_path)[Purpose.LABELS]
    assert (again.added, again.already, again.refreshed, again.withdrawn) == (0, 12, 1, 0)
    asked = now(session, task)
    assert asked["data"]["question"] == f"Stands in {other(label)}"
    assert asked["data"]["image"] == task["data"]["image"]
    assert chosen(asked) == [[other(label)]]
    assert now(session, untouched) == untouched
    say(session, task, other(label))
    assert not pull(folder, session).conflicts
    assert where(folder, task) == f"images/{other(label)}"


def test_a_page_that_was_open_before_a_file_was_moved_does_not_undo_the_move(folder, session, tmp_path):
    """Submitting the label that was chosen before the move is a conflict with the hand, not a newer verdict."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    label = task["data"]["label"]
    move(folder, task, other(label))
    push(folder, session, tmp_path)
    accepted = {**labeling_page.choice(label), "origin": "prediction"}
    session.studio.post(f"/api/tasks/{task['id']}/annotations/", json={"result": [accepted], "lead_time": 9})
    assert "moved by hand" in pull(folder, session).conflicts[0].why


def test_a_picture_that_a_hand_deleted_is_asked_no_more(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    gone, answered, *_ = tasks(session, pushed)
    for task in (gone, answered):
        (folder / "images" / task["data"]["file"]).unlink()
    say(session, answered, answered["data"]["label"])
    again = push(folder, session, tmp_path)[Purpose.LABELS]
    assert (again.refreshed, again.withdrawn) == (0, 1)
    assert now(session, gone) is None
    previews = [file.name[:64] for file in (session.files / f"byod-{identity.key(folder)}").iterdir()]
    assert gone["data"]["byod_id"] not in previews
    assert len(previews) == 10
    assert now(session, answered) is not None


def test_a_renamed_file_and_a_renamed_class_are_asked_about_by_their_new_names(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = next(t for t in tasks(session, pushed) if t["data"]["label"] == "Katze")
    file = folder / "images" / task["data"]["file"]
    file.rename(file.with_name("renamed.jpg"))
    recipe = tomlkit.parse((folder / "byod.toml").read_text(encoding="utf-8"))
    recipe["classes"]["Katze"]["name"] = "house cat"
    (folder / "byod.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")
    assert push(folder, session, tmp_path)[Purpose.LABELS].refreshed == 6
    asked = now(session, task)
    assert asked["data"]["file"] == "Katze/renamed.jpg"
    assert asked["data"]["question"] == "Stands in house cat"


def test_a_class_that_was_removed_with_its_pictures_is_asked_about_no_more(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    recipe = tomlkit.parse((folder / "byod.toml").read_text(encoding="utf-8"))
    del recipe["classes"]["Hund"]
    (folder / "byod.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")
    shutil.rmtree(folder / "images" / "Hund")
    assert push(folder, session, tmp_path)[Purpose.LABELS].withdrawn == 6
    assert {task["data"]["label"] for task in tasks(session, pushed)} == {"Katze"}


def test_what_somebody_began_to_answer_is_left_alone_and_counted(folder, session, tmp_path):
    """A draft is neither changed nor deleted by a push; what is submitted of it later does not undo the hand."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    label = task["data"]["label"]
    draft = {"result": [labeling_page.choice(label)], "lead_time": 1}
    session.studio.post(f"/api/tasks/{task['id']}/drafts", json=draft)
    move(folder, task, other(label))
    assert push(folder, session, tmp_path)[Purpose.LABELS].refreshed == 0
    assert now(session, task)["data"] == task["data"]
    assert review.status(folder, session, say=quiet).tallies[0].drafts == 1
    say(session, task, label)
    assert "moved by hand" in pull(folder, session).conflicts[0].why


@pytest.mark.parametrize("how", ["deleted", "skipped"])
def test_an_answer_that_was_taken_back_on_the_server_is_told_and_falls_on_request(
    folder, session, tmp_path, how
):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task, confirmed, *_ = tasks(session, pushed)
    label = task["data"]["label"]
    given, same = say(session, task, other(label)), say(session, confirmed, confirmed["data"]["label"])
    pull(folder, session)
    for one in (given, same):
        if how == "deleted":
            session.studio.delete(f"/api/annotations/{one['id']}/")
        else:
            session.studio.patch(f"/api/annotations/{one['id']}/", json={"was_cancelled": True})
    push(folder, session, tmp_path)  # in between, it changes nothing
    for _ in range(2):  # told until somebody decides
        pulled = pull(folder, session)
        assert (pulled.answers, pulled.dropped, len(pulled.withdrawn)) == (0, 0, 2)
        assert any("took it back" in line for line in pulled.concerns)
        assert where(folder, task) == f"images/{other(label)}"
    dropped = review.pull(folder, session, drop_withdrawn=True, say=quiet)
    assert (dropped.dropped, dropped.withdrawn) == (2, ())
    assert where(folder, task) == f"images/{label}"
    before = datasets.status(folder, say=quiet).fingerprint
    assert not pull(folder, session).withdrawn
    for file in folder.glob("catalog.db*"):
        file.unlink()
    assert datasets.status(folder, say=quiet).fingerprint == before
    assert pull(folder, session).answers == 0
    assert where(folder, task) == f"images/{label}"
    say(session, task, other(label))
    assert pull(folder, session).relabelled == 1


def test_where_one_of_two_who_differ_takes_it_back_the_other_decides(folder, session, tmp_path):
    """What falls is one person's answer: a conflict is over, and what the other one said holds."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    label = task["data"]["label"]
    say(session, task, other(label))
    pull(folder, session)
    with Dataset(folder, TASKS) as dataset, dataset.catalog.transaction():
        (row,) = dataset.catalog.verdicts.said_of([task["data"]["byod_id"]])[task["data"]["byod_id"]]
        said = row[1].model_copy(update={"who": "anna@example.org", "note": "review of labels"})
        dataset.catalog.verdicts.add([said])
    given = say(session, task, label)
    assert pull(folder, session).conflicts
    session.studio.delete(f"/api/annotations/{given['id']}/")
    dropped = review.pull(folder, session, drop_withdrawn=True, say=quiet)
    assert (dropped.dropped, dropped.conflicts) == (1, ())
    assert where(folder, task) == f"images/{other(label)}"


def test_a_deleted_task_takes_no_verdict_back(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    say(session, task, other(task["data"]["label"]))
    pull(folder, session)
    session.studio.delete(f"/api/tasks/{task['id']}/")
    assert not pull(folder, session).withdrawn


@pytest.fixture
def few(monkeypatch):
    """Servers with few answers are read by what has changed, too, as those with many are."""
    monkeypatch.setattr(fetch, "_FEW", 0)


def pulled_at(folder, stamp):
    """Have the catalog believe that the server's clock said this at the last pull."""
    with Dataset(folder, TASKS) as dataset, dataset.catalog.transaction():
        until = Progressed(updated_at=stamp, clock=stamp)
        dataset.catalog.reviews.pulled_until("own", Purpose.LABELS, until)


@pytest.mark.usefixtures("few")
def test_answers_after_the_servers_clock_went_back_are_pulled(folder, session, tmp_path):
    """New answers, and changes of old ones, come back although they are stamped hours before the last pull."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    first, second, *_ = tasks(session, pushed)
    given = say(session, first, first["data"]["label"])
    pull(folder, session)
    pulled_at(folder, "2999-01-01T00:00:00.000000Z")
    say(session, second, other(second["data"]["label"]))
    result = [labeling_page.choice(other(first["data"]["label"]))]
    session.studio.patch(f"/api/annotations/{given['id']}/", json={"result": result})
    pulled = pull(folder, session)
    assert (pulled.answers, pulled.relabelled) == (2, 2)
    pulled_at(folder, "2999-01-01T00:00:00.000000Z")
    assert pull(folder, session).answers == 0


@pytest.mark.usefixtures("few")
def test_counts_tell_what_no_clock_does(folder, session, tmp_path, monkeypatch):
    """With a clock that went back and forth between two pulls, new answers and deletions show in the counts."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    first, second, *_ = tasks(session, pushed)
    given = say(session, first, first["data"]["label"])
    pull(folder, session)
    say(session, second, other(second["data"]["label"]))
    soon = "2999-01-01T00:00:00.000000Z"
    pulled_at(folder, soon)
    monkeypatch.setattr(fetch, "_all_is_read", lambda progressed, known, clock: False)
    assert pull(folder, session).relabelled == 1
    session.studio.delete(f"/api/annotations/{given['id']}/")
    pulled_at(folder, soon)
    assert len(pull(folder, session).withdrawn) == 1


@pytest.mark.usefixtures("few")
def test_what_has_changed_is_all_that_is_read_while_clock_and_counts_agree(
    folder, session, tmp_path, monkeypatch
):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    first, second, *_ = tasks(session, pushed)
    say(session, first, first["data"]["label"])
    pull(folder, session)
    read = []
    answered = fetch._answered
    monkeypatch.setattr(fetch, "_answered", lambda *how: read.append(how[-1]) or answered(*how))
    say(session, second, other(second["data"]["label"]))
    assert pull(folder, session).relabelled == 1
    assert all(read)
    for _ in range(fetch._PARTIAL):
        pull(folder, session)
    assert not all(read)


def test_undo_and_redo_take_whole_rounds(folder, session, tmp_path):
    """A round is all that is pulled between two pushes; what was undone comes back, and a hand since then stays."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    first, second, third, fourth, *_ = tasks(session, pushed)
    say(session, first, other(first["data"]["label"]))
    pull(folder, session)
    say(session, second, labeling_page.REJECT)
    say(session, first, first["data"]["label"])
    pull(folder, session)
    after_first = [where(folder, t) for t in (first, second, third)]
    push(folder, session, tmp_path)
    say(session, third, other(third["data"]["label"]))
    say(session, fourth, other(fourth["data"]["label"]))
    pull(folder, session)
    after_second = [where(folder, t) for t in (first, second, third)]
    assert [(r.answered, r.asked, r.undone) for r in review.listed(folder, say=quiet)] == [
        (2, 12, False),
        (2, 10, False),
    ]
    assert review.undo(folder, say=quiet).pictures == 2
    assert [where(folder, t) for t in (first, second, third)] == after_first
    assert review.undo(folder, say=quiet).pictures == 2
    assert [where(folder, t) for t in (first, second, third)] == [
        f"images/{t['data']['label']}" for t in (first, second, third)
    ]
    assert pull(folder, session).answers == 0
    with pytest.raises(UsageError, match="no pull to undo"):
        review.undo(folder, say=quiet)
    assert review.redo(folder, say=quiet).pictures == 2
    assert [where(folder, t) for t in (first, second, third)] == after_first
    move(folder, fourth, other(fourth["data"]["label"]))
    done = review.redo(folder, say=quiet)
    assert (done.pictures, done.changed_since) == (1, 1)
    assert [where(folder, t) for t in (first, second, third)] == after_second
    with pytest.raises(UsageError, match="no round was taken back"):
        review.redo(folder, say=quiet)
    before = datasets.status(folder, say=quiet).fingerprint
    for file in folder.glob("catalog.db*"):
        file.unlink()
    assert datasets.status(folder, say=quiet).fingerprint == before
    assert pull(folder, session).answers == 0


def test_a_round_that_was_undone_is_over_once_something_new_was_pulled(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    first, second, *_ = tasks(session, pushed)
    say(session, first, other(first["data"]["label"]))
    pull(folder, session)
    review.undo(folder, say=quiet)
    say(session, second, other(second["data"]["label"]))
    pulled = pull(folder, session)
    assert (pulled.round_answered, pulled.round_asked) == (2, 12)
    assert "2 of 12 answered" in pulled.summary
    with pytest.raises(UsageError, match="no round was taken back"):
        review.redo(folder, say=quiet)


def test_one_queue_has_the_conflicts_first_whenever_they_came_up(folder, session, tmp_path):
    """A conflict that came up later is shown first, in the one stream; the answered task stays as it is."""
    pushed = push(folder, session, tmp_path, limit=11)[Purpose.LABELS]
    found = tasks(session, pushed)
    say(session, found[0], found[0]["data"]["label"])
    pull(folder, session)
    name = Path(found[5]["data"]["file"]).name
    label = found[5]["data"]["label"]
    shutil.copy(folder / "images" / label / name, folder / "images" / other(label) / name)
    again = push(folder, session, tmp_path)[Purpose.LABELS]
    assert (again.open, again.project.number) == (11, pushed.project.number)
    queue = [t for t in tasks(session, pushed) if not t["total_annotations"]]
    assert [t["data"]["kind"] for t in queue] == ["conflict"] + 10 * ["label"]
    assert not queue[0]["predictions"]
    assert session.studio.get(f"/api/projects/{pushed.project.number}/next")["id"] == queue[0]["id"]
    assert now(session, found[0]) is not None
    assert push(folder, session, tmp_path)[Purpose.LABELS].added == 0
    assert [t for t in tasks(session, pushed) if not t["total_annotations"]] == queue
    assert len(push(folder, session, tmp_path, conflicts=True)) == 1
    assert len([t for t in tasks(session, pushed) if not t["total_annotations"]]) == 1


def test_what_was_asked_in_projects_of_their_own_moves_into_the_queue(folder, session, tmp_path):
    """Open tasks of the projects that byod had for suspects and conflicts are withdrawn; their answers come back."""
    push(folder, session, tmp_path)
    with Dataset(folder, TASKS) as dataset:
        old = projects.ensure(
            dataset, session.studio, "own", ReviewQueue(purpose=Purpose.SUSPECTS), None, quiet
        )
        sha256s = [sample.sha256 for sample in dataset.snapshot().kept[:2]]
    made = [
        {"data": {"image": "/x", "byod_id": sha, "label": "Katze", "seen": 0, "question": "?"}}
        for sha in sha256s
    ]
    session.studio.post(f"/api/projects/{old.number}/import", json=made)
    answered, _ = session.studio.tasks(old.number)
    say(session, answered, labeling_page.REJECT)
    push(folder, session, tmp_path)
    assert [task["id"] for task in session.studio.tasks(old.number)] == [answered["id"]]
    assert pull(folder, session).rejected == 1


def test_deleting_a_review_pulls_first_and_leaves_nothing_on_the_server(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    say(session, task, other(task["data"]["label"]))
    room = session.files / f"byod-{identity.key(folder)}"
    assert len(list(room.iterdir())) == 12
    assert review.delete(folder, session, say=quiet) == 1
    assert where(folder, task) == f"images/{other(task['data']['label'])}"
    assert not room.exists()
    assert pushed.project.number not in [one["id"] for one in session.studio.projects()]
    assert review.delete(folder, session, say=quiet) == 0
    assert push(folder, session, tmp_path)[Purpose.LABELS].added == 11


class Interrupted:
    """A clock of whoever watches: something happens at each look, and then Ctrl-C."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def sleep(self, seconds):
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()


def test_a_watcher_waits_for_a_server_that_is_away_and_says_it_once(
    folder, session, tmp_path, live_studio, monkeypatch
):
    """502s between two looks end nothing: what was said meanwhile comes back when the server does."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    lines, told = [], []
    with studio_proxy.proxy(live_studio.url) as front:
        through = LabelStudio(front.url, live_studio.token)
        away = ReviewSession(studio=through, server="own", files=session.files)
        monkeypatch.setattr(review, "found_again", lambda session, settings: session)

        def down():
            front.act = lambda method, path: (502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>")

        def up():
            say(session, task, other(task["data"]["label"]))
            front.act = lambda method, path: None

        monkeypatch.setattr(review, "time", Interrupted(down, down, down, up))
        review.watch(folder, away, None, say=lines.append, tell=told.append)
    assert len([line for line in lines if "trying again" in line]) == 1
    assert sum(pulled.answers for pulled in told) == 1
    assert where(folder, task) == f"images/{other(task['data']['label'])}"


def test_a_picture_that_somebody_brought_into_label_studio_is_taken_in(folder, session, tmp_path):
    """It is told, and taken in on request: its file, and the answer as the verdict of whoever gave it."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    draw_classes(tmp_path / "theirs", classes=("x",), per_class=1, seed=77)
    (file,) = (tmp_path / "theirs" / "x").iterdir()
    with requests.Session() as http:
        http.trust_env = False
        http.post(
            f"{session.studio.url}/api/projects/{pushed.project.number}/import",
            files={"theirs.jpg": file.read_bytes()},
            headers={"Authorization": f"Token {session.studio.token}"},
            timeout=300,
        ).raise_for_status()
    elsewhere = {"data": {"image": "https://example.org/x.jpg", "question": "mine"}}
    session.studio.post(f"/api/projects/{pushed.project.number}/import", json=[elsewhere])
    theirs = [task for task in tasks(session, pushed) if not task["data"].get("byod_id")]
    assert len(theirs) == 2
    for task in theirs:
        say(session, task, "Hund")
    pulled = pull(folder, session)
    assert (pulled.answers, pulled.imported) == (0, 2)
    assert "--take-in" in pulled.concerns[-1]
    lines = []
    assert review.take_in(folder, session, say=lines.append) == 1
    assert any("https://example.org/x.jpg" in line and "--from-urls" in line for line in lines)
    pulled = pull(folder, session)
    assert (pulled.answers, pulled.imported) == (1, 1)
    assert len(list((folder / "images" / "Hund").iterdir())) == 7
    assert review.take_in(folder, session, say=quiet) == 0
    push(folder, session, tmp_path)
    assert len([task for task in tasks(session, pushed) if not task["data"].get("byod_id")]) == 1


def test_a_picture_that_byod_converts_is_taken_in_as_the_sample_that_stands_for_it(folder, session, tmp_path):
    """A HEIC's task names the JPEG made of it, so that its answer comes back, and nothing is taken in twice."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    with requests.Session() as http:
        http.trust_env = False
        http.post(
            f"{session.studio.url}/api/projects/{pushed.project.number}/import",
            files={"theirs.jpg": made_pictures.heic()},  # Label Studio goes by names, byod by bytes
            headers={"Authorization": f"Token {session.studio.token}"},
            timeout=300,
        ).raise_for_status()
    (task,) = [task for task in tasks(session, pushed) if not task["data"].get("byod_id")]
    say(session, task, "Hund")
    pull(folder, session)
    assert review.take_in(folder, session, say=quiet) == 1
    named = now(session, task)["data"]["byod_id"]
    with Dataset(folder, TASKS) as dataset:
        sample = dataset.catalog.samples.get(named)
    assert sample.path.endswith(".jpg")
    pulled = pull(folder, session)
    assert (pulled.answers, pulled.imported) == (1, 0)
    assert review.take_in(folder, session, say=quiet) == 0


def test_a_random_sample_gives_a_figure_of_the_labels_by_class(folder, session, tmp_path):
    """It stands alone, is the same until it is answered, and what people say of it is how good the labels are."""
    name = next((folder / "images" / "Katze").iterdir()).name
    shutil.copy(folder / "images" / "Katze" / name, folder / "images" / "Hund" / name)
    done = push(folder, session, tmp_path, sample=8)
    assert set(done) == {Purpose.SAMPLE}
    sample = tasks(session, done[Purpose.SAMPLE])
    assert {task["data"]["kind"] for task in sample} == {"label"}
    say(session, sample[0], other(sample[0]["data"]["label"]))
    pulled = pull(folder, session)
    assert (pulled.label_quality.right, pulled.label_quality.number) == (0, 1)
    assert push(folder, session, tmp_path, sample=8)[Purpose.SAMPLE].added == 0
    for task in sample[1:]:
        say(session, task, task["data"]["label"])
    quality = pull(folder, session).label_quality
    assert (quality.right, quality.number) == (7, 8)
    assert quality.summary == "88% of labels right (53% to 98%, by a random sample of 8)"
    of_classes = {label: (one.right, one.number) for label, one in quality.classes.items()}
    assert sum(right for right, _ in of_classes.values()) == 7
    assert of_classes[sample[0]["data"]["label"]][0] == of_classes[sample[0]["data"]["label"]][1] - 1
    assert "88 % of labels right (53–98 %, 95 % interval)" in (folder / "README.md").read_text()
    again = push(folder, session, tmp_path, sample=8)[Purpose.SAMPLE]
    drawn = [t for t in tasks(session, again) if not t["total_annotations"]]
    assert not {task["data"]["byod_id"] for task in drawn} & {task["data"]["byod_id"] for task in sample}
    assert pull(folder, session).label_quality is None
    push(folder, session, tmp_path)
    rest = push(folder, session, tmp_path)[Purpose.LABELS]
    for task in [t for t in tasks(session, rest) if not t["total_annotations"]]:
        say(session, task, labeling_page.REJECT)
    pull(folder, session)
    assert datasets.status(folder, say=quiet).label_quality == quality


def test_a_copy_of_a_dataset_is_reviewed_apart_and_a_renamed_one_goes_on(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    copied = tmp_path / "copy"
    shutil.copytree(folder, copied)
    lines = []
    asked = ReviewRequest()
    (apart,) = review.push(copied, session, asked, tmp_path / "cache", say=lines.append, progress=nothing)
    assert any("is a copy of" in line for line in lines)
    assert (apart.project.number, apart.added) != (pushed.project.number, 0)
    task = tasks(session, pushed)[0]
    say(session, task, other(task["data"]["label"]))
    assert pull(copied, session).answers == 0
    assert pull(folder, session).relabelled == 1
    renamed = folder.rename(tmp_path / "renamed")
    again = push(renamed, session, tmp_path)[Purpose.LABELS]
    assert (again.project.number, again.added) == (pushed.project.number, 0)
    assert push(copied, session, tmp_path)[Purpose.LABELS].project.number == apart.project.number


@pytest.mark.parametrize("lost", [(".byod",), (".byod", "catalog.db")])
def test_a_dataset_that_lost_its_own_folder_finds_its_review_again(folder, session, tmp_path, lost):
    """By the project that names its folder, and by its pictures; nothing is asked or taken twice.

    Another folder with the same name and pictures is none of it.
    """
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    first, second, *_ = tasks(session, pushed)
    say(session, first, other(first["data"]["label"]))
    pull(folder, session)
    say(session, second, other(second["data"]["label"]))
    shutil.rmtree(folder / ".byod")
    for file in [file for name in lost[1:] for file in folder.glob(f"{name}*")]:
        file.unlink()
    (tmp_path / "twin").mkdir()
    twin = collected(tmp_path / "drawn", tmp_path / "twin" / "set")
    assert push(twin, session, tmp_path)[Purpose.LABELS].added == 12
    assert pull(folder, session).relabelled == 1
    again = push(folder, session, tmp_path)[Purpose.LABELS]
    assert (again.project.number, again.added) == (pushed.project.number, 0)


def test_what_a_manager_changed_on_the_page_stays_and_a_class_of_theirs_is_taken_in(
    folder, session, tmp_path
):
    """A text area and a class added on the server outlive a push that renames a class; the class can be taken in."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    path = f"/api/projects/{pushed.project.number}/"
    theirs = session.studio.get(path)["label_config"].replace(
        "</Choices>", '<Choice value="Esel"/></Choices>'
    )
    theirs = theirs.replace("</Style>", '</Style><TextArea name="why" toName="image" placeholder="Why?"/>')
    session.studio.patch(path, json={"label_config": theirs})
    recipe = tomlkit.parse((folder / "byod.toml").read_text(encoding="utf-8"))
    recipe["classes"]["Katze"]["name"] = "house cat"
    (folder / "byod.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")
    lines = []
    review.push(folder, session, ReviewRequest(), tmp_path / "cache", say=lines.append, progress=nothing)
    config = session.studio.get(path)["label_config"]
    assert 'name="why"' in config
    assert 'value="house cat" alias="Katze"' in config
    assert '<Choice value="Esel"/>' in config
    assert "no longer a class" not in config
    assert any("'Esel'" in line and "--take-in" in line for line in lines)
    push(folder, session, tmp_path)
    assert session.studio.get(path)["label_config"] == config
    task = tasks(session, pushed)[0]
    say(session, task, "Esel")
    assert pull(folder, session).waiting == {"Esel": 1}
    review.take_in(folder, session, say=quiet)
    assert pull(folder, session).relabelled == 1
    assert where(folder, task) == "images/Esel"
    push(folder, session, tmp_path)
    config = session.studio.get(path)["label_config"]
    assert config.count('"Esel"') == 2
    assert 'alias="Esel"' in config
    assert 'name="why"' in config


def test_below_a_path_of_its_own_a_server_shows_the_pictures_that_byod_asks_about(
    folder, session, tmp_path, live_studio
):
    """Addresses of pictures begin with the path below which the server is reached; answers come back from there."""
    with studio_proxy.proxy(live_studio.url) as front:
        front.prefix = "/labels"
        below = LabelStudio(f"{front.url}/labels", live_studio.token)
        there = ReviewSession(studio=below, server=below.url, files=None)
        pushed = push(folder, there, tmp_path)[Purpose.LABELS]
        task = tasks(there, pushed)[0]
        assert task["data"]["image"].startswith("/labels/data/")
        with requests.Session() as http:
            http.trust_env = False
            shown = http.get(
                front.url + task["data"]["image"],
                headers={"Authorization": f"Token {live_studio.token}"},
                timeout=300,
            )
        assert (
            shown.content
            == next((folder / "images").glob(f"*/{Path(task['data']['file']).name}")).read_bytes()
        )
        say(there, task, other(task["data"]["label"]))
        assert pull(folder, there).relabelled == 1


def test_a_server_that_shows_no_pictures_is_asked_nothing(folder, session, tmp_path, live_studio):
    """One picture is loaded back before the first question: else people would see an error and could still submit."""
    with studio_proxy.proxy(live_studio.url) as front:
        gone = (404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>")
        front.act = lambda method, path: gone if path.startswith("/data/") else None
        there = ReviewSession(
            studio=LabelStudio(front.url, live_studio.token), server=front.url, files=session.files
        )
        with pytest.raises(ReviewError, match="/data/local-files/"):
            push(folder, there, tmp_path)
        (number,) = [one.number for one in review.addresses(folder, there, say=quiet)]
        assert there.studio.tasks(number) == []


def test_the_list_shows_picture_and_class_and_none_of_what_byod_keeps_there(folder, session, tmp_path):
    """The first list of a project has columns for people; one that somebody arranged otherwise stays so."""
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    where_lists = "/api/dm/views/", {"project": pushed.project.number}
    (made,) = session.studio.get(where_lists[0], params=where_lists[1])
    hidden = made["data"]["hiddenColumns"]["explore"]
    assert {"tasks:data.byod_id", "tasks:data.seen", "tasks:data.suspicion", "tasks:id"} <= set(hidden)
    assert not {"tasks:data.image", "tasks:data.label", "tasks:annotations_results"} & set(hidden)
    data = {**made["data"], "hiddenColumns": {"explore": [], "labeling": []}}
    session.studio.patch(f"/api/dm/views/{made['id']}/", json={"data": data})
    push(folder, session, tmp_path)
    (kept,) = session.studio.get(where_lists[0], params=where_lists[1])
    assert kept["data"]["hiddenColumns"]["explore"] == []
