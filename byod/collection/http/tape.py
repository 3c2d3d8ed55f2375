"""A recording of one run's API traffic as text that a person can read before giving it away, and its replay.

    byod api recording 1
    with: contact, openverse
    > openverse GET /v1/images/
    ? q=cat
    < 200
    : content-type=application/json
    | {
    |  "result_count": 0,
    …

A line's first sign says what it is: a question (`>`) and its parameters (`?`), the answer's status (`<`; `none` where
there was no answer), its headers (`:`) and its body (`|`). A file of somebody else's is checked before anything of it
is used: size, signs, types.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from byod.collection.http.api_client import MAX_REPLY, TryAgain
from byod.collection.http.api_reply import ApiReply, Question
from byod.collection.http.stand_ins import StandIns
from byod.schema import files, names
from byod.schema.errors import ByodError, SourceError, UsageError

FIRST = "byod api recording 1"
_HEAD = """\
# Read this before you give it away: what each source was asked and what it answered, in this run.
# Keys, tokens, cookies, your contact and the names of proxies are left out; people are replaced by stand-ins."""
_HEADERS = frozenset(
    (
        "content-type",
        "age",
        "cf-cache-status",
        "retry-after",
        "ratelimit-reset",
        "ratelimit-remaining",
        "location",
    )
)
"""Headers that are written down, and all that begin with "x-ratelimit-"."""
_MOST_BYTES = 100_000_000
_MOST_ANSWERS = 20_000
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")


class Recorder:
    """Asks, and writes each answer to a new file as it comes."""

    live = True

    def __init__(self, file: Path, stand_ins: StandIns, having: list[str]) -> None:
        self._file, self._stand_ins = file, stand_ins
        self._lock = threading.Lock()
        with files.opened(_folder(file)) as folder:
            try:
                folder.create(file.name, f"{FIRST}\n{_HEAD}\nwith: {', '.join(having)}\n".encode())
            except FileExistsError as error:
                raise UsageError(f"{file} is there already; name another file for --record") from error

    def exchange(self, question: Question, ask: Callable[[], ApiReply]) -> ApiReply:
        """The reply of the source, which is written down."""
        try:
            reply = ask()
        except TryAgain as error:
            self._write(question, ["< none"])
            raise error
        headers = [
            f": {name}={names.shown(self._stand_ins.text(value))}"
            for name, value in sorted(reply.headers.items())
            if name in _HEADERS or name.startswith("x-ratelimit-")
        ]
        body = _visible(self._stand_ins.body(reply.body))
        self._write(question, [f"< {reply.status}", *headers, *(f"| {line}" for line in body.split("\n"))])
        return reply

    def _write(self, question: Question, answer: list[str]) -> None:
        # a name among the search terms stays: a replay must ask the same
        asked = f"> {question.source} {question.method} {names.shown(self._stand_ins.keyless(question.path))}"
        params = [
            f"? {name}={names.shown(self._stand_ins.keyless(value))}"
            for name, value in sorted(question.params.items())
        ]
        text = "\n".join([asked, *params, *answer, ""])
        try:
            with self._lock, files.opened(_folder(self._file)) as folder:
                folder.append(self._file.name, text.encode())
        except OSError as error:
            raise ByodError(f"{self._file} cannot be written ({error.strerror or error})") from error


class Replay:
    """Answers from a recording in the place of the sources; each answer once, and the last of its kind from then on."""

    live = False

    def __init__(self, file: Path) -> None:
        self.having, answers = _read(file)
        self._file = file
        self._answers: defaultdict[str, list[ApiReply | None]] = defaultdict(list)
        self._lock = threading.Lock()
        for question, reply in answers:
            self._answers[_key(question)].append(reply)

    def exchange(self, question: Question, ask: Callable[[], ApiReply]) -> ApiReply:
        """The recorded reply.

        Raises:
            SourceError: the recording holds none to this question.
            TryAgain: there was none when it was recorded.
        """
        with self._lock:
            found = self._answers.get(_key(question))
            if not found:
                raise SourceError(
                    f"{question.source}: {self._file} holds no answer to this question; replay it with the classes and "
                    "options it was recorded with"
                )
            reply = found.pop(0) if len(found) > 1 else found[0]
        if reply is None:
            raise TryAgain(SourceError(f"{question.source}: no answer when {self._file} was recorded"))
        return reply


def _key(question: Question) -> str:
    # as a recording has them: what nobody sees is written out
    params = sorted((name, names.shown(value)) for name, value in question.params.items())
    return json.dumps([question.source, question.method, names.shown(question.path), params])


def _folder(file: Path) -> Path:
    folder = file.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; make it first")
    return folder


def _visible(text: str) -> str:
    """Text of which everything can be seen, with its lines; JSON stays the same document."""
    return names.shown_json(text) if text[:1] in "{[" else names.shown(text, lines=True)


def _read(file: Path) -> tuple[frozenset[str], list[tuple[Question, ApiReply | None]]]:
    """The names of all that was set when a recording was made, and its answers in order.

    Raises:
        ByodError: it is no recording, or a line of it is not what it should be.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ByodError(
                f"{file} is larger than {_MOST_BYTES // 1_000_000} MB; that is no recording of one run"
            )
        text = file.read_bytes().decode()
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ByodError(f"{file} is not text in UTF-8; it is no recording of byod's") from error
    lines = text.split("\n")
    if lines[0].rstrip("\r") != FIRST:
        raise ByodError(f"{file} is not a recording: its first line should be {FIRST!r}")
    reader = _Reader(file)
    for number, line in enumerate(lines[1:], 2):
        reader.take(number, line.rstrip("\r"))
    return reader.having, list(reader.answers())


class _Reader:
    """Takes a recording line by line; every sign is checked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.having: frozenset[str] = frozenset()
        self._blocks: list[tuple[Question, dict[str, str], list[str], list[str]]] = []

    def take(self, number: int, line: str) -> None:
        """One line.

        Raises:
            ByodError: it is not what it should be there.
        """
        sign, rest = line[:1], line[2:]
        wrong = ByodError(f"{self._file}, line {number}: is no line of a recording")
        if not line or sign == "#":
            return
        if line.startswith("with:") and not self._blocks:
            self.having = frozenset(each.strip() for each in line[5:].split(","))
            return
        if line[1:2] not in (" ", "") or sign not in ">?<:|":
            raise wrong
        if sign == ">":
            self._begin(rest, wrong)
            return
        if not self._blocks:
            raise wrong
        question, headers, status, body = self._blocks[-1]
        if sign == "<" and not status and re.fullmatch(r"[1-5]\d\d|none", rest):
            status.append(rest)
        elif sign == "|" and status:
            body.append(rest)
        elif sign in "?:" and not body:
            name, equals, value = rest.partition("=")
            where: dict[str, str] = question.params if sign == "?" else headers
            if (
                not equals
                or not _NAME.fullmatch(name)
                or len(value) > 10_000
                or bool(status) is (sign == "?")
            ):
                raise wrong
            where[name] = value
        else:
            raise wrong

    def _begin(self, rest: str, wrong: ByodError) -> None:
        words = rest.split(" ", 2)
        if len(words) != 3 or not re.fullmatch(r"[a-z]{1,40}", words[0]) or words[1] not in ("GET", "POST"):
            raise wrong
        if len(self._blocks) >= _MOST_ANSWERS:
            raise ByodError(
                f"{self._file} holds more than {_MOST_ANSWERS:,} answers; that is no recording of one run"
            )
        question = Question(source=words[0], method=words[1], path=words[2], params={})
        self._blocks.append((question, {}, [], []))

    def answers(self) -> Iterator[tuple[Question, ApiReply | None]]:
        """Each question with its answer, None where there was none.

        Raises:
            ByodError: a question has no end, or a body is larger than a source's may be.
        """
        for question, headers, status, body in self._blocks:
            if not status:
                raise ByodError(
                    f"{self._file} ends in the middle of an answer of {question.source}; record it again"
                )
            content = "\n".join(body).encode()
            if len(content) > 2 * MAX_REPLY:
                raise ByodError(
                    f"{self._file}: an answer of {question.source} is larger than a source's may be"
                )
            reply = (
                None
                if status[0] == "none"
                else ApiReply(status=int(status[0]), headers=headers, body=content)
            )
            yield question, reply


def having(environment: Mapping[str, str], contact: str | None) -> list[str]:
    """The names of all that is set when a recording is made.

    They are "contact", each source with a key or token, and "…-client" for one with a client id and secret.
    """
    keys = {
        found[1].lower().replace("_", "-")
        for name in environment
        if (found := re.fullmatch(r"BYOD_([A-Z]+(?:_CLIENT)?)_(?:KEY|TOKEN|SECRET)", name))
    }
    return [*(["contact"] if contact else []), *sorted(keys)]
