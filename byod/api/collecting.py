"""Collect pictures from the web: who asks, within which limits, what sources and hosts are asked, and all in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path

from byod.api import failed_addresses
from byod.api.datasets import finish, opened_to_collect
from byod.collection import download, local_files, packed_pictures, stock_hosts
from byod.collection import sources as source_list
from byod.collection.download import Limits
from byod.collection.expected_hashes import ExpectedHashes
from byod.collection.http import guard
from byod.collection.http.api_client import ApiClient
from byod.collection.http.api_reply import Tape
from byod.collection.http.optouts import Permission
from byod.collection.http.own_headers import OwnHeaders
from byod.collection.http.scheduler import Host
from byod.collection.pipeline import Arrival, Collection, Fetch, Watch
from byod.collection.search import CandidateSearch, Drawn
from byod.collection.way_back import with_way_back
from byod.dataset.catalog.candidates import Candidates
from byod.dataset.own_places import IMAGES
from byod.schema import recipe as recipes
from byod.schema.config import Settings
from byod.schema.errors import DatasetError, UsageError
from byod.schema.progress import Say
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Fetched, Miss, Query, Record, Snapshot, Yield
from byod.schema.search_words import NONE
from byod.tasks import TASKS

_PAUSE = 0.02
"""Seconds between two looks at a search that has nothing new."""


class Web(Record):
    """Settings for requests to strangers' servers: who asks, within which limits, and whether against opt-outs.

    The sources are asked with the settings of `asking`, where they are others. `referer` tells hosts the page that a
    picture is shown on; `cookies` is a file of cookies for the hosts they are of. With `ask_again` nothing that was
    answered or refused before is taken for granted; `retry` are reasons whose addresses are asked again.
    """

    settings: Settings
    limits: Limits = Limits()
    ignore_optout: bool = False
    ask_again: bool = False
    retry: tuple[Reason, ...] = ()
    asking: Settings | None = None
    referer: bool = False
    cookies: Path | None = None


def api_client(web: Web, say: Say, tape: Tape | None) -> ApiClient:
    """A client for the APIs of sources, whose traffic is written to a tape or read from it, where there is one."""
    settings = web.asking or web.settings
    return ApiClient(settings, guard.session(settings), say=say, tape=tape, ask_again=web.ask_again)


def searched(recipe: Recipe) -> Recipe:
    """The recipe with the classes that a search brings pictures of: where labels are files, those without objects."""
    task = TASKS.get(recipe.task)
    if task is None or not task.stored:
        return recipe
    found = {name: each for name, each in recipe.classes.items() if name in task.pages.no_classes}
    return recipe.model_copy(update={"classes": found})


def queries(recipe: Recipe) -> dict[str, list[Query]]:
    """The queries of each class as somebody typed them; the meaning goes with the first, which was read."""
    words_in = None if recipe.words_in == NONE else recipe.words_in
    queries = {}
    for folder, entry in recipe.classes.items():
        meaning = entry.meaning if entry.meaning is not None and entry.meaning.known else None
        language = words_in if meaning is None else meaning.language or None
        item = None if meaning is None else meaning.item
        first, *others = (
            Query(label=folder, terms=terms, language=language, item=item) for terms in entry.words
        )
        queries[folder] = [first.model_copy(update={"meaning": meaning}), *others]
    return queries


def candidate_search(
    recipe: Recipe, client: ApiClient, known: Mapping[str, set[str]], ended: Callable[..., None], say: Say
) -> CandidateSearch:
    """The search of a recipe; `known` are the addresses of each class that are no news."""
    return CandidateSearch(
        queries(recipe),
        {name: recipe.search_options(name) for name in recipe.sources},
        client,
        known=known,
        language_codes=recipe.languages,
        ended=ended,
        say=say,
        own_queries={name: recipe.of_source(name).query for name in recipe.sources},
    )


def _of_the_web(
    candidates: Iterable[Candidate | None],
    here: list[Candidate],
    packed: list[Candidate],
    note: Callable[[Candidate], None],
) -> Iterator[Candidate | None]:
    """Those that a download is asked for, which are noted; the others go where they belong."""
    for candidate in candidates:
        if candidate is None:
            yield None
        elif (apart := _apart(candidate, here, packed)) is not None:
            apart.append(candidate)
        else:
            note(candidate)
            yield candidate


def fetcher(web: Web) -> Fetch:
    """Fetches over the network, and from this machine what lies here already.

    From round to round it remembers what each site wishes and which hosts asked for rest.
    """
    permissions: dict[str, Permission] = {}
    hosts: dict[str, Host] = {}
    own_headers = OwnHeaders(referer=web.referer, cookies=web.cookies)
    hashes = ExpectedHashes()

    def fetch(
        candidates: Iterable[Candidate | None],
        inspect: Callable[[Fetched, bytes], Arrival],
        waits: Callable[[], None],
    ) -> Generator[tuple[Fetched | Miss, Arrival | None], None, None]:
        here, packed, granted = list[Candidate](), list[Candidate](), set[str]()

        def note(candidate: Candidate) -> None:
            own_headers.know({candidate.url: candidate.page})
            hashes.know(candidate)
            granted.update([candidate.url] if source_list.grants(candidate, web.settings) else ())

        def from_the_web(
            urls: Iterable[str | None],
        ) -> Generator[tuple[Fetched | Miss, Arrival | None], None, None]:
            arrived = download.download(
                urls,
                settings=web.settings,
                limits=web.limits,
                ignore_optout=web.ignore_optout,
                inspect=hashes.checking(inspect),
                permissions=permissions,
                hosts=hosts,
                own_headers=own_headers,
                granted=granted,
                waits=waits,
            )
            yield from hashes.outcomes(arrived)

        yield from with_way_back(_of_the_web(candidates, here, packed, note), from_the_web)
        yield from local_files.read(here, inspect, waits)
        if packed:
            client, most = ApiClient(web.settings, guard.session(web.settings)), web.limits.max_bytes
            yield from packed_pictures.read(packed, inspect, client, most, web.ignore_optout, waits)

    return fetch


def _apart(candidate: Candidate, here: list[Candidate], packed: list[Candidate]) -> list[Candidate] | None:
    """Where a candidate goes that no download of its own address gives: a file of this machine, a part of another."""
    if candidate.path is not None:
        return here
    return packed if source_list.is_packed(candidate) else None


def collect(
    folder: Path, recipe: Recipe, web: Web, *, say: Say, watch: Watch, tape: Tape | None = None
) -> Snapshot:
    """Search, download, check and de-duplicate until every class of the recipe has its pictures."""
    check_sources(recipe)
    fetch = fetcher(web)
    with opened_to_collect(folder, recipe, say, reopened(web)) as dataset:
        recipe = searched(dataset.recipe)  # classes may have been made by hand
        candidates = dataset.catalog.candidates
        for label in recipe.classes:
            if dataset.links.behind(linked := f"{IMAGES}/{label}"):
                raise DatasetError(
                    f"{dataset.folder / linked} is a link, and byod writes nothing behind links; put the real folder"
                    " there, or collect into another dataset (--into) and move the pictures by hand"
                )
        known = {label: candidates.known(label) for label in recipe.classes}
        say(f"asking {', '.join(recipe.sources)} …")
        for line in source_list.notices(recipe.sources):
            say(line)
        collection = Collection(
            dataset,
            fetch,
            watch,
            per_class=recipe.per_class,
            asker=web.settings.asker,
            classes=recipe.classes,
        )
        client = api_client(web, say, tape)
        collection.run(candidate_search(recipe, client, known, candidates.stopped, say))
        failed_addresses.say_refusals(dataset, say)
        return finish(dataset)


def reopened(web: Web) -> Callable[[Candidates], None]:
    """Open again what is to be asked again: what depends on who asks, and what was asked for."""

    def reopen(candidates: Candidates) -> None:
        failed_addresses.ask_again(
            candidates, web.settings, web.retry, optouts=web.ignore_optout, refusals=web.ask_again
        )

    return reopen


def check_sources(recipe: Recipe) -> None:
    """See that there are the sources that a recipe names, and that it does not ask one the same for all classes.

    Raises:
        UsageError: there is no such source, or byod does not offer it.
    """
    for host in recipe.exclude_hosts:
        if (meant := stock_hosts.check_host(host)) != host:
            raise UsageError(f"{recipes.FILE}: exclude_hosts: write {meant!r} for {host!r}")
    for name in recipe.sources:
        source_list.get(name)
        query = recipe.of_source(name).query
        if isinstance(query, str) and query and "{words}" not in query and len(recipe.classes) > 1:
            raise UsageError(
                f"{recipes.FILE}: [sources.{name}] query is the same for {len(recipe.classes)} classes; write {{words}}"
                ' where the words of a class are to stand, or one for each class: query = { cat = "…", dog = "…" }'
            )


def preview(
    recipe: Recipe, web: Web, *, say: Say, tape: Tape | None = None
) -> tuple[list[tuple[Candidate, Reason | None]], list[Yield]]:
    """Search as a collection would for its first round: what it would fetch or refuse, and which queries failed.

    Nothing is written.
    """
    failed: list[Yield] = []
    recipe = searched(recipe)

    def ended(label: str, source: str, terms: str, word: str, detail: str) -> None:
        if detail:
            failed.append(Yield(source=source, query=terms, label=label, stopped_by=word, detail=detail))

    for line in source_list.notices(recipe.sources):
        say(line)
    search = candidate_search(recipe, api_client(web, say, tape), {}, ended, say)
    drawn: list[Drawn] = []
    for batch in search.draw(dict.fromkeys(recipe.classes, recipe.per_class)):
        drawn += batch
        if not batch:
            time.sleep(_PAUSE)
    search.close({})
    ordered = sorted(drawn, key=lambda each: each[2])
    return [(candidate.shown, refused) for candidate, refused, _ in ordered], failed
