"""Reasons: one table says what follows from each."""

import ast
from pathlib import Path

from source_trees import nodes

import byod
from byod.schema.reasons import TRAITS, Reason, Retry, When, meaning, of_status


def test_every_reason_stands_in_the_table_once():
    """Each reason has its traits, with words for people that no other reason has, in the order of the list."""
    assert list(TRAITS) == list(Reason)
    words = [traits.words for traits in TRAITS.values()]
    assert all(words)
    assert len(set(words)) == len(words)


def test_a_reason_is_explained_in_words():
    """The meaning of a reason is its words; an unknown word stands for itself."""
    assert meaning("not-found") == "the picture is no longer there"
    assert meaning("something new") == "something new"


def test_each_status_stands_for_one_reason():
    """No HTTP status belongs to two reasons; any other 5xx is the server's error, any other status a refusal."""
    statuses = [status for traits in TRAITS.values() for status in traits.statuses]
    assert len(set(statuses)) == len(statuses)
    assert of_status(410) is Reason.NOT_FOUND
    assert of_status(599) is Reason.SERVER_ERROR
    assert of_status(418) is Reason.HTTP_ERROR


def test_what_is_tried_again_at_once_is_tried_at_the_next_run_as_well():
    """A reason that is worth another try within the run is worth one in the next."""
    assert all(traits.retry is Retry.NEXT_RUN for traits in TRAITS.values() if traits.at_once)


def test_only_what_was_fetched_from_somebody_is_tried_again():
    """A picture that was opened, compared or looked at by a person is never fetched again for that."""
    final = (When.OPENED, When.COMPARED, When.PERSON)
    assert all(traits.retry is Retry.NEVER for traits in TRAITS.values() if traits.when in final)


def test_no_list_of_reasons_stands_elsewhere():
    """Several reasons that are treated alike are so by a trait: nobody but the table lists them by name."""
    home = Path(byod.__file__).parent
    listed = [
        f"{file.relative_to(home)}:{node.lineno}"
        for file in sorted(home.rglob("*.py"))
        # what the demo has planted is known by name
        if file not in (home / "schema" / "reasons.py", home / "demo" / "findings.py")
        for node in nodes(file)
        if isinstance(node, ast.Tuple | ast.List | ast.Set)
        and sum(ast.unparse(each).startswith("Reason.") for each in node.elts) > 1
    ]
    assert not listed


def test_an_answer_that_cannot_be_read_is_no_last_word():
    """Where the host answered otherwise than in bytes that can be read, the reason is one that came while fetching."""
    assert {reason for reason, traits in TRAITS.items() if traits.unreadable} == {
        Reason.PROTOCOL, Reason.TOO_LARGE, Reason.ENCODING
    }  # fmt: skip


def test_a_picture_shown_elsewhere_on_a_page_was_compared_with_others():
    """Only what comparison found has a section of its own on the page of a check: copies, conflicts and stand-ins."""
    own = {reason for reason, traits in TRAITS.items() if traits.own_section}
    assert own == {Reason.PLACEHOLDER, Reason.DUPLICATE, Reason.CONFLICT}
    assert {reason.traits.when for reason in own} == {When.COMPARED}
