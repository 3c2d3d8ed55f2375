"""The answers of APIs as they are remembered: for a day, so that a run that goes on repeats no request.

An answer that held nothing may be a source's bad moment: it is remembered no longer than the query it was given to.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from byod.schema import files

DAY = timedelta(hours=24)

Params = Mapping[str, str | int]
"""The parameters of a question."""


class ReplyMemory:
    """The answers under one folder; with `ask_again` none of an earlier run is taken."""

    def __init__(self, folder: Path, *, ask_again: bool) -> None:
        self._folder, self._ask_again = folder, ask_again
        self._fresh: set[Path] = set()
        self._told = threading.local()

    def forget(self, source: str, url: str, public: Params) -> None:
        """Remember an answer no longer."""
        self._place(source, url, public).unlink(missing_ok=True)

    def recall(self, source: str, url: str, public: Params, age: timedelta | None) -> bytes | None:
        """The body remembered for a request, if it is no older than `age`."""
        path = self._place(source, url, public)
        if age is None or (self._ask_again and path not in self._fresh):
            return None
        try:
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if datetime.now(UTC) - written > age:
                path.unlink(missing_ok=True)
                return None
            body = path.read_bytes()
        except FileNotFoundError:
            return None
        self._untold().append(path)
        return body

    def remember(self, source: str, url: str, public: Params, body: bytes) -> None:
        """Keep the body of an answer, written whole or not at all."""
        path = self._place(source, url, public)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, body, mode=0o600)
        self._fresh.add(path)
        self._untold().append(path)

    def came_to_something(self) -> None:
        """The answers that this thread was given last held what was looked for."""
        self._untold().clear()

    def came_to_nothing(self) -> None:
        """The answers given to this thread since then held nothing: the next run asks again.

        An empty answer may be a source's bad moment, and would stand for a day.
        """
        for path in self._untold():
            path.unlink(missing_ok=True)
        self._untold().clear()

    def _untold(self) -> list[Path]:
        told: list[Path] = self._told.__dict__.setdefault("paths", [])
        return told

    def _place(self, source: str, url: str, public: Params) -> Path:
        question = json.dumps([url, sorted((name, str(value)) for name, value in public.items())])
        name = hashlib.sha256(question.encode()).hexdigest()
        return self._folder / source / name
