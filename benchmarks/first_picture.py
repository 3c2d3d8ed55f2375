"""How long the first picture takes while a source hangs, and how much of a search fetching overlaps.

    python benchmarks/first_picture.py [--classes 3]

Three sources on loopback: one answers each question after `--answer` seconds, one has nothing, one accepts the
connection and never says a word. Printed: seconds from the start of the command until the first picture is asked for,
until the last answer of a source, and until the end; the promise is a first picture within 5 s.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

PROMISED = 5.0
"""Seconds until the first picture."""


def picture(number: int) -> bytes:
    """A picture unlike all others."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((360, 320), Image.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()


class Sources(ThreadingHTTPServer):
    """Openverse that answers, Commons that has nothing, DuckDuckGo that hangs; `times` is when what was asked."""

    daemon_threads = True

    def __init__(self, answer: float) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.answer, self.times, self.end = answer, dict[str, list[float]](), threading.Event()

    def note(self, what: str) -> None:
        """Something was asked for now."""
        self.times.setdefault(what, []).append(time.monotonic())


class Requests(BaseHTTPRequestHandler):
    """One request to a source or for a picture."""

    server: Sources
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer it, or not."""
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v1/images/":
            time.sleep(self.server.answer)
            self.server.note("answer")
            self.reply(json.dumps(self.page(asked)).encode(), "application/json")
        elif parts.path == "/w/api.php":
            self.reply(b'{"batchcomplete": true, "search": []}', "application/json")
        elif parts.path.endswith(".jpg"):
            self.server.note("picture")
            self.reply(picture(int(parts.path[1:-4])), "image/jpeg")
        elif parts.path in ("/", "/i.js"):
            self.server.end.wait(600)
        else:
            self.reply(b"", "text/plain", 404)

    def page(self, asked: dict[str, str]) -> dict[str, object]:
        """A page of twenty offers."""
        number = int(asked["page"])
        first = sum(asked["q"].encode()) * 10_000 + number * 20
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        rows = [
            {
                "id": str(n),
                "url": f"{base}/{n}.jpg",
                "license": "by",
                "license_version": "4.0",
                "creator": "A",
            }
            for n in range(first, first + 20)
        ]
        return {"result_count": 240, "page_count": 12, "page_size": 20, "page": number, "results": rows}

    def reply(self, body: bytes, kind: str, status: int = 200) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Collect once, and print when what happened."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=30)
    parser.add_argument("--answer", type=float, default=0.5)
    options = parser.parse_args()
    server = Sources(options.answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    with tempfile.TemporaryDirectory() as name:
        names = ("OPENVERSE", "COMMONS", "DUCKDUCKGO", "WIKIDATA")
        environment = {**os.environ, **{f"BYOD_{source}_URL": base for source in names}}
        environment |= {
            "BYOD_ALLOW_PRIVATE_HOSTS": "1",
            "BYOD_CONTACT": "bench@example.org",
            "BYOD_CACHE": name,
        }
        command = [sys.executable, "-m", "byod", "collect", *(f"class{n}" for n in range(options.classes))]
        command += ["--into", str(Path(name) / "d"), "--per-class", str(options.per_class), "--json"]
        start = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        end = time.monotonic()
    server.end.set()
    times = {what: [at - start for at in found] for what, found in server.times.items()}
    first = min(times["picture"])
    print(
        json.dumps(
            {
                "first_picture_s": round(first, 2),
                "promised_s": PROMISED,
                "last_answer_s": round(max(times["answer"]), 2),
                "whole_s": round(end - start, 2),
                "kept": json.loads(done.stdout)["classes"],
            },
            indent=2,
        )
    )
    sys.exit(0 if first <= PROMISED else 1)


if __name__ == "__main__":
    main()
