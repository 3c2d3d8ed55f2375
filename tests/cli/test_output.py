"""What reaches the terminal: readable whatever files and classes are called, and never in the way of the work."""

import enum
import io
import json
import os
import subprocess
import sys
import unicodedata
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from command import byod
from hypothesis import given
from hypothesis import strategies as st

from byod.cli import output
from byod.testing import draw_classes

EVIL = "\x1b]0;evil\x07\u202e"
any_text = st.text(st.characters(exclude_categories=[]), max_size=40)
leaves = any_text | st.floats() | st.integers() | st.booleans() | st.none() | any_text.map(Path)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(any_text, inner), max_leaves=8
)

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")


def steering(text: str) -> list[str]:
    """The signs of what was printed that no terminal may get; rich and byod end lines with a line break."""
    unseen = [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c != "\n"]
    return unseen + [c for c in text if c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b"]


def printed(encoding: str, action, *given) -> str:
    """What an action prints to a stream of an encoding that refuses what it lacks."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
    with redirect_stdout(stream):
        output.ready_streams()
        action(*given)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@given(documents, st.sampled_from(["utf-8", "ascii", "cp1252", "latin-1", "cp932"]))
def test_json_is_always_valid(document, encoding):
    """Any document is valid JSON in any encoding: no NaN, no lone surrogate, nothing that steers a terminal."""
    text = printed(encoding, output.print_result, document)
    assert not steering(text)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    json.dumps(json.loads(text, parse_constant=refuse), ensure_ascii=False).encode()


def test_words_of_a_list_are_plain_words():
    """Text of an enumeration and paths are written as text, and numbers that are none as null."""

    class Word(enum.StrEnum):
        ONE = "one"

    document = {
        "a": Word.ONE,
        "b": Path("x") / "y",
        "c": float("nan"),
        "d": [float("inf"), 0.5, True],
        "e": "ü",
    }
    assert json.loads(printed("utf-8", output.print_result, document)) == {
        "a": "one",
        "b": os.path.join("x", "y"),
        "c": None,
        "d": [None, 0.5, True],
        "e": "ü",
    }


@given(any_text, any_text, st.sampled_from(["utf-8", "ascii", "cp1252"]))
def test_tables_and_lines_never_steer(word, other, encoding):
    """Whatever stands in a title, a column, a cell or a line: nothing of it steers the terminal or ends the command."""
    text = printed(encoding, output.print_table, word, (other, "n"), [(word, 1), (other, 2)], 1)
    assert not steering(text)
    assert steering(printed(encoding, output.put, word + other)) == []


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Class folders with names that strangers might give, the dataset made of them, and a run."""
    folder = tmp_path_factory.mktemp("names")
    draw_classes(folder / "own", ("circle", "square"), per_class=10, size=(260, 220))
    place = os.fsencode(folder / "own" / "circle")
    content = (folder / "own/circle/circle-000.jpg").read_bytes()
    for name in (b"\xff.jpg", b"e" + EVIL.encode() + b".jpg", b"new\nline.jpg"):
        with open(place + b"/" + name, "wb") as file:
            file.write(content)
    return folder


@only_linux
@pytest.mark.slow
def test_strange_names_pass_through_every_verb(home):
    """Files, runs and classes of a model with such names: each command says what it says, and steers nothing."""
    done = [byod("add", "own", "--into", "ds", folder=home)]
    assert "1 passed over, since their names are not UTF-8: " in done[0].stderr
    assert "own/circle/\\xff.jpg" in done[0].stderr
    (home / f"ds/images/circle/{EVIL}.jpg").write_bytes(b"no picture")
    with open(os.fsencode(home / "ds/images/circle") + b"/\xfe.jpg", "wb") as file:
        file.write((home / "own/square/square-001.jpg").read_bytes())
    done += [byod(verb, "ds", folder=home) for verb in ("status", "check", "dedupe", "split")]
    assert "1 passed over" in done[1].stderr
    done.append(byod("train", "ds", "--plugin", "sklearn", "--set", "from_scratch=true", folder=home))
    (run,) = (home / "ds/runs").iterdir()
    evil = run.rename(run.with_name(f"r{EVIL}\udcff"))
    card = (evil / "model.json").read_text("utf-8")
    (evil / "model.json").write_text(card.replace('"square"', json.dumps(f"sq{EVIL}")), "utf-8")
    done.append(byod("predict", "own/circle", "--run", str(evil), folder=home))
    assert "own/circle/\\xff.jpg" in done[-1].stdout
    done.append(
        byod("predict", "own/square/square-001.jpg", f"none{EVIL}", "--run", str(evil), folder=home, check=1)
    )
    done.append(byod("status", f"none{EVIL}\udcff", folder=home, check=1))
    done.append(byod("status", f"--none{EVIL}", folder=home, check=2))
    done.append(byod("train", "ds", "--plugin", f"p{EVIL}", folder=home, check=1))
    for one in done:
        assert not steering(one.stdout + one.stderr), one.args
        assert "Traceback" not in one.stderr
    found = json.loads(byod("predict", "own/circle", "--run", str(evil), "--json", folder=home).stdout)
    assert len(found) == 13
    assert found[0]["path"].endswith(("e" + EVIL + ".jpg", "\\xff.jpg", "circle-000.jpg"))


@pytest.mark.slow
@only_linux
def test_pictures_in_a_table_are_passed_over_too(tmp_path):
    """Pictures that a table names and that lie below a folder that is not UTF-8 are passed over and counted."""
    draw_classes(tmp_path / "p\udcff", ("circle", "square"), per_class=2, size=(260, 220))
    names = sorted(path.name for path in tmp_path.rglob("*.jpg"))
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{name},{name[:4]}\n" for name in names))
    done = byod("add", "p\udcff", "--labels", "labels.csv", "--into", "ds", folder=tmp_path, check=1)
    assert "4 passed over, since their names are not UTF-8" in done.stderr
    done = byod("train", "ds", "--set", "a=b\udcff", folder=tmp_path, check=2)
    assert "a=b\\xff is not UTF-8" in done.stderr


@only_linux
@pytest.mark.slow
def test_a_place_whose_name_is_no_text(home):
    """A dataset below a folder that is not UTF-8 can be trained on and looked at: pages and cards escape its name."""
    draw_classes(home / "plain", ("circle", "square"), per_class=8, size=(260, 220))
    place = "p\udcff/ds"
    byod("add", "plain", "--into", place, folder=home)
    done = byod("train", place, "--plugin", "sklearn", "--set", "from_scratch=true", "--json", folder=home)
    run = json.loads(done.stdout)["run"]
    assert "p\\xff/ds/runs/" in run
    draw_classes(home / "e\udcff", ("circle", "square", "x\udcfe"), per_class=3, size=(260, 220), seed=7)
    done = byod("evaluate", place, "e\udcff", "--report", "report.html", folder=home)
    assert "x\\xfe" in done.stderr
    assert "e\\xff" in (home / "report.html").read_text("utf-8")
    for command in (
        ("check", place),
        ("status", place, "--json"),
        ("export", place, "--format", "hf", "--into", "out"),
    ):
        assert "Traceback" not in byod(*command, folder=home).stderr


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.slow)])
def test_a_stream_of_another_encoding_ends_no_command(tmp_path, encoding):
    """Where stdout is not UTF-8, tables, help and JSON come out all the same, and JSON is still the same document."""
    draw_classes(tmp_path / "own", ("größe", "東京"), per_class=2, size=(260, 220))

    def bytes_of(*command: str) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "byod", *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
            capture_output=True,
            check=True,
        )
        assert b"Traceback" not in done.stderr
        return done.stdout

    assert b"\\u6771\\u4eac" in bytes_of("add", "own", "--into", "ds")
    assert json.loads(bytes_of("status", "ds", "--json"))["classes"] == {"größe": 2, "東京": 2}
    assert b"Usage" in bytes_of("predict", "--help")


def test_what_others_print_stays_out_of_a_document(capsys):
    """With --json, what a trainer or a client prints to stdout meanwhile goes to stderr."""

    @output.errors_in_one_line
    def command(as_json: bool) -> None:
        sys.stdout.write("a progress bar\n")
        output.print_result({"a": 1})

    command(as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out) == {"a": 1}
    assert said.err == "a progress bar\n"


def test_a_traceback_does_not_steer(capsys):
    """A fault in byod keeps its lines, and nothing that a name holds reaches the terminal in them."""
    try:
        raise ValueError(f"no {EVIL}")
    except ValueError as error:
        output.say_traceback(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert said.count("\n") > 2
    assert "no \\x1b]0;evil" in said
    assert not steering(said)
