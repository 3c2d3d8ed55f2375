"""Projects in Label Studio: one for each dataset and purpose, made from the recipe's classes and kept in step with it.

A project is known by a line in its description, not by its title or number: titles repeat, and numbers return when
a server is set up anew. It is set up through label-studio-sdk (https://api.labelstud.io/api-reference/introduction).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byod.dataset.catalog.reviews import Progressed, ReadAnnotation
from byod.dataset.dataset_folder import Dataset
from byod.labeling.client import LabelStudio
from byod.labeling.identity import marker, place
from byod.labeling.labeling_page import added, config, structure
from byod.schema.errors import ReviewError
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.schema.review_tasks import Purpose

if TYPE_CHECKING:
    from label_studio_sdk.base_client import LabelStudioBase

IN_ORDER = "Sequential sampling"
"""The order of the label stream: as the tasks were pushed."""
_COUNTS = ("total_annotations_number", "skipped_annotations_number")


class Project(Record):
    """A project on a server; `tasks` and `annotations` (skips, too) count those it had when it was looked up."""

    number: int
    purpose: Purpose
    url: str
    tasks: int = 0
    annotations: int = 0
    config: str = ""

    @property
    def stream(self) -> str:
        """The address at which people are shown one picture after the other."""
        return f"{self.url}data?labeling=1"


def find(dataset: Dataset, studio: LabelStudio, server: str, purpose: Purpose) -> Project | None:
    """The dataset's project for a purpose on this server, by its remembered number or by its marker; or None."""
    wanted = remembered(dataset, server, purpose)
    found = next(iter(existing(studio, [wanted])), None)
    if found is not None:
        with dataset.catalog.transaction():
            dataset.catalog.reviews.remember(server, purpose, found.number)
    return found


class Remembered(Record):
    """The catalog's record of a project: its number, how far it was pulled, and the annotations that were read then;
    `marker` tells it on the server."""

    purpose: Purpose
    marker: str
    number: int | None
    progressed: Progressed
    known: dict[str, ReadAnnotation]


def remembered(dataset: Dataset, server: str, purpose: Purpose) -> Remembered:
    """Look up the dataset's project for a purpose in the catalog."""
    reviews = dataset.catalog.reviews
    return Remembered(
        purpose=purpose,
        marker=marker(dataset.folder, purpose),
        number=reviews.project(server, purpose),
        progressed=reviews.progressed(server, purpose),
        known=reviews.annotations(server, purpose),
    )


def existing(studio: LabelStudio, wanted: Sequence[Remembered]) -> list[Project]:
    """The projects that the server has, by their markers; of several the remembered one, else the oldest."""
    listed = sorted(studio.projects(), key=lambda one: int(one["id"]))
    found = []
    for one in wanted:
        marked = [row for row in listed if one.marker in str(row.get("description") or "")]
        if not marked:
            continue
        row = next((row for row in marked if row["id"] == one.number), marked[0])
        found.append(
            Project(
                number=int(row["id"]),
                purpose=one.purpose,
                url=f"{studio.url}/projects/{row['id']}/",
                tasks=int(row.get("task_number") or 0),
                annotations=sum(int(row.get(count) or 0) for count in _COUNTS),
                config=str(row.get("label_config") or ""),
            )
        )
    return found


def ensure(dataset: Dataset, studio: LabelStudio, server: str, purpose: Purpose, say: Say) -> Project:
    """The dataset's project for a purpose: found and brought in step with the recipe, or made.

    Raises:
        ReviewError: label-studio-sdk is not installed, or the server refuses.
    """
    project = find(dataset, studio, server, purpose)
    if project is not None:
        wanted = config(dataset, purpose, before=project.config)
        if structure(wanted) != structure(project.config):
            with client(studio) as with_sdk:
                sdk_call(studio, lambda: with_sdk.projects.update(project.number, label_config=wanted))
            say(f"the project {project.url} asks for the classes of byod.toml as they are now")
        for name in added(wanted, dataset.recipe):
            say(
                f"somebody added the class {name!r} on the labelling page of {project.url}; byod review pull --take-in "
                "takes it into byod.toml, with the answers that name it"
            )
        return project.model_copy(update={"config": wanted})
    wanted = config(dataset, purpose)
    title = f"{dataset.name[:36]} · {purpose}"
    note = (
        f"Made by byod from {dataset.name}. Please leave this line: {marker(dataset.folder, purpose)} "
        f"{place(dataset.folder)}"
    )
    with client(studio) as with_sdk:
        made: Any = sdk_call(
            studio,
            lambda: with_sdk.projects.create(
                title=title,
                description=note,
                label_config=wanted,
                show_skip_button=True,
                skip_queue="REQUEUE_FOR_OTHERS",
                sampling=IN_ORDER,
                show_collab_predictions=True,
            ),
        )
    with dataset.catalog.transaction():
        dataset.catalog.reviews.remember(server, purpose, int(made.id))
    return Project(
        number=int(made.id), purpose=purpose, url=f"{studio.url}/projects/{made.id}/", config=wanted
    )


def show_list(studio: LabelStudio, project: Project) -> None:
    """Have the list of a project show what people look for: picture, class, answer; not what byod keeps there.

    A list that somebody has arranged is left as it is. https://api.labelstud.io/api-reference/api-reference/views
    """
    if studio.get("/api/dm/views/", params={"project": project.number}):
        return
    columns = studio.get("/api/dm/columns/", params={"project": project.number})["columns"]
    parents = {str(one["parent"]) for one in columns if one.get("parent")}
    names = [
        f"{one['target']}:{one['parent']}.{one['id']}"
        if one.get("parent")
        else f"{one['target']}:{one['id']}"
        for one in columns
        if str(one["id"]) not in parents
    ]
    hidden = [name for name in names if name not in _LISTED]
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


def serve_files(studio: LabelStudio, project: Project, folder: Path) -> None:
    """Let the server show the previews in `folder`: a storage row that finds nothing when somebody syncs it.

    Raises:
        ReviewError: the server does not serve that folder.
    """
    known = studio.get("/api/storages/localfiles/", params={"project": project.number})
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
    trusted = studio.authorities
    verify = ssl.create_default_context(cafile=trusted) if isinstance(trusted, str) else True
    with httpx.Client(trust_env=studio.proxied, timeout=600.0, verify=verify) as http:
        yield LabelStudioBase(base_url=studio.url, api_key=studio.token, httpx_client=http)


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
