"""Say to people what records hold in one word: the end of a search, a reason for refusing, a licence."""

from __future__ import annotations

from byod.report.i18n import Phrase, say, verbatim
from byod.schema import licences, reasons
from byod.schema.licences import Licence

_ENDED = {
    "exhausted": say("exhausted", context="search"),
    "empty": say("nothing found", context="search"),
    "enough": say("enough", context="search"),
    "not finished": say("not finished", context="search"),
    "failed": say("failed", context="search"),
    "no key": say("no key", context="search"),
    "key refused": say("key refused", context="search"),
    "rate-limited": say("asked to slow down", context="search"),
    "filtered": say("all filtered out", context="search"),
    "capped": say("limit of its terms", context="search"),
}
"""By the words of `Yield.stopped_by`."""


def ended(word: str) -> Phrase:
    """Say how a search ended; a word that is not known stays as it is."""
    return _ENDED.get(word) or verbatim(word)


def meaning(word: str) -> Phrase:
    """Explain a reason in words for people; the word itself for one that is not in the list."""
    return say(reasons.meaning(word), context="reason")


def licence_name(code: str | None) -> Phrase:
    """The licence of that code as people call it."""
    if code is None or code == "unknown":
        return say("not stated", context="licence")
    known = licences.licence(code)
    return verbatim(known.name if known else code)


def licence_terms(code: str | None, known: Licence | None) -> Phrase:
    """Say what a licence allows, in a word or two."""
    if known is None:
        return say("not stated", context="licence") if code is None else say("not known to byod")
    if known.commercial:
        return say("any use")
    return say("not for money") if known.open else say("ask first")
