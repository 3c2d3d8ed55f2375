"""byod's verbs of the review, one function each: open, push, pull, watch, undo, redo, list, status, delete, close.

The dataset is
locked only while byod works on it, so that everything else goes on while people review.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from byod.api import adding
from byod.api.datasets import finish, opened, sync_folders
from byod.api.review_push import push
from byod.api.review_session import OWN, ReviewSession, ServerChoice, at, found_again
from byod.dataset.catalog.reviews import Round
from byod.dataset.dataset_folder import Dataset
from byod.labeling import agreement, identity, imported, labeling_page, local_server, projects, rounds
from byod.labeling.agreement import AgreementTally
from byod.labeling.client import LabelStudio, passes
from byod.labeling.fetch import fetch as fetch_annotations
from byod.labeling.projects import Project
from byod.labeling.pull import apply as apply_pull
from byod.labeling.pulled import Pulled
from byod.labeling.rounds import Undone
from byod.schema.annotator_agreement import Pair, ReviewAgreement
from byod.schema.config import Settings
from byod.schema.errors import DatasetLocked, ReviewError
from byod.schema.progress import Say
from byod.schema.records import Record, Verdict
from byod.schema.review_tasks import (
    Purpose,
)
from byod.tasks import TASKS

__all__ = ["OWN", "LabelStudio", "ReviewSession", "ServerChoice", "at", "push"]

PAUSE = 5.0
"""Seconds between two looks at the server while people review."""


def pull(folder: Path, session: ReviewSession, *, drop_withdrawn: bool = False, say: Say) -> Pulled:
    """Bring the answers back: into the label log, then the files move.

    Raises:
        ReviewError: nothing was pushed to this server, or it stopped answering; nothing is changed then.
    """
    with Dataset(folder, TASKS) as dataset:
        if not identity.is_known(dataset.folder):
            sync_folders(dataset, say)
            identity.find_again(dataset, session.studio, session.server, say)
        memory = projects.remembered(dataset, session.server)
        with ThreadPoolExecutor(max_workers=1) as meanwhile:
            answering = meanwhile.submit(fetch_annotations, session.studio, memory)
            sync_folders(dataset, say)
            fetched = answering.result()
        if not fetched:
            raise ReviewError(
                f"{dataset.folder.name} has no project at {session.studio.url}; ask something first: byod review push"
            )
        pulled = apply_pull(dataset, session.server, fetched, drop_withdrawn=drop_withdrawn)
        if pulled.answers or pulled.dropped:
            finish(dataset)
        return pulled


def take_in(folder: Path, session: ReviewSession, *, say: Say) -> int:
    """Add what people brought into Label Studio: classes of its page, and pictures that they answered.

    Returns how many pictures there were.

    Raises:
        ReviewError: the server stopped answering.
    """
    with opened(folder, say) as dataset:
        memory = projects.remembered(dataset, session.server)
        for project in projects.existing(session.studio, memory):
            for name in labeling_page.added(project.config, dataset.recipe):
                grown = dataset.recipe.with_class(name)
                if name in grown.classes:
                    dataset.save_recipe(grown)
                    say(f"the class {name!r} is in byod.toml now")
        recipe = dataset.recipe
    pictures = [
        one for each in fetch_annotations(session.studio, memory, whole=True) for one in each.read.imported
    ]
    with tempfile.TemporaryDirectory() as place:
        downloaded = imported.download(session.studio, pictures, Path(place), say)
        if not downloaded:
            return 0
        adding.add([Path(place)], None, folder, recipe, say=say, watch=lambda tallies: None)
    with Dataset(folder, TASKS) as dataset:
        # a file that byod converts is kept under another name than that of its own bytes
        known = {sample.sha256: sample.sha256 for sample in dataset.catalog.samples.all()}
        known |= dataset.catalog.candidates.received()
    return imported.make_own(session.studio, downloaded, known)


def _projects(dataset: Dataset, session: ReviewSession) -> list[Project]:
    return projects.existing(session.studio, projects.remembered(dataset, session.server))


def watch(
    folder: Path, session: ReviewSession, settings: Settings, *, say: Say, tell: Callable[[Pulled], None]
) -> None:
    """Pull every few seconds until Ctrl-C, and once more then; a server that is away is waited for, and said once."""
    trouble, told = "", Pulled()
    try:
        while True:
            time.sleep(PAUSE)
            try:
                session = found_again(session, settings) if trouble else session
                pulled = pull(folder, session, say=say)
            except (DatasetLocked, ReviewError) as error:
                if str(error) != trouble:
                    say(f"{error}; trying again every few seconds")
                trouble = str(error)
                continue
            trouble = ""
            if pulled.answers or pulled.concerns != told.concerns:
                tell(pulled)
            told = pulled
    except KeyboardInterrupt:
        tell(pull(folder, session, say=say))


def undo(folder: Path, *, say: Say) -> Undone:
    """Take the last round of review back.

    Raises:
        UsageError: there is none.
    """
    with opened(folder, say) as dataset:
        done = rounds.undo(dataset, say)
        finish(dataset)
        return done


def redo(folder: Path, *, say: Say) -> Undone:
    """Do the round again that was taken back last.

    Raises:
        UsageError: there is none.
    """
    with opened(folder, say) as dataset:
        done = rounds.redo(dataset, say)
        finish(dataset)
        return done


def listed(folder: Path, *, say: Say) -> list[Round]:
    """The rounds of review of a dataset, oldest first."""
    with opened(folder, say) as dataset:
        return dataset.catalog.reviews.rounds()


def delete(folder: Path, session: ReviewSession, *, say: Say) -> int:
    """Delete a dataset's projects on a server, with tasks and previews, once the last answers are pulled.

    Returns how many projects there were.

    Raises:
        ReviewError: the server stopped answering; the same call goes on where it was.
    """
    if not addresses(folder, session, say=say):
        return 0
    pull(folder, session, say=say)
    with opened(folder, say) as dataset:
        found = _projects(dataset, session)
        for project in found:
            session.studio.delete(f"/api/projects/{project.number}/")
            with dataset.catalog.transaction():
                dataset.catalog.reviews.forget(session.server, project.queue.name)
        if session.files is not None:
            shutil.rmtree(session.files / f"byod-{identity.key(dataset.folder)}", ignore_errors=True)
        return len(found)


class Standing(Record):
    """The state of a dataset's review: a tally a queue, models against people, and people among themselves.

    `agreement` is that of what was pulled, before anybody was told that people differ; None where no two people
    answered about the same picture.
    """

    tallies: tuple[AgreementTally, ...]
    people: tuple[Pair, ...]
    models: tuple[Pair, ...]
    agreement: ReviewAgreement | None = None


def status(folder: Path, session: ReviewSession, *, say: Say) -> Standing:
    """Count what was pushed, answered, skipped and pulled, and how far people and models agree."""
    tallies, evaluated = [], []
    with opened(folder, say) as dataset:
        found = _projects(dataset, session)
        log = [said for _, said in dataset.catalog.verdicts.after(0)]
        agreed = dataset.snapshot().agreement
    people = session.studio.people()
    for project in found:
        tasks = {task["id"]: task for some in _COUNTED for task in _with(session, project, some)}
        begun = session.studio.tasks(project.number, include=("id",), filters=[_BEGUN])
        tally = agreement.tally(
            tasks.values(),
            purpose=project.purpose,
            project=project.number,
            pulled=_pulled(project, log),
            people=people,
        )
        more = {
            "pushed": project.tasks,
            "drafts": len(begun),
            "person": project.person,
            "url": project.stream,
        }
        tallies.append(tally.model_copy(update=more))
        if project.purpose is not Purpose.CONFLICTS:  # there the predictions are claims, and no model's
            evaluated += list(tasks.values())
    return Standing(
        tallies=tuple(tallies),
        people=() if agreed is None else agreed.pairs,
        models=agreement.with_models(evaluated),
        agreement=agreed,
    )


def _pulled(project: Project, log: Sequence[Verdict]) -> int:
    """The number of verdicts that were pulled from a project; of a person's queue, that person's."""
    note = "points " if project.purpose is Purpose.POINTS else f"review of {project.purpose}"
    return sum(1 for said in log if said.note.startswith(note) and project.person in ("", said.who))


_COUNTED = ("total_annotations", "cancelled_annotations")
_BEGUN = passes("draft_exists", "equal", "Boolean", True)


def _with(session: ReviewSession, project: Project, counted: str) -> list[dict[str, object]]:
    return session.studio.tasks(project.number, filters=[passes(counted, "greater", "Number", 0)])


def addresses(folder: Path, session: ReviewSession, *, say: Say) -> list[Project]:
    """The dataset's projects on a server."""
    with opened(folder, say) as dataset:
        return _projects(dataset, session)


def close(settings: Settings, *, say: Say) -> bool:
    """Stop byod's own server; False when it does not run."""
    return local_server.stop(settings, say)
