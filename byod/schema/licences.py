"""Licences: one code for each, whatever words a source uses, and which policy accepts it.

Codes follow SPDX where it has one (https://spdx.org/licenses/): "CC-BY-SA-4.0", "CC-BY-3.0-DE", "CC0-1.0". Beside
them stand a few names for what is not on that list: "PDM-1.0" (Public Domain Mark), "PD" (public domain by age or
law), "US-Gov", "Attribution" (free for any use with credit), "Pixabay", "NKCR" (no known copyright restrictions:
a museum's guess, no licence) and "ARR" (all rights reserved).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from byod.schema.known_licences import ADDRESSES, NAMES, OTHERS, Licence
from byod.schema.reasons import Reason
from byod.schema.records import Policy

__all__ = ["Licence", "allows", "asks_for_credit", "code", "from_name", "from_url", "licence", "read", "url"]


_BARE = frozenset(("SA", "ND", "NC", "NC-SA", "NC-ND", "SAMPLING+", "NC-SAMPLING+"))
_KINDS = _BARE | {"BY", "BY-SA", "BY-ND", "BY-NC", "BY-NC-SA", "BY-NC-ND"}
_VERSIONS = frozenset(["1.0", "2.0", "2.1", "2.5", "3.0", "4.0"])
_GIVEN_UP = frozenset(("CC0-1.0", "PDM-1.0", "PD", "US-Gov"))
_ORDER = {"BY": 0, "NC": 1, "SA": 2, "ND": 2, "SAMPLING+": 3}


def code(kind: str, version: str | None = None, country: str | None = None) -> str | None:
    """The code of a Creative Commons licence named by its parts ("by-nc-sa", "4.0"), None when there is no such one.

    The order of the parts is mended ("by-nd-nc"), "cc0", "pdm" and "zero" are understood, the version may be
    missing ("CC-BY": of no stated version) and `country` names a ported one ("de").
    """
    kind = kind.strip().lower().removeprefix("cc-").replace("_", "-")
    if kind in ("cc0", "zero", "0"):
        return "CC0-1.0"
    if kind in ("pdm", "mark"):
        return "PDM-1.0"
    parts = kind.upper().split("-")
    if any(part not in _ORDER for part in parts):
        return None
    ordered = "-".join(sorted(parts, key=_ORDER.__getitem__))
    version = (version or "").strip()
    if ordered not in _KINDS or (version and version not in _VERSIONS):
        return None
    if ordered in _BARE and version not in ("1.0", "2.0"):
        return None
    country = (country or "").strip().upper()
    if country and (not version or not re.fullmatch(r"[A-Z]{2,8}", country)):
        return None
    return "-".join(["CC", ordered, *filter(None, (version, country))])


def licence(of: str | None) -> Licence | None:
    """Look up a licence by its code; None when it is not a code of this module."""
    if of is None:
        return None
    if of in OTHERS:
        return OTHERS[of]
    match = re.fullmatch(r"CC-([A-Z+]+(?:-[A-Z+]+)*?)(?:-(\d\.\d)(?:-([A-Z]{2,8}))?)?", of)
    if match is None or code(*match.groups()) != of:
        return None
    kind, version, country = match.groups()
    place = f"licenses/{kind.lower()}/{version}/" if version else "share-your-work/cclicenses/"
    ported = f"{country.lower()}/" if country else ""
    changes = "ND" not in kind.split("-") and "SAMPLING+" not in kind
    return Licence(
        code=of,
        name=" ".join(filter(None, ("CC", kind, version, country))),
        url=f"https://creativecommons.org/{place}{ported}",
        open=changes,
        commercial=changes and "NC" not in kind.split("-"),
    )


def from_url(url: object) -> str | None:
    """The code of the licence that an address leads to; None when the address is of no known one.

    The host must be the licence's own: a look-alike ("creativecommons.org.example") is unknown.
    """
    if not isinstance(url, str) or len(url) > 500:
        return None
    try:
        parts = urlsplit(url.strip() if "//" in url else f"https://{url.strip()}")
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https"):
        return None
    if host.removeprefix("www.") == "creativecommons.org":
        return _from_creative_commons(parts.path.lower())
    for name in (host, host.removeprefix("www."), f"www.{host}"):
        for start, known in ADDRESSES.get(name, ()):
            if parts.path.lower().startswith(start):
                return known
    return None


def _from_creative_commons(path: str) -> str | None:
    steps = [step for step in path.split("/") if step]
    match steps:
        case ["publicdomain", "zero", *_]:
            return "CC0-1.0"
        case ["publicdomain", "mark", *_]:
            return "PDM-1.0"
        case ["licenses", "publicdomain", *_]:
            return "PD"
        case ["licenses", kind, version, country, *_] if re.fullmatch(r"[a-z]{2,8}", country):
            # "legalcode" and "deed" are pages about the licence and no countries (both are too long or listed)
            return code(kind, version, None if country in ("deed", "rdf") else country)
        case ["licenses", kind, version, *_]:
            return code(kind, version)
    return None


def from_name(name: object) -> str | None:
    """The code of a licence by its name ("CC BY-SA 3.0 de", "Attribution-NonCommercial License"), None if unknown.

    When a name lists several versions, the first one counts.
    """
    if not isinstance(name, str) or len(name) > 200:
        return None
    text = " ".join(re.sub(r"[\s_()]+", " ", re.sub(r"[,;]?\s+https?://\S+\s*$", "", name)).split())
    if licence(text) is not None:
        return text
    plain = re.sub(r"[-–]", " ", text).strip(" .").lower()
    without_version = re.sub(r"\s*v?\s*\d+(\.\d+)?\+?( universal| or later| only)?$", "", plain).strip()
    numbered = re.sub(r"\bv\.? ?(?=\d)", "", plain)
    numbered += ".0" if re.search(r" \d$", numbered) else ""
    for spelling in (plain, numbered, without_version, re.sub(r"^cc ", "", without_version)):
        if spelling in NAMES:
            return NAMES[spelling]
    return _from_words(text)


_WORDS = {
    "attribution": "by",
    "by": "by",
    "noncommercial": "nc",
    "nc": "nc",
    "sharealike": "sa",
    "sa": "sa",
    "noderivs": "nd",
    "noderivatives": "nd",
    "nd": "nd",
}
_FILLERS = frozenset(
    ("cc", "creative", "commons", "license", "licence", "international", "generic", "unported", "universal")
)
_PORTS = frozenset(("igo", "scotland"))
"""What a licence is ported to, beside countries of two letters."""
_JOINED = (
    (r"\bnon[- ]commercial", "noncommercial"),
    (r"\bshare[- ]alike", "sharealike"),
    (r"\bno[- ]?deriv(?:ative)?s?\b(?:[- ]works\b)?", "noderivs"),
)


def _from_words(text: str) -> str | None:
    """A Creative Commons name made of words or of letters, with an optional version and country.

    Every word must be understood: "not under CC BY" is not a licence.
    """
    lowered = text.lower()
    if lowered == "attribution":
        return "Attribution"
    for pattern, joined in _JOINED:
        lowered = re.sub(pattern, joined, lowered)
    tokens = re.findall(r"[^\s,/|-]+", lowered)
    if not tokens or tokens[0] not in ("cc", "creative", "attribution"):
        return None
    parts: list[str] = []
    versions: list[str] = []
    country = None
    for token in tokens:
        if token in _WORDS and not versions:
            parts.append(_WORDS[token])
        elif token in _VERSIONS and country is None:
            versions.append(token)
        elif token in _FILLERS:
            continue
        elif len(versions) == 1 and country is None and (token in _PORTS or re.fullmatch(r"[a-z]{2}", token)):
            country = token
        else:
            return None
    return code("-".join(parts), versions[0] if versions else None, country)


def read(text: object) -> str | None:
    """The code for whatever a list states: a code of this module, an address or a name; None if unknown."""
    if not isinstance(text, str):
        return None
    return from_url(text) if "://" in text and len(text.split()) == 1 else from_name(text)


def url(of: str | None) -> str | None:
    """The address of a licence's text; None for an unknown code or one without an address."""
    known = licence(of)
    return known.url if known else None


def asks_for_credit(of: str | None) -> bool:
    """True of all licences but those that give a picture up, and of none that is known."""
    return of not in _GIVEN_UP


def allows(policy: Policy, of: str | None) -> Reason | None:
    """The reason that a policy refuses a picture under this licence code, or None when it accepts it.

    It fails closed: under `open` and `commercial`, what is not stated or not known is refused.
    """
    if policy is Policy.ANY:
        return None
    known = licence(of)
    if known is None:
        return Reason.LICENCE_UNKNOWN
    accepted = known.open if policy is Policy.OPEN else known.commercial
    return None if accepted else Reason.LICENCE_REFUSED
