"""Tests of byod.dataset.splits: groups stay whole, parts stay put, and every class has its share."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.dataset.splits import FRACTIONS, Item, folds, split
from byod.schema.records import Split


def sha(name):
    return hashlib.sha256(str(name).encode()).hexdigest()


def items_of(sizes, start=0):
    """Items of (label, size of group) in turn, each group of its own."""
    return [
        Item(sha256=sha((start + number, member)), label=label, group=sha((start + number, 0)))
        for number, (label, size) in enumerate(sizes)
        for member in range(size)
    ]


GROUPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), max_size=80)


@settings(max_examples=100, deadline=None)
@given(GROUPS)
def test_no_group_crosses_the_parts(sizes):
    """Every picture is in one part, and its whole group with it."""
    items = items_of(sizes)
    plan = split(items)
    assert set(plan.assigned) == {item.sha256 for item in items}
    assert plan.moved == 0
    parts = {}
    for item in items:
        assert parts.setdefault(item.group, plan.assigned[item.sha256]) is plan.assigned[item.sha256]


@settings(max_examples=60, deadline=None)
@given(GROUPS, st.randoms())
def test_the_order_of_the_pictures_does_not_matter(sizes, shuffler):
    """The same set gives the same plan."""
    items = items_of(sizes)
    plan = split(items)
    shuffler.shuffle(items)
    assert split(items) == plan


@settings(max_examples=60, deadline=None)
@given(GROUPS, GROUPS)
def test_what_was_assigned_stays_as_the_set_grows(first, second):
    """New pictures move no old ones, and a second look at the same set changes nothing."""
    before = split(items_of(first))
    items = items_of(first) + items_of(second, start=1000)
    after = split(items, before.assigned)
    assert after.moved == 0
    assert before.assigned.items() <= after.assigned.items()
    assert split(items, after.assigned) == after


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=30, max_size=120))
def test_each_class_is_cut_in_the_shares_asked_for(sizes):
    """With groups that are small against the class, no part is off by more than a group."""
    items = items_of([(label, size) for label in "xy" for size in sizes])
    plan = split(items)
    for label in "xy":
        ours = [plan.assigned[item.sha256] for item in items if item.label == label]
        for part in (Split.VALID, Split.TEST):
            assert abs(ours.count(part) - FRACTIONS[part] * len(ours)) <= 2


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=3, max_size=8))
def test_a_small_class_of_three_groups_has_all_parts(sizes):
    """Three groups or more, however uneven: none of the parts is empty."""
    assert set(split(items_of([("a", size) for size in sizes])).assigned.values()) == set(Split)


def test_one_and_two_groups_are_trained_on():
    """Too few to test with: all of them go to train."""
    for count in (1, 2):
        assert set(split(items_of([("a", 1)] * count)).assigned.values()) == {Split.TRAIN}


def test_a_class_that_grows_one_by_one_gets_its_shares():
    """Pictures that arrive singly come to the same shares as all at once, and nothing moves."""
    sizes = [("a", 1)] * 100
    assigned = {}
    for count in range(1, 101):
        plan = split(items_of(sizes[:count]), assigned)
        assert plan.moved == 0
        assigned = plan.assigned
    assert [list(assigned.values()).count(part) for part in Split] == [70, 15, 15]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((Split.TRAIN, Split.TEST), Split.TRAIN),
        ((Split.TEST, Split.TRAIN, Split.VALID), Split.TRAIN),
        ((Split.VALID, Split.TEST), Split.VALID),
        ((Split.TEST, Split.TEST), Split.TEST),
    ],
)
def test_merged_groups_go_where_they_were_used_most(before, after):
    """What touches train goes wholly to train; valid and test to valid; the moves are counted."""
    items = [Item(sha256=sha(number), label="a", group=sha("merged")) for number in range(len(before) + 1)]
    previous = {sha(number): part for number, part in enumerate(before)}
    plan = split(items, previous)
    assert set(plan.assigned.values()) == {after}
    assert plan.moved == sum(part is not after for part in before)


def test_groups_across_classes_stay_whole():
    """Look-alikes with different labels are on one side, too."""
    items = [Item(sha256=sha(n), label="ab"[n % 2], group=sha(n // 5)) for n in range(200)]
    plan = split(items)
    for group in {item.group for item in items}:
        assert len({plan.assigned[item.sha256] for item in items if item.group == group}) == 1


def test_other_shares():
    """The shares can be chosen; no test set at all is possible; nonsense is refused."""
    items = items_of([("a", 1)] * 50)
    plan = split(items, fractions={Split.TRAIN: 0.5, Split.VALID: 0.5})
    assert list(plan.assigned.values()).count(Split.VALID) == 25
    assert Split.TEST not in plan.assigned.values()
    with pytest.raises(ValueError, match="sum to 1"):
        split(items, fractions={Split.TRAIN: 0.5, Split.VALID: 0.2})
    with pytest.raises(ValueError, match="twice"):
        split(items + items[:1])


@settings(max_examples=60, deadline=None)
@given(GROUPS, st.integers(2, 7), st.integers(0, 5), st.randoms())
def test_folds_hold_every_picture_once_and_groups_whole(sizes, k, seed, shuffler):
    """Each picture is in exactly one fold, with its group; the order given does not matter."""
    items = items_of(sizes)
    parts = folds(items, k, seed)
    assert len(parts) == k
    assert sorted(name for part in parts for name in part) == sorted(item.sha256 for item in items)
    where = {name: number for number, part in enumerate(parts) for name in part}
    assert all(where[item.sha256] == where[item.group] for item in items)
    shuffler.shuffle(items)
    assert folds(items, k, seed) == parts


def test_folds_are_even_in_every_class():
    """No fold has more than a group more of a class than another; another seed gives other folds."""
    items = items_of([("a", 1)] * 83 + [("b", 2)] * 41 + [("c", 1)] * 7)
    parts = folds(items, 5, 0)
    labels = {item.sha256: item.label for item in items}
    for label, most in (("a", 1), ("b", 2), ("c", 1)):
        counts = [sum(labels[name] == label for name in part) for part in parts]
        assert max(counts) - min(counts) <= most
    assert max(map(len, parts)) - min(map(len, parts)) <= 3
    assert folds(items, 5, 1) != parts
    with pytest.raises(ValueError, match="at least 2"):
        folds(items, 1, 0)
