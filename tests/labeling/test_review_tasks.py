"""What the review asks and what it makes of answers: without a server."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byod.dataset.catalog.verdicts import UNDO
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.labeling import annotations as answers
from byod.labeling import identity, image_urls, keypoint_annotations, labeling_page, questions
from byod.labeling.annotations import Annotation, Decision
from byod.labeling.keypoint_annotations import ReviewedKeypoint
from byod.schema import folder_names
from byod.schema import recipe as recipes
from byod.schema import review_tasks as reviews
from byod.schema.errors import ReviewError, UsageError
from byod.schema.keypoints import Instance, Keypoint, Keypoints, KeypointSet, keypoints_file
from byod.schema.recipe import ClassRecipe, Recipe
from byod.schema.records import Sample, Status, Task, Verdict
from byod.schema.review_tasks import Purpose
from byod.tasks import TASKS
from byod.tasks.classify import labeling_tasks as classify_review
from byod.testing import draw_classes

SHA = "a" * 64
NOW = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
PEOPLE = {1: "anna@example.org", 2: "ben@example.org"}
ANNA, BEN = PEOPLE.values()


def verdict(number, who, label, note=""):
    return number, Verdict(sha256=SHA, label=label, who=who, when=NOW + timedelta(seconds=number), note=note)


def answer(who, label, second=100, last_verdict=0):
    when = NOW + timedelta(seconds=second)
    return Annotation(
        sha256=SHA, purpose=Purpose.LABELS, label=label, who=who, when=when, last_verdict=last_verdict
    )


def annotation(label, person=1, second=0, skipped=False, **more):
    choices = [] if label is None else [{"from_name": "label", "value": {"choices": [label]}}]
    when = (NOW + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "result": choices,
        "was_cancelled": skipped,
        "updated_at": when,
        "completed_by": person,
        **more,
    }


def task(*annotations, sha256=SHA, **data):
    return {"data": {"byod_id": sha256, "label": "cat", "seen": 7, **data}, "annotations": list(annotations)}


def read(*tasks, purpose=Purpose.LABELS):
    return answers.read(tasks, purpose, PEOPLE)


def test_a_skip_is_no_answer_although_it_carries_the_preselected_label():
    assert read(task(annotation("dog", skipped=True))).answers == ()


def test_the_newest_answer_of_a_person_counts_and_everybody_keeps_one():
    found = read(task(annotation("cat", 1, 0), annotation("dog", 1, 5), annotation("cat", 2, 3)))
    assert [(a.who, a.label) for a in found.answers] == [(BEN, "cat"), (ANNA, "dog")]


def test_a_skip_after_an_answer_leaves_the_answer():
    found = read(task(annotation("dog", 1, 0), annotation("dog", 1, 5, skipped=True)))
    assert [a.label for a in found.answers] == ["dog"]


def test_whoever_changed_an_answer_last_is_who_gave_it():
    assert read(task(annotation("dog", 1, updated_by=2))).answers[0].who == BEN


def test_reject_is_an_answer_without_a_class():
    found = read(task(annotation(labeling_page.REJECT)))
    assert [a.label for a in found.answers] == [None]


def test_an_answer_of_several_classes_or_of_none_is_counted_and_left_out():
    both = {**annotation("dog"), "result": [{"from_name": "label", "value": {"choices": ["dog", "cat"]}}]}
    found = read(task(annotation(None)), task(both))
    assert (found.answers, found.unreadable) == ((), 2)


def test_a_task_that_byod_did_not_make_is_counted_and_left_out():
    found = read({"data": {"image": "x"}, "annotations": [annotation("dog")]})
    assert (found.answers, found.foreign) == ((), 1)


def test_two_tasks_of_one_picture_are_one_question():
    found = read(task(annotation("dog", 1, 0)), task(annotation("cat", 1, 9)))
    assert [a.label for a in found.answers] == ["cat"]


def test_one_answer_decides():
    assert answers.decide([], [answer(ANNA, "dog")]) == Decision(label="dog", who=ANNA)


def test_two_people_who_differ_are_a_conflict_that_says_who_said_what():
    decision = answers.decide([verdict(3, ANNA, "dog")], [answer(BEN, "cat")])
    assert decision.conflict == f"{ANNA} says dog, {BEN} says cat"
    assert decision.label is None


def test_a_conflict_ends_when_one_of_the_two_comes_round():
    history = [verdict(3, ANNA, "dog"), verdict(4, BEN, "cat"), verdict(5, answers.REVIEW, None)]
    assert answers.decide(history, [answer(BEN, "dog")]) == Decision(label="dog", who=BEN)


def test_somebody_who_changes_their_mind_is_no_conflict():
    assert answers.decide([verdict(3, ANNA, "dog")], [answer(ANNA, None)]) == Decision(label=None, who=ANNA)


def test_a_file_moved_by_hand_since_it_was_asked_is_a_conflict_with_another_answer():
    decision = answers.decide([verdict(9, "folder", "dog")], [answer(ANNA, "cat", last_verdict=7)])
    assert "moved by hand to dog" in decision.conflict


def test_a_file_moved_by_hand_to_where_the_reviewer_puts_it_is_no_conflict():
    assert not answers.decide([verdict(9, "folder", "dog")], [answer(ANNA, "dog", last_verdict=7)]).conflict


def test_a_file_moved_by_hand_before_it_was_asked_is_no_conflict():
    assert not answers.decide([verdict(6, "folder", "dog")], [answer(ANNA, "cat", last_verdict=7)]).conflict


def test_a_hand_after_two_people_decides_between_them():
    history = [verdict(3, ANNA, "dog"), verdict(4, BEN, "cat"), verdict(9, "folder", "cat")]
    assert not answers.decide(history, [answer(BEN, "cat", last_verdict=9)]).conflict


def test_the_answer_after_a_told_conflict_with_a_hand_has_the_last_word():
    history = [verdict(9, "folder", "dog"), verdict(10, ANNA, "cat"), verdict(11, answers.REVIEW, None)]
    assert answers.decide(history, [answer(ANNA, "cat", last_verdict=7)]) == Decision(label="cat", who=ANNA)


def test_what_was_taken_back_counts_no_more():
    history = [verdict(3, ANNA, "dog"), verdict(4, UNDO, "cat", "#0")]
    assert answers.decide(history, [answer(BEN, "cat")]) == Decision(label="cat", who=BEN)


@given(st.permutations([(ANNA, "dog"), (BEN, "dog"), ("carl@example.org", "dog")]))
def test_people_who_agree_decide_in_any_order(said):
    new = [answer(who, label, second) for second, (who, label) in enumerate(said)]
    assert answers.decide([], new).label == "dog"


def numbered(log):
    """Which verdict holds, as the catalog finds it."""
    return {sha: (number, said.label) for sha, (number, said) in log.numbered().items()}


def test_a_verdict_that_was_taken_back_holds_no_more(tmp_path):
    with Dataset.create(tmp_path / "d", Recipe().with_class("cat"), TASKS) as dataset:
        log = dataset.catalog.verdicts
        log.add([verdict(0, "search", "cat")[1], verdict(0, ANNA, "dog")[1]])
        assert numbered(log) == {SHA: (2, "dog")}
        log.add([verdict(0, UNDO, "cat", "#0")[1]])
        assert numbered(log) == {}
        log.add([verdict(0, "folder", "cat")[1], verdict(0, BEN, None)[1], verdict(0, UNDO, "cat", "#4")[1]])
        assert numbered(log) == {SHA: (4, "cat")}


EVIL = [
    "Blumen kohl",
    "Möhre",
    "🥦",
    "<&\"'>",
    "a&amp;b",
    "__reject",
    "✗ Reject: belongs to no class",
    "C:\\x",
]


def dataset_of(folder, names, **more):
    recipe = Recipe(**more)
    for name in names:
        recipe = recipe.with_class(name)
    return Dataset.create(folder, recipe, TASKS)


def choices(config):
    return [(e.get("value"), e.get("alias")) for e in ElementTree.fromstring(config).iter("Choice")]


def test_every_class_name_stands_in_the_page_as_it_is_and_is_stored_as_its_folder(tmp_path):
    with dataset_of(tmp_path / "d", EVIL) as dataset:
        found = choices(labeling_page.config(dataset, Purpose.LABELS))
        shown = {entry.name: folder for folder, entry in dataset.recipe.classes.items()}
    assert dict(found[:-1]) == shown
    assert found[-1][1] == labeling_page.REJECT
    assert len({value for value, _ in found}) == len(found)


@pytest.mark.slow
@given(st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=6))
def test_any_name_that_can_name_a_class_survives_the_page(tmp_path_factory, names):
    classes = {}
    for name in names:
        try:
            checked = recipes.check_class_name(name)
        except UsageError:
            continue
        if not any(ord(c) in range(0xD800, 0xE000) or ord(c) in (0xFFFE, 0xFFFF) for c in checked):
            classes[folder_names.safe_folder(checked, classes)] = ClassRecipe(name=checked)
    with Dataset.create(tmp_path_factory.mktemp("d"), Recipe(classes=classes), TASKS) as dataset:
        found = choices(labeling_page.config(dataset, Purpose.LABELS))
    assert [alias for _, alias in found[:-1]] == list(classes)


def test_classes_that_are_shown_alike_are_told_apart_by_their_folders(tmp_path):
    classes = {"a": ClassRecipe(name="cat"), "b": ClassRecipe(name="cat")}
    with Dataset.create(tmp_path / "d", Recipe(classes=classes), TASKS) as dataset:
        assert choices(labeling_page.config(dataset, Purpose.LABELS))[:2] == [
            ("cat (a)", "a"),
            ("cat (b)", "b"),
        ]


def test_a_class_that_left_the_recipe_stays_in_the_page(tmp_path):
    with dataset_of(tmp_path / "d", ["cat", "dog"]) as dataset:
        before = labeling_page.config(dataset, Purpose.LABELS)
    with dataset_of(tmp_path / "e", ["cat", "bird"]) as dataset:
        after = labeling_page.config(dataset, Purpose.LABELS, before)
        assert choices(after)[:3] == [("cat", "cat"), ("bird", "bird"), ("dog (no longer a class)", "dog")]
        assert labeling_page.config(dataset, Purpose.LABELS, after) == after


def test_a_class_shown_otherwise_is_stored_as_before(tmp_path):
    with Dataset.create(tmp_path / "d", Recipe(classes={"cat": ClassRecipe(name="Katze")}), TASKS) as dataset:
        assert choices(labeling_page.config(dataset, Purpose.LABELS))[0] == ("Katze", "cat")


def test_a_dataset_keeps_its_key_when_its_folder_is_renamed(tmp_path):
    with dataset_of(tmp_path / "d", ["cat"]) as dataset:
        key = identity.key(dataset.folder)
    (tmp_path / "d").rename(tmp_path / "e")
    assert identity.key(tmp_path / "e") == key
    with dataset_of(tmp_path / "d", ["cat"]) as other:
        assert identity.key(other.folder) != key


def test_the_most_suspicious_come_first_and_what_a_run_says_is_an_opinion(drawn_snapshot, tmp_path):
    snapshot = drawn_snapshot(tmp_path, {"Katze": "cat", "Hund": "dog"}, per_class=2)
    first, second, *_ = [sample.sha256 for sample in snapshot.kept]
    said = {first: {"cat": 0.9, "dog": 0.1}, second: {"cat": 0.2, "dog": 0.8}}
    asked = reviews.queue(classify_review.labels(snapshot, last_verdict=5, answers=said, run="r1"))
    assert asked[0].sha256 == second
    assert asked[0].suspicion == pytest.approx(0.8)
    assert [(o.by, o.label, o.score) for o in asked[0].predictions] == [
        ("folder", "cat", None),
        ("r1", "dog", 0.8),
    ]


def test_a_random_sample_is_the_same_at_each_push_and_keeps_the_order(drawn_snapshot, tmp_path):
    asked = classify_review.labels(
        drawn_snapshot(tmp_path, {"a": "a", "b": "b"}, per_class=30), last_verdict=0
    )
    few = reviews.sampled(asked, 10)
    assert few == reviews.sampled(list(asked), 10)
    chosen = {task.sha256 for task in few}
    assert [task.sha256 for task in asked if task.sha256 in chosen] == [task.sha256 for task in few]
    assert len(few) == 10


NAMES = ("eye_image_left", "eye_image_right", "mouth")
numbers = st.floats(0, 1, allow_nan=False).map(lambda part: round(part, 6))


@st.composite
def marked(draw):
    width, height = draw(st.integers(8, 6000)), draw(st.integers(8, 6000))
    heads = []
    for _ in range(draw(st.integers(0, 3))):
        points = {}
        for name in NAMES:
            kind = draw(st.sampled_from(["in", "in", "out", "none"]))
            if kind == "none":
                points[name] = None
            elif kind == "out":
                points[name] = Keypoint(x=-1 - draw(numbers) * 50, y=draw(numbers) * height, inside=False)
            else:
                points[name] = Keypoint(x=draw(numbers) * width, y=draw(numbers) * height)
        if any(points.values()):
            heads.append(Instance(points=points))
    return Keypoints(sha256=SHA, width=width, height=height, heads=tuple(heads))


def asked_about(keypoints):
    """The points as a reviewer's page sends them back untouched."""
    return [
        ReviewedKeypoint(
            key=i["id"], name=i["value"]["keypointlabels"][0], x=i["value"]["x"], y=i["value"]["y"]
        )
        for i in questions.points_result(keypoints)
    ]


@given(marked())
def test_points_that_nobody_touches_come_back_to_the_last_digit(keypoints):
    assert (
        keypoint_annotations.reviewed_keypoints(
            asked_about(keypoints), keypoints, NAMES, SHA, keypoints.width, keypoints.height
        )
        == keypoints
    )


@given(marked(), st.floats(-40, 40), st.floats(-40, 40), st.data())
def test_a_dragged_point_moves_by_as_much_and_no_other_does(keypoints, right, down, data):
    left = asked_about(keypoints)
    if not left:
        return
    at = data.draw(st.integers(0, len(left) - 1))
    number, name = left[at].key[1:].split(".")
    shift = {"x": left[at].x + 100 * right / keypoints.width, "y": left[at].y + 100 * down / keypoints.height}
    left[at] = left[at].model_copy(update=shift)
    after = keypoint_annotations.reviewed_keypoints(
        left, keypoints, NAMES, SHA, keypoints.width, keypoints.height
    )
    for n, (head, before) in enumerate(zip(after.heads, keypoints.heads, strict=True)):
        for each in NAMES:
            if (n, each) != (int(number), name):
                assert head.points[each] == before.points[each]
    old, new = keypoints.heads[int(number)].points[name], after.heads[int(number)].points[name]
    assert abs(new.x - old.x - right) < 0.5
    assert abs(new.y - old.y - down) < 0.5


def test_a_point_that_was_taken_away_is_unmarked_and_one_out_of_the_frame_stays():
    head = Instance(
        points={NAMES[0]: Keypoint(x=5, y=5), NAMES[1]: Keypoint(x=-3, y=5, inside=False), NAMES[2]: None}
    )
    keypoints = Keypoints(sha256=SHA, width=10, height=10, heads=(head,))
    after = keypoint_annotations.reviewed_keypoints([], keypoints, NAMES, SHA, 10, 10)
    assert after.heads[0].points == {
        NAMES[0]: None,
        NAMES[1]: Keypoint(x=-3, y=5, inside=False),
        NAMES[2]: None,
    }


def test_a_new_point_goes_to_the_nearest_head_that_lacks_it_else_to_a_new_one():
    heads = tuple(
        Instance(points={NAMES[0]: Keypoint(x=x, y=50), NAMES[1]: None, NAMES[2]: None}) for x in (10, 90)
    )
    keypoints = Keypoints(sha256=SHA, width=100, height=100, heads=heads)
    new = [
        ReviewedKeypoint(key="x1", name=NAMES[1], x=80, y=50),
        ReviewedKeypoint(key="x2", name=NAMES[0], x=50, y=50),
    ]
    after = keypoint_annotations.reviewed_keypoints(
        [*asked_about(keypoints), *new], keypoints, NAMES, SHA, 100, 100
    )
    assert after.heads[0].points[NAMES[1]] is None
    assert after.heads[1].points[NAMES[1]] == Keypoint(x=80, y=50)
    assert after.heads[2].points[NAMES[0]] == Keypoint(x=50, y=50)


def test_points_put_on_a_picture_without_any_make_a_head():
    new = [
        ReviewedKeypoint(key="a", name=NAMES[0], x=10, y=20),
        ReviewedKeypoint(key="b", name=NAMES[1], x=30, y=20),
    ]
    after = keypoint_annotations.reviewed_keypoints(new, None, NAMES, SHA, 200, 100)
    assert after.heads == (
        Instance(points={NAMES[0]: Keypoint(x=20, y=20), NAMES[1]: Keypoint(x=60, y=20), NAMES[2]: None}),
    )


def test_people_differ_when_a_point_lies_elsewhere_or_is_missing():
    def of(x, second=True):
        points = {NAMES[0]: Keypoint(x=x, y=0), NAMES[1]: Keypoint(x=100, y=0) if second else None}
        return Keypoints(width=200, height=200, heads=(Instance(points=points),))

    assert keypoint_annotations.apart(of(0), of(0)) == 0
    assert keypoint_annotations.apart(of(0), of(5)) == pytest.approx(0.05)
    assert keypoint_annotations.apart(of(0), of(0, second=False)) == float("inf")


def test_the_page_for_points_has_every_name_and_a_way_to_reject(tmp_path):
    points = KeypointSet(names=NAMES)
    recipe = Recipe(task=Task.KEYPOINTS, points=points).with_class("cat")
    with Dataset.create(tmp_path / "d", recipe, TASKS) as dataset:
        page = ElementTree.fromstring(labeling_page.config(dataset, Purpose.POINTS))
    assert [label.get("value") for label in page.iter("Label")] == list(NAMES)
    assert [choice.get("alias") for choice in page.iter("Choice")] == [labeling_page.REJECT]


def faces_page(folder, moved=0.0, before="", lines=((NAMES[0], NAMES[1]),)):
    """The page for points of a dataset in whose one picture all points are marked."""
    points = KeypointSet(names=NAMES, skeleton=lines)
    recipe = Recipe(task=Task.KEYPOINTS, points=points).with_class("cat")
    marked = {name: Keypoint(x=50.0 * n + moved, y=20.0 * n) for n, name in enumerate(NAMES)}
    with Dataset.create(folder, recipe, TASKS) as dataset:
        draw_classes(folder / "images", classes=("cat",), per_class=1)
        sync(dataset)
        (sample,) = dataset.snapshot().kept
        file = folder / keypoints_file(sample.path)
        file.parent.mkdir(exist_ok=True)
        made = Keypoints(sha256=sample.sha256, width=400, height=300, heads=(Instance(points=marked),))
        file.write_text(made.model_dump_json())
        return labeling_page.config(dataset, Purpose.POINTS, before)


def test_the_page_for_points_draws_which_is_where_and_stays_while_its_names_do(tmp_path):
    """Lines and keys are in the drawing; that points moved a little is no reason to write the page anew."""
    first = faces_page(tmp_path / "a")
    assert first.count("%3Ccircle") == len(NAMES)
    assert first.count("%3Cpath") == 1
    assert faces_page(tmp_path / "b", moved=9.0, before=first) == first
    other = faces_page(tmp_path / "c", before=first, lines=())
    assert other.count("%3Cpath") == 0
    theirs = first.replace("</Style>", '</Style><TextArea name="why" toName="image"/>')
    assert 'name="why"' in faces_page(tmp_path / "d", before=theirs, lines=())


def test_pages_that_an_earlier_byod_made_become_those_of_this_one(tmp_path):
    """What stands there is no change of anybody's; an own style of somebody's is, and stays."""
    earlier = (
        "<View><Style>.lsf-toolbar { margin-right: -42px; flex-shrink: 0 }</Style>"
        '<Header value="$question" size="5"/>'
        '<View style="display: flex; gap: 16px; align-items: flex-start">\n'
        '<View style="flex: 1 1 auto; min-width: 0; padding-right: 42px">'
        '<Image name="image" value="$image" zoom="true" zoomControl="true"/></View>\n'
        '<View style="flex: 0 0 240px; max-height: calc(100vh - 180px); overflow-y: auto">\n'
        '<Choices name="label" toName="image" choice="single-radio" required="true" requiredMessage="Tick a class, or '
        'reject. The key of a ticked one takes its tick away: then press it again.">\n'
        '<Choice value="cat" alias="cat" hotkey="1"/>\n'
        '<Choice value="✗ Reject: belongs to no class" alias="__reject__" hotkey="0"/>\n</Choices>\n'
        '<View style="zoom: 0.7; opacity: 0.8"><Header value="Ctrl+Enter submits the ticked class; the key beside a '
        'class ticks it." size="6"/></View>\n</View></View></View>'
    )
    with dataset_of(tmp_path / "d", ["cat"]) as dataset:
        wanted = labeling_page.config(dataset, Purpose.LABELS)
        assert labeling_page.config(dataset, Purpose.LABELS, earlier) == wanted
        styled = wanted.replace("</Style>", " .mine { color: red }</Style>")
        assert ".mine" in labeling_page.config(dataset, Purpose.LABELS, styled)


def test_a_task_carries_all_that_byod_must_know_again():
    sample = Sample(sha256=SHA, label="Katze", status=Status.KEPT, path="images/cat/x.jpg", size=1)
    question = reviews.ReviewTask(
        sample=sample,
        label="cat",
        suspicion=0.25,
        last_verdict=9,
        predictions=(reviews.RunPrediction(by="folder", label="cat"),),
    )
    made = questions.task(question, "/data/x", {})
    assert made["data"]["byod_id"] == SHA
    assert (made["data"]["label"], made["data"]["seen"], made["data"]["file"]) == ("cat", 9, "cat/x.jpg")
    assert made["predictions"][0]["result"][0]["value"] == {"choices": ["cat"]}


def test_a_project_that_has_no_task_yet_knows_what_its_tasks_will_tell():
    """The columns of a list are hidden before the first task is there, so every name in its data is known."""
    sample = Sample(sha256=SHA, label="Katze", status=Status.KEPT, path="images/cat/x.jpg", size=1)
    keypoints = Keypoints(sha256=SHA, width=10, height=10, heads=())
    everything = reviews.ReviewTask(sample=sample, label="cat", keypoints=keypoints, draw=2)
    assert set(questions.task(everything, "/data/x", {})["data"]) == set(labeling_page.TASK_DATA)


def test_addresses_that_were_begun_are_waited_for_and_found_once():
    """What was begun is found once; other pictures are found anew; what goes wrong meanwhile reaches who asks."""
    asked: list[list[str]] = []

    def address(samples):
        asked.append([sample.sha256 for sample in samples])
        if not samples:
            raise ReviewError("nothing to show")
        return {sample.sha256: f"/data/{sample.sha256}" for sample in samples}

    one, other = (
        Sample(sha256=c * 64, label="cat", status=Status.KEPT, path="images/cat/x.jpg", size=1) for c in "ab"
    )
    with image_urls.Ahead(address) as ahead:
        ahead.begin([one])
        assert ahead([one]) == {one.sha256: f"/data/{one.sha256}"}
        ahead.begin([one])
        assert ahead([other]) == {other.sha256: f"/data/{other.sha256}"}
        ahead.begin([])
        with pytest.raises(ReviewError, match="nothing to show"):
            ahead([])
    assert asked == [[one.sha256], [one.sha256], [other.sha256], []]


def corrected(person, label, second):
    """One annotation, made by Anna, as whoever changed it last left it."""
    made = NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return annotation(label, 1, second, id=12, created_at=made, updated_by=person)


def as_logged(number, said):
    return number, Verdict(sha256=SHA, label=said.label, who=said.who, when=said.when, note=said.note())


def test_whoever_corrects_somebodys_annotation_says_it_in_their_place():
    (first,) = read(task(corrected(1, "dog", 5))).answers
    (second,) = read(task(corrected(2, "cat", 60))).answers
    assert (first.who, second.who) == (ANNA, BEN)
    assert answers.decide([as_logged(3, first)], [second]) == Decision(label="cat", who=BEN)
    history = [as_logged(3, first), as_logged(4, second)]
    (third,) = read(task(corrected(1, "bird", 90))).answers
    assert answers.decide(history, [third]) == Decision(label="bird", who=ANNA)


def test_of_two_annotations_the_later_counts_whatever_the_clock_said():
    stamp = NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    hours_ahead = annotation("dog", 1, 7200, id=5)
    hours_ahead["created_at"] = hours_ahead["updated_at"]
    after = annotation("cat", 1, 0, id=6, created_at=stamp)
    assert [a.label for a in read(task(hours_ahead, after)).answers] == ["cat"]
    assert [a.label for a in read(task(after, hours_ahead)).answers] == ["cat"]


def test_what_is_undone_and_done_again_stands_as_it_did():
    history = [verdict(3, ANNA, "dog"), verdict(4, ANNA, "cat"), verdict(5, UNDO, "dog", "#3")]
    again = [*history, verdict(6, UNDO, "cat", "#4")]
    assert answers.decide(again, [answer(BEN, "dog")]).conflict == f"{ANNA} says cat, {BEN} says dog"
    assert answers.decide(history, [answer(BEN, "dog")]) == Decision(label="dog", who=BEN)
