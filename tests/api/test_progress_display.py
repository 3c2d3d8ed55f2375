"""Progress for whoever looks on: what strangers' names hold does not steer the terminal, nor forge a line."""

import io
import logging

import pytest
from rich.console import Console

from byod.api.progress_display import Lines, Log, Notebook, ProgressDisplay, Terminal
from byod.collection.pipeline import ClassTally
from byod.schema.reasons import Reason
from byod.schema.recipe import ClassRecipe, Recipe

EVIL = "a\x1b]0;evil\x07\u202e\nbyod: all is well"
WRITTEN = "a\\x1b]0;evil\\x07\\u202e\\nbyod: all is well"


def run(display: ProgressDisplay) -> None:
    """All that a display is told during a verb, with names that hold what they should not."""
    recipe = Recipe(classes={"a": ClassRecipe(name=EVIL)})
    tally = ClassTally(10)
    tally.refused[Reason(EVIL)] += 1
    display.say(EVIL)
    display._last = -100.0  # as if the last state had been drawn long ago
    display.watch(recipe)({"a": tally})
    display.epoch({"part": EVIL, "epoch": 1, "loss": 0.5})
    display.close()


def test_lines_are_clean(capsys):
    """On a pipe each thing said is one line, in which escapes and line breaks of a name are written out."""
    run(ProgressDisplay(Lines()))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(WRITTEN in line and line.isprintable() for line in lines)


def test_a_live_table_is_clean(capsys):
    """On a terminal the only escapes are those of the table itself: none of a name, and no override."""
    stream = io.StringIO()
    run(ProgressDisplay(Terminal(Console(file=stream, force_terminal=True, width=250, color_system=None))))
    shown = stream.getvalue() + capsys.readouterr().err
    assert WRITTEN in shown
    assert not any(bad in shown for bad in ("\x1b]", "\x07", "\u202e", "\nbyod: all is well"))


def test_what_is_logged_is_clean(caplog: pytest.LogCaptureFixture):
    """Where nobody looks on, a line of the log is one line."""
    with caplog.at_level(logging.INFO, "byod"):
        run(ProgressDisplay(Log()))
    assert caplog.messages[0] == WRITTEN


def test_a_notebook_shows_it_written_out():
    """In a notebook, lines and bars have the escapes written out as well."""
    display = ProgressDisplay(screen := Notebook())
    run(display)
    assert "\x1b" not in repr(screen) + screen._repr_html_()
    assert repr(screen).splitlines()[0] == WRITTEN
