"""Keys, contact and switches: from the environment or the user's config file, never from a dataset folder."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs
import tomlkit

from byod.schema import names
from byod.schema.errors import ByodError
from byod.schema.files import replace
from byod.schema.records import Record
from byod.schema.version import VERSION

_OWN_NAMES = frozenset({"search", "folder", "restore", "review", "undo"})
"""Who speaks in verdicts that are not a person's."""


class Settings(Record):
    """The user's own settings: contact, keys, mirrors and where byod's own files lie.

    `environment` holds the `BYOD_*` variables as they stand over the config file. `cache` keeps search replies.
    """

    contact: str | None = None
    environment: dict[str, str] = {}
    config_file: Path
    cache: Path

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the config file and the environment, which wins.

        Raises:
            ByodError: the config file is not TOML.
        """
        config_file = Path(
            environment.get("BYOD_CONFIG") or platformdirs.user_config_path("byod") / "config.toml"
        )
        values = {
            f"BYOD_{name.upper()}": "1" if value is True else str(value)
            for name, value in _read(config_file).items()
        }
        values |= {name: value for name, value in environment.items() if name.startswith("BYOD_") and value}
        cache = Path(values.get("BYOD_CACHE") or platformdirs.user_cache_path("byod"))
        return cls(
            contact=values.get("BYOD_CONTACT") or None,
            environment=values,
            config_file=config_file,
            cache=cache,
        )

    @property
    def user_agent(self) -> str:
        """The honest name byod gives itself, with the contact of whoever runs it."""
        where = self.contact or "no contact given"
        return f"byod-toolkit/{VERSION} ({where})"

    @property
    def reviewer(self) -> str:
        """The name by which this user's labels are noted in a dataset: `BYOD_REVIEWER`, else the login name.

        A name that byod's own notes have, or one of no letters, gets a word before it. It is never sent anywhere.
        """
        name = self.environment.get("BYOD_REVIEWER", "")
        if not name:
            try:
                name = getpass.getuser()
            except (OSError, KeyError, ImportError):  # no login name, as in a container of a number alone
                name = ""
        name = " ".join(names.visible(names.in_utf8(name)).split())[:100]
        return f"user {name}".strip() if name in _OWN_NAMES or not name else name

    def asker(self, source: str) -> str:
        """The asker, as it is kept beside a refusal: agent, contact and a fingerprint of the source's key, as JSON.

        The fingerprint tells one key from another and gives away none.
        """
        key = self.key(source)
        mark = (
            None
            if key is None
            else hashlib.sha256(f"byod asks {source} with {key}".encode()).hexdigest()[:16]
        )
        return json.dumps({"agent": self.user_agent, "contact": self.contact, "key": mark}, sort_keys=True)

    @property
    def allow_private_hosts(self) -> bool:
        """True if addresses of this machine and its network may be contacted (`BYOD_ALLOW_PRIVATE_HOSTS=1`)."""
        return self.environment.get("BYOD_ALLOW_PRIVATE_HOSTS") == "1"

    def key(self, source: str) -> str | None:
        """The key of a source: `BYOD_<SOURCE>_KEY`, or `BYOD_<SOURCE>_TOKEN`; what it is asked for is no part of it."""
        name = source.partition(":")[0].upper()
        return self.environment.get(f"BYOD_{name}_KEY") or self.environment.get(f"BYOD_{name}_TOKEN")

    def base(self, source: str, default: str) -> str:
        """Scheme and host of a source's API: `BYOD_<SOURCE>_URL` (a mirror, a proxy, a test), or the default.

        Raises:
            ByodError: the replacement is not an http(s) address.
        """
        value = self.environment.get(f"BYOD_{source.upper()}_URL", default).rstrip("/")
        if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
            raise ByodError(f"BYOD_{source.upper()}_URL is {value!r}; it must look like https://host")
        return value

    @property
    def asked_for_contact(self) -> bool:
        """True if the user was asked for a contact before, and gave one or none."""
        return "BYOD_CONTACT" in self.environment

    def remember_contact(self, contact: str) -> None:
        """Keep the contact (empty: none is wanted) in the user's config file, readable by the user alone."""
        document = tomlkit.document()
        if self.config_file.exists():
            document = tomlkit.parse(self.config_file.read_text(encoding="utf-8"))
        document["contact"] = contact
        self.config_file.parent.mkdir(parents=True, exist_ok=True)
        # where it is a link, as people have who keep such files elsewhere, it stays one
        replace(self.config_file.resolve(), tomlkit.dumps(document).encode(), mode=0o600)


def _read(config_file: Path) -> dict[str, object]:
    if not config_file.exists():
        return {}
    try:
        return tomllib.loads(config_file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, a number of thousands of digits
        raise ByodError(f"{config_file} is not TOML ({error}); fix or remove it") from error
