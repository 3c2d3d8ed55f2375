"""Out to a real Label Studio and back, through its API: what is asked, what comes back, and what is taken back."""

import shutil
from pathlib import Path

import pytest
import tomlkit
from review_round import collected, drawn, log, pull, push, quiet, say, tasks, where

from byod.api import adding, datasets, review, train
from byod.labeling import labeling_page, predictions
from byod.labeling.predictions import PredictedLabel
from byod.schema import recipe as recipes
from byod.schema.errors import UsageError
from byod.schema.keypoints import (
    Instance,
    Keypoint,
    Keypoints,
    KeypointSet,
    keypoints_file,
    read_keypoints,
)
from byod.schema.recipe import Recipe
from byod.schema.records import Task
from byod.schema.review_tasks import Purpose

pytestmark = pytest.mark.slow


def test_every_picture_is_asked_once_with_its_folder_as_the_preselected_opinion(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    assert (pushed.added, pushed.already) == (12, 0)
    assert push(folder, session, tmp_path)[Purpose.LABELS].added == 0
    found = tasks(session, pushed)
    assert len({task["data"]["byod_id"] for task in found}) == 12
    for task in found:
        (opinion,) = task["predictions"]
        assert opinion["result"][0]["value"]["choices"] == [task["data"]["label"]]
        assert where(folder, task) == f"images/{task['data']['label']}"
    project = session.studio.get(f"/api/projects/{pushed.project.number}/")
    assert project["model_version"] == "folder"


def test_what_was_added_to_the_dataset_since_is_all_that_a_second_push_adds(folder, session, tmp_path):
    push(folder, session, tmp_path)
    collected(drawn(tmp_path / "more", "Maus", per_class=2, seed=9), folder)
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    assert (pushed.added, pushed.already) == (2, 12)
    assert "Maus" in session.studio.get(f"/api/projects/{pushed.project.number}/")["label_config"]


def test_the_picture_a_task_shows_is_the_picture_of_the_dataset(folder, session, tmp_path, live_studio):
    import requests

    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    with requests.Session() as session:
        session.trust_env = False
        address = live_studio.url + task["data"]["image"]
        shown = session.get(address, headers={"Authorization": f"Token {live_studio.token}"}, timeout=300)
        stranger = session.get(address, timeout=300)
    assert (
        shown.content == next((folder / "images").glob(f"*/{Path(task['data']['file']).name}")).read_bytes()
    )
    assert stranger.status_code in (401, 403, 404)


def test_answers_come_back_once_as_verdicts_with_who_and_when_and_the_files_move(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    kept, changed, rejected, skipped, *_ = [
        t for t in tasks(session, pushed) if t["data"]["label"] == "Katze"
    ]
    given = [
        say(session, kept, "Katze"),
        say(session, changed, "Hund"),
        say(session, rejected, labeling_page.REJECT),
    ]
    say(session, skipped, "Hund", was_cancelled=True)
    pulled = pull(folder, session)
    assert (pulled.answers, pulled.relabelled, pulled.rejected) == (3, 1, 1)
    assert [where(folder, t) for t in (kept, changed, rejected, skipped)] == [
        "images/Katze",
        "images/Hund",
        "rejected/review",
        "images/Katze",
    ]
    said = [line for line in log(folder) if line["who"] == "byod@localhost"]
    assert sorted(line["when"] for line in said) == sorted(a["updated_at"] for a in given)
    assert sorted(str(line["label"]) for line in said) == ["Hund", "Katze", "None"]
    assert pull(folder, session).answers == 0
    assert len(log(folder)) == len({(x["sha256"], x["who"], x["when"], x["label"]) for x in log(folder)})


def test_what_somebody_reviewed_is_asked_again_only_on_request(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path, limit=3)[Purpose.LABELS]
    assert pushed.added == 3
    for task in tasks(session, pushed):
        say(session, task, task["data"]["label"])
    pull(folder, session)
    assert push(folder, session, tmp_path)[Purpose.LABELS].added == 9
    assert push(folder, session, tmp_path, again=True)[Purpose.LABELS].already == 12


def test_a_file_moved_by_hand_meanwhile_is_a_conflict_until_somebody_says_again(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = next(t for t in tasks(session, pushed) if t["data"]["label"] == "Katze")
    name = Path(task["data"]["file"]).name
    say(session, task, labeling_page.REJECT)
    shutil.move(folder / "images" / "Katze" / name, folder / "images" / "Hund" / name)
    pulled = pull(folder, session)
    assert "moved by hand to Hund" in pulled.conflicts[0].why
    assert where(folder, task) == "rejected/conflict"
    assert len(datasets.status(folder, say=quiet).conflicts) == 1
    say(session, task, "Hund")
    assert not pull(folder, session).conflicts
    assert where(folder, task) == "images/Hund"
    assert not datasets.status(folder, say=quiet).conflicts


def test_a_file_deleted_by_hand_meanwhile_is_a_conflict_and_its_verdict_is_kept(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    next((folder / "images").glob(f"*/{Path(task['data']['file']).name}")).unlink()
    say(session, task, "Hund")
    pulled = pull(folder, session)
    assert "deleted by hand" in pulled.conflicts[0].why
    assert any(x["who"] == "byod@localhost" and x["label"] == "Hund" for x in log(folder))
    assert sum(1 for sample in datasets.status(folder, say=quiet).kept) == 11


def test_undo_takes_the_last_round_back_and_its_answers_are_not_taken_up_again(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    first, second, third, *_ = [t for t in tasks(session, pushed) if t["data"]["label"] == "Katze"]
    say(session, first, "Hund")
    pull(folder, session)
    push(folder, session, tmp_path)
    say(session, second, labeling_page.REJECT)
    say(session, third, "Hund")
    pull(folder, session)
    name = Path(third["data"]["file"]).name
    shutil.move(folder / "images" / "Hund" / name, folder / "rejected" / "review" / name)
    undone = review.undo(folder, say=quiet)
    assert (undone.pictures, undone.changed_since) == (1, 1)
    assert [where(folder, t) for t in (first, second, third)] == [
        "images/Hund",
        "images/Katze",
        "rejected/review",
    ]
    assert pull(folder, session).answers == 0
    push(folder, session, tmp_path)
    say(session, second, "Hund")
    assert pull(folder, session).relabelled == 1
    assert review.undo(folder, say=quiet).pictures == 1
    assert review.undo(folder, say=quiet).pictures == 1
    assert where(folder, first) == "images/Katze"
    with pytest.raises(UsageError, match="no pull"):
        review.undo(folder, say=quiet)


def test_an_undone_dataset_rebuilt_from_its_log_is_the_same(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    for task in tasks(session, pushed)[:4]:
        say(session, task, "Hund")
    pull(folder, session)
    review.undo(folder, say=quiet)
    before = datasets.status(folder, say=quiet)
    for file in folder.glob("catalog.db*"):
        file.unlink()
    after = datasets.status(folder, say=quiet)
    assert after.fingerprint == before.fingerprint
    assert pull(folder, session).answers == 0
    assert datasets.status(folder, say=quiet).fingerprint == before.fingerprint


def test_verdicts_for_a_class_that_left_the_recipe_wait_until_it_is_back(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = next(t for t in tasks(session, pushed) if t["data"]["label"] == "Katze")
    shutil.rmtree(folder / "images" / "Hund")
    recipe = tomlkit.parse((folder / "byod.toml").read_text(encoding="utf-8"))
    del recipe["classes"]["Hund"]
    (folder / "byod.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")
    say(session, task, "Hund")
    pulled = pull(folder, session)
    assert (pulled.answers, pulled.waiting) == (0, {"Hund": 1})
    recipes.write(folder, recipes.read(folder).with_class("Hund"))
    pulled = pull(folder, session)
    assert (pulled.relabelled, pulled.waiting) == (1, {})
    assert where(folder, task) == "images/Hund"


def test_a_class_that_is_shown_otherwise_keeps_its_answers(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = next(t for t in tasks(session, pushed) if t["data"]["label"] == "Katze")
    say(session, task, "Hund")
    toml = (folder / "byod.toml").read_text(encoding="utf-8")
    (folder / "byod.toml").write_text(
        toml.replace('name = "Hund"', 'name = "Wau & \\"Wau\\" <b>"'), encoding="utf-8"
    )
    assert push(folder, session, tmp_path)[Purpose.LABELS].added == 0
    config = session.studio.get(f"/api/projects/{pushed.project.number}/")["label_config"]
    assert "Wau &amp; &quot;Wau&quot; &lt;b>" in config or "Wau &amp;" in config
    assert pull(folder, session).relabelled == 1
    assert where(folder, task) == "images/Hund"


@pytest.mark.long
def test_a_hundred_classes_with_any_names_make_the_trip(session, tmp_path):
    evil = ["Blumen kohl", "Möhre", "🥦", "<&\"'>", "a&amp;b", "✗ Reject: belongs to no class"]
    names = evil + [f"class {number}" for number in range(94)]
    sorted_out = tmp_path / "drawn"
    source = drawn(tmp_path / "one", "x", per_class=100) / "x"
    recipe = Recipe()
    for name in names:
        recipe = recipe.with_class(name)
    for folder, picture in zip(recipe.classes, sorted(source.iterdir()), strict=True):
        (sorted_out / folder).mkdir(parents=True)
        shutil.copy(picture, sorted_out / folder)
    dataset = tmp_path / "set"
    adding.add([sorted_out], None, dataset, recipe, say=quiet, watch=lambda tallies: None)
    pushed = push(dataset, session, tmp_path)[Purpose.LABELS]
    asked = tasks(session, pushed)
    assert len(asked) > 50  # drawn pictures may be copies of each other
    folders = list(recipe.classes)
    wanted = {}
    for task in asked:
        label = folders[(folders.index(task["data"]["label"]) + 1) % 100]
        say(session, task, label)
        wanted[task["data"]["file"]] = f"images/{label}"
    assert pull(dataset, session).relabelled == len(asked)
    assert {task["data"]["file"]: where(dataset, task) for task in asked} == wanted


def test_conflicts_are_asked_with_both_classes_and_an_answer_decides(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    task = next(t for t in tasks(session, pushed) if t["data"]["label"] == "Katze")
    name = Path(task["data"]["file"]).name
    shutil.copy(folder / "images" / "Katze" / name, folder / "images" / "Hund" / name)
    done = push(folder, session, tmp_path, conflicts=True)
    assert set(done) == {Purpose.LABELS}
    (asked,) = tasks(session, done[Purpose.LABELS])
    assert "Katze" in asked["data"]["question"]
    assert not asked["predictions"]
    say(session, asked, "Hund")
    pull(folder, session)
    assert not datasets.status(folder, say=quiet).conflicts
    assert (folder / "images" / "Hund" / name).exists()


def in_bulk(session, pushed, model):
    """What the list's "Create annotations from predictions" does."""
    number = pushed.project.number
    every = {"selectedItems": {"all": True, "excluded": []}, "filters": {"conjunction": "and", "items": []}}
    session.studio.post(
        "/api/dm/actions/",
        params={"id": "predictions_to_annotations", "project": number},
        json={**every, "project": number, "model_version": model},
    )


def test_annotations_made_of_predictions_in_bulk_never_outrank_what_somebody_saw(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    seen, moved, rest, *_ = [t for t in tasks(session, pushed) if t["data"]["label"] == "Katze"]
    wrong = [
        {"task": t["id"], **predictions.prediction(PredictedLabel(label="Hund", score=0.9), "model")}
        for t in (seen, moved, rest)
    ]
    session.studio.post(f"/api/projects/{pushed.project.number}/import/predictions", json=wrong)
    say(session, seen, "Katze")
    pull(folder, session)
    name = Path(moved["data"]["file"]).name
    shutil.move(folder / "images" / "Katze" / name, folder / "images" / "Hund" / name)
    datasets.status(folder, say=quiet)
    shutil.move(folder / "images" / "Hund" / name, folder / "images" / "Katze" / name)
    in_bulk(session, pushed, "model")
    pulled = pull(folder, session)
    assert [where(folder, t) for t in (seen, moved, rest)] == ["images/Katze", "images/Katze", "images/Hund"]
    assert (pulled.answers, pulled.in_bulk, len(pulled.conflicts)) == (1, 1, 0)
    say(session, rest, "Katze")
    assert not pull(folder, session).conflicts
    assert where(folder, rest) == "images/Katze"


def test_status_counts_what_was_asked_answered_skipped_and_pulled(folder, session, tmp_path):
    pushed = push(folder, session, tmp_path)[Purpose.LABELS]
    one, two, three, *_ = [t for t in tasks(session, pushed) if t["data"]["label"] == "Katze"]
    say(session, one, "Katze")
    pull(folder, session)
    say(session, two, "Hund")
    say(session, three, "Hund", was_cancelled=True)
    standing = review.status(folder, session, say=quiet)
    (tally,) = standing.tallies
    assert (tally.pushed, tally.done, tally.skipped, tally.disagreeing, tally.pulled) == (12, 2, 1, 0, 1)
    assert tally.by == {"byod@localhost": 2}
    (model,) = standing.models
    assert (model.first, model.tasks, model.agreement) == ("folder", 2, 0.5)


NAMES = ("eye_image_left", "eye_image_right")


@pytest.fixture
def cats(tmp_path):
    """A dataset of points: two eyes in each of four pictures, one out of the frame."""
    pictures = drawn(tmp_path / "drawn", "cat", per_class=4)
    folder = tmp_path / "cats"
    recipe = Recipe(task=Task.KEYPOINTS, points=KeypointSet(names=NAMES, flips=(NAMES,)))
    adding.add([pictures], None, folder, recipe, say=quiet, watch=lambda tallies: None)
    for sample in datasets.status(folder, say=quiet).kept:
        eyes = {NAMES[0]: Keypoint(x=10.25, y=20.5), NAMES[1]: Keypoint(x=-4, y=20, inside=False)}
        keypoints = Keypoints(
            sha256=sample.sha256, width=sample.width, height=sample.height, heads=(Instance(points=eyes),)
        )
        (folder / keypoints_file(sample.path)).write_text(keypoints.model_dump_json())
    return folder


def points_of(folder, task):
    return read_keypoints(folder / keypoints_file(task["data"]["file"]))


def drag(session, task, right, down):
    """Say where the first eye is: `right` and `down` pixels from where it was shown."""
    (shown,) = task["predictions"][0]["result"]
    value = dict(shown["value"])
    value["x"] += 100 * right / shown["original_width"]
    value["y"] += 100 * down / shown["original_height"]
    return session.studio.post(
        f"/api/tasks/{task['id']}/annotations/", json={"result": [{**shown, "value": value}]}
    )


def test_a_dragged_point_moves_in_its_file_and_undo_moves_it_back(cats, session, tmp_path):
    pushed = push(cats, session, tmp_path)[Purpose.POINTS]
    assert pushed.added == 4
    task, untouched, *_ = tasks(session, pushed)
    before, other = points_of(cats, task), points_of(cats, untouched)
    drag(session, task, 7, -3)
    pulled = pull(cats, session)
    assert (pulled.answers, pulled.points) == (1, 1)
    after = points_of(cats, task)
    assert after.heads[0].points[NAMES[0]].x == pytest.approx(17.25, abs=0.01)
    assert after.heads[0].points[NAMES[0]].y == pytest.approx(17.5, abs=0.01)
    assert after.heads[0].points[NAMES[1]] == before.heads[0].points[NAMES[1]]
    assert points_of(cats, untouched) == other
    assert review.undo(cats, say=quiet).pictures == 1
    assert points_of(cats, task) == before
    assert pull(cats, session).answers == 0


def test_points_that_a_hand_changed_meanwhile_are_not_overwritten(cats, session, tmp_path):
    pushed = push(cats, session, tmp_path)[Purpose.POINTS]
    task = tasks(session, pushed)[0]
    keypoints = points_of(cats, task)
    head = keypoints.heads[0]
    by_hand = keypoints.model_copy(
        update={"heads": (head.model_copy(update={"points": {**head.points, NAMES[0]: Keypoint(x=1, y=2)}}),)}
    )
    (cats / keypoints_file(task["data"]["file"])).write_text(by_hand.model_dump_json())
    drag(session, task, 5, 5)
    pulled = pull(cats, session)
    assert "changed by hand" in pulled.conflicts[0].why
    assert where(cats, task) == "rejected/conflict"
    assert points_of(cats, task).heads == by_hand.heads
    drag(session, task, 6, 6)
    assert not pull(cats, session).conflicts
    assert where(cats, task) == "images/cat"
    assert points_of(cats, task).heads[0].points[NAMES[0]].x == pytest.approx(16.25, abs=0.01)


def test_a_picture_without_points_is_asked_first_and_may_be_rejected(cats, session, tmp_path):
    sample = datasets.status(cats, say=quiet).kept[2]
    (cats / keypoints_file(sample.path)).unlink()
    pushed = push(cats, session, tmp_path)[Purpose.POINTS]
    first = tasks(session, pushed)[0]
    assert first["data"]["byod_id"] == sample.sha256
    say(session, first, labeling_page.REJECT)
    assert pull(cats, session).rejected == 1
    assert where(cats, first) == "rejected/review"


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A dataset with a run."""
    folder = tmp_path_factory.mktemp("learned")
    made = collected(drawn(folder / "drawn", "Katze", "Hund", per_class=40), folder / "set")
    wanted = train.TrainRequest(plugin="sklearn", probe=False)
    train.train(made, wanted, say=quiet, log=lambda numbers: None)
    return made


def test_the_pictures_a_run_is_least_sure_of_come_first_and_the_folders_label_stays_the_chosen_one(
    learned, session, tmp_path
):
    pushed = push(learned, session, tmp_path)[Purpose.LABELS]
    assert push(learned, session, tmp_path, uncertain=True)[Purpose.LABELS].added == 0
    project = session.studio.get(f"/api/projects/{pushed.project.number}/")
    assert project["model_version"] == "folder"
    found = {task["id"]: task for task in tasks(session, pushed)}
    scores = {
        number: one["score"]
        for number, task in found.items()
        for one in task["predictions"]
        if one["model_version"].endswith("-sklearn")
    }
    assert len(scores) == pushed.added
    first = session.studio.get(f"/api/projects/{pushed.project.number}/next")
    assert found[first["id"]]["data"]["suspicion"] == max(t["data"]["suspicion"] for t in found.values())
    (chosen,) = first["predictions"]
    assert chosen["result"][0]["value"]["choices"] == [first["data"]["label"]]
    assert "-sklearn: " in first["data"]["question"]


def test_a_push_of_the_uncertain_orders_the_tasks_and_keeps_to_the_limit(learned, session, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(learned, moved)
    (moved / ".byod" / "review-key").unlink(missing_ok=True)
    pushed = push(moved, session, tmp_path, uncertain=True, limit=5)[Purpose.LABELS]
    found = tasks(session, pushed)
    suspicion = [task["data"]["suspicion"] for task in found]
    assert len(found) == 5
    assert suspicion == sorted(suspicion, reverse=True)


@pytest.mark.long
def test_suspects_are_asked_with_what_speaks_against_the_label(session, tmp_path):
    pictures = drawn(tmp_path / "drawn", "Katze", "Hund", per_class=40)
    for file in sorted((pictures / "Katze").iterdir())[:4]:
        shutil.move(file, pictures / "Hund" / f"was-{file.name}")
    folder = collected(pictures, tmp_path / "set")
    done = push(folder, session, tmp_path, suspects=True)
    found = tasks(session, done[Purpose.LABELS])
    assert {task["data"]["kind"] for task in found} == {"suspect"}
    assert any("the other pictures: Katze" in task["data"]["question"] for task in found)
    labels = {one["result"][0]["value"]["choices"][0] for task in found for one in task["predictions"]}
    assert labels == {"Katze", "Hund"}
