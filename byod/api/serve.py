"""byod's verbs for serving: the web page of a run, and its predictions in Label Studio, beside the people there."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from byod.dataset import feedback_inbox
from byod.labeling import predictions
from byod.labeling.client import LabelStudio
from byod.schema import recipe as recipes
from byod.schema.errors import ReviewError, UsageError
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.web.app import WebApp
from byod.web.inference import UNSURE_BELOW, open_model
from byod.web.ml_backend import MLBackend, app
from byod.web.server import LOOPBACK, listening

PAGE_PORT = 8000
"""Where the page of a run is, when that is free."""
USUAL_PORT = 9090
"""Where Label Studio's own examples have a model answer."""
EVERY = 10.0
"""Seconds between two looks for tasks without a prediction."""


class Place(Record):
    """The address at which a run answers, for which projects of which server."""

    run: str
    url: str
    studio: str
    projects: tuple[int, ...]


class Page(Record):
    """The address of a run's page, and the folder of what people report (None: nothing is kept)."""

    run: str
    url: str
    reports: str | None


def page(
    run: Path,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    names: Sequence[str] = (),
    allow_reports: bool = False,
    unsure_below: float = UNSURE_BELOW,
    say: Say,
    ready: Callable[[Page], object],
) -> NoReturn:
    """Show a web page on which a run says what it thinks of pictures, until this is interrupted.

    Args:
        run: the run's folder.
        host: the address of this machine to listen at; anything but loopback lets others in.
        port: None takes the usual one, or any that is free.
        names: what this machine is called by those who may come, when that is not its address.
        allow_reports: keep pictures that people report, with what they really show, in the run's dataset.
        unsure_below: below which probability (0..1) an answer counts as unsure.
        say: gets a line for what is to be known.
        ready: is told where the page is, once it is there.

    Raises:
        ModelError: the run cannot be used.
        UsageError: the port is taken, this machine has no such host, or the run lies in no dataset.
    """
    dataset = _reports_in(run) if allow_reports else None
    alone = host in (LOOPBACK, "localhost", "::1")
    site = WebApp(
        open_model(run, unsure_below=unsure_below),
        dataset=dataset,
        names=names if alone else (*names, host, socket.gethostname()),
        any_address=not alone,
    )
    try:
        site.warm()
        with listening(site.app, port=port, usual=PAGE_PORT, host=host) as url:
            found = Page(
                run=site.about.run,
                url=url,
                reports=None if dataset is None else str(dataset / feedback_inbox.ROOM),
            )
            _say_address(found, None if alone else host, say)
            ready(found)
            while True:
                time.sleep(0.5)  # short: a Ctrl-C that comes just before a wait is seen after it
    finally:
        site.close()


def _say_address(page: Page, host: str | None, say: Say) -> None:
    """Say where the page is; and what it means when it listens to others at `host`, and when reports are kept."""
    say(f"{page.run} answers at {page.url}; Ctrl-C ends it")
    if host is not None:
        say(
            f"--host {host}: whoever reaches this machine may send pictures; there is no password, and nothing is"
            " encrypted. Pictures are looked at in memory and not kept"
        )
    if page.reports is not None:
        say(f"reports are kept in {page.reports}; byod add --reports takes them into the dataset")


def _reports_in(run: Path) -> Path:
    dataset = run.resolve().parent.parent
    if not (dataset / recipes.FILE).is_file():
        raise UsageError(f"--allow-reports: {run} lies in no dataset that could keep them")
    return dataset


def label_studio(
    run: Path, studio: LabelStudio, *, port: int | None = None, say: Say, ready: Callable[[Place], object]
) -> NoReturn:
    """Let people who open a task see what a run thinks of it, until this is interrupted.

    The run answers on loopback when Label Studio asks, and its predictions are written for all open tasks, those pushed
    later too. At the end it is taken out of the projects; what it said stays. `ready` is told once all is written.

    Raises:
        ModelError: the run cannot be used, or is none for labels.
        DatasetError: it does not lie in a dataset.
        ReviewError: the server refuses the helper, or does not answer.
        UsageError: the port is taken.
    """
    folder = run.resolve().parent.parent
    with (
        closing(MLBackend(run, folder)) as labeller,
        listening(app(labeller), port=port, usual=USUAL_PORT) as url,
    ):
        for name in labeller.unknown_classes():
            say(
                f"the run knows the class {name}, which byod.toml no longer has: no prediction where it would be that"
            )
        visit = Visit(studio, folder, labeller, url, say)
        try:
            visit.look()
            say(f"{labeller.run} answers {studio.url} at {url}; Ctrl-C ends it")
            if not visit.connected:
                say("nothing is asked about this dataset there yet (byod review push); waiting for it")
            ready(Place(run=labeller.run, url=url, studio=studio.url, projects=tuple(visit.connected)))
            while True:
                time.sleep(EVERY)
                visit.look_again()
        finally:
            visit.leave()


class Visit:
    """A helper on a server, and which projects it is connected to."""

    def __init__(self, studio: LabelStudio, folder: Path, labeller: MLBackend, url: str, say: Say) -> None:
        self.connected: dict[int, int] = {}
        self._studio, self._folder, self._labeller, self._url, self._say = studio, folder, labeller, url, say
        self._trouble = ""

    def look(self) -> int:
        """Connect to the dataset's projects, and write what is lacking; return how many predictions were written.

        Raises:
            ReviewError: the server refuses the helper, or does not answer.
        """
        model, written = self._labeller.run, 0
        for project in predictions.projects_of(self._studio, self._folder):
            if project not in self.connected:
                self.connected[project] = predictions.attach(self._studio, project, self._url, self._say)
            new = predictions.write(self._studio, project, model, self._labeller, self._say)
            predictions.choose_folder(self._studio, project)
            if new:
                self._say(f"project {project}: {new} predictions written")
            written += new
        self._trouble = ""
        return written

    def look_again(self) -> None:
        """Look once more; a server that is away is waited for, and said once."""
        try:
            self.look()
        except ReviewError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._say(f"{error}; trying again")

    def leave(self) -> None:
        """Take the helper out of the projects; a server that is gone needs no goodbye."""
        try:
            for project, connection in self.connected.items():
                predictions.detach(self._studio, project, connection, self._url)
        except ReviewError as error:
            self._say(f"the helper stays connected ({error}); the next byod serve takes its place")
