"""A server's own words for a refusal: the sentence of its error page, which often names the cure."""

from __future__ import annotations

import json
import re
from typing import Any

from byod.collection.http import parsing

LONGEST = 160
_UNSEEN = re.compile(r"<(script|style|head|svg|noscript)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_BARE = re.compile(r"(http/[\d.]+\s*)?(error\s*:?\s*)?[45]\d\d\b[\s:.,-]*", re.IGNORECASE)
_KEYS = (
    "detail",
    "message",
    "error_description",
    "description",
    "info",
    "title",
    "error",
    "errors",
    "reason",
)
_TOO_OFTEN = re.compile(r"too many requests|rate.?limit|slow down|quota exceeded", re.IGNORECASE)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_LEAST = 12


def sentence(content: bytes, reason: str = "") -> str:
    """The sentence in the body of an error, in one line; empty where it says no more than the status does."""
    if _NO_TEXT.search(content[:4096]):
        return ""  # a picture, or what nobody unpacked
    text = content[:65536].decode("utf-8", errors="replace").strip()
    if text[:1] in ("{", "["):
        words = _in_json(text)
    else:
        words = parsing.text(_UNSEEN.sub(" ", text), LONGEST) or ""
    words = _BARE.sub("", words, count=1).strip()
    if reason and words.lower().startswith(reason.lower()):
        words = words[len(reason) :].strip(" .:-")
    return words if len(words) >= _LEAST else ""


def says_too_often(words: str) -> bool:
    """True of words that speak of the number of requests, whatever the status is."""
    return _TOO_OFTEN.search(words) is not None


def without(words: str, secrets: tuple[str, ...]) -> str:
    """The words without keys that a server repeats."""
    for secret in secrets:
        if len(secret) > 3:
            words = words.replace(secret, "…")
    return words


def _in_json(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return _first_words(document, 4)


def _first_words(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return parsing.text(value, LONGEST) or ""
    if isinstance(value, list):
        value = value[0] if value else None
        return _first_words(value, depth - 1) if depth else ""
    if isinstance(value, dict) and depth:
        for key in _KEYS:
            words = _first_words(value.get(key), depth - 1)
            if words:
                return words
    return ""
