"""Each source over the real internet: what three words bring, under which licences, and what is odd about it.

    BYOD_CONTACT=you@example.org python benchmarks/sources_live.py [--source NAME]… [--words broccoli cat bicycle]
                                                                   [--pictures 10] [--record FOLDER]

For whoever has internet: no source of byod was ever asked by those who wrote it. Sources that need a key are asked
when it is set; Pixabay only when it is named. Of each source and word the first pictures offered are fetched, politely,
and opened. Printed is a table: offered, fetched, opened; licences; oddities, which are answers that differ from the
shapes in tests/recordings, sizes that are not as stated, missing creators, and reasons of failures. `--record` keeps
each source's traffic as `byod collect --record` does, to compare with the recordings or to send. Without internet it
ends in one line.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.request import getproxies

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fixtures"))

from recordings import faults, recordings

from byod.collection import source_check, sources
from byod.collection.download import Limits, download
from byod.collection.http import guard
from byod.collection.http.api_client import ApiClient
from byod.collection.http.api_reply import ApiReply, Question
from byod.collection.http.stand_ins import StandIns, secrets_of
from byod.collection.http.tape import Recorder, having
from byod.images import decode
from byod.images.decode import Rules
from byod.schema.config import Settings
from byod.schema.errors import PictureError, SourceError
from byod.schema.records import Candidate, Fetched, Query, SearchOptions

WORDS = ("broccoli", "cat", "bicycle")
FAR = 0.05
"""How far a side may be from the stated one."""


class Watch:
    """Passes every question on, and compares each answer with the shape that tests/recordings lists for it."""

    live = True

    def __init__(self, recorder: Recorder | None) -> None:
        self.differs: Counter[str] = Counter()
        self._recorder = recorder
        self._shapes = {
            (each.source, each.content["request"]["path"]): each.shape
            for each in recordings()
            if each.shape is not None and each.content["response"]["status"] == 200
        }

    def exchange(self, question: Question, ask: Callable[[], ApiReply]) -> ApiReply:
        """The answer, compared."""
        reply = ask() if self._recorder is None else self._recorder.exchange(question, ask)
        shape = self._shapes.get((question.source, question.path))
        if shape is not None and reply.status == 200:
            self.differs.update(set(_faults(reply.body, shape["fields"])))
        return reply


def _faults(body: bytes, listed: dict[str, str]) -> Iterable[str]:
    try:
        return faults(json.loads(body), listed)
    except (ValueError, KeyError) as error:
        return [f"not JSON ({type(error).__name__})"]


def ask(name: str, words: Iterable[str], pictures: int, settings: Settings, folder: Path | None) -> list[str]:
    """The rows of one source: a word each."""
    recorder = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        secrets = secrets_of(settings.environment, settings.contact, getproxies())
        file = folder / f"{name}.txt"
        recorder = Recorder(file, StandIns(secrets), having(settings.environment, settings.contact))
    rows = []
    for word in words:
        watch = Watch(recorder)
        client = ApiClient(
            settings, guard.session(settings), tape=watch, say=lambda line: print(line, file=sys.stderr)
        )
        odd: list[str] = []
        offered: list[Candidate] = []
        try:
            found = sources.get(name)(Query(label=word, terms=word), SearchOptions(wanted=pictures), client)
            offered.extend(itertools.islice(found, pictures))
        except SourceError as error:
            odd.append(f"ended: {error}")
        fetched, opened, reasons = fetch(offered, settings)
        licences = Counter(each.licence or "none stated" for each in offered)
        odd += [f"{count} x {words}" for words, count in (reasons + oddities(offered)).most_common(4)]
        odd += [f"shape: {words}" for words, _ in watch.differs.most_common(3)]
        told = ", ".join(f"{code} {count}" for code, count in licences.most_common(4))
        cells = (name, word, str(len(offered)), str(fetched), str(opened), told, "; ".join(odd))
        rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return rows


def fetch(offered: list[Candidate], settings: Settings) -> tuple[int, int, Counter[str]]:
    """(fetched, opened, reasons) of what was offered."""
    stated = {each.url: (each.width, each.height) for each in offered}
    granted = {each.url for each in offered if sources.grants(each, settings)}
    rules = Rules(min_side=1, max_aspect=100, refuse_animated=False)
    reasons: Counter[str] = Counter()

    def inspect(came: Fetched, content: bytes) -> bool:
        try:
            seen = decode.inspect(content, rules)[0]
        except PictureError as error:
            reasons[str(error.reason)] += 1
            return False
        said = stated[came.url]
        if all(said) and any(
            abs(a - (b or 0)) > FAR * a for a, b in zip((seen.width, seen.height), said, strict=True)
        ):
            reasons["size not as stated"] += 1
        return True

    outcomes = list(
        download(
            stated, settings=settings, limits=Limits(deadline=30, delay=0.5), inspect=inspect, granted=granted
        )
    )
    reasons.update(str(outcome.reason) for outcome, _ in outcomes if not isinstance(outcome, Fetched))
    return (
        sum(isinstance(each, Fetched) for each, _ in outcomes),
        sum(map(bool, (made for _, made in outcomes))),
        reasons,
    )


def oddities(offered: list[Candidate]) -> Counter[str]:
    """What candidates lack, or have in a strange form."""
    found: Counter[str] = Counter()
    for each in offered:
        marks: dict[str, Any] = {
            "no creator though a licence is stated": each.licence and not each.creator,
            "no page": not each.page,
            "no stated size": not each.width,
            "markup in a title": each.title and ("<" in each.title or "QS:" in each.title),
            "tags in an address": "utm_" in each.url,
        }
        found.update(mark for mark, there in marks.items() if there)
    return found


def main() -> None:
    """Ask, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", action="append", choices=list(sources.SOURCES))
    parser.add_argument("--words", nargs="+", default=list(WORDS))
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--record", type=Path)
    asked = parser.parse_args()
    settings = Settings.load()
    # those that are named with what to ask there, or answer from a table of many megabytes, only when they are named
    answering = [name for name, entry in sources.SOURCES.items() if not entry.form and not entry.table]
    names = asked.source or [name for name in answering if name != "pixabay"]
    first = {name: source_check.answer(name, settings) for name in names}
    if not any(each.word == "answers" for each in first.values()):
        print(f"nothing was measured: no source answers ({next(iter(first.values())).told})")
        return
    for line in source_check.surroundings(settings):
        print(line, file=sys.stderr)
    print("| source | word | offered | fetched | opened | licences | oddities |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        if first[name].word != "answers":
            print(f"| {name} | | | | | | {first[name].told.replace('|', '/')} |", flush=True)
            continue
        for row in ask(name, asked.words, asked.pictures, settings, asked.record):
            print(row, flush=True)


if __name__ == "__main__":
    main()
