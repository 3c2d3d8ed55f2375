"""Several people in one review: how many look at a picture, whose it is, what they see, and how far they agree."""

import json
import shutil

import label_studio
import pytest
import requests
from command import byod
from review_round import log, pull, push, quiet, say, tasks, where

from byod.api import datasets, review
from byod.api.review import ReviewSession
from byod.api.review_queue import ReviewRequest
from byod.labeling import predictions
from byod.labeling.client import LabelStudio
from byod.schema.errors import UsageError
from byod.schema.review_tasks import Purpose

pytestmark = pytest.mark.slow


def other(label):
    return "Hund" if label == "Katze" else "Katze"


@pytest.fixture
def person(live_studio, tmp_path, session):
    """Sign somebody up by a name; their own client of the server, with their address as `email`."""

    def made(name):
        token = label_studio.joined(live_studio, f"{name}-{tmp_path.name}@example.org")
        studio = LabelStudio(live_studio.url, token)
        return ReviewSession(studio=studio, server=session.server, files=session.files)

    return made


def shared(folder, session, tmp_path, *people, **asked):
    """Push to the queues of people; what was pushed, by person."""
    names = tuple(one.studio.email for one in people)
    asking = ReviewRequest(people=names, **asked)
    done = review.push(folder, session, asking, tmp_path / "cache", say=quiet, progress=quiet2)
    return {one.project.person: one for one in done}


def quiet2(done, total):
    pass


def asked_of(session, pushed, who):
    return tasks(session, pushed[who.studio.email])


def stream(person, project):
    """The task that Label Studio shows a person next, as their browser asks for it; None: there is none."""
    with requests.Session() as http:
        http.trust_env = False
        told = http.get(
            f"{person.studio.url}/api/projects/{project}/next",
            headers={"Authorization": f"Token {person.studio.token}"},
            timeout=300,
        )
    return told.json() if told.status_code == 200 else None


def test_with_an_overlap_each_picture_is_shown_to_so_many_people_and_to_nobody_twice(
    folder, session, tmp_path, person
):
    """In one queue the stream gives a picture to two people; the round counts answers; what is begun is not over."""
    anna, ben, carla = person("anna"), person("ben"), person("carla")
    pushed = push(folder, session, tmp_path, overlap=2, limit=2, order="folder")[Purpose.LABELS]
    assert pushed.open == 4
    assert "2 people each" in pushed.summary
    number = pushed.project.number
    for who, answers in ((anna, 2), (ben, 2), (carla, 0)):
        seen = []
        while (task := stream(who, number)) is not None:
            assert not task["annotations"], "nobody sees the others' answers in the stream"
            seen.append(task["data"]["byod_id"])
            say(who, task, task["data"]["label"])
        assert len(seen) == len(set(seen)) == answers
        if who is anna:
            assert pull(folder, session).progress == "2 of 4 answered"
            again = push(folder, session, tmp_path, overlap=2, limit=2, order="folder")[Purpose.LABELS]
            assert (again.added, again.withdrawn, again.open) == (0, 0, 2)
    pulled = pull(folder, session)
    assert pulled.by == {ben.studio.email: 2}
    assert pulled.progress.startswith("all 2")
    (first, last) = review.listed(folder, say=quiet)[-2:]
    assert (first.overlap, first.asked, first.answered, last.asked, last.answered) == (2, 4, 2, 2, 2)
    once = push(folder, session, tmp_path, limit=1)[Purpose.LABELS]
    assert once.project.overlap == 1
    assert (once.added, once.open) == (1, 1)


def test_people_get_queues_of_their_own_with_as_many_pictures_each(folder, session, tmp_path, person):
    """Each picture is in two of three queues, every two people share as many; what is open stays whose it is."""
    people = anna, ben, carla = person("anna"), person("ben"), person("carla")
    pushed = shared(folder, session, tmp_path, *people, overlap=2)
    queues = {who: {t["data"]["byod_id"] for t in asked_of(session, pushed, who)} for who in people}
    assert [len(queue) for queue in queues.values()] == [8, 8, 8]
    assert len(queues[anna] & queues[ben]) == len(queues[anna] & queues[carla]) == 4
    assert len({one.project.url for one in pushed.values()}) == 3
    for task in asked_of(session, pushed, anna)[:4]:
        say(anna, task, task["data"]["label"])
    pull(folder, session)
    again = shared(folder, session, tmp_path, *people, overlap=2)
    assert {one.added for one in again.values()} == {0}
    assert {one.withdrawn for one in again.values()} == {0}
    assert sum(one.open for one in again.values()) == 20
    everybody = push(folder, session, tmp_path, limit=3)[Purpose.LABELS]
    assert everybody.added == 3
    for who in people:
        left = [t for t in asked_of(session, pushed, who) if not t["total_annotations"]]
        assert not left, "what was shared out gives way to the queue for all"


def test_a_picture_that_somebody_skipped_in_their_queue_goes_to_somebody_else(
    folder, session, tmp_path, person
):
    people = anna, ben = person("anna"), person("ben")
    pushed = shared(folder, session, tmp_path, *people, limit=4)
    mine, theirs = (asked_of(session, pushed, who) for who in people)
    assert (len(mine), len(theirs)) == (2, 2)
    anna.studio.post(f"/api/tasks/{mine[0]['id']}/annotations/", json={"result": [], "was_cancelled": True})
    shared(folder, session, tmp_path, *people, limit=4)
    now = {task["data"]["byod_id"] for task in asked_of(session, pushed, ben)}
    assert now == {task["data"]["byod_id"] for task in (mine[0], *theirs)}


def test_blind_queues_show_neither_the_folders_label_nor_what_anybody_says(folder, session, tmp_path, person):
    """Nothing in a task, its predictions or the list's columns tells it; the answers are verdicts as any other."""
    anna, ben = person("anna"), person("ben")
    pushed = shared(folder, session, tmp_path, anna, ben, overlap=2, blind=True)
    task, *_ = asked_of(session, pushed, anna)
    told = json.dumps({"data": task["data"], "predictions": task["predictions"]})
    assert "Katze" not in told
    assert "Hund" not in told
    assert task["data"]["question"] == "Which class is it?"
    (view,) = session.studio.get("/api/dm/views/", params={"project": task["project"]})
    assert {"tasks:data.label", "tasks:annotations_results"} <= set(view["data"]["hiddenColumns"]["explore"])
    assert pushed[anna.studio.email].project.number not in predictions.projects_of(session.studio, folder)
    again = shared(folder, session, tmp_path, anna, ben, overlap=2, blind=True)
    assert {(one.added, one.refreshed, one.withdrawn) for one in again.values()} == {(0, 0, 0)}
    for one in asked_of(session, pushed, anna):
        say(anna, one, "Katze")
    assert pull(folder, session).relabelled == 6
    assert {said["who"] for said in log(folder) if said["note"].startswith("review")} == {anna.studio.email}


def test_a_blind_sample_measures_the_labels_as_well_as_one_that_is_not(folder, session, tmp_path, person):
    """People do not see the label that they confirm; the figure knows it all the same."""
    anna = person("anna")
    pushed = shared(folder, session, tmp_path, anna, sample=12, blind=True)
    for one in asked_of(session, pushed, anna):
        say(anna, one, "Katze")
    quality = pull(folder, session).label_quality
    assert (quality.right, quality.number) == (6, 12)
    assert {label: one.right for label, one in quality.classes.items()} == {"Hund": 0, "Katze": 6}


def test_a_sample_that_two_people_answer_counts_each_picture_once_and_when_it_is_decided(
    folder, session, tmp_path, person
):
    """Two answers are one picture; one about which they differ is left out and said, until somebody decides."""
    anna, ben = person("anna"), person("ben")
    pushed = push(folder, session, tmp_path, sample=4, overlap=2)[Purpose.SAMPLE]
    assert pushed.open == 8
    first, *rest = sample = tasks(session, pushed)
    label = first["data"]["label"]
    for task in sample:
        say(anna, task, task["data"]["label"])
    quality = pull(folder, session).label_quality
    assert (quality.right, quality.number, quality.undecided) == (4, 4, 0)
    say(ben, first, other(label))
    for task in rest[:2]:
        say(ben, task, task["data"]["label"])
    quality = pull(folder, session).label_quality
    assert (quality.right, quality.number, quality.undecided) == (3, 3, 1)
    assert "people differ about 1 more" in quality.summary
    assert sum(one.number for one in quality.classes.values()) == 3
    assert "1 picture about which people differ" in (folder / "README.md").read_text()
    assert push(folder, session, tmp_path, sample=4, overlap=2)[Purpose.SAMPLE].added == 0
    asking = push(folder, session, tmp_path, conflicts=True)[Purpose.LABELS]
    (decide,) = tasks(session, asking)
    say(session, decide, label)
    pull(folder, session)
    quality = datasets.status(folder, say=quiet).label_quality
    assert (quality.right, quality.number, quality.undecided) == (4, 4, 0)


def differing(folder, session, tmp_path, anna, ben):
    """A round of two in which they differ about one picture; its task in Anna's queue."""
    pushed = shared(folder, session, tmp_path, anna, ben, overlap=2, limit=4, order="folder")
    for task in asked_of(session, pushed, anna):
        say(anna, task, task["data"]["label"])
    theirs = asked_of(session, pushed, ben)
    for task in theirs:
        wrong = task is theirs[0]
        say(ben, task, other(task["data"]["label"]) if wrong else task["data"]["label"])
    return theirs[0]


def test_people_who_differ_make_a_conflict_that_the_next_round_asks_of_somebody_else(
    folder, session, tmp_path, person
):
    """The conflict goes to who has not said anything; that answer decides, also when others say more later."""
    anna, ben, carla = person("anna"), person("ben"), person("carla")
    task = differing(folder, session, tmp_path, anna, ben)
    label = task["data"]["label"]
    (clash,) = pull(folder, session).conflicts
    assert anna.studio.email in clash.why
    assert where(folder, task) == "rejected/conflict"
    pushed = shared(folder, session, tmp_path, anna, ben, carla, overlap=2, limit=1)
    assert {who: one.open for who, one in pushed.items()} == {carla.studio.email: 1} | {
        who: 0 for who in (anna.studio.email, ben.studio.email) if who in pushed
    }
    (decide,) = asked_of(session, pushed, carla)
    assert decide["data"]["byod_id"] == task["data"]["byod_id"]
    assert "Claimed to be" in decide["data"]["question"]
    say(carla, decide, label)
    pulled = pull(folder, session)
    assert (pulled.answers, pulled.conflicts) == (1, ())
    assert where(folder, task) == f"images/{label}"
    say(anna, task, label)  # somebody who agrees makes no conflict anew
    assert not pull(folder, session).conflicts
    for file in folder.glob("catalog.db*"):
        file.unlink()
    datasets.status(folder, say=quiet)
    assert pull(folder, session).answers == 0
    assert where(folder, task) == f"images/{label}"


def test_in_one_queue_a_conflict_between_people_is_asked_anew(folder, session, tmp_path, person):
    """What two people answered is closed there; the conflict is a question of its own, once, and its answer decides."""
    anna, ben = person("anna"), person("ben")
    pushed = push(folder, session, tmp_path, overlap=2, limit=3)[Purpose.LABELS]
    task = tasks(session, pushed)[0]
    say(anna, task, task["data"]["label"])
    say(ben, task, other(task["data"]["label"]))
    assert pull(folder, session).conflicts
    for added in (1, 0):
        again = push(folder, session, tmp_path, conflicts=True)[Purpose.LABELS]
        assert (again.added, again.open) == (added, 1)
    (asked,) = [t for t in tasks(session, pushed) if not t["total_annotations"]]
    assert asked["data"]["byod_id"] == task["data"]["byod_id"]
    say(ben, asked, other(task["data"]["label"]))
    assert pull(folder, session).relabelled == 1
    assert where(folder, task) == f"images/{other(task['data']['label'])}"
    assert push(folder, session, tmp_path, conflicts=True)[Purpose.LABELS].open == 0
    assert not pull(folder, session).conflicts


def test_agreement_is_told_by_class_and_person_wherever_people_look(
    folder, session, tmp_path, person, monkeypatch, live_studio
):
    """Status, the card, the check page and the JSON have one figure: that of what people said by themselves."""
    anna, ben = person("anna"), person("ben")
    task = differing(folder, session, tmp_path, anna, ben)
    pull(folder, session)
    agreed = review.status(folder, session, say=quiet).agreement
    assert (agreed.pictures, agreed.agreement, agreed.differing) == (4, 0.75, 1)
    assert {one.label for one in agreed.classes} == {"Katze", "Hund"}
    assert {one.person for one in agreed.people} == {anna.studio.email, ben.studio.email}
    say(
        ben, task, task["data"]["label"]
    )  # he comes round: a conflict is over, and no figure grows better by it
    pull(folder, session)
    snapshot = datasets.status(folder, say=quiet)
    assert snapshot.agreement == agreed
    assert "Krippendorff" in (folder / "README.md").read_text(encoding="utf-8")
    env = {
        "BYOD_LABEL_STUDIO_URL": live_studio.url,
        "BYOD_LABEL_STUDIO_TOKEN": live_studio.token,
        "BYOD_LANGUAGE": "en",
    }
    told = json.loads(byod("status", str(folder), "--json", folder=folder.parent, **env).stdout)
    assert told["agreement"]["pictures"] == 4
    told = json.loads(byod("review", "status", str(folder), "--json", folder=folder.parent, **env).stdout)
    assert told["agreement"]["people"][0]["person"] == anna.studio.email
    shown = byod("review", "status", str(folder), folder=folder.parent, **env).stdout
    assert "Krippendorff's alpha" in shown
    assert "Agreement by person" in shown
    told = json.loads(byod("review", "list", str(folder), "--json", folder=folder.parent, **env).stdout)
    assert told[-1]["people"] == [anna.studio.email, ben.studio.email]
    assert anna.studio.email in byod("review", "list", str(folder), folder=folder.parent, **env).stdout
    byod("check", str(folder), folder=folder.parent, **env)
    assert "Krippendorff" in (folder / "check.html").read_text(encoding="utf-8")


def test_a_name_that_nobody_has_is_refused_with_who_there_is_and_how_to_invite(
    folder, session, tmp_path, person
):
    anna = person("anna")
    with pytest.raises(UsageError) as refused:
        push(folder, session, tmp_path, people=("nobody",))
    assert anna.studio.email in str(refused.value)
    assert "/user/signup/?token=" in str(refused.value)
    name = anna.studio.email.partition("@")[0]
    done = push(folder, session, tmp_path, people=(name,), limit=1)[Purpose.LABELS]
    assert done.project.person == anna.studio.email


def test_a_lost_catalog_finds_the_queues_of_people_again(folder, session, tmp_path, person):
    """Nothing is asked twice, and their answers come back."""
    anna, ben = person("anna"), person("ben")
    pushed = shared(folder, session, tmp_path, anna, ben)
    for file in folder.glob("catalog.db*"):
        file.unlink()
    task = asked_of(session, pushed, ben)[0]
    say(ben, task, other(task["data"]["label"]))
    assert pull(folder, session).relabelled == 1
    again = shared(folder, session, tmp_path, anna, ben)
    assert {one.added for one in again.values()} == {0}


def test_a_renamed_dataset_has_projects_of_its_new_name_but_for_titles_that_people_chose(
    folder, session, tmp_path
):
    pushed = push(folder, session, tmp_path, limit=1)[Purpose.LABELS]
    path = f"/api/projects/{pushed.project.number}/"
    renamed = folder.with_name("another name")
    shutil.move(folder, renamed)
    push(renamed, session, tmp_path, limit=1)
    assert session.studio.get(path)["title"] == "another name · labels"
    assert session.studio.get(path)["description"].startswith("Made by byod from another name. Please leave")
    session.studio.patch(path, json={"title": "our cats"})
    shutil.move(renamed, folder)
    push(folder, session, tmp_path, limit=1)
    assert session.studio.get(path)["title"] == "our cats"
    assert "[byod " in session.studio.get(path)["description"]
