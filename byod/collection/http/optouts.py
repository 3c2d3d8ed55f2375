"""Read a site's rules on robots and on training on its pictures.

Read, and respected unless the user asked for `--ignore-optout`:

* `robots.txt` (RFC 9309) for the names byod-toolkit and byod, or `*`: Allow and Disallow, and Crawl-delay;
* in it, `Content-Signal: ai-train=no` (contentsignals.org) and `Content-Usage: train-ai=n` (IETF AIPREF), also
  with a path in front;
* `/.well-known/tdmrep.json` and the `TDM-Reservation: 1` header (W3C community group's TDMRep): one small request
  for each site, next to robots.txt and on the same connection;
* the `X-Robots-Tag` header with noai, noimageai or noml, whichever robot it names. `noindex` is about search
  results, not about training, and refuses nothing.

This module only reads; the transfers fetch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from protego import Protego

from byod.schema.names import is_utf8
from byod.schema.reasons import Reason

TOKEN = "byod-toolkit"
"""The name byod goes by in robots.txt: the product token at the start of its User-Agent."""
MAX_BYTES = 512_000
"""How much of a robots.txt or tdmrep.json is read: the 500 KiB that RFC 9309 asks for."""
MAX_DELAY = 10.0
"""Seconds: the longest Crawl-delay that is honoured as written; a longer one counts as this."""

_NAMES = frozenset({TOKEN, "byod"})
_USER_AGENT = re.compile(r"user[- ]?agent\s*[:\s]\s*(.*)", re.IGNORECASE)
_RULE = re.compile(
    r"(allow|diss?all?ow|crawl-?delay|content-(signal|usage)|request-rate|visit-time|noindex)\s*[:\s]",
    re.IGNORECASE,
)
"""Lines that say something to the robots named above them, as they are written and as they are misspelled."""
_SIGNAL = re.compile(r"content-(signal|usage)\s*:\s*(/\S*\s+)?(.*)", re.IGNORECASE)
_NO_TRAINING = re.compile(r"(ai-train\s*=\s*(no|n)|train-ai\s*=\s*(n|no))\s*", re.IGNORECASE)
_TRAINING = re.compile(r"(ai-train|train-ai)\s*=", re.IGNORECASE)
_NO_AI_TAG = re.compile(r"(?:^|[\s,:;])(noai|noimageai|noml)(?=$|[\s,;])", re.IGNORECASE)
_MAX_RULES = 1000


@dataclass(frozen=True, slots=True)
class Permission:
    """The rules of one site (scheme, host and port), from its robots.txt and tdmrep.json.

    `delay` is the Crawl-delay in seconds, 0 to MAX_DELAY. `signals` are (path, may train), the longest path that
    fits wins; `reservations` are (pattern, reserved), the first that fits wins.
    """

    rules: Protego | None = None
    delay: float = 0.0
    signals: tuple[tuple[str, bool], ...] = ()
    reservations: tuple[tuple[Protego, bool], ...] = ()

    def reserving(self, reservations: tuple[tuple[Protego, bool], ...]) -> Permission:
        """The same permission with the reservations of a tdmrep.json."""
        return replace(self, reservations=reservations)

    def refusal(self, url: str, *, granted: bool = False) -> tuple[Reason, str] | None:
        """The reason not to fetch the URL for training, with a short detail; None when it may be fetched.

        For one that the site itself `granted`, its rules for crawlers do not count; what it says of training does.
        """
        if not granted and self.rules is not None and not self.rules.can_fetch(url, TOKEN):
            return Reason.ROBOTS, "robots.txt disallows it"
        parts = urlsplit(url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        fitting = [(len(prefix), may) for prefix, may in self.signals if path.startswith(prefix)]
        if fitting and not max(fitting)[1]:
            return Reason.OPTED_OUT, "robots.txt says ai-train=no"
        for pattern, reserved in self.reservations:
            if not pattern.can_fetch(url, TOKEN):
                return (Reason.OPTED_OUT, "tdmrep.json reserves text and data mining") if reserved else None
        return None


def read_robots(content: bytes) -> Permission:
    """Read a robots.txt, whatever bytes it consists of; only its first 500 KiB count.

    Groups that are not for byod are left out before the rules are read, so that a hostile file with thousands of
    names times thousands of rules stays cheap. Source: https://www.rfc-editor.org/rfc/rfc9309
    """
    lines = content[:MAX_BYTES].decode("utf-8-sig", "replace").splitlines()
    chosen = _own_group(lines)
    rules = Protego.parse("\n".join(["User-agent: *", *chosen]))
    signals = [signal for line in chosen if (signal := _signal(line)) is not None]
    return Permission(
        rules=rules,
        delay=min(rules.crawl_delay(TOKEN) or 0.0, MAX_DELAY),
        # Of two lines for one path the stricter counts: max() prefers the longer path, then True.
        signals=tuple(dict(sorted(signals, key=lambda signal: signal[1], reverse=True)).items()),
    )


def _own_group(lines: list[str]) -> list[str]:
    """The rule lines of the groups that name byod, or else of those for everybody."""
    groups: dict[str, list[str]] = {"own": [], "all": []}
    named = False
    current: set[str] = set()
    in_names = False
    for line in lines:
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        found = _USER_AGENT.fullmatch(line)
        if found is None:
            # a line that is no rule stands wherever it likes, also between the names of a group (RFC 9309 §2.2.4)
            if _RULE.match(line):
                in_names = False
            for key in current:
                groups[key].append(line)
            continue
        if not in_names:
            current, in_names = set(), True
        name = found[1].split("/", 1)[0].strip().lower()
        if name in _NAMES:
            named = True
            current.add("own")
        elif name == "*":
            current.add("all")
    return groups["own"] if named else groups["all"]


def _signal(line: str) -> tuple[str, bool] | None:
    """(path, whether training is allowed) of a Content-Signal or Content-Usage line that speaks of training."""
    found = _SIGNAL.fullmatch(line)
    if found is None:
        return None
    parts = [part.strip() for part in found[3].split(",")]
    about = [part for part in parts if _TRAINING.match(part)]
    if not about:
        return None
    return (found[2] or "/").strip(), not any(_NO_TRAINING.fullmatch(part) for part in about)


def read_reservations(content: bytes) -> tuple[tuple[Protego, bool], ...]:
    """Read a tdmrep.json: a list of objects with `location` (a pattern as in robots.txt) and `tdm-reservation`.

    What is not such a list says nothing. Source: https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):  # a page of HTML, most often
        return ()
    found = []
    for rule in document[:_MAX_RULES] if isinstance(document, list) else ():
        location = rule.get("location") if isinstance(rule, dict) else None
        if not isinstance(location, str) or not location.strip() or not _is_pattern(location):
            continue
        pattern = location.strip() if location.strip()[0] in "/*" else f"/{location.strip()}"
        reserved = str(rule.get("tdm-reservation")) == "1"
        found.append((Protego.parse(f"User-agent: *\nDisallow: {pattern}"), reserved))
    return tuple(found)


def _is_pattern(location: str) -> bool:
    """True of one line that can be an address: half a sign (a lone surrogate) is none."""
    return "\n" not in location and "\r" not in location and is_utf8(location)


def header_refusal(headers: Mapping[str, str]) -> str | None:
    """Find the header that forbids training on an answer, as a short detail; None when there is none.

    `headers` looks names up without regard to case.
    """
    tag = _NO_AI_TAG.search(headers.get("X-Robots-Tag") or "")
    if tag:
        return f"X-Robots-Tag: {tag[1].lower()}"
    if (headers.get("TDM-Reservation") or "").split(",")[0].strip() == "1":
        return "TDM-Reservation: 1"
    if any(_NO_TRAINING.fullmatch(part.strip()) for part in (headers.get("Content-Usage") or "").split(",")):
        return "Content-Usage: train-ai=n"
    return None
