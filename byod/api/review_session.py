"""A Label Studio to work with: byod's own, started when it is needed, or one that is there already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from byod.labeling import local_server
from byod.labeling.client import TESTED, LabelStudio
from byod.schema.config import Settings
from byod.schema.errors import ReviewError, UsageError
from byod.schema.progress import Say
from byod.schema.records import Record

OWN = "own"
"""What byod's own server is called in the catalog; its port may change."""


class ServerChoice(Record):
    """The choice of a Label Studio: byod's own, or the one at `url` with `token`.

    `files` is the folder which that server shows as LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, where byod may write
    previews; without it they are uploaded.
    """

    url: str | None = None
    token: str | None = None
    files: Path | None = None


@dataclass(frozen=True)
class ReviewSession:
    """A server at hand: its client, what it is called, and how people enter it."""

    studio: LabelStudio
    server: str
    files: Path | None
    email: str = ""
    password: str = ""


@contextlib.contextmanager
def at(where: ServerChoice, settings: Settings, say: Say, *, stay: bool = False) -> Iterator[ReviewSession]:
    """A server to work with; byod's own is started when it does not run, and stopped again unless it is to `stay`.

    Raises:
        ReviewError: it cannot be installed, started or used.
        UsageError: an address without a token, or a folder for files that is not there.
    """
    url = where.url or settings.environment.get("BYOD_LABEL_STUDIO_URL")
    if url is not None:
        token = where.token or settings.environment.get("BYOD_LABEL_STUDIO_TOKEN")
        if not token:
            raise UsageError(
                f"{url} needs a token: --token, or BYOD_LABEL_STUDIO_TOKEN (its page Account & Settings shows one)"
            )
        if where.files is not None and not where.files.is_dir():
            raise UsageError(
                f"{where.files} is not a folder; --files-root names the one that server shows files from"
            )
        studio = LabelStudio(url, token)
        if not studio.release.startswith(f"{TESTED}."):
            say(f"{url} is Label Studio {studio.release}; byod was tested with {TESTED}: watch what it does")
        files = None if where.files is None else where.files.absolute()
        yield ReviewSession(studio=studio, server=studio.url, files=files)
        return
    if stay:
        running = local_server.start(settings, say)
        yield _own(running)
        return
    with local_server.serving(settings, say) as running:
        yield _own(running)


def _own(running: local_server.Running) -> ReviewSession:
    return ReviewSession(
        studio=LabelStudio(running.url, running.token),
        server=OWN,
        files=running.files,
        email=running.email,
        password=running.password,
    )


def found_again(session: ReviewSession, settings: Settings) -> ReviewSession:
    """The same server after it was away: byod's own may answer at another address.

    Raises:
        ReviewError: it is still away.
    """
    if session.server != OWN:
        return session
    running = local_server.running(settings)
    if running is None:
        raise ReviewError("byod's Label Studio does not run; start it with: byod review open")
    return _own(running)
