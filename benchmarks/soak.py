"""`byod serve` among hostile clients for half an hour: its memory stays flat, and honest visitors are answered.

    python benchmarks/soak.py [MINUTES] [--run RUN]

Without a run, one is trained on drawn pictures (byod-sklearn, a second or two). Honest visitors send a photograph of
1024x768, read the answer and pause; each has an address of its own (127.0.0.2 and on, which takes Linux). Beside them,
from one address each: decompression bombs and the heaviest pictures that are allowed, in crowds; headers that never
end; connections left half open; bytes that are no HTTP; forms over the limit; a hundred connections at once; lengths
that are wrong; and requests whose answer nobody waits for. Memory is the resident set of the server and its children
(Linux only). Ends with 1 when memory grows by more than 10 %, when the slowest hundredth of honest visitors waits
longer than a second, or when one of them is refused.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import random
import signal
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from serve import BOUNDARY, form, photographs, resident, started, trained

FLAT = 1.10
PATIENCE = 1.0  # seconds
HONEST = 4
PAUSE = 0.25  # seconds between two pictures of an honest visitor
RETRIES = 3


@dataclass
class Soak:
    """What was seen: seconds of honest visitors, statuses and errors of all, memory in MB at moments."""

    until: float
    honest: list[float] = field(default_factory=list)
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, who: str, what: str) -> None:
        """Count what became of one request."""
        with self.lock:
            self.statuses.setdefault(who, Counter())[what] += 1

    @property
    def goes_on(self) -> bool:
        """Whether the time is not over."""
        return time.monotonic() < self.until


def connected(place: tuple[str, int], own: str, seconds: float = 20) -> socket.socket:
    """A connection from an address of one's own."""
    return socket.create_connection(place, timeout=seconds, source_address=(own, 0))


def head(place: tuple[str, int], length: int | str, kind: str = "image/jpeg", more: str = "") -> bytes:
    """The head of a request to predict."""
    lines = f"POST /api/predict HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\nContent-Type: {kind}\r\n"
    return f"{lines}Content-Length: {length}\r\n{more}\r\n".encode()


def asked(place: tuple[str, int], own: str, content: bytes) -> tuple[int, str | None]:
    """Send bytes and read the status of the answer, and when to come again."""
    with connected(place, own) as line:
        line.sendall(content)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        answer.read()
        return answer.status, answer.headers["Retry-After"]


def honest(place: tuple[str, int], own: str, soak: Soak) -> None:
    """A visitor who sends a photograph and reads the answer, and comes again when told to."""
    photos = [form(content) for content in photographs(4)]
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    while soak.goes_on:
        body = random.choice(photos)
        began = time.monotonic()
        for turn in range(RETRIES):
            try:
                status, again = asked(place, own, head(place, len(body), kind) + body)
            except OSError as error:
                soak.note("honest", type(error).__name__)
                break
            soak.note(
                "honest", str(status) if status == 200 or turn == RETRIES - 1 else f"{status}, told to wait"
            )
            if again is None:
                soak.honest.append(time.monotonic() - began)
                break
            time.sleep(float(again))
        time.sleep(PAUSE)


def png(width: int, height: int) -> bytes:
    """A PNG that says to have so many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


def saved(size: tuple[int, int], kind: str, **how: object) -> bytes:
    """A picture of one colour: few bytes and many pixels."""
    stream = io.BytesIO()
    Image.new("RGB", size, (90, 120, 60)).save(stream, kind, **how)
    return stream.getvalue()


def bombs() -> list[bytes]:
    """Pictures over the limits, and the heaviest within them."""
    return [
        saved((7000, 7000), "WEBP", method=0),
        saved((5000, 5000), "WEBP", method=0),
        saved((5000, 5000), "AVIF", speed=10),
        saved((5000, 5000), "PNG", compress_level=1),
        saved((8160, 6120), "JPEG", progressive=True, subsampling=0),
        saved((8160, 6144), "JPEG"),
        saved((12000, 12000), "JPEG"),
        png(60_000, 60_000),
        np.random.default_rng(0).bytes(200_000),
        saved((2000, 2000), "JPEG")[:-2000],
    ]


Attack = Callable[[tuple[str, int], str, Soak], None]


def bombing(place: tuple[str, int], own: str, soak: Soak) -> None:
    """Eighty bombs at once, and again."""
    kinds = bombs()

    def one(content: bytes) -> None:
        try:
            soak.note("bombs", str(asked(place, own, head(place, len(content)) + content)[0]))
        except OSError as error:
            soak.note("bombs", type(error).__name__)

    while soak.goes_on:
        crowd = [threading.Thread(target=one, args=(random.choice(kinds),)) for _ in range(80)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        time.sleep(2)


def slow(place: tuple[str, int], own: str, soak: Soak) -> None:
    """Thirty headers that go on and on, a byte at a time."""
    while soak.goes_on:
        with contextlib.ExitStack() as lines:
            some = [lines.enter_context(connected(place, own)) for _ in range(30)]
            for line in some:
                line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
            for _ in range(24):
                time.sleep(0.5)
                for line in some:
                    with contextlib.suppress(OSError):
                        line.sendall(b"a")
        soak.note("slow headers", "left")


def half_open(place: tuple[str, int], own: str, soak: Soak) -> None:
    """Connections that say nothing, or stop in the middle of a picture."""
    while soak.goes_on:
        with contextlib.ExitStack() as lines:
            some = [lines.enter_context(connected(place, own)) for _ in range(20)]
            for line in some[::2]:
                with contextlib.suppress(OSError):
                    line.sendall(head(place, 500_000) + bytes(1000))
            time.sleep(5)
        soak.note("half open", "left")


def garbage(place: tuple[str, int], own: str, soak: Soak) -> None:
    """Bytes that are no HTTP, or nearly."""
    dice = random.Random(1)
    while soak.goes_on:
        content = dice.choice(
            [
                dice.randbytes(dice.randrange(1, 4000)),
                b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
                b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            ]
        )
        sent(place, own, content, soak, "garbage")
        time.sleep(0.1)


def sent(place: tuple[str, int], own: str, content: bytes, soak: Soak, who: str) -> None:
    """Send bytes and note what comes of it; that it ends without an answer is one way."""
    try:
        soak.note(who, str(asked(place, own, content)[0]))
    except (OSError, http.client.HTTPException) as error:
        soak.note(who, type(error).__name__)


def oversized(place: tuple[str, int], own: str, soak: Soak) -> None:
    """Forms over the limit in bytes, in parts and in headers."""
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n'
    many = "".join(part % (chr(97 + n) * 3) for n in range(26)).encode() + f"--{BOUNDARY}--\r\n".encode()
    large = form(bytes(26_000_000))
    while soak.goes_on:
        for body in (large, many, form(b"")[:-10], b"--" + b"-" * 100_000):
            sent(place, own, head(place, len(body), kind) + body, soak, "forms")
            time.sleep(0.5)


def crowded(place: tuple[str, int], own: str, soak: Soak) -> None:
    """A hundred connections at once, each with one small question."""
    while soak.goes_on:
        with contextlib.ExitStack() as lines:
            some = [lines.enter_context(connected(place, own)) for _ in range(100)]
            for line in some:
                with contextlib.suppress(OSError):
                    line.sendall(f"GET /api/model HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\n\r\n".encode())
            time.sleep(1)
        soak.note("crowd", "left")
        time.sleep(2)


def lengths(place: tuple[str, int], own: str, soak: Soak) -> None:
    """Lengths that are wrong, doubled or none."""
    chunked = "Transfer-Encoding: chunked\r\n"
    while soak.goes_on:
        for content in (
            head(place, -5),
            head(place, "many"),
            head(place, 10**15),
            head(place, 5, more="Content-Length: 6\r\n") + b"hello",
            head(place, 5, more=chunked) + b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            head(place, 2) + b"hello, and more",
        ):
            sent(place, own, content, soak, "lengths")
            time.sleep(0.2)


def abandoned(place: tuple[str, int], own: str, soak: Soak) -> None:
    """Pictures whose answer nobody waits for."""
    photo = photographs(1)[0]
    question = head(place, len(photo)).replace(b"/api/predict", b"/api/predict?look=1") + photo
    while soak.goes_on:
        with contextlib.ExitStack() as lines:
            for _ in range(10):
                with contextlib.suppress(OSError):
                    lines.enter_context(connected(place, own)).sendall(question)
            time.sleep(0.2)
        soak.note("abandoned", "left")
        time.sleep(2)


ATTACKS: tuple[Attack, ...] = (bombing, slow, half_open, garbage, oversized, crowded, lengths, abandoned)


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text("ascii").split():
                found += family(int(child))
    return found


def watched(place: tuple[str, int], pid: int, seconds: float) -> Soak:
    """Let all at a server for so long."""
    began = time.monotonic()
    soak = Soak(began + seconds)
    threads = [
        threading.Thread(target=attack, args=(place, f"127.0.1.{number}", soak), daemon=True)
        for number, attack in enumerate(ATTACKS, start=1)
    ]
    threads += [
        threading.Thread(target=honest, args=(place, f"127.0.0.{number}", soak), daemon=True)
        for number in range(2, 2 + HONEST)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory = [mb for mb in map(resident, family(pid)) if mb is not None]
        if memory and soak.goes_on:
            soak.memory.append((time.monotonic() - began, sum(memory)))
        time.sleep(0.5)
    return soak


def told(soak: Soak) -> bool:
    """Print what was seen; whether all bounds hold."""
    for who, statuses in sorted(soak.statuses.items()):
        print(f"{who}: {dict(statuses.most_common())}")
    low, high = np.percentile(soak.honest, [50, 99])
    print(
        f"honest: {len(soak.honest)} answered, p50 {low:.3f} s, p99 {high:.3f} s, longest {max(soak.honest):.3f} s"
    )
    times, sizes = (np.array(column) for column in zip(*soak.memory, strict=True))
    first, last = (
        statistics.fmean(sizes[(times >= a * times[-1]) & (times <= b * times[-1])])
        for a, b in ((0.1, 0.3), (0.8, 1))
    )
    slope = np.polyfit(times[times >= 0.1 * times[-1]], sizes[times >= 0.1 * times[-1]], 1)[0] * 3600
    print(
        f"memory: {first:.0f} MB in the mean when warm (a tenth to three tenths of the time), {last:.0f} MB in the last"
        f" fifth, ratio {last / first:.3f}, slope {slope:+.0f} MB an hour; {sizes.min():.0f} to {sizes.max():.0f} MB"
    )
    refused = {what for what in soak.statuses.get("honest", ()) if what != "200" and "wait" not in what}
    return bool(last <= FLAT * first and high <= PATIENCE and not refused)


def main() -> int:
    """Soak, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("minutes", nargs="?", type=float, default=30)
    parser.add_argument("--run", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, port = started((options.run or trained(folder)).resolve(), folder)
        try:
            soak = watched(("127.0.0.1", port), process.pid, options.minutes * 60)
            print(json.dumps({"minutes": options.minutes, "server alive": process.poll() is None}))
            fine = told(soak) and process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
