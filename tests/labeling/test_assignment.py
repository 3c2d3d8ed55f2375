"""Whose question is whose: as many for each, every two together as often, and nothing moves without need."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byod.labeling.assignment import Involvement, shared_out
from byod.schema.records import Sample, Status
from byod.schema.review_tasks import Kind, ReviewTask

PEOPLE = ("anna", "ben", "carla", "dora")


def task(number, kind=Kind.LABEL):
    sample = Sample(
        sha256=f"{number:064x}", label="cat", status=Status.KEPT, path=f"images/cat/{number}.jpg", size=1
    )
    return ReviewTask(sample=sample, label="cat", kind=kind)


def pictures(share):
    return {who: [one.sha256 for one in tasks] for who, tasks in share.items()}


@given(st.integers(0, 40), st.integers(1, 4), st.integers(1, 4))
def test_everybody_has_as_many_and_every_picture_so_many_people(number, people, overlap):
    """Loads differ by one at most; no picture is twice with one person; the order of the queue is kept."""
    names, overlap = PEOPLE[:people], min(overlap, people)
    tasks = [task(one) for one in range(number)]
    shares = pictures(shared_out(tasks, names, overlap, Involvement()))
    loads = [len(share) for share in shares.values()]
    assert max(loads) - min(loads) <= 1
    times = Counter(sha256 for share in shares.values() for sha256 in share)
    assert times == dict.fromkeys((one.sha256 for one in tasks), overlap)
    order = [one.sha256 for one in tasks]
    for share in shares.values():
        assert share == [sha256 for sha256 in order if sha256 in share]


def test_every_two_people_share_as_many_pictures():
    """So that each pair can be compared, not only neighbours."""
    shares = pictures(shared_out([task(n) for n in range(60)], PEOPLE, 2, Involvement()))
    common = [len(set(shares[one]) & set(shares[other])) for one, other in combinations(PEOPLE, 2)]
    assert common == [10] * 6


@given(st.integers(1, 30), st.integers(1, 3), st.integers(0, 20))
def test_what_somebody_has_stays_with_them_when_pictures_are_added(number, overlap, more):
    """Sharing out again, with further pictures in front, takes none away."""
    before = shared_out([task(one) for one in range(number)], PEOPLE, overlap, Involvement())
    holding = {}
    for who, tasks in before.items():
        for one in tasks:
            holding.setdefault(one.sha256, set()).add(who)
    grown = [task(1000 + one) for one in range(more)] + [task(one) for one in range(number)]
    after = pictures(shared_out(grown, PEOPLE, overlap, Involvement(holding=holding)))
    for who, share in pictures(before).items():
        assert set(share) <= set(after[who])


def test_who_answered_or_skipped_is_not_asked_again():
    """An answer counts towards the overlap, a skip does not."""
    sha256 = task(1).sha256
    involved = Involvement(answered={sha256: {"anna"}}, skipped={sha256: {"ben"}})
    shares = pictures(shared_out([task(1)], ("anna", "ben", "carla"), 2, involved))
    assert shares == {"anna": [], "ben": [], "carla": [sha256]}


@pytest.mark.parametrize(
    ("people", "asked"), [(("anna", "ben", "carla"), "carla"), (("anna", "ben"), "anna")]
)
def test_one_person_decides_a_conflict_who_is_no_part_of_it_where_there_is_one(people, asked):
    involved = Involvement(answered={task(1).sha256: {"anna", "ben"}})
    shares = pictures(shared_out([task(1, Kind.CONFLICT)], people, 2, involved))
    assert {who for who, share in shares.items() if share} == {asked}
