"""What belongs on one side of a split: copies, pages, people."""

from hypothesis import given, settings
from hypothesis import strategies as st

from byod.dataset import grouping
from byod.schema.records import Origin, Sample, Status


def sha(number):
    return f"{number:064x}"


def sample(number, label="a"):
    return Sample(
        sha256=sha(number), label=label, status=Status.KEPT, path=f"images/{label}/{number}.jpg", size=1
    )


def origin(number, **more):
    return Origin(sha256=sha(number), url=f"https://x.test/{number}", source="openverse", **more)


def parts(found):
    """The groups as sets of numbers."""
    sides = {}
    for name, key in found.items():
        sides.setdefault(key, set()).add(int(name, 16))
    return sorted(map(sorted, sides.values()))


def test_alone_is_its_own_group():
    """A picture that shares nothing is named after itself."""
    found = grouping.groups([sample(1), sample(2)], {}, {})
    assert found == {sha(1): sha(1), sha(2): sha(2)}


def test_pages_and_people_tie_pictures_together():
    """One page, one creator (whatever the case), and near-copies chain into one group."""
    samples = [sample(n) for n in range(1, 41)]
    origins = {
        sha(1): (origin(1, page="https://x.test/p"),),
        sha(2): (origin(2, page="https://x.test/p", creator="Anna"),),
        sha(3): (origin(3, creator=" anna "),),
        sha(5): (origin(5, creator="Unknown"),),
        sha(6): (origin(6, creator="unknown"),),
    }
    found = grouping.groups(samples, {sha(3): sha(99), sha(4): sha(99)}, origins)
    assert parts(found)[0] == [1, 2, 3, 4]
    assert [5] in parts(found)
    assert [6] in parts(found)


def test_the_same_name_on_two_sources_is_two_people():
    """Only on one site is a name a person."""
    other = Origin(sha256=sha(2), url="https://y.test/2", source="commons", creator="Anna")
    found = grouping.groups(
        [sample(n) for n in range(1, 20)], {}, {sha(1): (origin(1, creator="Anna"),), sha(2): (other,)}
    )
    assert found[sha(1)] != found[sha(2)]


def test_whoever_made_most_of_a_class_does_not_tie_it_together():
    """Half a class by one person must not end on one side, or nothing would be left to test on."""
    samples = [sample(n) for n in range(1, 21)]
    origins = {sha(n): (origin(n, creator="Anna"),) for n in range(1, 11)}
    assert len(parts(grouping.groups(samples, {}, origins))) == 20


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5)), min_size=1, max_size=40),
    st.randoms(),
)
def test_groups_are_a_partition_whatever_the_order(rows, random):
    """Every picture has one group, copies share theirs, and the order of the samples does not matter."""
    samples = [sample(n + 1) for n in range(len(rows))]
    origins = {
        sha(n + 1): (origin(n + 1, page=f"p{page}" if page else None, creator=f"c{who}" if who else None),)
        for n, (page, who, _) in enumerate(rows)
    }
    copies = {sha(n + 1): sha(1000 + group) for n, (_, _, group) in enumerate(rows) if group}
    found = grouping.groups(samples, copies, origins)
    assert found.keys() == {s.sha256 for s in samples}
    for one in copies:
        for other in copies:
            if copies[one] == copies[other]:
                assert found[one] == found[other]
    shuffled = samples[:]
    random.shuffle(shuffled)
    assert parts(grouping.groups(shuffled, copies, origins)) == parts(found)
