"""A Label Studio, spoken to over its HTTP API: plain requests, JSON in and out, every fault one line.

The API as of Label Studio 1.23 (https://api.labelstud.io). Tasks and annotations are read here and not through
label-studio-sdk, whose models are those of the Enterprise edition and mis-type what the open edition sends.
"""

from __future__ import annotations

import json as jsonlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from byod.schema.errors import ReviewError

TESTED = "1.23"
"""The release this was written and tested against."""
TIMEOUT = 120.0
"""Seconds until an answer begins, and as many again until all of it is there."""
MAX_BYTES = 2_000_000_000
MAX_PICTURE_BYTES = 200_000_000
_FIRST: dict[str, Any] = {"timeout": 20.0, "most": 1_000_000}
"""How much is taken from an address before it is known to be a Label Studio."""
PAGE = 500
PROJECT = (
    *("id", "title", "description", "task_number", "label_config", "maximum_annotations"),
    *("total_annotations_number", "skipped_annotations_number"),
)
"""What byod wants to know of a project; the rest of it is counted anew each time, which takes the server long."""
_ACCESS_SECONDS = 240.0  # an access token lives 300 s
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class LabelStudio:
    """One Label Studio and one account there.

    Args:
        url: its address, such as `http://127.0.0.1:8080`.
        token: a legacy token (40 hexadecimal digits) or a personal access token (a JWT), from Account & Settings.

    Raises:
        ReviewError: the address is none, nothing answers, it is not a Label Studio, or it refuses the token.
    """

    def __init__(self, url: str, token: str) -> None:
        host = _host(url)
        self.url = url.rstrip("/")
        self.token = token.strip()
        if not (self.token.isascii() and self.token.isprintable()) or " " in self.token:
            raise ReviewError(
                f"that is not a token of {self.url}; copy one from its page Account & Settings, all of it"
            )
        self.clock: datetime | None = None
        """The time by the server's clock when it last answered."""
        self._access = ("", 0.0)
        self._session = requests.Session()
        self.proxied = host not in _LOOPBACK  # no proxy stands between two ports of a machine
        told = self._session.merge_environment_settings(url, {}, None, None, None)["verify"]
        self._session.trust_env = self.proxied
        self.authorities = self._session.verify = told if isinstance(told, str) else True
        self.release = self._named(self._send("GET", "/api/version", _FIRST, signed=False), "release")
        self.email = self._named(self._send("GET", "/api/current-user/whoami", _FIRST), "email")

    def _named(self, told: Any, name: str) -> str:
        """The value under a name in a reply."""
        found = told.get(name) if isinstance(told, dict) else None
        if not isinstance(found, str):
            raise ReviewError(f"what answers at {self.url} is not a Label Studio (it tells no {name})")
        return found

    def get(self, path: str, **how: Any) -> Any:
        """The JSON at a path; `how` may hold `params` and `timeout`."""
        return self._send("GET", path, how)

    def download(self, path: str) -> bytes:
        """The file at a path.

        Raises:
            ReviewError: there is none, or it is larger than byod takes.
        """
        status, body = self._exchange("GET", path, {"most": MAX_PICTURE_BYTES}, signed=True)
        if status != 200:
            raise ReviewError(self._fault(status, path, body))
        return body

    def post(self, path: str, **how: Any) -> Any:
        """Send `json` (or `files`) to a path; the JSON of the answer."""
        return self._send("POST", path, how)

    def patch(self, path: str, **how: Any) -> Any:
        """Change what is at a path; the JSON of the answer."""
        return self._send("PATCH", path, how)

    def delete(self, path: str, **how: Any) -> Any:
        """Delete what is at a path; the JSON of the answer."""
        return self._send("DELETE", path, how)

    @property
    def prefix(self) -> str:
        """The path below which the server is reached, such as `/labels`; nothing where it has a host of its own."""
        return urlsplit(self.url).path

    def people(self) -> dict[int, str]:
        """The e-mail address of every account, by its number."""
        told = self.get("/api/users/")
        return {int(person["id"]): str(person["email"]) for person in told}

    def projects(self) -> Iterator[dict[str, Any]]:
        """All projects this account sees: what stands in `PROJECT`, and what else the server tells."""
        page = 1
        while True:
            params = {"page": page, "page_size": 100, "include": ",".join(PROJECT)}
            told = self.get("/api/projects/", params=params)
            yield from told["results"]
            if not told.get("next"):
                return
            page += 1

    def project(self, number: int, *include: str) -> dict[str, Any]:
        """A project; of what the server would have to count only what `include` names."""
        told: dict[str, Any] = self.get(f"/api/projects/{number}/", params={"include": ",".join(include)})
        return told

    def tasks(
        self,
        project: int,
        *,
        include: Sequence[str] = (),
        filters: Sequence[Mapping[str, Any]] = (),
        page_size: int = PAGE,
    ) -> list[dict[str, Any]]:
        """The tasks of a project that pass all filters of the data manager, by number; whole, or as `include` names.

        `include` also names what is told of each annotation, beside its number. Each page begins behind the last
        task of the one before, so that none is left out or told twice when others come or go meanwhile.
        """
        params: dict[str, Any] = {"project": project, "page_size": page_size, "fields": "all"}
        if include:
            params["include"] = ",".join(include)
        found: list[dict[str, Any]] = []
        while True:
            items = [*filters, *([passes("id", "greater", "Number", found[-1]["id"])] if found else [])]
            query = {"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]}
            told = self.get("/api/tasks/", params={**params, "query": jsonlib.dumps(query)})
            found += told["tasks"]
            if len(told["tasks"]) >= int(told["total"]) or not told["tasks"]:
                return found

    def tasks_page(self, project: int, number: int) -> list[dict[str, Any]]:
        """The first so many tasks of a project, or all of fewer: number and data."""
        params = {"project": project, "page_size": number, "fields": "all", "include": "id,data"}
        return list(self.get("/api/tasks/", params=params)["tasks"])

    def _send(self, method: str, path: str, how: Mapping[str, Any], *, signed: bool = True) -> Any:
        status, body = self._exchange(method, path, how, signed)
        if status == 401 and signed and self._personal:
            self._access = ("", 0.0)
            status, body = self._exchange(method, path, how, signed)
        if 200 <= status < 300:
            if not body:
                return None
            try:
                return jsonlib.loads(body)
            except ValueError:
                raise ReviewError(
                    f"what answers at {self.url} is not a Label Studio ({path} is not JSON)"
                ) from None
        raise ReviewError(self._fault(status, path, body))

    def _exchange(self, method: str, path: str, how: Mapping[str, Any], signed: bool) -> tuple[int, bytes]:
        headers = {"Authorization": self._authorization()} if signed else {}
        sent = {"timeout": TIMEOUT, **how}
        most = sent.pop("most", MAX_BYTES)
        try:
            with self._session.request(
                method, self.url + path, headers=headers, allow_redirects=False, stream=True, **sent
            ) as answer:
                if answer.is_redirect:
                    target = " ".join(answer.headers["location"].split())[:200]
                    raise ReviewError(
                        f"{self.url} is not a Label Studio: it sends byod on to {target}; is that its address?"
                    )
                self.clock = _date(answer.headers.get("date", ""))
                return answer.status_code, self._body(answer, path, most, sent["timeout"])
        except requests.exceptions.SSLError as error:
            raise ReviewError(
                f"the certificate of {self.url} is not accepted ({_reason(error)}); REQUESTS_CA_BUNDLE names a file "
                "with that of the authority that signed it"
            ) from None
        except (requests.Timeout, ReadTimeoutError):
            raise ReviewError(
                f"the Label Studio at {self.url} does not answer in time; is it busy?"
            ) from None
        except (requests.RequestException, HTTPError):
            raise ReviewError(
                f"no Label Studio answers at {self.url}; start yours, or byod's: byod review open"
            ) from None

    def _body(self, answer: requests.Response, path: str, most: int, seconds: float) -> bytes:
        """All that is sent, unless it is too much or takes too long."""
        until = time.monotonic() + seconds
        body = bytearray()
        while part := answer.raw.read1(1 << 16, decode_content=True):
            body += part
            if len(body) > most:
                raise ReviewError(f"{self.url}{path} sends more than byod takes ({most:,} bytes)")
            if time.monotonic() > until:
                raise ReviewError(
                    f"{self.url}{path} sends too slowly: not all was there after {seconds:.0f} s"
                )
        return bytes(body)

    @property
    def _personal(self) -> bool:
        return self.token.count(".") == 2

    def _authorization(self) -> str:
        if not self._personal:
            return f"Token {self.token}"
        access, since = self._access
        if not access or time.monotonic() - since > _ACCESS_SECONDS:
            how = {"json": {"refresh": self.token}, **_FIRST}
            access = self._named(self._send("POST", "/api/token/refresh/", how, signed=False), "access")
            self._access = (access, time.monotonic())
        return f"Bearer {access}"

    def _fault(self, status: int, path: str, body: bytes) -> str:
        detail = _detail(body)
        if (status in (401, 403) and "token" in (detail or path).lower()) or status == 401:
            return (
                f"the Label Studio at {self.url} does not accept this token ({detail or status}); "
                "copy one from its page Account & Settings"
            )
        if detail is None:
            return f"what answers at {self.url} is not a Label Studio byod knows ({path} gives {status})"
        return f"the Label Studio at {self.url} refuses {path}: {detail} ({status})"


def _host(url: str) -> str:
    """The host of an address of the web."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:  # brackets without an end, a port that is none
        host = None
    if not host:
        raise ReviewError(f"{url!r} is not an address of a Label Studio; it looks like http://127.0.0.1:8080")
    return host


def _reason(error: Exception) -> str:
    """Why a connection could not be secured, in the words of OpenSSL."""
    found = re.search(r"(?:certificate verify failed: |\[SSL: \w+\] )([^(\[]+)", str(error))
    return " ".join((found[1] if found else str(error)).split())[:200]


def _date(header: str) -> datetime | None:
    """The moment that a Date header names (RFC 9110, section 6.6.1)."""
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # "-0000" names no zone


def passes(column: str, operator: str, kind: str, value: object) -> dict[str, object]:
    """A filter of the data manager for `Studio.tasks`, such as ("id", "greater", "Number", 7)."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _detail(body: bytes) -> str | None:
    """The message of an error reply, on one line; None when it is not Label Studio's JSON."""
    try:
        told = jsonlib.loads(body)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return " ".join(str(told).split())[:300]
    said = [str(told.get("detail") or "")]
    errors = told.get("validation_errors")
    if isinstance(errors, dict):
        for field, why in errors.items():
            said.append(f"{field}: {' '.join(map(str, why)) if isinstance(why, list) else why}")
    text = " · ".join(part for part in said if part and part != "Validation error")
    return " ".join((text or str(told)).split())[:300]
