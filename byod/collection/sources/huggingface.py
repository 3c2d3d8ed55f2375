"""Datasets of pictures at Hugging Face: the pictures of one class of a labelled dataset, in their original bytes.

The dataset is named with the source: `huggingface:OWNER/NAME`, and where it matters a revision (`@REV`) and the column
that holds the labels or the pictures (`#COLUMN`). Its parquet files are read in place, by ranges: of each the labels,
and later the pictures that are wanted. The viewer's API would be simpler, but encodes every picture anew.

API: https://huggingface.co/docs/hub/api ; files that the Hub made of other layouts lie in the branch
refs/convert/parquet. The licence is what the dataset's card claims for all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from requests.structures import CaseInsensitiveDict

from byod.collection.http import optouts, parsing
from byod.collection.http.api_client import ApiClient
from byod.collection.http.api_reply import ApiReply
from byod.collection.http.source_limits import LIMITS
from byod.collection.sources import class_names
from byod.schema import licences
from byod.schema.defaults import NEEDS_PYARROW
from byod.schema.errors import (
    Filtered,
    KeyMissing,
    KeyRefused,
    NoAnswer,
    RateLimited,
    SourceError,
    UsageError,
)
from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Miss, Query, SearchOptions

if TYPE_CHECKING:
    from byod.collection.sources.parquet_pictures import Labels

NAME = "huggingface"
LIMIT = LIMITS[NAME]
CONVERTED = "refs/convert/parquet"
_NAMED = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<rev>[A-Za-z0-9][\w./-]{0,99}))?(#(?P<column>.{1,100}))?",
    re.ASCII,
)
_FILES = 10_000
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Named:
    """A dataset as it was named: its id, a revision and a column, where they were said."""

    id: str
    revision: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{NAME}:{self.id}{revision}" + (f"#{self.column}" if self.column else "")


@dataclass(frozen=True)
class Shelf:
    """The parquet files of a dataset at one commit, and what its card says of all pictures in them."""

    commit: str
    files: tuple[str, ...]
    card: Mapping[str, Any]


def named(words: str) -> Named:
    """What stands behind `huggingface:`.

    Raises:
        UsageError: it names no dataset.
    """
    found = _NAMED.fullmatch(words)
    if found is None or ".." in words:
        raise UsageError(
            f"{NAME}:{words} names no dataset; it should look like {NAME}:OWNER/NAME, with @REVISION and #COLUMN "
            "where needed"
        )
    return Named(found["id"], found["rev"], found["column"])


def search_of(words: str) -> Any:
    """The search in a dataset that was named."""
    return partial(search, named(words))


def search(of: Named, query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield the pictures of a class, file by file, in the order of their rows.

    Raises:
        KeyMissing: the dataset is gated, and no token is set.
        Filtered: it has no class of that name, or the licence that its card claims is not accepted.
        SourceError: it is not there, or holds no parquet files with pictures and labels.
    """
    shelf = _shelf(of, client)
    code, claimed = licence_of(shelf.card)
    if licences.allows(options.policy, code) is not None:
        raise Filtered(f"{of}: licence: {claimed}; --license {options.policy} refuses all of it")
    rank = 0
    for file in shelf.files:
        labels = _labels(of, shelf, file, client)
        names = class_names.spellings(labels.classes)
        wanted = class_names.find(query, names, client)
        if wanted is None:
            if file == shelf.files[0]:
                raise class_names.unknown(str(of), query, names)
            continue
        for row in labels.rows(wanted):
            yield _candidate(of, shelf, labels, row, query, rank)
            rank += 1


def _shelf(of: Named, client: ApiClient) -> Shelf:
    """The files of a dataset: its own parquet files, else those that the Hub made of it."""
    about = _about(of, of.revision, client)
    if parsing.within(about, "gated") not in (None, False) and _token(client) is None:
        raise _terms_first(of)
    card = parsing.within(about, "cardData")
    card = card if isinstance(card, dict) else {}
    files = _parquet_files(about)
    if not files and of.revision is None:
        about = _about(of, CONVERTED, client)
        files = _parquet_files(about)
    commit = parsing.within(about, "sha")
    if not files or not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        why = " at that revision" if of.revision else ""
        raise SourceError(f"{of} has no parquet files{why}; byod reads no others")
    return Shelf(commit, files, card)


def _about(of: Named, revision: str | None, client: ApiClient) -> Any:
    base = client.settings.base(NAME, "https://huggingface.co")
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    return client.get_json(
        f"{base}/api/datasets/{of.id}{at}",
        {},
        source=NAME,
        check=partial(check, of),
        headers=authorization(client),
        per_minute=LIMIT.per_minute,
    )


def check(of: Named, reply: ApiReply) -> None:
    """Say what a refusal of the Hub means, by the word that it sends along.

    Raises:
        SourceError: the dataset or revision is not there, or its terms were not accepted.
    """
    if reply.status not in (401, 403, 404):
        return
    word = reply.headers.get("x-error-code", "")
    place = f"https://huggingface.co/datasets/{of.id}"
    if word == "GatedRepo":
        raise _terms_first(of)
    if word in ("RevisionNotFound", "EntryNotFound"):
        raise SourceError(f"{of}: there is no such revision or file; see {place}/tree/main")
    raise SourceError(f"{of}: there is no such dataset, or it is private (then set BYOD_HUGGINGFACE_TOKEN)")


def _token(client: ApiClient) -> str | None:
    return client.settings.key(NAME)


def authorization(client: ApiClient) -> dict[str, str]:
    """The header with the token, where one is set."""
    token = _token(client)
    return {"Authorization": f"Bearer {token}"} if token else {}


def _parquet_files(about: Any) -> tuple[str, ...]:
    """The parquet files of one configuration: of `default` or `data`, else of the first.

    A dataset may show the same pictures in several.
    """
    paths = [each.get("rfilename") for each in parsing.rows(about, "siblings", source=NAME)]
    found = sorted(each for each in paths if isinstance(each, str) and _is_safe(each))[:_FILES]
    tops = {each: each.split("/")[0] if "/" in each else "" for each in found}
    if not found:
        return ()
    chosen = next((top for top in ("default", "data", "") if top in tops.values()), tops[found[0]])
    return tuple(each for each in found if tops[each] == chosen)


def _is_safe(path: str) -> bool:
    """True of a parquet file that can stand in an address; `metadata.parquet` lies beside files of pictures."""
    if path.rpartition("/")[2] == "metadata.parquet":
        return False
    return path.endswith(".parquet") and len(path) < 500 and ".." not in path and path.isprintable()


def _labels(of: Named, shelf: Shelf, file: str, client: ApiClient) -> Labels:
    try:
        from byod.collection.sources import parquet_pictures
    except ImportError as error:
        raise SourceError(f"{of}: {NEEDS_PYARROW}") from error
    base = client.settings.base(NAME, "https://huggingface.co")
    url = f"{base}/datasets/{of.id}/resolve/{shelf.commit}/{quote(file)}"
    try:
        return parquet_pictures.labels(
            client, url, source=NAME, column=of.column, card=shelf.card, headers=authorization(client)
        )
    except KeyRefused as error:
        raise _terms_first(of, error) from error


def _terms_first(of: Named, error: KeyRefused | None = None) -> SourceError:
    """The line for a dataset whose terms were not accepted, or for a token that does not show that they were."""
    place = f"https://huggingface.co/datasets/{of.id}"
    if error is not None:
        return KeyRefused(
            f"{of} is gated: accept its terms at {place} with the account of BYOD_HUGGINGFACE_TOKEN"
        )
    return KeyMissing(
        f"{of} is gated: accept its terms at {place}, then set BYOD_HUGGINGFACE_TOKEN to a token of yours "
        "(https://huggingface.co/settings/tokens)"
    )


def _candidate(of: Named, shelf: Shelf, labels: Labels, row: int, query: Query, rank: int) -> Candidate:
    code, claimed = licence_of(shelf.card)
    return query.candidate(
        str(of),
        f"{labels.url}#{urlencode({'picture': labels.pictures, 'row': row})}",
        rank,
        page=f"https://huggingface.co/datasets/{of.id}",
        creator=f"{of.id} (dataset)",
        creator_url=f"https://huggingface.co/datasets/{of.id}",
        licence=code,
        licence_url=licences.url(code),
        attribution=f"row {row} of the dataset {of.id} at Hugging Face; licence: {claimed}",
    )


def licence_of(card: Mapping[str, Any]) -> tuple[str | None, str]:
    """The licence that a dataset's card claims for all of it, as a code of byod's, and in words.

    A card that names several says of no picture which one it is under.
    """
    stated = card.get("license")
    several = [each for each in stated if isinstance(each, str)] if isinstance(stated, list) else [stated]
    words = several[0] if len(several) == 1 and isinstance(several[0], str) else None
    code = licences.read(words)
    if code is None and words == "other":
        words = parsing.text(card.get("license_name"), 100) or words
        code = licences.read(card.get("license_name")) or licences.read(card.get("license_link"))
    known = licences.licence(code)
    if known is not None:
        return code, f"{known.name}, claimed by the dataset"
    told = ", ".join(filter(None, (parsing.text(each, 60) for each in several)))
    return None, f"{told}, claimed by the dataset" if told else "none claimed by the dataset"


def unpack(
    candidates: Iterable[Candidate], client: ApiClient
) -> Iterator[tuple[Candidate, bytes | Miss, str]]:
    """The bytes of each candidate, or why there are none, and what its server says of training, file by file.

    A candidate's address names file, column and row, so that another run finds the picture by it too. The token goes
    to the Hub alone, whatever an address says.
    """
    base = client.settings.base(NAME, "https://huggingface.co")
    by_file: dict[tuple[str, str], dict[int, Candidate]] = {}
    for each in candidates:
        file, _, place = each.url.partition("#")
        values = dict(parse_qsl(place))
        if not re.fullmatch(r"\d{1,12}", values.get("row", ""), re.ASCII) or "picture" not in values:
            yield each, Miss(url=each.url, reason=Reason.BAD_ADDRESS, detail="it names no row of a file"), ""
            continue
        by_file.setdefault((file, values["picture"]), {})[int(values["row"])] = each
    for (file, column), wanted in by_file.items():
        headers = authorization(client) if file.startswith(f"{base}/datasets/") else {}
        yield from _unpack_file(file, column, wanted, client, headers)


def _unpack_file(
    file: str, column: str, wanted: dict[int, Candidate], client: ApiClient, headers: Mapping[str, str]
) -> Iterator[tuple[Candidate, bytes | Miss, str]]:
    left = dict(wanted)
    detail, reason = "the file has no such row, or no bytes in it", Reason.NOT_FOUND
    try:
        from byod.collection.sources import parquet_pictures

        for row, content, told in parquet_pictures.contents(
            client, file, column, left, source=NAME, headers=headers
        ):
            if content is not None:
                yield left.pop(row), content, optouts.header_refusal(CaseInsensitiveDict(told)) or ""
    except ImportError:
        detail, reason = NEEDS_PYARROW, Reason.CONNECT
    except SourceError as error:
        detail, reason = str(error), _reason(error)
    for each in left.values():
        status = 403 if reason is Reason.FORBIDDEN else None  # whoever else asks may be answered
        yield each, Miss(url=each.url, reason=reason, detail=detail, status=status), ""


def _reason(error: SourceError) -> Reason:
    """The reason that an error of a whole file is for each picture in it; most are tried again by the next run."""
    kinds = ((RateLimited, Reason.RATE_LIMITED), (KeyRefused, Reason.FORBIDDEN), (NoAnswer, Reason.CONNECT))
    return next((reason for kind, reason in kinds if isinstance(error, kind)), Reason.CONNECTION_LOST)
