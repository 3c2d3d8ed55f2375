"""Read the words of a recipe's classes before they are searched, and say what they mean."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from byod.collection import meanings
from byod.collection.http import guard
from byod.collection.http.api_client import ApiClient
from byod.collection.http.api_reply import Tape
from byod.collection.http.reply_memory import Params
from byod.collection.meanings import Choose, Lookup, Word
from byod.collection.source_filters import KNOWN
from byod.collection.wikidata import check_language
from byod.schema.config import Settings
from byod.schema.errors import ByodError, SourceError
from byod.schema.progress import Say
from byod.schema.recipe import Recipe
from byod.schema.search_words import NONE, Kind, Meaning

PATIENCE = 2.5
"""Seconds to the first answer of Wikidata; without one, words are searched as typed."""
BETWEEN = 70.0
"""Seconds between two of its answers: it may be asked so many times a minute, and byod waits for the next one."""


def read_words(
    recipe: Recipe,
    settings: Settings,
    *,
    say: Say,
    choose: Choose | None = None,
    tape: Tape | None = None,
) -> Recipe:
    """The recipe with what its classes' words mean, which is said; without Wikidata, they are searched as typed.

    Raises:
        UsageError: an item that was chosen is none, or the code of a language.
    """
    languages = [check_language(code) for code in recipe.languages]
    if recipe.words_in == NONE:
        say("words are searched as typed, whatever they mean (--words-in none)")
        return recipe
    known: dict[str, Meaning] = {}
    words: list[Word] = []
    for folder, entry in recipe.classes.items():
        meaning = entry.meaning
        if meaning is None or (meaning.item != NONE and not meaning.known):
            words.append(Word(folder, entry.words[0], None if meaning is None else meaning.item))
        elif meaning.known:
            known[folder] = meaning
            say(f"{entry.words[0]}: {meaning.words}")
        else:
            say(f"{entry.words[0]}: searched as typed (meaning: none)")
    if not words or not recipe.sources:
        return recipe
    client = _Answers(settings, tape)
    try:
        reading = meanings.decide(_promptly(words, recipe.words_in, languages, client, known), choose)
    except SourceError as error:
        say(f"{error}; until then words are searched as typed, whatever they mean")
        return recipe
    for line in reading.lines:
        say(line)
    if any(word.item is None and word.label in reading.meanings for word in words):
        say(
            "if something else is meant: --meaning CLASS=Q… (an item of wikidata.org), or --words-in LANGUAGE"
        )
    classes = {
        folder: entry.model_copy(update={"meaning": reading.meanings.get(folder, entry.meaning)})
        for folder, entry in recipe.classes.items()
    }
    return recipe.model_copy(update={"classes": classes})


def say_unheeded(recipe: Recipe, say: Say) -> None:
    """Say which of the chosen options a source cannot heed."""
    for source in recipe.sources:
        options = recipe.search_options(source)
        chosen: dict[str, str | None] = {
            "kind": None if options.kind is Kind.PHOTO else options.kind,
            "size": options.size,
            "age": options.age,
            "colour": options.colour,
        }
        unheeded = sorted(
            name for name, value in chosen.items() if value is not None and name not in KNOWN.get(source, ())
        )
        if unheeded:
            say(f"{source} cannot filter by {', '.join(unheeded)}; it offers all")


class _Answers(ApiClient):
    """A client that tells whoever waits of each answer."""

    def __init__(self, settings: Settings, tape: Tape | None) -> None:
        super().__init__(settings, guard.session(settings), tape=tape)
        self.answered = threading.Event()

    def get_json(self, url: str, params: Params, **how: Any) -> Any:
        """The JSON that an address answers with, as `ApiClient.get_json` has it."""
        try:
            return super().get_json(url, params, **how)
        finally:
            self.answered.set()


def _promptly(
    words: list[Word],
    words_in: str | None,
    languages: list[str],
    client: _Answers,
    known: Mapping[str, Meaning],
) -> Lookup:
    """Look the words up, unless Wikidata keeps everybody waiting: pictures are not to wait for words."""
    answered, found, errors = client.answered, list[Lookup](), list[ByodError]()

    def look_up() -> None:
        try:
            found.append(
                meanings.look_up(
                    words,
                    client,
                    words_in=words_in,
                    spoken=meanings.language_of_machine(),
                    languages=languages,
                    known=known,
                )
            )
        except ByodError as error:
            errors.append(error)
        finally:
            answered.set()

    thread = threading.Thread(target=look_up, daemon=True)  # a daemon, so that it does not hold up Ctrl-C
    thread.start()
    patience = PATIENCE
    while thread.is_alive():
        if not answered.wait(patience):
            raise SourceError(f"wikidata does not answer within {patience:g} s")
        answered.clear()
        thread.join(0.01)
        patience = BETWEEN
    if errors:
        raise errors[0]
    if not found:
        raise RuntimeError("looking up words failed; the traceback above says where")
    return found[0]
