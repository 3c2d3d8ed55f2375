"""How good labels are, by what stands of the answers to a random sample."""

from datetime import UTC, datetime

import pytest

from byod.dataset.catalog.verdicts import UNDO
from byod.dataset.label_quality import Looked, looked
from byod.dataset.review_log import REVIEW, WITHDRAWN
from byod.schema.records import Verdict

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SHA = "a" * 64


def log(*said):
    """A label log of one picture: who, the label, the note."""
    return [
        (number, Verdict(sha256=SHA, label=label, who=who, when=NOW, note=note))
        for number, (who, label, note) in enumerate(said, 1)
    ]


ANNA = ("anna", "cat", "review of sample 1 (cat) #1@x")
BEN = ("ben", "dog", "review of sample 1 (cat) #2@x")
DIFFER = (REVIEW, None, "anna says cat, ben says dog")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([ANNA], Looked("cat", True)),
        ([BEN], Looked("cat", False)),
        ([ANNA, BEN, DIFFER], Looked("cat", None)),
        ([ANNA, BEN, DIFFER, ("carla", "dog", "review of labels decides 3 #3@x")], Looked("cat", False)),
        ([ANNA, BEN, DIFFER, ("folder", "cat", "")], Looked("cat", True)),
        ([ANNA, BEN, DIFFER, ("ben", "cat", BEN[2])], Looked("cat", True)),
        ([ANNA, BEN, DIFFER, (WITHDRAWN, "cat", "withdrawn #2@x")], Looked("cat", True)),
        ([ANNA, BEN, DIFFER, (UNDO, "cat", "#1")], Looked("cat", True)),
        ([ANNA, BEN, DIFFER, (UNDO, "cat", "#1"), (UNDO, None, "#3")], Looked("cat", None)),
        ([ANNA, (UNDO, "cat", "#0")], None),
        ([("anna", "cat", "review of sample 2 (cat) #1@x")], None),
        ([ANNA, ("folder", "dog", "")], Looked("cat", True)),
    ],
)
def test_a_picture_of_a_sample_counts_by_what_stands_and_is_decided(said, found):
    """Answers that were taken back count no more; where people differ nothing does until somebody decides."""
    assert looked(log(*said), 1) == found
