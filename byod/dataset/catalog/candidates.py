"""The candidates of the sources, and the outcome of each address."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from byod.dataset.catalog import offer_columns, yields
from byod.dataset.catalog.guarded import reads
from byod.dataset.catalog.offer_columns import OfferColumns
from byod.dataset.catalog.sample_columns import LISTED
from byod.schema.defaults import OWN_PICTURES
from byod.schema.reasons import Reason, Retry
from byod.schema.records import (
    TOLD,
    Candidate,
    FailedAddress,
    Fetched,
    Miss,
    Origin,
    Yield,
    told,
)

_OFFER = (
    "INTO candidates (id, label, url, source, terms, round, refused, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_LONGEST_REST = 365 * 86400.0
_ROUND = 47
"""Bits of a candidate's number that its place within a round takes: whatever comes in a later one stands behind."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A candidate as it was noted: its number, why it was refused, and whether its address was never asked."""

    number: int
    candidate: Candidate
    refused: Reason | None
    unasked: bool


class Candidates:
    """Candidates, addresses and how each query ended."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def add(
        self,
        candidates: Sequence[tuple[Candidate, Reason | None]],
        number: int,
        orders: Sequence[int] | None = None,
    ) -> list[Offer]:
        """Note candidates of a round with why each was refused unfetched; return those not known before.

        `orders` are their places in the order of the round, where they do not come in that order.
        """
        new: list[Offer] = []
        for index, (candidate, refused) in enumerate(candidates):
            place = None if orders is None else (number << _ROUND) + orders[index]
            key = (candidate.label, candidate.url, candidate.source, candidate.terms)
            rest = (number, refused, candidate.model_dump_json(exclude_defaults=True))
            done = self._sql.execute(f"INSERT OR IGNORE {_OFFER}", (place, *key, *rest))
            if not done.rowcount and place is not None and not self._is_known(key):
                # its place is taken: the run that was killed in this round asked other sources
                done = self._sql.execute(f"INSERT {_OFFER}", (None, *key, *rest))
            if done.rowcount:
                offered = int(done.lastrowid or 0)
                unasked = (
                    refused is None
                    and self._sql.execute(
                        "INSERT OR IGNORE INTO addresses (url) VALUES (?)", (candidate.url,)
                    ).rowcount
                )
                new.append(Offer(offered, candidate, refused, bool(unasked)))
        return new

    def _is_known(self, key: tuple[str, str, str, str]) -> bool:
        row = self._sql.execute(
            "SELECT 1 FROM candidates WHERE label = ? AND url = ? AND source = ? AND terms = ?", key
        ).fetchone()
        return row is not None

    def begin_round(self) -> int:
        """The number of a new round, or of the one in which a run was killed."""
        self._sql.execute(
            "INSERT INTO drawing (round) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM drawing)",
            (self.last_round() + 1,),
        )
        return int(self._sql.execute("SELECT MAX(round) FROM drawing").fetchone()[0])

    def end_round(self) -> None:
        """The round that began is drawn."""
        self._sql.execute("DELETE FROM drawing")

    def last_round(self) -> int:
        """The number of the newest round, 0 when there was none."""
        return int(self._sql.execute("SELECT IFNULL(MAX(round), 0) FROM candidates").fetchone()[0])

    def known(self, label: str) -> set[str]:
        """The addresses offered for a class so far."""
        return {url for (url,) in self._sql.execute("SELECT url FROM candidates WHERE label = ?", (label,))}

    def pending(self) -> array[int]:
        """The number of one candidate for each address still to be asked, in the order they were offered."""
        rows = self._sql.execute(
            "SELECT MIN(id) AS id FROM candidates JOIN addresses USING (url)"
            " WHERE outcome IS NULL AND refused IS NULL GROUP BY url ORDER BY id"
        )
        return array("q", (number for (number,) in rows))

    @reads
    def numbered(self, numbers: Iterable[int]) -> list[tuple[int, Candidate]]:
        """The candidates of these numbers, in their order."""
        rows = self._sql.execute(
            f"SELECT id, record FROM candidates WHERE id IN {LISTED} ORDER BY id",
            (json.dumps(list(numbers)),),
        )
        return [(number, _candidate(record)) for number, record in rows]

    def retry(self, when: Retry) -> int:
        """Put the addresses that were refused for a reason to be tried again then back in the queue; say how many."""
        reasons = [reason.value for reason in Reason if reason.traits.retry is when]
        done = self._sql.execute(
            f"UPDATE addresses SET outcome = NULL WHERE outcome IN ({', '.join('?' * len(reasons))})", reasons
        )
        return done.rowcount

    def retry_reasons(self, reasons: Collection[Reason]) -> int:
        """Put the addresses that gave no bytes for one of these reasons back in the queue; say how many."""
        done = self._sql.execute(
            "UPDATE addresses SET outcome = NULL WHERE received IS NULL"
            f" AND outcome IN ({', '.join('?' * len(reasons))})",
            [reason.value for reason in reasons],
        )
        return done.rowcount

    @reads
    def retry_for_others(self, asker: Callable[[str], str]) -> int:
        """Put the addresses back in the queue that were refused to somebody else than who asks now; say how many.

        `asker` says who asks for what a source offered.
        """
        reasons = [reason.value for reason in Reason if reason.traits.retry is Retry.OTHER_ASKER]
        those = f"a.outcome IN ({', '.join('?' * len(reasons))}) AND a.url NOT LIKE 'file:%'"
        askers = self._sql.execute(
            f"SELECT DISTINCT a.asker, c.source FROM addresses a JOIN candidates c USING (url) WHERE {those}",
            reasons,
        ).fetchall()
        same = [(refused_to, source) for refused_to, source in askers if refused_to == asker(source)]
        is_same = "".join(" OR (a.asker IS ? AND c.source = ?)" for _ in same)
        done = self._sql.execute(
            f"UPDATE addresses AS a SET outcome = NULL WHERE {those}"
            " AND EXISTS (SELECT 1 FROM candidates c WHERE c.url = a.url)"
            f" AND NOT EXISTS (SELECT 1 FROM candidates c WHERE c.url = a.url AND (FALSE{is_same}))",
            [*reasons, *(value for pair in same for value in pair)],
        )
        return done.rowcount

    def fetched(self, fetched: Fetched, sample: str | None) -> None:
        """Note that an address gave bytes, and which sample they became (None: bytes that were not kept)."""
        self._sql.execute(
            "UPDATE addresses SET outcome = 'fetched', detail = '', status = ?, final_url = ?, received = ?,"
            " sample = ?, tries = tries + 1, at = ? WHERE url = ?",
            (fetched.status, fetched.final_url, fetched.sha256, sample, _now(), fetched.url),
        )

    @reads
    def restore(self, origin: Origin, label: str) -> None:
        """Take a known origin back into an empty catalog as a candidate that was fetched.

        Addresses that differed in their keys alone are told apart by a fragment, which nobody sends: each address
        has one sample.
        """
        values = origin.model_dump(include=set(TOLD), exclude_none=True)
        url = origin.url
        if self._sample_of(url) not in (None, origin.sha256):
            url = f"{url}#{origin.sha256[:20]}"
        candidate = Candidate(label=label, **{"terms": "", **values, "url": url})
        self.add([(candidate, None)], 0)
        at = _now() if origin.fetched_at is None else origin.fetched_at.isoformat()
        self._sql.execute(
            "UPDATE addresses SET outcome = 'fetched', sample = ?, received = ?, at = ? WHERE url = ?",
            (origin.sha256, origin.sha256, at, url),
        )

    def _sample_of(self, url: str) -> str | None:
        row = self._sql.execute("SELECT sample FROM addresses WHERE url = ?", (url,)).fetchone()
        return None if row is None else row[0]

    @reads
    def outcome(self, url: str) -> tuple[str | None, str | None, str | None] | None:
        """The outcome of an address, the hash of what it gave and its sample; None for an address that is not known."""
        row = self._sql.execute(
            "SELECT outcome, received, sample FROM addresses WHERE url = ?", (url,)
        ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    @reads
    def received(self) -> dict[str, str]:
        """The sample that each file became, by the SHA-256 of the bytes that were received."""
        rows = self._sql.execute(
            "SELECT received, sample FROM addresses WHERE received IS NOT NULL AND sample IS NOT NULL"
        )
        return dict(rows.fetchall())

    def ask_again(self, url: str) -> None:
        """Put one address back in the queue."""
        self._sql.execute("UPDATE addresses SET outcome = NULL WHERE url = ?", (url,))

    def stands_for(self, sample: str, before: str) -> None:
        """Note that what the addresses of one sample gave is another one now: the JPEG that stands for it."""
        self._sql.execute("UPDATE addresses SET sample = ? WHERE sample = ?", (sample, before))

    def reopen(self, sample: str) -> int:
        """Put the addresses that gave a sample back in the queue, since its file was lost; say how many."""
        done = self._sql.execute(
            "UPDATE addresses SET outcome = NULL, sample = NULL, received = NULL WHERE sample = ?", (sample,)
        )
        return done.rowcount

    def missed(self, miss: Miss, asker: str | None = None) -> None:
        """Note why an address gave none, when it may be asked again, and to whom (`asker`) it was refused."""
        again = None
        if miss.retry_after is not None:
            rest = timedelta(seconds=min(miss.retry_after, _LONGEST_REST))
            again = (datetime.now(UTC) + rest).isoformat(timespec="seconds")
        self._sql.execute(
            "UPDATE addresses SET outcome = ?, detail = ?, status = ?, tries = tries + 1, at = ?, asker = ?,"
            " again_at = ? WHERE url = ?",
            (miss.reason, miss.detail, miss.status, _now(), asker, again, miss.url),
        )

    def stopped(self, label: str, source: str, terms: str, word: str, detail: str = "") -> None:
        """Note how a query ended: one word, and a line for people."""
        self._sql.execute(
            "INSERT OR REPLACE INTO queries (label, source, terms, stopped_by, detail) VALUES (?, ?, ?, ?, ?)",
            (label, source, terms, word, detail),
        )

    def endings(self) -> list[tuple[str, str, str, str, str]]:
        """The end of each query: (class folder, source, terms, word, detail)."""
        return list(
            self._sql.execute(
                "SELECT label, source, terms, stopped_by, detail FROM queries ORDER BY label, source, terms"
            )
        )

    @reads
    def yields(self) -> tuple[Yield, ...]:
        """The yield of each (class, source, query); a picture counts as unique for the candidate that came first."""
        return yields.of_queries(self._sql, self.endings())

    def counts(self, label: str) -> tuple[int, int]:
        """Of a class: addresses asked so far, and samples kept that came from one."""
        row = self._sql.execute(
            "SELECT COUNT(DISTINCT c.url), COUNT(DISTINCT CASE WHEN s.status = 'kept' THEN s.sha256 END)"
            " FROM candidates c JOIN addresses a USING (url) LEFT JOIN samples s ON s.sha256 = a.sample"
            " WHERE c.label = ? AND c.refused IS NULL AND a.outcome IS NOT NULL",
            (label,),
        ).fetchone()
        return int(row[0]), int(row[1])

    @reads
    def misses(self) -> dict[str, int]:
        """Count the candidates that ended without bytes, by reason."""
        total: Counter[str] = Counter()
        for reason, number in self._sql.execute(
            "SELECT COALESCE(c.refused, a.outcome) AS reason, COUNT(*) FROM candidates c"
            " LEFT JOIN addresses a USING (url) WHERE COALESCE(c.refused, a.outcome) NOT IN ('fetched')"
            " GROUP BY reason"
        ):
            total[reason] += number
        return dict(total)

    def failures(self, *, telling: bool = False) -> Iterator[FailedAddress]:
        """The addresses that were asked and gave no bytes, in the order of their offers; each stands once.

        With `telling` only those whose hosts said something: when to come back, or that they hand nothing out.
        """
        names = ("url", "label", "source", "reason", "status", "detail", "at", "again_at")
        hosts = (
            " AND (a.again_at IS NOT NULL OR a.outcome IN ('forbidden', 'rate-limited'))" if telling else ""
        )
        rows = self._sql.execute(
            "SELECT c.url, c.label, c.source, a.outcome, a.status, a.detail, a.at, a.again_at, MIN(c.id) AS first"
            " FROM candidates c JOIN addresses a USING (url)"
            f" WHERE a.outcome <> 'fetched' AND c.refused IS NULL{hosts} GROUP BY c.url ORDER BY first"
        )
        return (self._failed(dict(zip(names, row[:-1], strict=True))) for row in rows)

    @reads
    def _failed(self, values: dict[str, object]) -> FailedAddress:
        return FailedAddress.model_validate(values)

    def reasons(self) -> dict[str, str]:
        """The reason of each address that gave no bytes."""
        return dict(
            self._sql.execute(
                "SELECT c.url, COALESCE(c.refused, a.outcome) AS reason FROM candidates c"
                " LEFT JOIN addresses a USING (url) WHERE reason IS NOT NULL AND reason <> 'fetched'"
            )
        )

    def addresses(self, among: Collection[str] | None = None) -> dict[str, list[tuple[str, int, str]]]:
        """For every sample (of `among`): where it was offered, as (class folder, number of the candidate, address)."""
        found: dict[str, list[tuple[str, int, str]]] = {}
        wanted, values = _of(among)
        for sample, label, number, url in self._sql.execute(
            "SELECT a.sample, c.label, c.id, c.url FROM addresses a JOIN candidates c USING (url)"
            f" WHERE {wanted} ORDER BY c.id",
            values,
        ):
            found.setdefault(sample, []).append((label, number, url))
        return found

    @reads
    def offers(self, places: Mapping[str, int], among: Collection[str] | None = None) -> OfferColumns:
        """Where samples with these places (or those of `among`) were offered."""
        wanted, values = _of(among)
        rows = self._sql.execute(
            "SELECT a.sample, c.label, c.id, c.url, json_extract(c.record, '$.licence'), c.source = ?,"
            " json_extract(c.record, '$.path') IS NOT NULL"
            f" FROM addresses a JOIN candidates c USING (url) WHERE {wanted} ORDER BY c.id",
            (OWN_PICTURES, *values),
        )
        return offer_columns.read(rows, places)

    @reads
    def forget(self, acceptable: Callable[[Candidate], bool]) -> int:
        """Forget the candidates that were refused unfetched and would not be now; they may be offered again."""
        rows = self._sql.execute("SELECT id, record FROM candidates WHERE refused IS NOT NULL")
        ids = [(n,) for n, record in rows if acceptable(_candidate(record))]
        self._sql.executemany("DELETE FROM candidates WHERE id = ?", ids)
        return len(ids)

    @reads
    def origins(self) -> dict[str, tuple[Origin, ...]]:
        """For every sample: all that sources said of where it comes from, those with a licence first."""
        found: dict[str, list[Origin]] = {}
        for sample, at, record in self._sql.execute(
            "SELECT a.sample, a.at, c.record FROM candidates c JOIN addresses a USING (url)"
            " WHERE a.sample IS NOT NULL ORDER BY c.id"
        ):
            # checked when it was offered: a snapshot of 100,000 pictures would take seconds to check again
            when = None if at is None else datetime.fromisoformat(at)
            origin = Origin.unchecked({**told(json.loads(record)), "sha256": sample, "fetched_at": when})
            found.setdefault(sample, []).append(origin)
        return {
            sample: tuple(sorted(origins, key=lambda origin: origin.licence is None))
            for sample, origins in found.items()
        }


def _candidate(record: str) -> Candidate:
    return Candidate.model_validate_json(record, extra="allow")


def _of(among: Collection[str] | None) -> tuple[str, tuple[str, ...]]:
    """The condition that an address brought a sample, or one of `among`, and its values."""
    if among is None:
        return "a.sample IS NOT NULL", ()
    return f"a.sample IN {LISTED}", (json.dumps(list(among)),)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
