"""The review as one call: labels in front of people in Label Studio, and their verdicts back."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from byod.api import review
from byod.api.plan import at_least, folder_given
from byod.api.progress_display import ProgressDisplay, progress_display
from byod.api.review import Standing
from byod.api.review_queue import ReviewRequest
from byod.api.review_session import ReviewSession, ServerChoice
from byod.dataset.catalog.reviews import Round
from byod.labeling.projects import Project
from byod.labeling.pulled import Pulled
from byod.labeling.push import Pushed
from byod.labeling.rounds import Undone
from byod.schema.config import Settings
from byod.schema.errors import UsageError
from byod.schema.records import Record
from byod.schema.review_tasks import Order

__all__ = [
    "ACTIONS",
    "Project",
    "Pulled",
    "Pushed",
    "Review",
    "ReviewOpened",
    "ReviewOptions",
    "Round",
    "Standing",
    "Undone",
    "close_review",
    "review_dataset",
]

ACTIONS = ("open", "push", "pull", "status", "undo", "redo", "list", "delete")

Told = Callable[[list[Pushed] | Pulled], None]
"""Is told what was pushed, and then what each pull brought."""


class ReviewOptions(TypedDict, total=False):
    """Options of a review: which pictures to ask about, on which server.

    `suspects` asks about labels that look wrong to a cross-validated probe, `conflicts` only about pictures claimed by
    several classes. `run` shows what a run (or a dataset's latest) says of each picture, `uncertain` puts first what
    it is least sure of. `sample` asks about a random few, `limit` about the first ones, `again` also about what was
    reviewed before; `order` is the order of the queue: usual, random or folder. `overlap` people are asked about each
    picture; `assign` names whom, each of whom has a queue of their own. `blind` shows nobody the folder's label. In a
    pull, `drop_withdrawn` lets
    verdicts fall whose answers were taken back on the server, and `take_in` adds pictures that people brought into
    Label Studio. `url` and `token` name a Label Studio that runs already, `files_root` the folder it shows local
    files from. `browser` opens the browser. `tell` is told what was pushed and pulled while people review.
    """

    suspects: bool
    conflicts: bool
    uncertain: bool
    run: str | Path | None
    sample: int | None
    limit: int | None
    again: bool
    order: str
    overlap: int
    assign: str | Sequence[str]
    blind: bool
    drop_withdrawn: bool
    take_in: bool
    url: str | None
    token: str | None
    files_root: str | Path | None
    browser: bool
    tell: Told | None
    progress: bool


class ReviewOpened(Record):
    """A Label Studio with the projects of a dataset, and how people enter it (empty: as they always do)."""

    url: str
    email: str
    password: str
    projects: tuple[Project, ...]


class Review:
    """One review of a dataset, with its options checked.

    Raises:
        TypeError: there is no such option.
        UsageError: what is asked for does not go together.
    """

    def __init__(self, folder: Path, options: ReviewOptions, display: ProgressDisplay) -> None:
        if unknown := options.keys() - ReviewOptions.__annotations__.keys():
            raise TypeError(f"review() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        self.options = options
        run = options.get("run")
        self.request = ReviewRequest(
            suspects=options.get("suspects", False),
            conflicts=options.get("conflicts", False),
            uncertain=options.get("uncertain", False),
            run=None if run is None else str(run),
            sample=options.get("sample"),
            limit=options.get("limit"),
            again=options.get("again", False),
            order=_order(options.get("order", Order.USUAL)),
            overlap=options.get("overlap", 1),
            people=_people(options.get("assign", ())),
            blind=options.get("blind", False),
        )
        at_least("--overlap", self.request.overlap, 1)
        if 0 < len(self.request.people) < self.request.overlap:
            raise UsageError(
                f"--overlap {self.request.overlap}: --assign names only {len(self.request.people)}; name more people"
            )
        if self.request.blind and (self.request.run or self.request.suspects):
            raise UsageError("--blind shows nobody what a model says; leave out --run or --suspects")
        if self.request.suspects and (self.request.conflicts or self.request.uncertain or self.request.run):
            raise UsageError("--suspects goes alone: it brings its own order and predictions")
        at_least("--sample", self.request.sample, 1)
        at_least("--limit", self.request.limit, 1)
        files = folder_given(options.get("files_root"))
        self.where = ServerChoice(url=options.get("url"), token=options.get("token"), files=files)
        self.browser = options.get("browser", True)
        self.tell = options.get("tell") or self._say
        self.settings = Settings.load()
        self.folder, self.display = folder, display

    def whole(self) -> None:
        """Open, push, and pull until Ctrl-C."""
        with self._session() as session:
            pushed = self._push(session)
            self.tell(pushed)
            projects = [one.project for one in pushed] or self._projects(session)
            self._enter(session, projects)
            self.display.say("verdicts come back into the class folders every few seconds; Ctrl-C ends it")
            review.watch(self.folder, session, self.settings, say=self.display.say, tell=self.tell)

    def open(self) -> ReviewOpened:
        """Start the server and leave it running; open the browser there."""
        with self._session(stay=True) as session:
            projects = self._projects(session)
            self._enter(session, projects)
            if session.server == review.OWN:
                self.display.say("it stays until you stop it: byod review close")
            return ReviewOpened(
                url=session.studio.url,
                email=session.email,
                password=session.password,
                projects=tuple(projects),
            )

    def push(self) -> list[Pushed]:
        """Ask people about the dataset's pictures."""
        with self._session() as session:
            return self._push(session)

    def pull(self) -> Pulled:
        """Bring the verdicts back into the class folders."""
        with self._session() as session:
            if self.options.get("take_in", False):
                review.take_in(self.folder, session, say=self.display.say)
            dropping = self.options.get("drop_withdrawn", False)
            return review.pull(self.folder, session, drop_withdrawn=dropping, say=self.display.say)

    def status(self) -> Standing:
        """Count what was pushed, answered and pulled, and how far people and models agree."""
        with self._session() as session:
            return review.status(self.folder, session, say=self.display.say)

    def undo(self) -> Undone:
        """Take the last round back."""
        return review.undo(self.folder, say=self.display.say)

    def redo(self) -> Undone:
        """Do the round again that was taken back last."""
        return review.redo(self.folder, say=self.display.say)

    def rounds(self) -> Sequence[Round]:
        """The rounds of review so far."""
        return review.listed(self.folder, say=self.display.say)

    def delete(self) -> int:
        """Delete the dataset's projects on the server, once the last answers are pulled; return how many."""
        with self._session() as session:
            return review.delete(self.folder, session, say=self.display.say)

    @contextmanager
    def _session(self, *, stay: bool = False) -> Iterator[ReviewSession]:
        with review.at(self.where, self.settings, self.display.say, stay=stay) as session:
            yield session

    def _push(self, session: ReviewSession) -> list[Pushed]:
        cache, display = self.settings.cache / "pixels", self.display
        return review.push(self.folder, session, self.request, cache, say=display.say, progress=display.share)

    def _projects(self, session: ReviewSession) -> list[Project]:
        return review.addresses(self.folder, session, say=self.display.say)

    def _enter(self, session: ReviewSession, projects: list[Project]) -> None:
        """Say where to go and how to enter; open the browser there."""
        address = projects[0].stream if projects else session.studio.url
        for project in [one for one in projects if one.person]:
            self.display.say(f"{project.person}: {project.stream}")
        self.display.say(f"Look at {address}")
        if session.password:
            self.display.say(f"Log in as {session.email} with the password {session.password}")
        if self.browser:
            webbrowser.open(address)

    def _say(self, done: list[Pushed] | Pulled) -> None:
        if isinstance(done, Pulled):
            lines = [done.summary, *done.concerns]
        else:
            lines = [one.summary for one in done] or ["nothing to ask"]
        for line in lines:
            self.display.say(line)


def _people(named: str | Sequence[str]) -> tuple[str, ...]:
    """The people that are named, between commas or one by one."""
    names = named.split(",") if isinstance(named, str) else named
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _order(name: str) -> Order:
    if name not in set(Order):
        raise UsageError(f"--order {name}: there is no such order; there are: {', '.join(Order)}")
    return Order(name)


def review_dataset(folder: Path, action: str, options: ReviewOptions) -> object:
    """One action of a review, or the whole until Ctrl-C where none is named."""
    if action not in ("", *ACTIONS):
        raise UsageError(f"{action!r} is not an action of a review; there are: {', '.join(ACTIONS)}")
    with progress_display(options.get("progress", True)) as display:
        chosen = Review(folder, options, display)
        if not action:
            chosen.whole()
            return None
        verbs: dict[str, Callable[[], object]] = {
            "open": chosen.open,
            "push": chosen.push,
            "pull": chosen.pull,
            "status": chosen.status,
            "undo": chosen.undo,
            "redo": chosen.redo,
            "list": chosen.rounds,
            "delete": chosen.delete,
        }
        return verbs[action]()


def close_review(*, progress: bool = True) -> bool:
    """Stop byod's own Label Studio, and return False if it did not run.

    Examples:
        >>> byod.close_review(progress=False)
        False
    """
    with progress_display(progress) as display:
        return review.close(Settings.load(), say=display.say)
