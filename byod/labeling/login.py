"""Log in to byod's own Label Studio: find out whether it runs and accepts the keys, and get lost keys back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from byod.schema.records import Record

_TIMEOUT = 10.0
_MAX_BYTES = 1_000_000


class Keys(Record):
    """The keys to a server; given to it when it makes its first account, and kept beside its database."""

    token: str
    email: str
    password: str


def is_running(url: str) -> bool:
    """True if something at an address says, as Label Studio does, that it is up."""
    with _session() as session:
        answer = _read(session, f"{url}/health")
    return isinstance(answer, dict) and answer.get("status") == "UP"


def accepts(url: str, keys: Keys) -> bool:
    """True if a Label Studio is up at an address and knows byod by its token."""
    if not is_running(url):
        return False
    with _session() as session:
        answer = _read(session, f"{url}/api/current-user/whoami", {"Authorization": f"Token {keys.token}"})
    return isinstance(answer, dict) and answer.get("email") == keys.email


def regain(url: str, keys: Keys) -> Keys | None:
    """The keys with the token that holds now, asked for with the password; None when that is refused as well.

    A token stops working when somebody resets it, or turns such tokens off, on the server's pages; they are turned
    on again. The endpoints are those of Label Studio 1.23 (`/api/jwt/settings`, `/api/current-user/token`).
    """
    with _session() as session:
        try:
            session.get(f"{url}/user/login/", timeout=_TIMEOUT)
            cookie = session.cookies.get("csrftoken", "")
            form = {"email": keys.email, "password": keys.password, "csrfmiddlewaretoken": cookie}
            session.post(
                f"{url}/user/login/", data=form, headers={"Referer": f"{url}/user/login/"}, timeout=_TIMEOUT
            )
            session.post(
                f"{url}/api/jwt/settings",
                json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": True},
                headers={"Referer": url, "X-CSRFToken": session.cookies.get("csrftoken", "")},
                timeout=_TIMEOUT,
            )
        except requests.RequestException:
            return None
        answer = _read(session, f"{url}/api/current-user/token")
    if not isinstance(answer, dict) or not isinstance(answer.get("token"), str):
        return None
    again = keys.model_copy(update={"token": answer["token"]})
    return again if accepts(url, again) else None


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy stands between two ports of a machine
    return session


def _read(session: requests.Session, url: str, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON at an address on this machine; None when there is none."""
    try:
        with session.get(
            url, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            body = next(answer.iter_content(_MAX_BYTES), b"") if answer.status_code == 200 else b""
            return json.loads(body)
    except (requests.RequestException, ValueError):
        return None
