"""Groups by features: sessions are found in each class by its own measure, and single pictures stay alone."""

import numpy as np

from byod.dataset import likeness_groups


def drawn(rng, sessions, *, spread, width=64):
    """Vectors of some sessions: each has its own place, its pictures lie near it; all share what their class has."""
    common = rng.normal(0, 5, width)
    return np.concatenate(
        [common + rng.normal(0, 1, width) + rng.normal(0, spread, (n, width)) for n in sessions]
    )


def test_sessions_are_found_whatever_is_usual_in_a_class():
    """Close ones and loose ones, of a class that is narrow and of one a hundred times as wide."""
    rng, sizes = np.random.default_rng(0), [8, 5, 6, *[1] * 21]
    wide = drawn(rng, sizes, spread=0.3)
    narrow = 0.01 * drawn(rng, sizes, spread=0.3)
    labels = ["wide"] * len(wide) + ["narrow"] * len(narrow)
    names = likeness_groups.proposed(np.concatenate([wide, narrow]).astype(np.float16), labels)
    at = np.repeat(np.arange(len(sizes)), sizes)
    for side in (names[: len(wide)], names[len(wide) :]):
        sessions = [
            {name for name, own in zip(side, at, strict=True) if own == number} for number in range(3)
        ]
        assert [len(said) for said in sessions] == [1, 1, 1]
        assert len(set.union(*sessions) - {""}) == 3
        assert max(side.count(name) for name in set(side) - {""}) <= 12


def test_a_chain_is_no_group():
    """Pictures of which each is a little like the next are not all joined."""
    angles = np.linspace(0, 1.5 * np.pi, 60)
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).repeat(4, axis=1)
    names = likeness_groups.proposed(chain.astype(np.float16), ["a"] * 60)
    assert all(names.count(name) < 30 for name in set(names) - {""})


def test_classes_are_never_mixed_and_odd_sets_are_left_alone():
    """The same vectors in two classes are groups of their own; one or two pictures, and all alike, are no fault."""
    vectors = drawn(np.random.default_rng(1), [5, 5, 1, 1, 1, 1, 1], spread=0.2).astype(np.float16)
    names = likeness_groups.proposed(np.concatenate([vectors, vectors]), ["a"] * 15 + ["b"] * 15)
    assert not {*names[:15]} & {*names[15:]} - {""}
    assert likeness_groups.proposed(vectors[:2], ["a", "a"]) == ["", ""]
    assert likeness_groups.proposed(vectors[:0], []) == []
    assert len(likeness_groups.proposed(np.ones((9, 4), np.float16), ["a"] * 9)) == 9
