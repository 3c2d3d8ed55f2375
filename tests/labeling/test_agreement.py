"""How far people agree: counted from tasks as the server gives them, kappa as scikit-learn computes it."""

import math
import warnings
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.labeling import agreement
from byod.labeling.agreement import answers, tally, with_models
from byod.schema.annotator_agreement import alpha, kappa, review_agreement

LABELS = st.sampled_from(["cat", "dog", "Möwe <&>", "__reject__"])
START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def choice(label):
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def annotation(person, label, minute=0, *, skip=False, number=1, **more):
    """An annotation as an export holds it; a skip keeps the label that was preselected."""
    at = (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    return {
        "id": number,
        "completed_by": person,
        "was_cancelled": skip,
        "updated_at": at,
        "created_at": START.isoformat(),
        "result": [] if label is None else [choice(label)],
        **more,
    }


def task(*annotations, predictions=()):
    return {
        "id": 1,
        "data": {"byod_id": "0" * 64},
        "annotations": list(annotations),
        "predictions": predictions,
    }


def counted(*tasks, people=None):
    return tally(tasks, purpose="labels", project=7, pulled=3, people=people)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), max_size=40))
def test_kappa_is_what_scikit_learn_says(pairs):
    """Equal to cohen_kappa_score wherever that is defined, and None exactly where it is not."""
    from sklearn.metrics import cohen_kappa_score

    found = kappa(pairs)
    if not pairs:
        assert found is None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score([one for one, _ in pairs], [other for _, other in pairs])
    if math.isnan(expected):
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40))
def test_kappa_takes_no_side(pairs):
    """Exchanging the two raters changes nothing; perfect agreement is 1 or undefined; nothing leaves -1..1."""
    found = kappa(pairs)
    assert found == kappa([(other, one) for one, other in pairs])
    assert found is None or -1 <= found <= 1
    assert kappa([(one, one) for one, _ in pairs]) in (1.0, None)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(1, 3), LABELS, st.integers(0, 5), st.booleans()),
            max_size=5,
        ),
        max_size=8,
    )
)
def test_every_task_is_counted_once(rows):
    """Done, skipped and untouched make up what was pushed, and the order of annotations does not matter."""
    tasks = [
        task(
            *(
                annotation(p, label, minute, skip=skip, number=n)
                for n, (p, label, minute, skip) in enumerate(row)
            )
        )
        for row in rows
    ]
    found = counted(*tasks)
    untouched = sum(not row for row in rows)
    assert found.pushed == len(rows)
    assert found.done + found.skipped + untouched == found.pushed
    assert found.disagreeing <= found.done
    assert sum(found.by.values()) == sum(len(answers(one)) for one in tasks)
    turned = [{**one, "annotations": one["annotations"][::-1]} for one in tasks]
    assert counted(*turned).model_dump() == found.model_dump()


def test_the_newest_answer_of_each_person_counts():
    """An older annotation of the same person is history, however the server orders them."""
    one = task(annotation(1, "dog", 5, number=1), annotation(1, "cat", 2, number=2), annotation(2, "dog", 1))
    assert answers(one) == {1: ("dog",), 2: ("dog",)}
    assert counted(one).disagreeing == 0


def test_a_skip_is_no_answer_although_it_holds_a_label():
    """Skipping after an answer leaves the answer; skips alone count as skipped, for nobody."""
    skipped = task(annotation(1, "cat", skip=True))
    answered = task(annotation(1, "cat", 1), annotation(1, "dog", 9, skip=True))
    assert answers(skipped) == {}
    assert answers(answered) == {1: ("cat",)}
    found = counted(skipped, answered, task())
    assert (found.done, found.skipped, found.pushed) == (1, 1, 3)


def test_two_people_who_differ_disagree():
    """Different labels, a reject against a label, or several labels at once: each is a disagreement."""
    several = annotation(1, "cat")
    several["result"][0]["value"]["choices"] = ["cat", "dog"]
    found = counted(
        task(annotation(1, "cat"), annotation(2, "dog")),
        task(annotation(1, "cat"), annotation(2, "__reject__")),
        task(annotation(1, "cat"), annotation(2, "cat")),
        task(several),
    )
    assert found.disagreeing == 3
    assert found.by == {"user 1": 4, "user 2": 3}


def test_people_have_names():
    """Users are named as the server's list names them; one it forgot is somebody."""
    tasks = [
        task(annotation(1, "cat"), annotation(None, "cat"), annotation({"id": 2, "email": "b@x"}, "dog"))
    ]
    found = counted(*tasks, people={1: "anna@example.org", 2: "ben@example.org"})
    assert found.by == {"anna@example.org": 1, "somebody": 1, "ben@example.org": 1}


def test_points_are_answered_and_never_disagree():
    """A task of points has no choices: it is done, by somebody, and says nothing about labels."""
    points = annotation(1, None)
    points["result"] = [{"type": "keypointlabels", "value": {"x": 1.0, "y": 2.0, "keypointlabels": ["nose"]}}]
    found = counted(task(points, annotation(2, None)))
    assert (found.done, found.disagreeing) == (1, 0)


def test_every_pair_that_overlaps_is_reported():
    """Three people: each two of them with the pictures both labelled, the share and kappa of just those."""
    found = review_agreement(
        [
            {"a": "cat", "b": "cat"},
            {"a": "dog", "b": "dog"},
            {"a": "cat", "b": "dog", "c": "dog"},
            {"c": "cat"},
        ]
    )
    pairs = {(p.first, p.second): p for p in found.pairs}
    assert set(pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    ab = pairs["a", "b"]
    assert (ab.tasks, ab.agreement) == (3, pytest.approx(2 / 3))
    assert ab.kappa == pytest.approx(0.4)
    assert (pairs["b", "c"].tasks, pairs["b", "c"].agreement, pairs["b", "c"].kappa) == (1, 1.0, None)
    assert pairs["a", "c"].kappa == 0
    assert (found.pictures, found.differing) == (3, 1)
    people = {one.person: one for one in found.people}
    assert (people["a"].pictures, people["a"].agreement) == (3, pytest.approx(2 / 4))
    assert (people["c"].pictures, people["c"].agreement) == (1, pytest.approx(1 / 2))


def test_alpha_is_what_krippendorff_computes():
    """His example of names by four observers with gaps: 0.743 (Computing Krippendorff's Alpha-Reliability, 2011)."""
    observers = (
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
    units = [
        [said for said in unit if said != "."]
        for unit in zip(*(row.split() for row in observers), strict=True)
    ]
    assert alpha(units) == pytest.approx(0.743, abs=0.0005)
    found = review_agreement(
        [{str(who): said for who, said in enumerate(unit)} for unit in units if len(unit) > 1]
    )
    assert found.alpha == alpha(units)
    by_class = {one.label: one for one in found.classes}
    assert by_class["5"].agreement == 1.0
    assert by_class["5"].alpha == 1.0
    assert 0 < by_class["1"].agreement < 1


@given(st.lists(st.lists(LABELS, min_size=2, max_size=4), min_size=1, max_size=12))
def test_alpha_is_one_when_all_agree_and_takes_no_order(units):
    """Whose answer is whose does not matter, and neither does what the classes are called."""
    found = alpha(units)
    turned = [unit[::-1] for unit in units[::-1]]
    assert (found is None) == (len({label for unit in units for label in unit}) == 1)
    if found is not None:
        assert alpha(turned) == pytest.approx(found)
        assert found <= 1
    alike = [[unit[0]] * len(unit) for unit in units]
    assert alpha(alike) in (1.0, None)


def test_of_one_answer_a_picture_there_is_no_agreement():
    """A figure needs two answers about one picture."""
    assert review_agreement([]) is None
    assert review_agreement([{"a": "cat"}, {"b": "dog"}]) is None


def test_models_are_measured_against_the_newest_answer():
    """Each model version by the tasks it had one label for and people answered; skips are left out."""

    def predictions(**labels):
        return [
            {"id": 1, "model_version": model, "result": [choice(label)]} for model, label in labels.items()
        ]

    tasks = [
        task(annotation(1, "cat"), annotation(2, "dog", 3), predictions=predictions(folder="cat", run="dog")),
        task(annotation(1, "cat"), predictions=predictions(folder="cat")),
        task(annotation(1, "cat", skip=True), predictions=predictions(folder="cat", run="cat")),
        task(predictions=predictions(run="cat")),
    ]
    found = {pair.first: pair for pair in with_models(tasks)}
    assert (found["folder"].tasks, found["folder"].agreement) == (2, 0.5)
    assert (found["run"].tasks, found["run"].agreement) == (1, 1.0)


def test_an_export_only_has_the_prediction_that_was_shown():
    """Where predictions are bare numbers, the one the annotation keeps is used."""
    shown = {"id": 9, "model_version": "run", "result": [choice("dog")]}
    tasks = [
        task(annotation(1, "dog", prediction=shown), predictions=[9]),
        task(annotation(1, "cat", prediction=shown), predictions=[9]),
        task(annotation(1, "cat", prediction={}), predictions=[]),
    ]
    (found,) = with_models(tasks)
    assert (found.first, found.tasks, found.agreement) == ("run", 2, 0.5)


def test_times_with_and_without_microseconds_are_compared_as_times():
    """The server leaves microseconds out when they are none; a plain look at the letters would order them wrongly."""
    early = annotation(1, "cat") | {"updated_at": "2026-01-01T00:00:00Z"}
    later = annotation(1, "dog") | {"updated_at": "2026-01-01T00:00:00.500000Z"}
    assert answers(task(later, early)) == {1: ("dog",)}
    assert agreement.choices({"result": None}) == ()
