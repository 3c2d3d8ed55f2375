"""Files that outlive a version: unknown fields stay at any depth, a newer format is refused in one line."""

import copy
import hashlib
import json
import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_documents import holds
from old_artefacts import KEPT
from pydantic import ValidationError

from byod import __version__
from byod.api import runs
from byod.dataset.feedback_inbox import Feedback
from byod.schema import file_formats
from byod.schema.errors import DatasetError, ModelError
from byod.schema.keypoints import Keypoints, read_keypoints
from byod.schema.model_card import KeypointsCard, ModelCard
from byod.schema.records import Record, Verdict
from byod.tasks import of_run
from byod.training import onnx_model

CARDS = sorted(KEPT.glob("*/*/runs/*/model.json"))
NAMES = ("licences", "counts", "options", "notes", "versions")
"""Keys of a card that hold tables from names to values: whatever is added there is a name."""
RECORDS = ("per_class", "per_point")
"""Keys that hold tables from names to records."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def records_in(card):
    """Every object in a card that is a record, the card itself first."""
    yield card
    for key, value in card.items():
        inner = value.values() if key in RECORDS else [value]
        for one in inner:
            if isinstance(one, dict) and key not in NAMES:
                yield from records_in(one)


def newer(card, fields, seed):
    """The card with fields that a later byod might have added, each in some record of it."""
    made = copy.deepcopy(card)
    places = list(records_in(made))
    chance = random.Random(seed)
    for name, value in fields.items():
        chance.choice(places)[f"new {name}"] = value
    return made


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CARDS), st.dictionaries(st.text(max_size=6), JSON, max_size=5), st.integers(0, 999))
def test_a_card_keeps_the_fields_of_a_newer_byod(tmp_path_factory, file, fields, seed):
    """With unknown fields anywhere it is read, and neither writing nor exporting it loses one."""
    card = newer(json.loads(file.read_text(encoding="utf-8")), fields, seed)
    run = tmp_path_factory.mktemp("run") / "run"
    run.mkdir()
    (run / "model.json").write_text(json.dumps(card), encoding="utf-8")
    for net in file.parent.glob("*.onnx"):
        shutil.copyfile(net, run / net.name)
        onnx_model._own.add(hashlib.sha256(net.read_bytes()).hexdigest())  # spares it a process of its own
    read = of_run(run)[1]
    assert isinstance(read, KeypointsCard if card["task"] == "keypoints" else ModelCard)
    assert holds(json.loads(read.model_dump_json()), card)
    changed = json.loads(read.model_copy(update={"reviewed": 7}).model_dump_json())
    assert holds(changed, {**card, "reviewed": 7})
    copied = runs.export_run(run, "onnx", run.with_name("out")) / "model.json"
    assert copied.read_bytes() == (run / "model.json").read_bytes()


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.parent.name)
def test_a_card_says_what_it_was_measured_on_whatever_that_is(file, tmp_path):
    """A way of measuring that only a newer byod knows is read, and shown as it is."""
    card = json.loads(file.read_text(encoding="utf-8"))
    card["metrics"]["measured_on"] = "the moon"
    (tmp_path / "model.json").write_text(json.dumps(card), encoding="utf-8")
    read = of_run(tmp_path)[1]
    assert f"{read.metrics.measured_on}" == "the moon"
    assert holds(json.loads(read.model_dump_json()), card)


@pytest.mark.parametrize("kind", [Keypoints, Feedback, Verdict, ModelCard])
def test_code_cannot_name_a_field_that_is_not_there(kind: type[Record]):
    """Only a file may bring unknown fields; a slip in the code is found at once."""
    with pytest.raises(ValidationError, match="slip\n  Extra inputs are not permitted"):
        kind(slip=1)


@pytest.mark.parametrize("stated", [2, 99, "2", "2.0", "17.3.1", 2.5])
@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.parent.name)
def test_a_card_of_a_newer_format_is_refused(file, stated, tmp_path):
    """The line names the file, its format, and what to do; whatever else it holds is not looked at."""
    card = {"format": stated, "task": "segment", "versions": {"byod": "3.1.0"}}
    (tmp_path / "model.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        of_run(tmp_path)[1]
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'model.json'} was written by a newer byod (format {stated}); ")
    assert f"it needs byod >= 3.1.0 (this is {__version__}): update byod" in line
    assert "\n" not in line


@pytest.mark.parametrize("stated", [1, "1", "1.0", "1.9", 1.4])
def test_what_stands_after_the_point_does_not_matter(stated, tmp_path):
    """A minor version of the same format is read."""
    card = json.loads(CARDS[0].read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**card, "format": stated}), encoding="utf-8")
    assert of_run(tmp_path)[1].format == stated


@pytest.mark.parametrize("stated", [None, 0, -1, "", "one", "1,5", [], {}, "9" * 5000, 1e999])
def test_a_format_that_is_no_number_is_refused_in_one_line(stated, tmp_path):
    """Nonsense in its place is no newer byod's."""
    card = json.loads(CARDS[0].read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**card, "format": stated}), encoding="utf-8")
    with pytest.raises(ModelError, match="is not a byod model card") as caught:
        of_run(tmp_path)[1]
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_who_wrote_a_newer_file_may_say_anything(writer):
    """A version that is none does not get into the line."""
    with pytest.raises(DatasetError) as caught:
        file_formats.check(Path("x"), 2, DatasetError, writer=writer)
    assert re.fullmatch(
        r"x was written by .*; it needs byod >= (the one that wrote it|[\w.+!-]+) \(.*", str(caught.value)
    )


def test_a_card_of_an_unknown_task_is_refused_in_one_line(tmp_path):
    """What cannot be used without knowing the word says so, and that a newer byod may know it."""
    card = json.loads(CARDS[0].read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**card, "task": "segment"}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"task: byod \S+ knows no 'segment'.*update byod") as caught:
        of_run(tmp_path)[1]
    assert "\n" not in str(caught.value)


def test_points_keep_the_fields_of_a_newer_byod(tmp_path):
    """At the picture, at a head and at a point, also when the marks are taken to another size."""
    text = {
        "format": 1, "sha256": None, "width": 10, "height": 20, "camera": "x",
        "heads": [{"points": {"eye": {"x": 1.0, "y": 2.0, "inside": True, "seen": 0.5}, "ear": None}, "box": None,
                   "species": "cat"}],
    }  # fmt: skip
    file = tmp_path / "a.json"
    file.write_text(json.dumps(text), encoding="utf-8")
    read = read_keypoints(file)
    assert json.loads(read.model_dump_json()) == text
    scaled = json.loads(read.scaled("0" * 64, 20, 40).model_dump_json())
    assert scaled["camera"] == "x"
    assert scaled["heads"][0]["species"] == "cat"
    assert scaled["heads"][0]["points"]["eye"] == {"x": 2.0, "y": 4.0, "inside": True, "seen": 0.5}
    file.write_text(json.dumps({**text, "format": 2}), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"a\.json was written by a newer byod \(format 2\)"):
        read_keypoints(file)
