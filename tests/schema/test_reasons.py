"""Reasons: one table says what follows from each."""

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
