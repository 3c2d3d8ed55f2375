"""Taking out of API traffic what nobody else is to read: keys and contact, and the people in it.

Creators, their numbers and their pages become stand-ins ("person 3"), the same for the same person all through a file,
also where a title or another address names them. Where observations were made is left out.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from byod.schema.addresses import shown, shown_in

LEFT_OUT = "left-out"
_SHORTEST = 4
"""A name or a secret that is shorter is taken out where it is known to stand, and not looked for elsewhere."""
_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(r"https?://[^/\s]+", re.IGNORECASE)
_SECRET_FIELDS = frozenset(
    (
        "access_token",
        "refresh_token",
        "token",
        "api_key",
        "apikey",
        "key",
        "secret",
        "client_secret",
        "password",
        "vqd",
    )
)
_NAME_FIELDS = frozenset(
    (
        *("creator", "user", "username", "owner", "ownername", "realname", "author", "photographer", "login"),
        *(
            "login_autocomplete",
            "login_exact",
            "name_autocomplete",
            "orcid",
            "artist",
            "credit",
            "attribution",
        ),
        *("rightsholder", "recordedby", "identifiedby", "georeferencedby"),  # of GBIF
    )
)
_PAGE_FIELDS = frozenset(
    (
        "creator_url",
        "user_url",
        "userimageurl",
        "author_url",
        "photographer_url",
        "icon",
        "icon_url",
        "path_alias",
    )
)
_NUMBER_FIELDS = frozenset(("user_id", "owner_id", "creator_id", "photographer_id"))
_PERSON_TABLES = frozenset(("user", "owner", "creator", "author", "photographer"))
_GONE = frozenset(
    (
        *("location", "geojson", "place_guess", "private_location", "private_geojson", "private_place_guess"),
        *(
            "latitude",
            "longitude",
            "comments",
            "identifications",
            "reviewed_by",
            "place_ids",
            "private_place_ids",
        ),
        *("decimallatitude", "decimallongitude", "coordinateuncertaintyinmeters", "footprintwkt", "gadm"),
        *("locality", "verbatimlocality", "municipality", "county", "recordedbyids", "identifiedbyids"),
    )
)
_USER_PAGE = re.compile(
    r"(https?://[^\s\"'<>]{0,300}?/(?:people|users?|photographers?|authors?|profile)/|\bUser(?:_talk)?:)([^/?#\s\"'<>&]{1,200})",
    re.IGNORECASE,
)
_FLICKR_PAGE = re.compile(r"(flickr\.com/photos/)([^/?#\s\"'<>]{1,100})", re.IGNORECASE)
_CREDITED = re.compile(
    r"\(c\) ([^,()]{1,100}),|uploaded by ([^,()]{1,100})|\bby ([^,()\"]{1,100}) is (?:licensed|marked)"
)
_VQD = re.compile(r"(vqd=[\"']?)[\d-]+")


class StandIns:
    """The secrets to take out, and the people met so far; one for each recording."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelled = {each for secret in secrets for each in (secret, quote(secret, safe=""))}
        self._secrets = sorted((each for each in spelled if len(each) >= _SHORTEST), key=len, reverse=True)
        self._people: dict[str, int] = {}
        self._by_word: defaultdict[str, list[tuple[str, int, int]]] = defaultdict(list)

    def keyless(self, words: str) -> str:
        """Words without secrets."""
        for secret in self._secrets:
            words = words.replace(secret, LEFT_OUT)
        return words

    def text(self, words: str) -> str:
        """Words without secrets and people, each address without its keys."""
        words = self.keyless(words)
        words = _VQD.sub(r"\g<1>4-0", words)
        for pattern in (_USER_PAGE, _FLICKR_PAGE):
            words = pattern.sub(lambda found: found[1] + self._slug(found[2]), words)
        return self._without_people(shown_in(words))

    def body(self, content: bytes) -> str:
        """A body as text: JSON laid out to be read, anything else as it is; nobody and no secret is in it."""
        try:
            document = json.loads(content)
        except ValueError:
            return self.text(content.decode("utf-8", errors="replace"))
        except RecursionError:
            return json.dumps(LEFT_OUT)
        try:
            # people first: what stands before them may name them too
            document = self._walk(document, self._named)
            return json.dumps(self._walk(document, self._written), ensure_ascii=False, indent=1)
        except RecursionError:  # no answer of a source's is so deep, and who is in it cannot be told
            return json.dumps(LEFT_OUT)

    def _walk(
        self, value: Any, leaf: Callable[[str, Any, bool], Any], field: str = "", person: bool = False
    ) -> Any:
        """The same document with each value that is no table and no list put through `leaf`."""
        if isinstance(value, dict):
            inside = person or field in _PERSON_TABLES
            return {name: self._member(name, each, leaf, field, inside) for name, each in value.items()}
        if isinstance(value, list):
            return [self._walk(each, leaf, field, person) for each in value]
        return leaf(field, value, person)

    def _member(
        self, name: str, value: Any, leaf: Callable[[str, Any, bool], Any], field: str, person: bool
    ) -> Any:
        if name.lower() in _GONE:
            return [] if isinstance(value, list) else None
        inner = name.lower()
        if inner == "value":  # as Commons wraps what it says of a file
            inner = "artist" if field == "attribution" else field
        return self._walk(value, leaf, inner, person)

    def _named(self, field: str, value: Any, person: bool) -> Any:
        """A value with the person in it replaced, where its field says that it is one."""
        if field in _SECRET_FIELDS and isinstance(value, str):
            return LEFT_OUT
        if isinstance(value, bool) or value is None or value == "":
            return value
        if field in _NUMBER_FIELDS or (person and field == "id"):
            number = self._number(str(value))
            return number if isinstance(value, int) else str(number)
        if not isinstance(value, str):
            return value
        if field in _PAGE_FIELDS or (person and value.lower().startswith("http")):
            return f"https://people.example/{self._number(_last_step(value))}"
        if field in _NAME_FIELDS or (person and field == "name"):
            return self._name(field, value)
        return value

    def _name(self, field: str, value: str) -> str:
        """The stand-in for a name; markup keeps a link, lines of credit keep their words."""
        plain = " ".join(re.sub(r"<[^<>]*>", " ", value).split())
        if field == "attribution":
            for found in _CREDITED.finditer(
                value
            ):  # the sentence stays, and whom it names is looked for in it
                self._number(found[found.lastindex or 0].strip())
            return value
        if "<a" in value.lower():
            number = self._number(plain)
            return f'<a href="https://people.example/{number}">person {number}</a>'
        number = self._number(plain, value.strip())
        if field in ("owner", "login", "login_autocomplete", "login_exact"):
            return f"person-{number}"
        return f"person {number}"

    def _written(self, field: str, value: Any, person: bool) -> Any:
        """A value as it is written: no secret, and no name of those met so far."""
        if not isinstance(value, str):
            return value
        if value.lower().startswith(("http://", "https://")):
            value = shown(value)
        return self.text(value)

    def _slug(self, step: str) -> str:
        return step if step.startswith("person-") else f"person-{self._number(step)}"

    def _number(self, name: str, written: str = "") -> int:
        """The number of a person, who is looked for by this name, as it is in addresses, and as it was `written`."""
        if found := re.fullmatch(r"person[ -](\d{1,9})", name):
            return int(found[1])
        number = self._people.get(name)
        if number is None:
            number = self._people[name] = len(self._people) + 1
            for form in dict.fromkeys((name, quote(name), written)):
                first = _WORD.search(form)
                if len(form) >= _SHORTEST and len(written or name) >= _SHORTEST and first is not None:
                    self._by_word[first[0]].append((form, first.start(), number))
        return number

    def _without_people(self, words: str) -> str:
        """Words in which everybody met so far is a stand-in; the host of an address is no person."""
        parts: list[str] = []
        host = _ADDRESS.match(words)
        done = host.end() if host else 0
        parts.append(words[:done])
        for word in _WORD.finditer(words, done):
            for form, lead, number in self._by_word.get(word[0], ()):
                start = word.start() - lead
                end = start + len(form)
                if start >= done and words.startswith(form, start) and not _WORD.match(words[end : end + 1]):
                    parts += [words[done:start], f"person-{number}"]
                    done = end
                    break
        return "".join([*parts, words[done:]])


def secrets_of(environment: Mapping[str, str], contact: str | None, proxies: Mapping[str, str]) -> set[str]:
    """The parts of a person's settings that are never written down: keys, contact, and all that names a proxy."""
    ends = ("_KEY", "_TOKEN", "_SECRET", "_CLIENT_ID", "_PASSWORD")
    found = {value for name, value in environment.items() if name.endswith(ends)}
    found |= {contact} if contact else set()
    for where in proxies.values():
        parts = urlsplit(where if "//" in where else f"http://{where}")
        found |= {
            each for each in (where, parts.netloc, parts.hostname, parts.username, parts.password) if each
        }
    return found


def _last_step(address: str) -> str:
    """The part of a page's address that names its person: its last step, without marks."""
    steps = [step for step in re.split(r"[?#]", address)[0].split("/")[3:] if step]
    return steps[-1] if steps else address
