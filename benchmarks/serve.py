"""`byod serve` under load on loopback: parallel uploads for a while, its memory, and how long answers take.

    python benchmarks/serve.py [--run RUN] [--parallel 50] [--seconds 120]

Without a run, one is trained on drawn pictures (byod-sklearn, a second or two). Every client sends photographs of
1024x768 (some 200 KB, drawn with grain) as a form and asks again as soon as it is answered; a 503 is waited out as
Retry-After says. Beside it: the same pictures through the same model in one process, without a server. Memory is the
server's resident set (Linux only). Ends with 1 when memory grows, or when anything but 200 and 503 is answered.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from byod.testing import draw_classes
from byod.web.inference import open_model

FLAT = 64.0  # MB that memory may grow by after the first quarter
BOUNDARY = "a-boundary-that-is-in-no-picture"


@dataclass
class Load:
    """What clients saw: seconds from asking to the whole answer, statuses, and the server's memory in MB."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)
    took: float = 0.0

    @property
    def growth(self) -> float:
        """MB by which the second half's mean is above that of the second quarter, when all is warm."""
        last = self.memory[-1][0] if self.memory else 0.0
        parts = [
            [mb for at, mb in self.memory if low * last <= at <= high * last]
            for low, high in ((0.25, 0.5), (0.5, 1))
        ]
        return statistics.fmean(parts[1]) - statistics.fmean(parts[0]) if all(parts) else 0.0


def photographs(number: int = 16) -> list[bytes]:
    """JPEGs with as much grain as a camera's."""
    found = []
    for seed in range(number):
        random = np.random.default_rng(seed)
        rough = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
        smooth = np.asarray(rough.resize((1024, 768), Image.Resampling.BICUBIC)).astype(int)
        grainy = np.clip(smooth + random.normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(grainy).save(stream, "JPEG", quality=85)
        found.append(stream.getvalue())
    return found


def form(content: bytes) -> bytes:
    """A picture as a browser sends it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def resident(pid: int) -> float | None:
    """A process's resident memory in MB; None where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)


def client(port: int, bodies: list[bytes], load: Load, until: float, turn: int, lock: threading.Lock) -> None:
    """One client that asks until it is time."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.monotonic() < until:
        turn += 1
        began = time.monotonic()
        connection.request("POST", "/api/predict", bodies[turn % len(bodies)], headers)
        answer = connection.getresponse()
        answer.read()
        with lock:
            load.statuses[answer.status] += 1
            if answer.status == 200:
                load.seconds.append(time.monotonic() - began)
        if answer.status == 503:
            time.sleep(min(float(answer.headers["Retry-After"]), max(0.0, until - time.monotonic())))
    connection.close()


def hammer(port: int, pid: int, parallel: int, seconds: float) -> Load:
    """Ask a server from `parallel` clients for so many seconds, and watch its memory."""
    load, lock = Load(), threading.Lock()
    bodies = [form(content) for content in photographs()]
    began = time.monotonic()
    until = began + seconds
    clients = [
        threading.Thread(target=client, args=(port, bodies, load, until, number, lock), daemon=True)
        for number in range(parallel)
    ]
    for thread in clients:
        thread.start()
    while any(thread.is_alive() for thread in clients):
        memory = resident(pid)
        if memory is not None:
            load.memory.append((time.monotonic() - began, memory))
        time.sleep(0.25)
    load.took = time.monotonic() - began
    return load


def started(run: Path, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """`byod serve` as users start it, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "byod", "serve", str(run), "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line)
        if line.startswith("}"):
            return process, int(json.loads("".join(lines))["url"].rsplit(":", 1)[1])
    raise SystemExit("byod serve did not start")


def trained(folder: Path) -> Path:
    """A run of the instant trainer on drawn pictures."""
    draw_classes(folder / "own", ("circle", "square"), per_class=60)
    environment = {
        **os.environ,
        "BYOD_CACHE": str(folder / "cache"),
        "BYOD_CONFIG": str(folder / "none.toml"),
    }
    for command in (
        ("add", "own", "--into", "datasets/shapes"),
        ("train", "--plugin", "sklearn", "--from-scratch"),
    ):
        subprocess.run(
            [sys.executable, "-m", "byod", *command],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
        )
    return next((folder / "datasets/shapes/runs").glob("[!.]*"))


def alone(run: Path, pictures: int = 200) -> float:
    """Pictures a second through the same model, one after another, without a server."""
    model, contents = open_model(run), photographs()
    model.answer(contents[0], look=False)
    began = time.perf_counter()
    for number in range(pictures):
        model.answer(contents[number % len(contents)], look=False)
    return pictures / (time.perf_counter() - began)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--run", type=Path, default=None)
    parser.add_argument("--parallel", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = (options.run or trained(folder)).resolve()
        bare = alone(run)
        process, port = started(run, folder)
        try:
            load = hammer(port, process.pid, options.parallel, options.seconds)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    rate = len(load.seconds) / load.took
    low, high = np.percentile(load.seconds, [50, 99])
    asked = sum(load.statuses.values())
    print(f"{options.parallel} clients, {load.took:.0f} s, {asked} requests: {dict(load.statuses)}")
    print(f"answered in: p50 {low:.3f} s, p99 {high:.3f} s, longest {max(load.seconds):.3f} s")
    print(
        f"pictures a second: served {rate:.1f}, without a server, one thread {bare:.1f}, ratio {rate / bare:.2f}"
    )
    if load.memory:
        most = max(mb for _, mb in load.memory)
        print(
            f"memory: {load.memory[0][1]:.0f} MB at the start, at most {most:.0f}, when warm {load.growth:+.1f} MB"
        )
    odd = set(load.statuses) - {200, 503}
    return 1 if odd or load.growth > FLAT else 0


if __name__ == "__main__":
    raise SystemExit(main())
