"""A hostile collection: every kind of content, through the real command, ends as one row with its reason."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile_contents import contents, photo, saved
from loopback_server import LoopbackServer


@pytest.mark.slow
def test_every_kind_of_content_ends_with_its_reason(tmp_path: Path):
    """All in one run of the real command: one row each, the named reason, good pictures kept."""
    kinds = contents()
    with LoopbackServer() as web, (tmp_path / "list.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["url", "label"])
        for kind, (content, _) in kinds.items():
            writer.writerow([web.put(f"/{kind}", content, "image/jpeg"), "thing"])
        out.flush()
        arguments = ["collect", "--from-urls", "list.csv", "--into", "d", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "byod", *arguments],
            cwd=tmp_path,
            env={**os.environ, "BYOD_ALLOW_PRIVATE_HOSTS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "d" / "catalog.db") as catalog:
        rows = catalog.execute(
            "SELECT a.url, s.status, s.reason FROM addresses a JOIN samples s ON s.sha256 = a.sample"
        ).fetchall()
    ends = {url.rsplit("/", 1)[1]: reason or status for url, status, reason in rows}
    assert ends == {kind: reason or "kept" for kind, (_, reason) in kinds.items()}
    kept = json.loads(done.stdout)["classes"]["thing"]
    assert kept == sum(reason is None for _, reason in kinds.values())


@pytest.mark.slow
def test_ctrl_c_stops_promptly_and_says_how_to_go_on(tmp_path: Path):
    """SIGINT ends a collection from a server that keeps everybody waiting, with code 130 and one clear line."""
    with LoopbackServer() as web:
        held = [web.put(f"/{n}.jpg", saved(photo(n), "JPEG")) for n in range(4)]
        silent = [f"http://127.0.0.1:{port}/x.jpg" for port in _listening(tmp_path, 3)]
        rows = ["url,label", *(f"{url},thing" for url in [*held, *silent])]
        (tmp_path / "list.csv").write_text("\n".join(rows))
        running = subprocess.Popen(
            [sys.executable, "-m", "byod", "collect", "--from-urls", "list.csv", "--into", "d"],
            cwd=tmp_path,
            env={**os.environ, "BYOD_ALLOW_PRIVATE_HOSTS": "1"},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(300):
            if sum(asked.path.endswith(".jpg") for asked in web.asked) == 4:
                break
            time.sleep(0.1)
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert len(list((tmp_path / "d" / "images" / "thing").iterdir())) == 4


def _listening(tmp_path: Path, number: int) -> list[int]:
    """Ports that take a connection and never say a word."""
    import socket

    ports = []
    for _ in range(number):
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        _SILENT.append(sock)
        ports.append(sock.getsockname()[1])
    return ports


_SILENT: list = []
