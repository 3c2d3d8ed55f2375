"""The examples in the docstrings of public names: each is run as it stands, offline."""

from __future__ import annotations

import doctest
import inspect
import shutil
from collections.abc import Iterator

import pytest
from library_place import sources

import byod

TRAINS = ("Dataset.train", "Dataset.leak", "Dataset.to_pandas", "compare", "Run")
"""What trains, or imports what takes long to import."""


def documented() -> Iterator[tuple[str, object]]:
    """Every public name, and every method of the public classes."""
    for name in byod.__all__:
        found = getattr(byod, name)
        yield name, found
        if inspect.isclass(found):
            for key, member in vars(found).items():
                if inspect.isfunction(member) and not key.startswith("_"):
                    yield f"{name}.{key}", member


def examples(name: str, found: object) -> list[doctest.DocTest]:
    """The examples in one docstring, with the names they may use."""
    finder = doctest.DocTestFinder(recurse=False)
    return [test for test in finder.find(found, name, globs={"byod": byod}) if test.examples]


def parameters() -> Iterator[object]:
    for name, found in documented():
        if examples(name, found):
            slow = name.startswith(TRAINS)
            yield pytest.param(name, found, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("name", "found"), list(parameters()))
def test_an_example_says_what_comes_of_it(name, found, place, request, tmp_path, monkeypatch):
    """What a docstring shows is what happens, in a folder with the dataset and the run that the page speaks of."""
    needs_run = name.startswith(TRAINS) and not name.startswith("Dataset")
    here = tmp_path / "here"
    shutil.copytree(request.getfixturevalue("trained") if needs_run else place, here)
    monkeypatch.chdir(here)
    names = {"byod": byod, "dataset": byod.Dataset("datasets/shapes")}
    if needs_run:
        names["run"] = byod.Run("datasets/shapes")
    with sources(here / "others", {"circle": "brokkoli", "square": "blumenkohl"}) as web:
        for variable, value in web.environment().items():
            monkeypatch.setenv(variable, value)
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        for test in examples(name, found):
            test.globs.update(names)
            runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_every_public_name_has_an_example():
    """Every name of `byod.__all__` shows how it is used, and so does each method but those that wait for people."""
    waiting = {"Dataset.review", "Run.serve"}
    without = {name for name, found in documented() if not examples(name, found)}
    assert without == waiting
