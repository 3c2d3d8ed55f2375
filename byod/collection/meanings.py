"""The meanings of the words for classes: each is read in one language, as an item of Wikidata, which is said and kept.

A word means different things in different languages (*Gift*, *chat*, *pain*, *boot*), and the sources would bring
all of them. So it is read in the language that was named, else in that of the other classes, else in this machine's,
else in English; and what it means there is what every source is asked for.
"""

from __future__ import annotations

import locale
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from byod.collection import wikidata
from byod.collection.http.api_client import ApiClient
from byod.collection.wikidata import Found, Item
from byod.schema.errors import UsageError
from byod.schema.search_words import ENGLISH, KEYS, Meaning

READ = (ENGLISH, "de", "fr", "es")
"""Languages in which words are looked for when none is named, beside those of this machine and of the recipe."""
VOTERS = 8
"""Classes that are looked up in all languages; the others follow the language that most of these are in."""
OVERRULING = 2
"""So many classes of one language say that a word means nothing, though it would mean something in another one."""
LANGUAGES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
"""Names of languages, for messages."""
UNWANTED = {
    # pages of wikis
    *("Q4167410", "Q22808320", "Q4167836", "Q11266439", "Q15184295", "Q13406463", "Q15623926", "Q17633526"),
    # people and names
    *("Q5", "Q101352", "Q202444", "Q12308941", "Q11879590", "Q3409032", "Q66480858", "Q15632617", "Q95074"),
    # films, series, plays and games
    *(
        "Q11424",
        "Q24862",
        "Q506240",
        "Q202866",
        "Q5398426",
        "Q21191270",
        "Q3464665",
        "Q1259759",
        "Q25379",
        "Q7889",
    ),
    # bands, songs, albums
    *(
        "Q215380",
        "Q5741069",
        "Q7366",
        "Q134556",
        "Q482994",
        "Q169930",
        "Q208569",
        "Q105543609",
        "Q2188189",
        "Q18127",
    ),
    # books, papers, periodicals, pictures
    *(
        "Q7725634",
        "Q47461344",
        "Q571",
        "Q8261",
        "Q5185279",
        "Q49084",
        "Q13442814",
        "Q41298",
        "Q11032",
        "Q3305213",
    ),
    # programs, celestial bodies, genes
    *("Q7397", "Q9143", "Q3863", "Q7187", "Q8054"),
}
"""Kinds of things (the property P31) that nobody means who wants pictures of a class."""
_UNWANTED_WORDS = re.compile(
    r"\bdisambiguation\b|\b(family|given|first|male|female) name\b|\bsurname\b|\bwikimedia\b"
    r"|\b(film|movie|album|song|single|novel|band|video game|(television|tv) series|musical group)\b"
    r".*\b(by|from|directed|written|recorded)\b|^\d{4}\b.*\b(film|movie|album|song|single|novel|game|series)\b",
    re.IGNORECASE,
)
"""The same by the description, for an item whose kind is not stated."""


@dataclass(frozen=True)
class Word:
    """A word to be read: the class it is for (its folder), and the item that was chosen for it, if any."""

    label: str
    text: str
    item: str | None = None


@dataclass
class Reading:
    """The outcome of reading: the meaning of each class, by its folder, and lines that say so."""

    meanings: dict[str, Meaning] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


Choose = Callable[[str, Sequence[Meaning]], Meaning | None]
"""Asks somebody which of several meanings a word has; None: only what was typed."""
Possible = dict[str, dict[str, Meaning]]
"""For each class: what its word means in each language in which it means something."""


@dataclass
class Lookup:
    """The answers of Wikidata on words: the meanings that were chosen, and those that are possible.

    `order` are the languages that were looked in, `spoken` is this machine's, and `votes` says how many classes are
    known to be in which.
    """

    words: Sequence[Word]
    order: Sequence[str]
    spoken: str | None
    votes: Counter[str]
    chosen: dict[str, Meaning]
    possible: Possible


def language_of_machine(environment: Mapping[str, str] = os.environ) -> str | None:
    """The code of the language that this machine speaks, or None where it is set to none."""
    chosen = next(
        (value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(name))), ""
    )
    if not chosen and sys.platform == "win32":
        chosen = locale.getlocale()[0] or ""
    code = re.split(r"[_.@-]", chosen)[0].lower()
    if chosen.lower().startswith("german"):  # as Windows has it
        return "de"
    return code if re.fullmatch(r"[a-z]{2,3}", code) else None


def look_up(
    words: Sequence[Word],
    client: ApiClient,
    *,
    words_in: str | None,
    spoken: str | None,
    languages: Iterable[str] = (),
    known: Mapping[str, Meaning] | None = None,
) -> Lookup:
    """Ask Wikidata for all that the words may mean.

    Args:
        words: the words, one for each class.
        client: who asks Wikidata.
        words_in: the language they are in, where it was named.
        spoken: the language of this machine.
        languages: further languages to look in.
        known: the meanings of further classes, whose language counts as well.

    Raises:
        UsageError: an item that was chosen is none.
        SourceError: Wikidata does not answer.
    """
    order = [words_in] if words_in else list(dict.fromkeys(c for c in (spoken, *READ, *languages) if c))
    chosen = _chosen([word for word in words if word.item], order, client)
    votes = Counter(each.language for each in (*(known or {}).values(), *chosen.values()) if each.language)
    possible = _possible([word for word in words if not word.item], order, votes, spoken, client)
    return Lookup(words, order, spoken, votes, chosen, possible)


def _chosen(words: Sequence[Word], order: Sequence[str], client: ApiClient) -> dict[str, Meaning]:
    """The meanings of the words for which an item was chosen."""
    found = wikidata.items([str(word.item) for word in words], order, client) if words else {}
    meanings = {}
    for word in words:
        item = found.get(str(word.item))
        if item is None:
            raise UsageError(
                f"--meaning {word.text}={word.item}: Wikidata has no item {word.item}; look it up at wikidata.org"
            )
        language = next((code for code in order if item.called(word.text, code)), "")
        meanings[word.label] = _meaning(item, Found(item=item.item), language)
    return meanings


def _possible(
    words: Sequence[Word], order: Sequence[str], votes: Counter[str], spoken: str | None, client: ApiClient
) -> Possible:
    """The meanings of each word: for the first words in all languages, then in the one that these are in."""
    possible = _meanings(words[:VOTERS], order, client)
    rest = words[VOTERS:]
    if rest:
        language, _ = _language(votes + _counted(possible), spoken)
        possible |= _meanings(rest, [language or order[0]], client)
        unread = [word for word in rest if not possible[word.label]]
        possible |= _meanings(unread, order, client)
    return possible


def _meanings(words: Sequence[Word], languages: Sequence[str], client: ApiClient) -> Possible:
    found = {
        (word.label, code): wikidata.called(word.text, code, client) for word in words for code in languages
    }
    items = wikidata.items((each.item for some in found.values() for each in some), languages, client)
    return {
        word.label: {
            code: meaning
            for code in languages
            if (meaning := _first_wanted(found[word.label, code], items, code)) is not None
        }
        for word in words
    }


def _first_wanted(found: Sequence[Found], items: Mapping[str, Item], language: str) -> Meaning | None:
    for each in found:
        item = items.get(each.item)
        if item is not None and not _unwanted(item, each.description):
            return _meaning(item, each, language)
    return None


def _unwanted(item: Item, described: str) -> bool:
    kinds = item.statements.get("P31")
    if kinds:
        return any(kind in UNWANTED for kind in kinds)
    return _UNWANTED_WORDS.search(item.description or described) is not None


def _meaning(item: Item, found: Found, language: str) -> Meaning:
    return Meaning(
        item=item.item,
        name=item.labels.get(ENGLISH) or item.labels.get(wikidata.ANY_LANGUAGE) or "",
        description=item.description or found.description,
        language=language,
        keys={name: item.statements[name][0] for name in KEYS if item.statements.get(name)},
    )


def decide(lookup: Lookup, choose: Choose | None = None) -> Reading:
    """Read each word in one language; where nothing decides, somebody is asked, or it is left unread."""
    reading = Reading(dict(lookup.chosen))
    language, number = _language(lookup.votes + _counted(lookup.possible), lookup.spoken)
    for word in lookup.words:
        if word.label in lookup.chosen:
            reading.lines.append(f"{word.text}: {lookup.chosen[word.label].words}")
            continue
        meanings = lookup.possible[word.label]
        distinct = list({each.item: each for each in meanings.values()}.values())
        meaning = meanings.get(language or "")
        if meaning is None and len(distinct) == 1 and (language is None or number < OVERRULING):
            meaning = distinct[0]
        if meaning is None and len(distinct) > 1 and choose is not None:
            meaning = choose(word.text, distinct)
        if meaning is None:
            reading.lines.append(_unread(word, distinct, lookup.order))
            continue
        reading.meanings[word.label] = meaning
        reading.lines.append(f"{word.text}: {meaning.words} (read in {language_name(meaning.language)})")
    return reading


def _counted(possible: Possible) -> Counter[str]:
    """The number of words that mean something in each language."""
    return Counter(code for meanings in possible.values() for code in meanings)


def _language(counted: Counter[str], spoken: str | None) -> tuple[str | None, int]:
    """The language that most classes are in, and how many; among equals this machine's, or English; else none."""
    most = max(counted.values(), default=0)
    equal = [code for code, number in counted.items() if number == most]
    if len(equal) == 1:
        return equal[0], most
    return next((code for code in (spoken, ENGLISH) if code in equal), None), most


def _unread(word: Word, meanings: Sequence[Meaning], order: Sequence[str]) -> str:
    """Say why a word was not read, and how to have it read."""
    if not meanings:
        told = " or ".join(", ".join(language_name(code) for code in order).rsplit(", ", 1))
        return f"{word.text}: no item of Wikidata goes by that name in {told}; searched as typed"
    first = meanings[0]
    said = " or ".join(f"{one.words} in {language_name(one.language)}" for one in meanings)
    why = "which?" if len(meanings) > 1 else "while the other classes are in another language;"
    return (
        f"{word.text}: {said}: {why} searched only as typed; --meaning '{word.text}={first.item}' or --words-in "
        f"{first.language} decides"
    )


def language_name(code: str) -> str:
    """The name of a language, or its code where byod does not know the name."""
    return LANGUAGES.get(code, code)
