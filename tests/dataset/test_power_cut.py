"""Whatever a power cut leaves of a verb's work, the same verb again ends in the dataset that it makes without one."""

import shutil
from pathlib import Path

import pytest
from interrupted_verbs import VERBS, Verb, collecting, facts, nothing, own_pictures, said_by_people, silent
from power_cut import Recording, State, recorded, states

from byod.api import datasets


def cuts(recording: Recording, number: int | None) -> list[State]:
    """So many cuts, evenly spread; None: all of them."""
    every = list(states(recording))
    if number is None or number >= len(every):
        return every
    return [every[at * len(every) // number] for at in range(number)]


def check(tmp_path: Path, before: Verb, verb: Verb, number: int | None) -> int:
    """Cut a verb's work everywhere; returns how often."""
    tmp_path.mkdir(exist_ok=True)
    own_pictures(tmp_path / "own")
    place = tmp_path / "set"
    before(place)
    place.mkdir(exist_ok=True)
    with recorded(place) as recording:
        verb(place)
    expected, told = facts(place), said_by_people(place)
    chosen = cuts(recording, number)
    for state in chosen:
        state.write(place)
        if (place / "byod.toml").exists() and (place / "byod.toml").stat().st_size:
            datasets.status(place, say=silent)
            assert said_by_people(place) <= told, f"{state.told}: somebody speaks who has said nothing"
        verb(place)
        assert facts(place) == expected, state.told
    shutil.rmtree(place)
    return len(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_a_power_cut_takes_nothing_that_the_same_verb_does_not_bring_back(tmp_path: Path, name: str):
    """Forty cuts spread over the work of the verb, each with what a disk may have made of it."""
    assert check(tmp_path, *VERBS[name], 40) == 40


@pytest.mark.slow
def test_a_power_cut_takes_nothing_of_a_collection(tmp_path: Path, monkeypatch):
    """Forty cuts of a collection: what was lost is fetched again, and nothing was deleted by hand."""
    with collecting(monkeypatch) as collected:
        assert check(tmp_path, nothing, collected, 40) == 40


@pytest.mark.long
@pytest.mark.parametrize("name", VERBS)
def test_every_power_cut_of_a_verb(tmp_path: Path, name: str):
    """After every prefix of what the verb writes, in five orders (thousands of folders in all): each is made good."""
    assert check(tmp_path, *VERBS[name], None) >= 40


@pytest.mark.long
def test_every_power_cut_of_a_collection(tmp_path: Path, monkeypatch):
    """After every prefix of what a collection writes, in five orders: each folder is made good."""
    with collecting(monkeypatch) as collected:
        assert check(tmp_path, nothing, collected, None) >= 40
