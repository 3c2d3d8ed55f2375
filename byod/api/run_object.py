"""A run as an object: `byod.Run`, a trained model with what it was made from and what it achieves."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from byod.api.plan import at_least, folder_given
from byod.api.progress_display import progress_display
from byod.dataset import dataset_list
from byod.schema.config import Settings
from byod.schema.errors import ModelError, PictureError, UsageError
from byod.schema.model_card import Unreadable
from byod.schema.picture_files import following
from byod.schema.progress import Say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from byod.api.serve import Page, Place
    from byod.schema.model_card import Card
    from byod.training.run_evaluation import RunEvaluation

    Picture: TypeAlias = str | Path | bytes | tuple[str, bytes] | Image | NDArray[np.generic]

LOOPBACK = "127.0.0.1"


class Run:
    """A run's folder: its model card, its metrics, and what can be done with its model. `folder` is where it lies.

    Args:
        folder: the folder, or a dataset (its latest run); by default the latest run of all.
        refit: predict with, serve and export the model of all pictures, which is not measured (`train(refit=True)`).

    Raises:
        ModelError: there is none.

    Examples:
        >>> run = byod.Run("datasets/shapes")
        >>> run.card.plugin
        'sklearn'
    """

    FORMATS = ("onnx", "safetensors", "web")
    """What a run can be exported as; here as plain words, since what exports takes long to load."""

    def __init__(self, folder: str | Path | None = None, *, refit: bool = False) -> None:
        from byod.api import runs

        self.refit = refit
        self.folder = runs.find_run(None if folder is None else str(folder), dataset_list.ROOT)

    def __repr__(self) -> str:
        """The call that opens it."""
        return f"byod.Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        from byod.api import notebook

        return notebook.run_html(self.folder, self.card)

    @property
    def card(self) -> Card:
        """All that `model.json` says: classes or points, input, metrics, options, licences and versions."""
        from byod.tasks import of_run

        _, card = of_run(self.folder)
        return card

    @property
    def metrics(self) -> Any:
        """The metrics of the model on pictures it never saw, as its card says: a record of its task.

        Of classes `byod.schema.model_card.Metrics`, of points `KeypointsMetrics`.
        """
        card: Any = self.card
        return card.metrics

    def _reporting(self, wanted: bool) -> bool:
        """True if people may report pictures, which are about the measured model.

        Raises:
            UsageError: they are wanted for the other one.
        """
        if self.refit and wanted:
            raise UsageError("--allow-reports is about the measured model; remove it, or --refit")
        return wanted

    def _used(self) -> AbstractContextManager[Path]:
        """The folder of the model that is used: the measured one, unless told otherwise."""
        return _of_all_pictures(self) if self.refit else nullcontext(self.folder)

    @property
    def report(self) -> Path:
        """The page that says what came of the training."""
        return self.folder / "report.html"

    @property
    def history(self) -> list[dict[str, float | str]]:
        """The epochs of its training, each with the trainer's numbers; what was not measured is left out.

        Raises:
            ModelError: the run has no history.csv, or it is damaged.
        """
        file = self.folder / "history.csv"
        from byod.training import run_folder

        if not file.is_file():
            raise ModelError(f"{self.folder} has no history.csv; train again, or restore it")
        return [
            {key: _number(value) for key, value in row.items() if value}
            for row in run_folder.read_table(file)
        ]

    def predict(self, pictures: Picture | list[Any]) -> Any:
        """Say what pictures show, or where objects and their points are; runs on onnxruntime alone.

        The model is opened once a call: give it many pictures at once where there are many.

        Args:
            pictures: a file, a folder, a picture of PIL, an array, the bytes of a file (as they are, or beside a
                name), or a list of these. An array is [height, width, 3 or 4] or [height, width], uint8 0..255 or
                floating-point 0..1, in RGB.

        Returns:
            For one picture a `Prediction` (of points: a `KeypointsPrediction`); for a list or a folder a list of them,
            with an `Unreadable` in the place of each picture that cannot be opened.

        Raises:
            PictureError: the one picture cannot be opened.
            ModelError: the run cannot be used.

        Examples:
            >>> run.predict("photos/circle.jpg").label
            'circle'
            >>> [one.label for one in run.predict(["photos/circle.jpg", "photos/square.jpg"])]
            ['circle', 'square']
        """
        from byod.api import evaluate

        if isinstance(pictures, list):
            sources = [_source(one, n) for n, one in enumerate(pictures)]
            with self._used() as folder:
                return list(evaluate.predict(folder, sources))
        one = _source(pictures, 0)
        with self._used() as folder:
            found = list(evaluate.predict(folder, [one]))
        if isinstance(one, Path) and one.is_dir():
            return found
        if isinstance(found[0], Unreadable):
            raise PictureError(found[0].reason, found[0].error)
        return found[0]

    def evaluate(
        self,
        folder: str | Path | None = None,
        *,
        report: str | Path | None = None,
        follow_links: bool = False,
        progress: bool = True,
    ) -> RunEvaluation:
        """Measure the model on other people's pictures, in folders named after its classes.

        Args:
            folder: class folders (of a run for points: a dataset); by default the test pictures of its dataset, as
                they are labelled now.
            report: also write a page to this file.
            follow_links: also read pictures of a dataset that lie behind links.
            progress: show what is being done.

        Raises:
            UsageError: there is nothing to measure on.

        Examples:
            >>> run.evaluate("others", progress=False).metrics.pictures
            10
        """
        from byod.api import evaluate

        with following(follow_links), progress_display(progress) as display:
            return evaluate.evaluate(self.folder, folder_given(folder), folder_given(report), say=display.say)

    def export(
        self,
        format: str = "onnx",
        *,
        into: str | Path | None = None,
        runtime: str | Path | None = None,
        with_resize: bool = False,
        progress: bool = True,
    ) -> Path:
        """Write the model in a format other tools read, or as a page that runs it, and return the folder.

        Args:
            format: `onnx`, `safetensors` (the weights, where the trainer kept them) or `web` (plain files that run the
                model in the browser).
            into: where to, a place that is free; by default `exports/<run>-<format>`.
            with_resize: for `onnx`: a model file that takes uint8 pixels [N, height, width, 3] of any size.
            runtime: for `web`: onnxruntime-web as `npm pack` makes it; by default it is fetched with npm, once.
            progress: show what is being done.

        Raises:
            UsageError: there is no such format, or the place is taken.
            ModelError: the run kept no weights.

        Examples:
            >>> sorted(path.name for path in run.export("onnx", into="given-away").iterdir())
            ['model.json', 'model.onnx', 'predict.py']
        """
        from byod.api import runs

        if runtime is not None and format != runs.WEB:
            raise UsageError("--runtime is about --format web")
        if with_resize and format != runs.RUN_FORMATS[0]:
            raise UsageError("--with-resize is about --format onnx; remove it")
        place = folder_given(into) or Path("exports") / f"{self.folder.resolve().name}-{format}"
        if format != runs.WEB:
            with self._used() as folder:
                return runs.export_run(folder, format, place, with_resize=with_resize)
        cache = Settings.load().cache
        with progress_display(progress) as display, self._used() as folder:
            return runs.export_page(
                folder, place, cache=cache, runtime=folder_given(runtime), say=display.say
            )

    def serve(
        self,
        *,
        label_studio: bool = False,
        url: str | None = None,
        token: str | None = None,
        host: str = LOOPBACK,
        port: int | None = None,
        names: Sequence[str] = (),
        allow_reports: bool = False,
        unsure_below: float = 0.7,
        ready: Callable[[Page | Place], object] | None = None,
        progress: bool = True,
    ) -> NoReturn:
        """Show a web page on which the run says what it thinks of pictures, until it is interrupted.

        Args:
            label_studio: show the run's predictions to people who label in Label Studio, in place of the page; `url`
                and `token` name one that is not byod's own.
            host: where the page listens; another address than this one lets in everybody who can reach it.
            port: which port; by default 8000 (9090 for Label Studio), or any that is free.
            names: names by which others call this machine.
            allow_reports: keep pictures that people report as wrong in the run's dataset.
            unsure_below: below this probability (0..1) the page says "none of these".
            ready: is told where the page is, once it is there.
            progress: show where the page is, and what is to be known of it.

        Raises:
            UsageError: what was given does not go together, or the port is taken.
        """
        from byod.api import serve

        others = host != LOOPBACK or bool(names) or self._reporting(allow_reports)
        told = ready or (lambda page: None)
        _check_serving(label_studio, port, unsure_below, server=url or token, others=others)
        with progress_display(progress) as display, self._used() as folder:
            if label_studio:
                _answer_label_studio(folder, url, token, port, told, display.say)
            serve.page(
                folder,
                host=host,
                port=port,
                names=names,
                allow_reports=allow_reports,
                unsure_below=unsure_below,
                say=display.say,
                ready=told,
            )


@contextmanager
def _of_all_pictures(run: Run) -> Iterator[Path]:
    from byod.training import refit

    with refit.as_run(run.folder, type(run.card)) as folder:
        yield folder


def _check_serving(
    label_studio: bool, port: int | None, unsure_below: float, *, server: str | None, others: bool
) -> None:
    """Refuse what does not go together; `others` is true if an option of the page was given."""
    at_least("--port", port, 1)
    if not 0 <= unsure_below <= 1 or (port is not None and port > 65_535):
        raise UsageError("--unsure-below is between 0 and 1, --port between 1 and 65535")
    if not label_studio and server:
        raise UsageError("--url and --token are about --label-studio; pass that as well")
    if label_studio and others:
        raise UsageError("--host, --name and --allow-reports are about the page, not --label-studio")


def _answer_label_studio(
    run: Path,
    url: str | None,
    token: str | None,
    port: int | None,
    ready: Callable[[Place], object],
    say: Say,
) -> NoReturn:
    from byod.api import review, serve

    where = review.ServerChoice(url=url, token=token)
    with review.at(where, Settings.load(), say) as session:
        serve.label_studio(run, session.studio, port=port, say=say, ready=ready)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # the name of a stage


def _source(picture: Picture, number: int) -> Path | tuple[str, bytes]:
    """A picture as the predictors take it: a file or folder, or a name with the bytes of a file.

    Raises:
        UsageError: it is nothing of the kind, or an array of another shape.
    """
    if isinstance(picture, str | Path):
        return Path(picture)
    if isinstance(picture, tuple):
        return picture
    name = f"picture {number}"
    if isinstance(picture, bytes):
        return name, picture
    from PIL import Image

    if isinstance(picture, Image.Image):
        return name, _png(picture)
    if hasattr(picture, "__array__"):
        return name, _png(_image(picture))
    raise UsageError(
        f"{type(picture).__name__} is not a picture; give a path, a PIL image, an array or bytes"
    )


def _png(image: Image) -> bytes:
    """A picture of PIL as a file without loss, with the turn that its EXIF says."""
    drawn = image if image.mode in ("RGB", "RGBA", "L", "LA", "P", "1") else image.convert("RGB")
    target = io.BytesIO()
    drawn.save(target, "PNG", compress_level=1, exif=image.getexif())
    return target.getvalue()


def _image(array: Any) -> Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(array)
    if np.issubdtype(values.dtype, np.floating) and values.size and 0 <= values.min() <= values.max() <= 1:
        values = np.rint(values * 255).astype(np.uint8)
    shape = values.shape
    fits = len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))
    if values.dtype != np.uint8 or not fits or 0 in shape:
        raise UsageError(
            f"an array of {values.dtype} {list(shape)} is not a picture; give [height, width, 3] in RGB, uint8 0..255 "
            "or floating-point 0..1"
        )
    return Image.fromarray(np.ascontiguousarray(values))
