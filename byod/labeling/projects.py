"""Projects in Label Studio: one for each dataset and purpose, made from the recipe's classes and kept in step with it.

A project is known by a line in its description, not by its title or number: titles repeat, and numbers return when
a server is set up anew. It is set up through label-studio-sdk (https://api.labelstud.io/api-reference/introduction).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byod.dataset.catalog.reviews import Progressed, ReadAnnotation
from byod.dataset.dataset_folder import Dataset
from byod.labeling.client import LabelStudio
from byod.labeling.identity import key, marker, place, queue_of
from byod.labeling.labeling_page import TASK_DATA, added, config, structure
from byod.schema.errors import ReviewError
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.schema.review_tasks import Purpose, ReviewQueue

if TYPE_CHECKING:
    from label_studio_sdk.base_client import LabelStudioBase

IN_ORDER = "Sequential sampling"
"""The order of the label stream: as the tasks were pushed."""
_TITLE = 50  # letters; Label Studio takes no more
_MADE_FROM = re.compile(r"Made by byod from (.*?)\.(?= Please leave this line: )", re.DOTALL)
_COUNTS = ("total_annotations_number", "skipped_annotations_number")


class Project(Record):
    """A project on a server; `tasks` and `annotations` (skips, too) count those it had when it was looked up.

    `person` is whose queue it is (empty: everybody's). `blind`: nobody sees the folder's label there.
    """

    number: int
    purpose: Purpose
    person: str = ""
    blind: bool = False
    url: str
    tasks: int = 0
    annotations: int = 0
    config: str = ""
    title: str = ""
    description: str = ""
    overlap: int = 1

    @property
    def queue(self) -> ReviewQueue:
        """The queue that it is."""
        return ReviewQueue(purpose=self.purpose, person=self.person, blind=self.blind)

    @property
    def stream(self) -> str:
        """The address at which people are shown one picture after the other."""
        return f"{self.url}data?labeling=1"


class Remembered(Record):
    """The catalog's record of a project: its number, how far it was pulled, and the annotations that were read then."""

    queue: ReviewQueue
    number: int | None = None
    progressed: Progressed = Progressed()
    known: dict[str, ReadAnnotation] = {}


class Memory(Record):
    """The catalog's records of a dataset's projects on a server, by the name of the queue; `key` names the dataset."""

    key: str
    projects: dict[str, Remembered]

    def of(self, queue: ReviewQueue) -> Remembered:
        """The record of a queue; an empty one where there is none."""
        return self.projects.get(queue.name) or Remembered(queue=queue)


def remembered(dataset: Dataset, server: str) -> Memory:
    """Look up the dataset's projects in the catalog."""
    reviews = dataset.catalog.reviews
    found = {}
    for name, number in reviews.queues(server).items():
        if (queue := ReviewQueue.named(name)) is not None:
            found[name] = Remembered(
                queue=queue,
                number=number,
                progressed=reviews.progressed(server, name),
                known=reviews.annotations(server, name),
            )
    return Memory(key=key(dataset.folder), projects=found)


def existing(studio: LabelStudio, memory: Memory) -> list[Project]:
    """The projects that the server has, by their markers; of several the remembered one, else the oldest."""
    found: dict[str, Project] = {}
    for row in sorted(studio.projects(), key=lambda one: int(one["id"])):
        queue = queue_of(memory.key, str(row.get("description") or ""))
        if queue is not None and (queue.name not in found or row["id"] == memory.of(queue).number):
            found[queue.name] = Project(
                number=int(row["id"]),
                purpose=queue.purpose,
                person=queue.person,
                blind=queue.blind,
                url=f"{studio.url}/projects/{row['id']}/",
                tasks=int(row.get("task_number") or 0),
                annotations=sum(int(row.get(count) or 0) for count in _COUNTS),
                config=str(row.get("label_config") or ""),
                title=str(row.get("title") or ""),
                description=str(row.get("description") or ""),
                overlap=int(row.get("maximum_annotations") or 1),
            )
    order = list(Purpose)
    return sorted(found.values(), key=lambda one: (order.index(one.purpose), one.queue.name))


def by_queue(studio: LabelStudio, memory: Memory) -> dict[ReviewQueue, Project]:
    """The projects that the server has, each under the queue that it is."""
    return {project.queue: project for project in existing(studio, memory)}


def ensure(
    dataset: Dataset,
    studio: LabelStudio,
    server: str,
    queue: ReviewQueue,
    project: Project | None,
    say: Say,
    *,
    overlap: int = 1,
) -> Project:
    """The dataset's project for a queue: the one that was found, brought in step with dataset and recipe, or a new one.

    Label Studio shows each task of its stream to `overlap` people.

    Raises:
        ReviewError: label-studio-sdk is not installed, or the server refuses.
    """
    if project is not None:
        with dataset.catalog.transaction():
            dataset.catalog.reviews.remember(server, queue.name, project.number)
        wanted = config(dataset, queue.purpose, before=project.config)
        if structure(wanted) != structure(project.config):
            with client(studio) as with_sdk:
                sdk_call(studio, lambda: with_sdk.projects.update(project.number, label_config=wanted))
            say(f"the project {project.url} asks for the classes of byod.toml as they are now")
        for name in added(wanted, dataset.recipe):
            say(
                f"somebody added the class {name!r} on the labelling page of {project.url}; byod review pull --take-in "
                "takes it into byod.toml, with the answers that name it"
            )
        _keep_in_step(studio, project, dataset.name, overlap)
        return project.model_copy(update={"config": wanted, "overlap": overlap})
    return _made(dataset, studio, server, queue, overlap)


def _made(dataset: Dataset, studio: LabelStudio, server: str, queue: ReviewQueue, overlap: int) -> Project:
    wanted = config(dataset, queue.purpose)
    told = f"{marker(key(dataset.folder), queue)} {place(dataset.folder)}"
    with client(studio) as with_sdk:
        made: Any = sdk_call(
            studio,
            lambda: with_sdk.projects.create(
                title=_title(dataset.name, queue),
                description=f"{_made_from(dataset.name)} Please leave this line: {told}",
                label_config=wanted,
                show_skip_button=True,
                skip_queue="REQUEUE_FOR_OTHERS",
                sampling=IN_ORDER,
                show_collab_predictions=True,
            ),
        )
    number = int(made.id)
    if overlap > 1:
        studio.patch(f"/api/projects/{number}/", json={"maximum_annotations": overlap})
    with dataset.catalog.transaction():
        dataset.catalog.reviews.remember(server, queue.name, number)
    return Project(
        **queue.model_dump(),
        number=number,
        url=f"{studio.url}/projects/{number}/",
        config=wanted,
        overlap=overlap,
    )


def _title(name: str, queue: ReviewQueue) -> str:
    """What a project is called: the dataset, and the queue, with as much of whose it is as fits."""
    return f"{name[:36]} · {queue.name}"[:_TITLE]


def _made_from(name: str) -> str:
    return f"Made by byod from {name}."


def _keep_in_step(studio: LabelStudio, project: Project, name: str, overlap: int) -> None:
    """Bring title and overlap of a project in step; a title that somebody chose on the server stays."""
    change: dict[str, Any] = {} if project.overlap == overlap else {"maximum_annotations": overlap}
    made = _MADE_FROM.match(project.description)
    if made is not None and made[1] != name:
        change["description"] = _made_from(name) + project.description[made.end() :]
        if project.title == _title(made[1], project.queue):
            change["title"] = _title(name, project.queue)
    if change:
        studio.patch(f"/api/projects/{project.number}/", json=change)


def show_list(studio: LabelStudio, project: Project, *, new: bool = False) -> None:
    """Have the list of a project show what people look for: picture, class, answer; not what byod keeps there.

    A list that somebody has arranged is left as it is; nobody has that of a `new` project. https://api.labelstud.io/api-reference/api-reference/views
    """
    if not new and studio.get("/api/dm/views/", params={"project": project.number}):
        return
    columns = studio.get("/api/dm/columns/", params={"project": project.number})["columns"]
    parents = {str(one["parent"]) for one in columns if one.get("parent")}
    names = {
        f"{one['target']}:{one['parent']}.{one['id']}"
        if one.get("parent")
        else f"{one['target']}:{one['id']}"
        for one in columns
        if str(one["id"]) not in parents
    }
    names |= {f"tasks:data.{name}" for name in TASK_DATA}  # told only once there is a task
    listed = _LISTED - _TELLING if project.blind else _LISTED
    hidden = sorted(names - listed)
    view = {
        "title": "Pictures",
        "type": "list",
        "target": "tasks",
        "hiddenColumns": {"explore": hidden, "labeling": hidden},
        "filters": {"conjunction": "and", "items": []},
        "ordering": [],
    }
    studio.post("/api/dm/views/", json={"project": project.number, "data": view})


_LISTED = {
    *("tasks:data.image", "tasks:data.label", "tasks:data.question"),
    *("tasks:annotations_results", "tasks:annotators"),
}
"""The columns of a list that people see."""
_TELLING = {"tasks:data.label", "tasks:annotations_results", "tasks:annotators"}
"""Those that tell what the folder or others say of a picture."""


def serve_files(studio: LabelStudio, project: Project, folder: Path, *, new: bool = False) -> None:
    """Let the server show the previews in `folder`: a storage row that finds nothing when somebody syncs it.

    A `new` project has none yet.

    Raises:
        ReviewError: the server does not serve that folder.
    """
    path = "/api/storages/localfiles/"
    known = [] if new else studio.get(path, params={"project": project.number})
    if any(str(row.get("path")) == str(folder) for row in known):
        return
    with client(studio) as with_sdk:
        sdk_call(
            studio,
            lambda: with_sdk.import_storage.local.create(
                project=project.number,
                title="byod's previews",
                path=str(folder),
                use_blob_urls=True,
                recursive_scan=True,
                regex_filter="(?!)",
            ),
        )


@contextmanager
def client(studio: LabelStudio) -> Iterator[LabelStudioBase]:
    """The SDK's client of the same server and account, without its readers of other formats, which load for seconds.

    Raises:
        ReviewError: label-studio-sdk is not installed.
    """
    try:
        import httpx
        from label_studio_sdk.base_client import LabelStudioBase
    except ImportError as error:
        raise ReviewError(
            "byod review needs label-studio-sdk; install it with: uv pip install 'byod-toolkit[review]' "
            "(from a clone: uv pip install -e '.[review]')"
        ) from error
    with httpx.Client(trust_env=studio.proxied, timeout=600.0, verify=_trusted(studio)) as http:
        yield LabelStudioBase(base_url=studio.url, api_key=studio.token, httpx_client=http)


def _trusted(studio: LabelStudio) -> ssl.SSLContext | bool:
    """The authorities whose word on a server's certificate is taken; where there is none to look at, nobody is."""
    if studio.url.startswith("http:"):
        return ssl.SSLContext(
            ssl.PROTOCOL_TLS_CLIENT
        )  # to read the usual ones takes longer than to make a project
    trusted = studio.authorities
    return ssl.create_default_context(cafile=trusted) if isinstance(trusted, str) else True


def sdk_call(studio: LabelStudio, call: Callable[[], Any]) -> Any:
    """One call through the SDK; its many-lined errors as one line."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        return call()
    except ApiError as error:
        body = error.body if isinstance(error.body, dict) else {}
        detail = body.get("validation_errors") or body.get("detail") or error.body
        said = " ".join(str(detail).split())[:300]
        raise ReviewError(
            f"the Label Studio at {studio.url} refuses what byod asks ({error.status_code}): {said}"
        ) from error
    except httpx.HTTPError as error:
        raise ReviewError(f"the Label Studio at {studio.url} stopped answering ({error})") from error
