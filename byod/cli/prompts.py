"""What byod asks people on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from byod.cli.output import say

if TYPE_CHECKING:
    from byod.schema.search_words import Meaning


def choose_meaning(word: str, meanings: Sequence[Meaning]) -> Meaning | None:
    """Ask on a terminal which of several meanings a word has."""
    from byod.collection.meanings import language_name

    say(f"{word} means different things:")
    for number, meaning in enumerate(meanings, start=1):
        say(f"  {number}  {meaning.words} ({language_name(meaning.language)})")
    asked = f"Which one (1 to {len(meanings)}, Enter for none: then only {word} itself is searched)"
    while True:
        typed = typer.prompt(asked, default="", show_default=False, err=True).strip()
        if not typed:
            return None
        if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(meanings):
            return meanings[int(typed) - 1]
        say(f"{typed!r} is none of them")


def ask_for_contact() -> None:
    """Ask once on a terminal whom servers can turn to, and keep the answer."""
    from byod.schema.config import Settings

    settings = Settings.load()
    if settings.contact or settings.asked_for_contact or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    say("The servers you collect from want to know whom to turn to: a mail address or a page of yours.")
    contact = typer.prompt("Contact (Enter for none)", default="", show_default=False, err=True).strip()
    settings.remember_contact(contact)
    say(f"kept in {settings.config_file}")
