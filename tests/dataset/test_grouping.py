"""What belongs on one side of a split: copies, pages, people."""

from hypothesis import given, settings
from hypothesis import strategies as st

from byod.dataset import grouping, loose_groups
from byod.schema.records import Fingerprint, Origin, Sample, Status


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
    found = grouping.groups([sample(1), sample(2)], {}, {}).of
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
    found = grouping.groups(samples, {sha(3): sha(99), sha(4): sha(99)}, origins).of
    assert parts(found)[0] == [1, 2, 3, 4]
    assert [5] in parts(found)
    assert [6] in parts(found)


def test_the_same_name_on_two_sources_is_two_people():
    """Only on one site is a name a person."""
    other = Origin(sha256=sha(2), url="https://y.test/2", source="commons", creator="Anna")
    found = grouping.groups(
        [sample(n) for n in range(1, 20)], {}, {sha(1): (origin(1, creator="Anna"),), sha(2): (other,)}
    ).of
    assert found[sha(1)] != found[sha(2)]


def test_whoever_made_most_of_a_class_does_not_tie_it_together():
    """Half a class by one person must not end on one side, or nothing would be left to test on."""
    samples = [sample(n) for n in range(1, 21)]
    origins = {sha(n): (origin(n, creator="Anna"),) for n in range(1, 11)}
    assert len(parts(grouping.groups(samples, {}, origins).of)) == 20


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5)), min_size=1, max_size=40),
    st.randoms(),
)
def test_groups_are_a_partition_whatever_the_order(rows, random):
    """Every picture has one group, copies share theirs unless they are too many, and order does not matter."""
    samples = [sample(n + 1) for n in range(len(rows))]
    origins = {
        sha(n + 1): (origin(n + 1, page=f"p{page}" if page else None, creator=f"c{who}" if who else None),)
        for n, (page, who, _) in enumerate(rows)
    }
    copies = {sha(n + 1): sha(1000 + group) for n, (_, _, group) in enumerate(rows) if group}
    grouped = grouping.groups(samples, copies, origins)
    found = grouped.of
    few = max(loose_groups.FEW, loose_groups.SHARE * len(samples))
    assert found.keys() == {s.sha256 for s in samples}
    for one in copies:
        for other in copies:
            if copies[one] == copies[other] and list(copies.values()).count(copies[one]) <= few:
                assert found[one] == found[other] or grouped.ungrouped
    if grouped.ungrouped:
        assert len(set(found.values())) == len(samples) >= grouping.FEWEST
    shuffled = samples[:]
    random.shuffle(shuffled)
    assert parts(grouping.groups(shuffled, copies, origins).of) == parts(found)


def marked(number, phash, dhash, label="a", grey=90):
    """A sample that looks like that; each phash has 32 ones, as those of real pictures have."""
    print_of = Fingerprint(
        phash=f"{phash:016x}", mirror=f"{phash:016x}", dhash=f"{dhash:016x}", rgb=bytes([grey]) * 192,
        spread=40.0, top_colour=0.1, white_ring=0.0, spec="test",
    )  # fmt: skip
    return sample(number, label).model_copy(update={"fingerprint": print_of})


def turning(count, label="a", first=1, start=(1 << 32) - 1):
    """Pictures each a little unlike the one before, as of a turntable: the first and the last are unlike."""
    found, phash = [], start
    for number in range(count):
        found.append(marked(first + number, phash, number % 7, label))
        low, high = 1 << (number % 32), 1 << (32 + number % 32)
        if bool(phash & low) is not bool(phash & high):
            phash ^= low | high
    return found


def apart(one, other):
    return (int(one.fingerprint.phash, 16) ^ int(other.fingerprint.phash, 16)).bit_count()


def test_a_chain_through_a_whole_class_is_cut_into_the_nearest():
    """Of 120 pictures that are linked from each to the next, pieces are small, of like pictures, and it is said."""
    samples = turning(120)
    grouping_of = grouping.groups(samples, {s.sha256: sha(999) for s in samples}, {})
    pieces = parts(grouping_of.of)
    (cut,) = grouping_of.cut
    assert (cut.label, cut.pictures, cut.of, cut.largest) == ("a", 120, 120, 8)
    assert len(pieces) >= 15
    assert max(map(len, pieces)) <= 8
    for piece in pieces:
        members = [samples[number - 1] for number in piece]
        assert max(apart(one, other) for one in members for other in members) <= 24


def test_groups_that_were_cut_stay_as_they_are_when_pictures_are_added():
    """What came before keeps its piece: a split made then holds."""
    samples = turning(130)
    copies = {s.sha256: sha(999) for s in samples}
    before = grouping.groups(samples[:110], copies, {}).of
    after = grouping.groups(samples, copies, {}).of
    assert before.items() <= after.items()


def test_one_picture_many_times_stays_together():
    """However many copies of one picture a class holds, none is on another side than the rest."""
    same = [marked(number, (1 << 32) - 1, 5) for number in range(1, 61)]
    others = [marked(number, ((1 << 32) - 1) << (number % 30), number) for number in range(61, 101)]
    copies = {s.sha256: sha(999) for s in same}
    found = grouping.groups(same + others, copies, {})
    assert len({found.of[s.sha256] for s in same}) == 1
    assert [cut.pictures for cut in found.cut] == [60]


def test_copies_of_one_picture_are_not_cut():
    """A fifth of a class may be alike, and nine of a small one."""
    for size, alike in ((100, 20), (12, 9), (4, 2)):
        samples = [marked(n, (1 << 32) - 1, n % 5) for n in range(1, alike + 1)]
        samples += [marked(n, ((1 << 32) - 1) << (n % 30), n) for n in range(alike + 1, size + 1)]
        found = grouping.groups(samples, {sha(n): sha(999) for n in range(1, alike + 1)}, {})
        assert found.cut == ()
        assert parts(found.of)[0] == list(range(1, alike + 1))
