"""byod collect beside img2dataset: 2,000 pictures of 1024x768 over loopback to 256 px JPEG with SHA-256.

    python benchmarks/ingest.py --img2dataset PATH/TO/bin/img2dataset [--pictures 2000] [--rounds 3]
    python benchmarks/ingest.py --before OTHER/CHECKOUT   (byod of another checkout beside this one's)
    python benchmarks/ingest.py --list 100000 --rounds 1 --img2dataset …   (a long list of small pictures)

Both run as whole processes, in turn, against the same server (a process of its own on the same cores) and with
two workers for the pixels; byod also hashes every picture perceptually, de-duplicates and journals. Printed:
whole process (wall seconds from start to exit) and steady state (pictures a second between the first and the
last picture served), and the ratio of both, as the median of the rounds; and the largest process's peak of memory.
With --list each picture is 64x48 (1.5 KB), the rows have captions and a similarity, as those of LAION, in ten classes.

img2dataset goes into an environment of its own (its pins differ from byod's).
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import multiprocessing
import os
import resource
import shutil
import socketserver
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def draw(number: int) -> bytes:
    """One picture of about 190 KB: a random field with grain, unlike all others."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(
        (1024, 768), Image.BICUBIC
    )
    grain = rng.normal(0, 9, (768, 1024, 1))
    pixels = np.clip(np.asarray(coarse, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=78)
    return out.getvalue()


def draw_small(number: int) -> bytes:
    """One picture of about 1.5 KB, unlike all others, as there are many in a long list."""
    noise = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((64, 48), Image.BICUBIC).save(out, "JPEG", quality=78)
    return out.getvalue()


def serve(folder: str, port: multiprocessing.Queue, times: multiprocessing.Queue) -> None:
    """A keep-alive server that costs little; after `/reset` it hands back when the first and the last went out."""
    answers = {f"/{path.name}".encode(): answer(path.read_bytes()) for path in Path(folder).glob("*.jpg")}
    served: list[float] = []

    class Talk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while True:
                while b"\r\n\r\n" not in head:
                    piece = self.request.recv(8192)
                    if not piece:
                        return
                    head += piece
                first, _, head = head.partition(b"\r\n\r\n")
                path = first.split(b" ", 2)[1]
                if path == b"/reset":
                    times.put((served[0], served[-1], len(served)) if served else None)
                    served.clear()
                self.request.sendall(answers.get(path, b"HTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n"))
                if path in answers:
                    served.append(time.monotonic())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True
        request_queue_size = 512

    with Server(("127.0.0.1", 0), Talk) as server:
        port.put(server.server_address[1])
        server.serve_forever()


def answer(body: bytes) -> bytes:
    """The whole answer for a picture."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def byod(urls: Path, into: Path) -> list[str]:
    """byod's command: two workers."""
    return [
        sys.executable, "-m", "byod", "collect", "--from-urls", str(urls), "--into", str(into),
        "--max-side", "256", "--min-side", "1", "--workers", "2", "--per-host", "32", "--json",
    ]  # fmt: skip


def img2dataset(program: str, urls: Path, into: Path) -> list[str]:
    """img2dataset's command: two processes, 16 threads each (its default of 256 is no faster here)."""
    return [
        program, "--url_list", str(urls), "--input_format", "csv", "--url_col", "url", "--output_folder", str(into),
        "--output_format", "files", "--image_size", "256", "--resize_mode", "keep_ratio", "--compute_hash", "sha256",
        "--processes_count", "2", "--thread_count", "16", "--number_sample_per_shard", "500", "--retries", "0",
    ]  # fmt: skip


def timed(command: list[str], environment: dict[str, str], log: Path) -> tuple[float, float, float]:
    """Run a whole process, its output to a file: wall seconds, CPU seconds of it and its children, and peak in MB.

    The peak is that of the largest process so far, of whichever tool.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    with log.open("w") as out:
        # elsewhere than here: `python -m` looks into the current folder first, whatever PYTHONPATH says
        subprocess.run(command, check=True, env=environment, cwd=log.parent, stdout=out, stderr=out)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, after.ru_maxrss / 1000


def main() -> None:
    """Draw, serve, run both in turn, print both figures and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--img2dataset", default=shutil.which("img2dataset"))
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="another checkout of byod to compare with"
    )
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--list", type=int, metavar="ROWS", help="a list of so many small pictures instead")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.img2dataset is None and options.before is None:
        print("img2dataset is not at hand (--img2dataset ENV/bin/img2dataset): byod alone, without a ratio")
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), options)


def compare(folder: Path, options: argparse.Namespace) -> None:
    """All rounds in one temporary folder, which is removed at the end: removing slows the next one's writing down."""
    pictures = folder / "pictures"
    pictures.mkdir()
    count, drawn = options.list or options.pictures, draw_small if options.list else draw
    with multiprocessing.Pool() as pool:
        for number, content in enumerate(pool.imap(drawn, range(count), chunksize=16)):
            (pictures / f"{number:06}.jpg").write_bytes(content)
    size = sum(path.stat().st_size for path in pictures.iterdir()) / count
    port: multiprocessing.Queue = multiprocessing.Queue()
    times: multiprocessing.Queue = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(str(pictures), port, times), daemon=True)
    server.start()
    base = f"http://127.0.0.1:{port.get()}"
    urls = folder / "urls.csv"
    with urls.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["url", "label", *(["caption", "similarity"] if options.list else [])])
        for number, path in enumerate(sorted(pictures.iterdir())):
            more = [f"a picture, number {number}", number / count] if options.list else []
            label = f"thing {number % 10}" if options.list else "thing"
            writer.writerow([f"{base}/{path.name}", label, *more])
    environment = {
        # both compile their modules once, in the round that is not counted
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "BYOD_ALLOW_PRIVATE_HOSTS": "1",
        "BYOD_CONTACT": "bench@example.org",
        "NO_ALBUMENTATIONS_UPDATE": "1",
    }
    print(f"{count} pictures of {size / 1000:.1f} KB, {os.cpu_count()} cores")
    environments = {"byod": environment}
    if options.before is not None:
        environments["before"] = {**environment, "PYTHONPATH": str(options.before.resolve())}
    if options.img2dataset is not None:
        environments["img2dataset"] = environment
    figures: dict[str, list[tuple[float, float]]] = {tool: [] for tool in environments}
    for number in range(-1, options.rounds):
        # in turn from either end, since writing grows slower with what was written before
        for tool in list(figures)[:: 1 if number % 2 else -1] if number >= 0 or not options.list else []:
            into = folder / f"{tool}-{number}"
            program = options.img2dataset
            command = img2dataset(program, urls, into) if tool == "img2dataset" else byod(urls, into)
            seconds, cpu, peak = timed(command, environments[tool], folder / f"{tool}.log")
            reset(base)
            first, last, served = times.get()
            written = len([*into.glob("images/*/*.jpg"), *into.glob("*/*.jpg")])
            steady = (served - 1) / (last - first)
            if number >= 0:
                figures[tool].append((seconds, steady))
            print(
                f"  {tool:12} {seconds:6.2f} s whole ({cpu:.1f} s of CPU, {peak:.0f} MB so far), {steady:6.0f} "
                f"pictures/s steady, {written} files written{'' if number >= 0 else ' (warm-up)'}"
            )
    report(figures)


def reset(base: str) -> None:
    """Ask the server to hand back its times."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    with contextlib.suppress(HTTPError):
        urlopen(f"{base}/reset").read()


def report(figures: dict[str, list[tuple[float, float]]]) -> None:
    """The medians, and the ratios round by round, as one JSON document."""
    summary: dict[str, object] = {
        tool: {"whole_s": _median(rows, 0), "steady_per_s": _median(rows, 1)}
        for tool, rows in figures.items()
    }
    for tool in figures.keys() - {"byod"}:
        rounds = list(zip(figures["byod"], figures[tool], strict=True))
        summary[f"whole_{tool}_by_byod"] = round(statistics.median(t[0] / b[0] for b, t in rounds), 2)
        summary[f"steady_byod_by_{tool}"] = round(statistics.median(b[1] / t[1] for b, t in rounds), 2)
    print(json.dumps(summary, indent=2))


def _median(rows: list[tuple[float, float]], column: int) -> float:
    return round(statistics.median(row[column] for row in rows), 2)


if __name__ == "__main__":
    main()
