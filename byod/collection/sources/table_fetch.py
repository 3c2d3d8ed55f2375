"""Getting the tables of labels that some sources answer from: once, while others are asked, going on after a kill.

One process fetches at a time, whoever else wants the same table waits for it. What came stays in the cache.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from byod.collection.http.api_client import ApiClient
from byod.collection.sources.label_table import DamagedTableError, LabelTable
from byod.schema import files
from byod.schema.errors import ByodError, NotYet, SourceError
from byod.schema.progress import Say

RAW = "fetched"
"""The folder of files as they came, until a table is made of them."""


@dataclass(frozen=True)
class TableSource:
    """A source that answers from tables: `parts` are those that a search needs, `more` those that must be asked for.

    `home` gives scheme and host by a client, `make` fetches what a part is made of and makes it in a folder, and
    `megabytes` are said beforehand.
    """

    name: str
    parts: tuple[str, ...]
    more: tuple[str, ...]
    megabytes: int
    more_megabytes: int
    home: Callable[[ApiClient], str]
    make: Callable[[str, Path, Path, ApiClient, Say], None]


class _Fetching:
    """The work of one thread that fetches; `error` is what it ended with, None once it is done."""

    def __init__(self, wanted: TableSource, client: ApiClient) -> None:
        self.error: ByodError | None = ByodError(
            f"{wanted.name}: fetching its table of labels failed; the traceback above says where"
        )
        self._wanted, self._client = wanted, client
        # a daemon: what it leaves behind is gone on with by the next run
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            get(self._wanted, self._wanted.parts, self._client, self._client.say)
            self.error = None
        except ByodError as error:
            self.error = error
        except OSError as error:
            self.error = ByodError(
                f"{self._wanted.name}: {self._client.settings.cache} cannot be written ({error})"
            )


_running: dict[Path, _Fetching] = {}
_open: dict[Path, tuple[list[tuple[str, int, int]], LabelTable]] = {}
_lock = threading.Lock()


def place_of(wanted: TableSource, client: ApiClient) -> Path:
    """The folder of a source's tables: one for each host that they may come from."""
    host = urlsplit(wanted.home(client)).netloc.replace(":", "-")
    return client.settings.cache / wanted.name / host


def tables(wanted: TableSource, client: ApiClient) -> list[LabelTable]:
    """The tables of a source; where some are missing, a thread begins to fetch them.

    Raises:
        NotYet: they are being fetched.
        SourceError: they cannot be.
    """
    place = place_of(wanted, client)
    found = there(wanted, client)
    if all(part in found for part in wanted.parts):
        return list(found.values())
    if not client.live:
        raise SourceError(f"{wanted.name} answers from a table, which a recording does not hold")
    with _lock:
        fetching = _running.get(place)
        if fetching is None:
            client.say(
                f"{wanted.name}: its table of labels (about {wanted.megabytes} MB, once) is fetched while other "
                f"sources are asked; byod sources --get {wanted.name} does that beforehand"
            )
            fetching = _running[place] = _Fetching(wanted, client)
        if fetching.thread.is_alive():
            raise NotYet(f"{wanted.name}: its table of labels is still being fetched")
        del _running[place]
    if fetching.error is not None:
        raise SourceError(str(fetching.error)) from fetching.error
    return tables(wanted, client)


def there(wanted: TableSource, client: ApiClient) -> dict[str, LabelTable]:
    """The tables that are there, by their parts."""
    place, found = place_of(wanted, client), {}
    for part in (*wanted.parts, *wanted.more):
        try:
            found[part] = _opened(place / part)
        except DamagedTableError:
            continue
    return found


def _opened(place: Path) -> LabelTable:
    """A table, which stays open from one class to the next as long as it is the same."""
    try:
        marks = [
            (each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in sorted(place.iterdir())
        ]
    except OSError as error:
        raise DamagedTableError(f"{place}: {error}") from error
    known = _open.get(place)
    if known is None or known[0] != marks:
        known = _open[place] = (marks, LabelTable(place))
    return known[1]


def get(wanted: TableSource, parts: Sequence[str], client: ApiClient, say: Say) -> None:
    """Fetch what is missing of a source's tables, and make them; what came before is gone on with.

    Raises:
        SourceError: something cannot be fetched, or is not what it should be.
    """
    place = place_of(wanted, client)
    raw = place / RAW
    raw.mkdir(parents=True, exist_ok=True)
    with FileLock(place / "lock"):  # another byod may be at it: then it is there afterwards
        for left in place.glob(".*.part"):  # of one that was killed while it made a table
            shutil.rmtree(left, ignore_errors=True)
        for part in parts:
            if part in there(wanted, client):
                continue
            with files.staging(place / part) as stage:
                wanted.make(part, raw, stage, client, say)
                shutil.rmtree(place / part, ignore_errors=True)  # of another version, or damaged
                with files.opened(place) as folder:
                    folder.move(stage.name, part)
        shutil.rmtree(raw, ignore_errors=True)
    say(f"{wanted.name}: its table of labels is there ({', '.join(there(wanted, client))})")


def progress(source: str, what: str, say: Say) -> Callable[[int, int], None]:
    """Says how much of a file has come, each quarter of it."""
    told = [-1]

    def came(done: int, total: int) -> None:
        quarter = 4 * done // max(1, total)
        if quarter > told[0]:
            told[0] = quarter
            say(f"{source}: {what}: {done // 1_000_000} of {total // 1_000_000} MB")

    return came
