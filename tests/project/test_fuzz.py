"""Whatever strangers wrote ends in a result, or in one line that says what is wrong."""

from collections.abc import Iterator
from pathlib import Path

import fuzzing
import pytest
from fuzz_readers import READERS

CHEAP = sorted(name for name, reader in READERS.items() if not reader.dear)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files that are mutated."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("seeds")
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(folder / "home"))
        yield fuzzing.seeds(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(READERS))
def test_some_hundred_mutated_files_end_in_a_result_or_in_one_line(name: str, seeds: Path) -> None:
    """Some hundred mutated files of every kind end in a result, or in an error of ours of one line."""
    found = fuzzing.run(name, range(400 if name in CHEAP else 60), seeds)

    assert dict(found.kinds) == {}
    assert found.counts["result"] + found.counts["documented"] > 0


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", sorted(READERS))
def test_some_thousand_mutated_files_end_in_a_result_or_in_one_line(name: str, seeds: Path) -> None:
    """Some thousand further ones do, too."""
    found = fuzzing.run(name, range(10_000, 14_000 if name in CHEAP else 10_600), seeds)

    assert dict(found.kinds) == {}


def test_what_is_not_documented_a_hang_and_the_end_of_the_process_are_findings(
    seeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undocumented error, a case that hangs and one that ends the process are told apart, and the rest goes on."""

    def read(case: fuzzing.Case) -> None:
        import os
        import time

        match case.chance.randrange(4):
            case 0:
                raise KeyError("x")
            case 1:
                time.sleep(60)
            case 2:
                os.abort()

    monkeypatch.setitem(fuzzing.READERS, "made", fuzzing.Reader("made", read))
    monkeypatch.setattr(fuzzing, "SECONDS", 0.3)

    found = fuzzing.run("made", range(8), seeds)

    assert sorted(kind.split()[0] for kind in found.kinds) == ["KeyError", "ends", "hangs:"]
    assert sum(found.counts.values()) == 8
