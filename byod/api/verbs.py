"""The verbs that make a dataset out of the web or of files, and the one that puts runs side by side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from byod.api import adding, address_lists, class_words, collecting, recordings
from byod.api import plan as plans
from byod.api.address_lists import Listed
from byod.api.dataset_object import Dataset, dataset_with
from byod.api.plan import AddOptions, CollectOptions, Terms, folder_given
from byod.api.progress_display import ProgressDisplay, progress_display
from byod.api.run_object import Run
from byod.collection import stock_hosts
from byod.collection.http.api_reply import Tape
from byod.collection.meanings import Choose
from byod.dataset import dataset_list
from byod.schema import recipe as recipes
from byod.schema.config import Settings
from byod.schema.errors import UsageError
from byod.schema.keypoints import NOTHING
from byod.schema.picture_files import following
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Record, Yield

NO_CONTACT = (
    "no contact is set: Wikimedia is not asked, neither Commons nor Wikidata nor for its pictures at Openverse; set "
    "BYOD_CONTACT to a mail address or a page of yours"
)
OPTOUTS_IGNORED = (
    "opt-outs are ignored: robots.txt, noai/noimageai/noml and TDM reservations are not looked at"
)


class Preview(Record):
    """A collection that was only searched: its recipe, and the candidates of its first round.

    Each candidate stands beside the reason for which it would be refused, None where it would be fetched. `failed` are
    the queries that a source did not answer as it should, with what it says. `listed` is what was found in a list,
    which is read to its end in the place of a search (then there are no candidates).

    Examples:
        >>> found = byod.collect("blumenkohl", sources="openverse", languages="none", dry_run=True, progress=False)
        >>> isinstance(found, byod.Preview), len(found.candidates)
        (True, 5)
    """

    recipe: Recipe
    candidates: tuple[tuple[Candidate, Reason | None], ...]
    failed: tuple[Yield, ...] = ()
    listed: Listed | None = None


@overload
def collect(
    *classes: str,
    dry_run: Literal[True],
    into: str | Path | None = None,
    per_class: int | None = None,
    sources: str | Iterable[str] | None = None,
    queries: Terms | None = None,
    license: str | None = None,
    languages: str | Iterable[str] | None = None,
    min_side: int | None = None,
    max_side: int | None = None,
    captive: bool | None = None,
    max_pixels: int | None = None,
    from_urls: str | Path | None = None,
    recipe: str | Path | None = None,
    record: str | Path | None = None,
    replay: str | Path | None = None,
    progress: bool = True,
    **options: Unpack[CollectOptions],
) -> Preview: ...
@overload
def collect(
    *classes: str,
    into: str | Path | None = None,
    per_class: int | None = None,
    sources: str | Iterable[str] | None = None,
    queries: Terms | None = None,
    license: str | None = None,
    languages: str | Iterable[str] | None = None,
    min_side: int | None = None,
    max_side: int | None = None,
    captive: bool | None = None,
    max_pixels: int | None = None,
    from_urls: str | Path | None = None,
    recipe: str | Path | None = None,
    dry_run: Literal[False] = False,
    ignore_optout: bool = False,
    record: str | Path | None = None,
    replay: str | Path | None = None,
    ask_again: bool = False,
    retry: str | Iterable[str] = (),
    progress: bool = True,
    **options: Unpack[CollectOptions],
) -> Dataset: ...
def collect(
    *classes: str,
    into: str | Path | None = None,
    per_class: int | None = None,
    sources: str | Iterable[str] | None = None,
    queries: Terms | None = None,
    license: str | None = None,
    languages: str | Iterable[str] | None = None,
    min_side: int | None = None,
    max_side: int | None = None,
    captive: bool | None = None,
    max_pixels: int | None = None,
    from_urls: str | Path | None = None,
    recipe: str | Path | None = None,
    dry_run: bool = False,
    ignore_optout: bool = False,
    record: str | Path | None = None,
    replay: str | Path | None = None,
    ask_again: bool = False,
    retry: str | Iterable[str] = (),
    progress: bool = True,
    **options: Unpack[CollectOptions],
) -> Dataset | Preview:
    """Search, download, check and de-duplicate pictures of classes, and fill class folders with them.

    Interrupted at any point, the same call goes on where it was; what is there is never fetched twice.

    Args:
        classes: the classes, by name.
        into: the dataset's folder; by default `datasets/<classes>`. One that is there is added to.
        per_class: how many pictures to keep of each class (default 200).
        sources: what to search, one name or several; by default openverse, commons and duckduckgo.
        queries: search terms by class, where they are to be others than its name.
        license: `any` (default), `open` or `commercial`; the last two refuse pictures without a stated licence.
        languages: what to go on searching in when a class falls short, like `("de", "en")`; none of them: `()`.
        min_side: refuse pictures with a shorter side, in pixels (default 200).
        max_side: keep pictures no larger than this, in pixels.
        captive: also animals that are kept and plants that were planted, at inaturalist.
        max_pixels: refuse pictures with more pixels in all.
        from_urls: a list of addresses in place of a search: a txt, csv, tsv, jsonl, json or parquet file (all but the
            last also with .gz), a folder or pattern of such files, or `-` for standard input.
        recipe: a dataset's folder, whose recipe is run again.
        dry_run: search only, or read the list, and return what would be fetched; nothing is written.
        ignore_optout: fetch also what its owners do not want used for training.
        record: a new file for what the sources are asked and answer in this run, to be read and given away.
        replay: such a file, which answers in the place of the sources; pictures are fetched as ever.
        ask_again: take no answer of an earlier run for granted: sources are searched anew, and addresses that were
            refused to byod are asked again.
        retry: reasons (`not-found`, …) whose addresses are asked again.
        progress: show lines and a live table; False sends the lines to the logger `byod`.
        options: what words mean: `words_in` (the code of their language), `meanings` (items of Wikidata by class, like
            `{"brokkoli": "Q47722"}`), `choose` (a function that is asked which of several meanings a word has). Which
            pictures are wanted, where a source can tell: `kind` (`photo`, `drawing` or `any`), `safe` (`on`, `moderate`
            or `off`), `size`, `age`, `colour`; and from which sites none is: `exclude_hosts`. How a list is read:
            `url_col`, `label_col` (its columns), `label` (one class for all rows), `caption_filter` (words, each a
            class for the rows whose caption holds it alone), `strict` (fetch nothing where a row is bad). Limits:
            `deadline` (seconds for a request), `max_bytes`, `redirects`, `per_host`, `delay` (seconds between requests
            to one host), `retries` and `workers`. What hosts are told beside that, and recipes do not keep: `referer`
            (the page a picture is shown on), `cookies` (a file of them, in Netscape's format). `nothing` searches the
            words for pictures that hold none of the objects of a dataset of points (`into`).

    Returns:
        The dataset, or with `dry_run` a `Preview`.

    Raises:
        UsageError: what was given does not go together, or is out of range.
        DatasetError: the folder holds something else, or another byod is at work on it.

    Examples:
        >>> dataset = byod.collect("brokkoli", "blumenkohl", per_class=4, sources="openverse", progress=False)
        >>> dataset.counts
        {'brokkoli': 4, 'blumenkohl': 4}
        >>> found = byod.collect("brokkoli", sources="openverse", languages="none", dry_run=True, progress=False)
        >>> found.candidates[0][0].licence
        'CC-BY-4.0'
    """
    changes = {
        "per_class": per_class,
        "sources": None if sources is None else plans.several(sources),
        "license": license,
        "languages": plans.languages(languages),
        "min_side": min_side,
        "max_side": max_side,
        "captive": captive,
        "max_pixels": max_pixels,
    }
    again, listed = folder_given(recipe), folder_given(from_urls)
    address_lists.check_options(options, listed, classes, taped=(record, replay) != (None, None))
    place = folder_given(into)
    folder, planned = plans.plan(
        classes, place, again, queries or {}, changes, listed is not None, options, dry_run=dry_run
    )
    allowed, settings, reasons = plans.limits(options, planned), Settings.load(), plans.retried(retry)
    tape, asking = recordings.tape(folder_given(record), folder_given(replay), settings)
    web = collecting.Web(
        settings=settings,
        limits=allowed,
        ignore_optout=ignore_optout,
        ask_again=ask_again,
        retry=reasons,
        asking=asking,
        referer=options.get("referer", False),
        cookies=folder_given(options.get("cookies")),
    )
    with progress_display(progress) as display:
        if listed is None:
            searched = collecting.searched(planned)
            read = _read(searched, asking, options.get("choose"), display, tape)
            planned = read.model_copy(update={"classes": {**planned.classes, **read.classes}})
        for line in (OPTOUTS_IGNORED if ignore_optout else "", "" if asking.contact else NO_CONTACT):
            if line:
                display.say(line)
        if dry_run and listed is not None:
            found_rows, planned = address_lists.preview_list(listed, options, planned)
            return Preview(recipe=planned, candidates=(), listed=found_rows)
        if dry_run:
            found, failed = collecting.preview(planned, web, say=display.say, tape=tape)
            return Preview(recipe=planned, candidates=tuple(found), failed=tuple(failed))
        shown: dict[str, Any] = {"say": display.say, "watch": display.watch(planned)}
        if listed is not None:
            return dataset_with(
                folder, address_lists.collect_list(listed, options, folder, planned, web, **shown)
            )
        return dataset_with(folder, collecting.collect(folder, planned, web, tape=tape, **shown))


def _read(
    planned: Recipe, settings: Settings, choose: Choose | None, display: ProgressDisplay, tape: Tape | None
) -> Recipe:
    """The recipe with what its words mean; what is left out of the search is said."""
    collecting.check_sources(planned)
    class_words.say_unheeded(planned, display.say)
    if line := stock_hosts.told(planned.exclude_hosts):
        display.say(line)
    return class_words.read_words(planned, settings, say=display.say, choose=choose, tape=tape)


def add(
    *paths: str | Path,
    label: str | None = None,
    labels: str | Path | None = None,
    task: str | None = None,
    into: str | Path | None = None,
    reports: bool = False,
    follow_links: bool = False,
    progress: bool = True,
    **options: Unpack[AddOptions],
) -> Dataset:
    """Add pictures of this machine to a dataset, or those that people reported to a served model.

    Whoever adds a picture chose it: nothing is refused but what cannot be opened, unless it is asked for here or in the
    recipe's table `own`. The `result` of the dataset says what became of each.

    Args:
        paths: pictures, folders of pictures (with `label`), or folders of class folders.
        label: the class of the pictures; without it, folders are classes.
        labels: a file that says what each picture is: a CSV with the columns file and label.
        task: with `labels`, what a new dataset is for (default classify).
        into: the dataset's folder, which is made where it is missing; by default the one byod last wrote to.
        reports: take up what waits in the dataset, and nothing else.
        follow_links: also add pictures that links in a folder lead to.
        progress: show lines and a live table; False sends the lines to the logger `byod`.
        **options: `min_side` and `max_pixels` refuse pictures with a shorter side, or with more pixels in all,
            `max_aspect` those whose longer side is more than so many times the shorter one; `max_side` keeps them no
            larger; `duplicates` says which copies are set aside, "exact" (of the same pixels), "near" or "off";
            `creator` and `license` say who made them and under which licence they are (default: all rights reserved);
            `split_from_folders` says whether folders like train/ and val/ above class folders are the split (by default
            they are, unless `choose`, which is asked such a question, says no); `nothing` says that the pictures hold
            none of the objects whose points the dataset is about.

    Raises:
        UsageError: there is no picture at a path, or what was given does not go together.
        DatasetError: the folder holds something else, or another byod is at work on it.

    Examples:
        >>> drawn = byod.draw_classes("mine", classes=("circle", "square"), per_class=3)
        >>> byod.add("mine", into="shapes", progress=False).counts
        {'circle': 3, 'square': 3}
    """
    given = [name for name, value in options.items() if value not in (None, False) and name != "choose"]
    with following(follow_links), progress_display(progress) as display:
        if reports:
            if paths or label or labels or given:
                raise UsageError("--reports adds what waits in the dataset; remove all but --into")
            return _add_reports(folder_given(into), display)
        if not paths:
            raise UsageError("say which pictures: byod add PATH… --label CLASS")
        if options.get("nothing"):
            if label or labels:
                raise UsageError("--nothing says what the pictures are; remove --label and --labels")
            label = NOTHING
        files = [Path(path) for path in paths]
        if labels is not None:
            if label or given:
                named = ", ".join(
                    f"--{name.replace('_', '-')}" for name in (["label"] if label else []) + given
                )
                raise UsageError(f"--labels says what each picture is; remove {named}")
            return _add_labelled(Path(labels), files, folder_given(into), task, display)
        if task is not None:
            raise UsageError("--task goes with --labels")
        folder, planned = plans.plan_add(label, folder_given(into), options)
        creator, licence = plans.rights(options)
        rights = adding.Rights(creator=creator, licence=licence or adding.RIGHTS)
        watch = display.watch(planned)
        done = adding.add(
            files,
            label,
            folder,
            planned,
            rights=rights,
            split_from_folders=options.get("split_from_folders"),
            choose=options.get("choose"),
            say=display.say,
            watch=watch,
        )
        return dataset_with(folder, done)


def _add_labelled(
    labels: Path, files: list[Path], into: Path | None, task: str | None, display: ProgressDisplay
) -> Dataset:
    folder, planned = plans.plan_add(None, into, {})
    watch = display.watch(planned)
    return dataset_with(
        folder, adding.add_labelled(labels, files, folder, task, say=display.say, watch=watch)
    )


def _add_reports(into: Path | None, display: ProgressDisplay) -> Dataset:
    from byod.api import feedback

    folder = into or dataset_list.find(None)
    watch = display.watch(recipes.read(folder))
    return dataset_with(folder, feedback.import_feedback(folder, say=display.say, watch=watch))


def compare(*runs: str | Path | Run, into: str | Path = "compare.html", follow_links: bool = False) -> Any:
    """Measure runs on the pictures they share, say which differences are real, and draw a page of it.

    Args:
        runs: runs, their folders, or datasets (all their runs); by default all runs there are.
        into: the page to write.
        follow_links: also read pictures that lie behind links, to measure the time that a prediction takes.

    Returns:
        A record of the task: the runs with what each achieves, and for each pair of them how sure their difference is.

    Raises:
        ModelError: there is no run, or some are for classes and some for points.

    Examples:
        >>> other = dataset.train("sklearn", from_scratch=True, seed=1, progress=False)
        >>> [one.plugin for one in byod.compare(run, other).runs]
        ['sklearn', 'sklearn']
    """
    from byod.api import evaluate
    from byod.api.runs import find_runs

    given = [str(run.folder if isinstance(run, Run) else run) for run in runs]
    named: list[str | None] = [*given] or [None]
    folders = [folder for one in named for folder in find_runs(one, dataset_list.ROOT)]
    with following(follow_links):
        return evaluate.compare(list(dict.fromkeys(folders)), Path(into))
