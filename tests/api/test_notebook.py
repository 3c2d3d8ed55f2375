"""What a notebook shows: all that strangers wrote stays text, and nothing outside the dataset is opened."""

import csv
import io
import logging
import re
import sys
from collections import Counter
from html.parser import HTMLParser
from types import SimpleNamespace

import points_material
import pytest
from marked_pictures import cat_files, laid_out
from report_material import card
from rich.console import Console

import byod
from byod.api import notebook, progress_display
from byod.collection.pipeline import ClassTally
from byod.schema.recipe import Recipe

NASTY = "<script>alert(1)</script>\"'&"
TAGS = {
    "div",
    "p",
    "b",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "img",
    "span",
    "pre",
    "progress",
}


class Seen(HTMLParser):
    """Every tag and attribute of a fragment, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_datasets_counts_and_pictures_are_shown_and_its_names_are_text(tmp_path, drawn_snapshot):
    """A class of any name has its counts and six small pictures, and no tag but the page's own."""
    snapshot = drawn_snapshot(
        tmp_path / "set", {NASTY: "one", "other": "two"}, per_class=8, misses={NASTY: 3}
    )
    shown = notebook.dataset_html(snapshot)
    seen = Seen(shown)
    assert seen.tags <= TAGS
    assert seen.attributes <= {"style", "src", "alt", "title"}
    assert seen.text.count(NASTY) == 3  # its row, its pictures, the reason
    assert shown.count("data:image/jpeg;base64,") == 12
    assert len(shown) < 200_000


def test_a_dataset_without_pictures_is_shown(tmp_path, drawn_snapshot):
    """An empty dataset is a table of zeros."""
    seen = Seen(notebook.dataset_html(drawn_snapshot(tmp_path / "set", {"one": "one"}, per_class=0)))
    assert "img" not in seen.tags
    assert "0 pictures" in seen.text


def write_predictions(run, rows):
    """A predictions.csv that anybody may have written."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerows([("file", "sha256", "label", "predicted", "probability"), *rows])
    run.mkdir(parents=True)
    (run / "predictions.csv").write_text(lines.getvalue(), encoding="utf-8")


def test_a_run_shows_what_it_took_for_what_and_opens_only_class_folders(tmp_path, drawn_snapshot):
    """Names are text, wrong pictures are shown, and a path that leads elsewhere is left out."""
    snapshot = drawn_snapshot(tmp_path / "set", {"one": "one"}, per_class=2)
    drawn_snapshot(tmp_path / "elsewhere", {"one": "one"}, per_class=1)
    secret = next((tmp_path / "elsewhere").rglob("*.jpg"))
    run = tmp_path / "set" / "runs" / "r"
    sample = snapshot.samples[0]
    places = (sample.path, f"../elsewhere/{secret.name}", str(secret), f"images/../{secret.name}")
    write_predictions(run, [(place, sample.sha256, NASTY, "b", "0.9") for place in places])
    made = card()
    shown = notebook.run_html(run, made.model_copy(update={"run": NASTY}))
    seen = Seen(shown)
    assert seen.tags <= TAGS
    assert shown.count("data:image/jpeg;base64,") == 1
    assert NASTY in seen.text
    numbers = [str(number) for row in made.metrics.confusion for number in row]
    assert re.findall(r'<td style="background:rgba\(37,99,235,[0-9.]+\)">(\d+)</td>', shown) == numbers


def tallies() -> dict[str, ClassTally]:
    return {
        "a": ClassTally(wanted=5, offered=9, fetched=4, kept=3, refused=Counter({"too-small": 2})),
        NASTY: ClassTally(offered=2, fetched=1),
    }


def drawn(screen) -> None:
    """A collection on a screen, with a line and an epoch."""
    display = progress_display.ProgressDisplay(screen)
    display.say(NASTY)
    display.watch(Recipe().with_class("a"))(tallies())
    display.epoch({"epoch": 3, "part": "fold 1/5", "train_loss": 0.5, "seconds": 2.0, "other": 1})
    display.close()


def test_a_notebook_shows_lines_and_bars_in_one_output(monkeypatch):
    """One output is drawn anew each time, and a class's name stays text."""
    shown = []
    handle = SimpleNamespace(update=lambda screen: shown.append(screen._repr_html_()))

    def display(screen, *, display_id):
        shown.append(screen._repr_html_())
        return handle

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    drawn(progress_display.Notebook())
    assert len(shown) > 2
    seen = Seen(shown[-1])
    assert seen.tags <= TAGS
    assert seen.text.count(NASTY) == 2
    assert '<progress value="3" max="5">' in shown[-1]
    assert "fold 1/5  epoch 3  train_loss 0.5000  2.0 s" in seen.text


def test_a_terminal_shows_a_table_below_the_lines(capsys):
    """Lines go to stderr, and the last table stands at the end."""
    drawn(progress_display.Terminal(Console(file=sys.stderr, force_terminal=True, width=120)))
    said = capsys.readouterr()
    assert said.out == ""
    assert "too-small" in said.err
    assert NASTY in said.err


def test_a_pipe_gets_lines_only(capsys):
    """Without a terminal nothing is drawn; a line now and then says how far it is."""
    drawn(progress_display.Lines())
    assert capsys.readouterr().err.splitlines()[0] == NASTY
    screen = progress_display.Lines()
    screen.draw([progress_display.Row(name="a", done=1, total=2, cells=("9", "4", "3", ""))])
    screen.draw([progress_display.Row(name="pictures", done=1, total=2)])
    assert capsys.readouterr().err.splitlines() == ["a: 4 fetched, 3 kept", "pictures: 1 of 2"]


def test_without_progress_the_lines_are_in_the_log(caplog, capsys):
    """Nothing is printed, and whoever asks for the logger `byod` gets the lines."""
    with caplog.at_level(logging.INFO, "byod"), progress_display.progress_display(False) as display:
        display.say("a line")
        display.watch()(tallies())
        display.share(1, 2)
    assert caplog.messages == ["a line"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("progress", "kind"), [(False, "Log"), (True, "Lines")])
def test_the_display_fits_where_it_runs(progress, kind):
    """Where nobody looks on (a test) it is lines, and none without progress."""
    with progress_display.progress_display(progress) as display:
        assert type(display.screen).__name__ == kind


def test_a_dataset_and_a_run_of_points_are_shown(tmp_path):
    """Marked pictures have their points drawn on them, and a run for points shows its parts without a confusion."""
    files = laid_out(tmp_path / "found", cat_files({"CAT_00": 3}))
    cats = byod.convert("cats", files, into=tmp_path / "cats", progress=False)
    seen = Seen(cats._repr_html_())
    assert seen.text.count("cat") >= 2
    assert cats._repr_html_().count("data:image/jpeg;base64,") == 3
    assert len(cats.to_pandas()) == 3
    made = points_material.card()
    shown = Seen(notebook.run_html(tmp_path, made))
    assert f"{made.metrics.pictures} pictures" in shown.text
    assert "Learned from" in shown.text
