"""Addresses without their secrets: what may be written down outside the catalog, and shown.

An address can hold a password (`https://bob:secret@host/`) or the key to one file (`?X-Amz-Signature=…`). The catalog
keeps it whole, to fetch it again; whatever leaves (credits, exports, pages, JSON, messages) holds it as `shown` leaves
it: without user information, without secret parameters, and without those that only go along with one, such as when
it expires. The rest stays letter by letter, so that the address is recognised, and is the same each time it is signed.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html (Google, Alibaba and Tencent sign
alike), https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html (version 2),
https://learn.microsoft.com/rest/api/storageservices/create-service-sas (Azure),
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html,
https://github.com/akamai/EdgeAuth-Token-Python (Akamai).
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote, unquote

from pydantic import AfterValidator

_LEFT_OUT = "…"
"""Stands where nothing is left."""
_DEEPEST = 6
"""Addresses within parameters of addresses; below that a parameter that holds one is left out."""

_AUTHORITY = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*:[/\\]*|[/\\]{2,})"
    # what should be a port and is none is a password with a sign in it that nobody quoted
    r"(?P<rest>[^/\\?#@:\[\]]*:(?!\d*(?:[/\\?#]|$)).*@[^/\\?#]*|[^/\\?#]*)",
    re.IGNORECASE | re.DOTALL,
)
_USER_WITHIN = re.compile(r"(:[/\\]{2,})[^/\\?#&\s]*@")
_SIGNED = re.compile(
    r"x-(amz|goog|oss|cos|obs|tos|bce|ms)-(?!process).*|q-(sign|ak$|key|header|url|signature).*"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {
        *("auth", "authentication", "authorization", "bearer", "credential", "credentials"),
        *("apikey", "hmac", "jwt", "key", "otp", "secret", "sid", "ticket", "token"),
        *("pass", "passcode", "passphrase", "passwd", "password", "pin", "pw", "pwd"),
        *("cookie", "csrf", "nonce", "phpsessid", "sessid", "session", "xsrf"),
        *("sas", "sig", "sign", "signature"),
        *("gda", "hdnea", "hdntl", "hdnts"),
    }
)
_SECRET_ENDS = (
    *(
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "signature",
        "credential",
        "hmac",
        "sessionid",
        "sig",
    ),
    *(f"{kind}key" for kind in ("access", "account", "api", "app", "auth", "client", "secret", "private")),
    *(f"{kind}key" for kind in ("session", "shared", "subscription", "user", "license", "master", "storage")),
    *(f"{kind}key" for kind in ("consumer", "link", "resource", "rl", "share", "sign", "signing")),
)
_SECRET_NAMES = frozenset(
    {"awsaccesskeyid", "ossaccesskeyid", "accesskeyid", "googleaccessid", "key-pair-id"}
)
_DIGEST_NAMES = frozenset(
    {"s", "h", "hm", "oh", "hash", "md5", "mac", "digest", "verify", "code", "st", "tk"}
)
"""Names of signatures at some, and of something else at others: told by a value that reads like a digest."""
_DIGEST = re.compile(r"(?=.*[0-9])[A-Za-z0-9_\-+/=.~%]{20,}")
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+.*")
_ALONG = frozenset(
    {
        *("expires", "expire", "expiry", "exp", "expiration", "e", "ex", "is", "oe", "oh"),
        *(
            "_nc_ohc",
            "policy",
            "acl",
            "urlprefix",
            "keyname",
            "hash-algorithm",
            "response-content-disposition",
        ),
        *("se", "sp", "sv", "sr", "st", "spr", "sip", "si", "ss", "srt", "ses", "sdd", "scid"),
        *("skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid"),
    }
)
"""Parameters of a signature (time, rights, version) that tell nothing of the picture: they go when the key goes."""


def shown(address: str) -> str:
    """An address as it may be shown; one without secrets, and any of a file on this machine, is returned as it is."""
    if _is_plain(address) or address[:5].lower() == "file:":
        return address
    left = _settled(address, lambda text: _shown(text, 0))
    return left or (address and _LEFT_OUT)


def _settled(text: str, without: Callable[[str], str]) -> str:
    """A text without secrets, and without what reads as one only when the first is gone (`https://;%/@`)."""
    for _ in range(_DEEPEST):
        left = without(text)
        if left == text:
            return left
        text = left
    return _LEFT_OUT


def shown_in(words: str) -> str:
    """Words as they may be shown: each address in them without its secrets."""
    if _is_plain(words):
        return words
    return _RUN.sub(lambda found: _shown_run(found[0]), words)


def _is_plain(text: str) -> bool:
    """True of a text that holds no sign of a secret, as of nearly all."""
    return "@" not in text and "=" not in text and "%" not in text


_RUN = re.compile(r"[^\s\"'<>]+")
_SCHEME = string.ascii_letters + string.digits + "+.-"


def _shown_run(run: str) -> str:
    """A run of words without blanks: an address with what stands around it, the path of one, or a single parameter."""
    before, slashes, _ = run.partition("://")
    if slashes:
        start = len(before.rstrip(_SCHEME))
        return run[:start] + shown(run[start:])
    if "?" in run:
        return shown(run)
    return _settled(run, lambda text: _shown_parameters(text.split("&"), 0)) or _LEFT_OUT


Address = Annotated[str, AfterValidator(shown)]
"""An address as it may be shown."""
Words = Annotated[str, AfterValidator(shown_in)]
"""Words in which addresses stand as they may be shown."""


def without_user(address: str) -> str:
    """An address without user name and password, otherwise as it is."""
    found = _AUTHORITY.match(address)
    if found is None:
        return _USER_WITHIN.sub(r"\1", address)
    host = found["rest"].rpartition("@")[2]
    return found["scheme"] + host + _USER_WITHIN.sub(r"\1", address[found.end() :])


def _shown(address: str, depth: int) -> str:
    if _is_plain(address):
        return address
    base, hash_sign, fragment = without_user(address).partition("#")
    path, question, query = base.partition("?")
    if "=" in path or "%" in path:
        parts = [(part, _shown_parameters([part], depth)) for part in path.split("/")]
        path = "/".join(left for part, left in parts if left or not part)
    left = _shown_parameters(query.split("&"), depth)
    after = _shown_parameters(fragment.split("&"), depth)
    return (
        path
        + (question + left if left or not query else "")
        + (hash_sign + after if after or not fragment else "")
    )


def _shown_parameters(pieces: list[str], depth: int) -> str:
    """The parameters of an address, or one part of its path, without what is secret."""
    kept = [_cut(piece) for piece in pieces]
    if kept != pieces:
        kept = [piece for piece in kept if piece and not _goes_along(piece)]
    return "&".join(_without_inner(piece, depth) for piece in kept)


def _cut(piece: str) -> str:
    """A piece between two `&`, up to the first secret in it: some servers part parameters by `;` as well."""
    at = 0
    for part in re.split(r"(?<=[;?])", piece):
        name, equals, value = part.partition("=")
        if equals and _is_secret(_plain(name), unquote(value)):
            return piece[:at].rstrip(";?").removesuffix("amp")
        at += len(part)
    return piece


def _goes_along(piece: str) -> bool:
    name, equals, _ = piece.partition("=")
    return bool(equals) and _plain(name).lower() in _ALONG


def _plain(name: str) -> str:
    return unquote(name).removeprefix("amp;").strip()


def _without_inner(piece: str, depth: int) -> str:
    """A piece, and the address that its value is, quoted or not, without its secrets."""
    name, equals, value = piece.partition("=")
    if not equals:
        name, value = "", piece
    plain = unquote(value)
    if not (re.search(r"[/\\]{2}|[?&;]", plain) or ("%" in plain and plain != value)):
        return piece
    left = "" if depth >= _DEEPEST else _shown(plain, depth + 1)
    if left == plain:
        return piece
    return name + equals + (quote(left, safe="") if plain != value else left)


def _is_secret(name: str, value: str) -> bool:
    if not value.strip(";? "):
        return False
    small = name.lower()
    return (
        small in _SECRET_NAMES
        or _SIGNED.fullmatch(small) is not None
        or not _SECRET_WORDS.isdisjoint(word.lower() for word in _WORD.findall(name))
        or re.sub(r"[^a-z]", "", small).endswith(_SECRET_ENDS)
        or (small in _DIGEST_NAMES and _DIGEST.fullmatch(value) is not None)
        or _TOKEN.fullmatch(value) is not None
        or "hmac=" in value
    )
