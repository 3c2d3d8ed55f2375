"""A hostile collection: every kind of content, through the real command, ends as one row with its reason."""

import csv
import io
import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from loopback_server import LoopbackServer
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (400, 300), mode: str = "RGB") -> Image.Image:
    """A picture like no other: a random field."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC).convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its few bytes do not hold."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + body


def contents() -> dict[str, tuple[bytes, str | None]]:
    """Each kind of content, and the reason it must end with (None: kept)."""
    jpeg = saved(photo(1), "JPEG", quality=88)
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [photo(40 + n).convert("P") for n in range(3)]
    rgba = photo(9, mode="RGBA")
    rgba.putalpha(photo(10, mode="L"))
    deep = Image.fromarray(np.asarray(photo(8, mode="L"), dtype=np.uint16) * 257)
    return {
        "jpeg": (jpeg, None),
        "progressive": (saved(photo(2), "JPEG", progressive=True), None),
        "bytes-after-end": (saved(photo(3), "JPEG") + b"<?php evil ?>" * 50, None),
        "cmyk": (saved(photo(4, mode="CMYK"), "JPEG"), None),
        "turned": (saved(photo(5), "JPEG", exif=exif), None),
        "png": (saved(photo(6), "PNG"), None),
        "palette": (saved(photo(7).convert("P"), "PNG"), None),
        "sixteen-bit": (saved(deep, "PNG"), None),
        "alpha": (saved(rgba, "PNG"), None),
        "webp": (saved(photo(11), "WEBP"), None),
        "avif": (saved(photo(12), "AVIF"), None),
        "tiff": (saved(photo(13), "TIFF"), None),
        "bmp": (saved(photo(14), "BMP"), None),
        "gif": (saved(photo(15).convert("P"), "GIF"), None),
        "animation": (saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), None),
        "cut-jpeg": (jpeg[: len(jpeg) // 2], "broken"),
        "cut-in-header": (jpeg[:40], "broken"),
        "cut-progressive": (saved(photo(20), "JPEG", progressive=True)[:-900], "broken"),
        "cut-png": (saved(photo(21), "PNG")[:-400], "broken"),
        "cut-webp": (saved(photo(22), "WEBP")[:-200], "broken"),
        "cut-gif": (saved(photo(23).convert("P"), "GIF")[:-300], "broken"),
        "cut-tiff": (saved(photo(24), "TIFF")[:-300], "broken"),
        "cut-avif": (saved(photo(25), "AVIF")[:-200], "broken"),
        "zero-tail": (jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2), "broken"),
        "magic-only": (b"\xff\xd8\xff\xe0" + np.random.default_rng(0).bytes(3000), "broken"),
        "wrong-checksum": (saved(photo(26), "PNG").replace(b"IDAT", b"IDAX", 1), "broken"),
        "html": (b"<!doctype html><html><body>404</body></html>", "not-a-picture"),
        "html-with-blanks": (b"\n\n   <html><img src=x onerror=alert(1)></html>", "not-a-picture"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', "not-a-picture"),
        "pdf": (b"%PDF-1.7\n" + bytes(500), "not-a-picture"),
        "zip": (b"PK\x03\x04" + bytes(500), "not-a-picture"),
        "gzip": (b"\x1f\x8b\x08" + bytes(500), "not-a-picture"),
        "text": (b"no picture here, move along", "not-a-picture"),
        "json": (b'{"error": "gone"}', "not-a-picture"),
        "noise": (bytes(range(1, 200)) * 9, "not-a-picture"),
        "zeros": (bytes(5000), "not-a-picture"),
        "program": (b"\x7fELF" + bytes(500), "not-a-picture"),
        "photoshop": (b"8BPS\x00\x01" + bytes(500), "unsupported"),
        "icon": (saved(photo(30), "ICO"), "unsupported"),
        "heic": (b"\x00\x00\x00\x18ftypheic" + bytes(500), "unsupported"),
        "jpeg2000": (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(500), "unsupported"),
        "bomb-header": (png_claiming(60000, 60000), "too-many-pixels"),
        "bomb-real": (saved(Image.new("1", (9000, 9000)), "PNG"), "too-many-pixels"),
        "large-flat": (saved(Image.new("RGB", (6000, 6000), "teal"), "PNG"), "blank"),
        "white": (saved(Image.new("RGB", (500, 400), "white"), "PNG"), "blank"),
        "one-pixel": (saved(Image.new("RGB", (1, 1), "red"), "PNG"), "too-small"),
        "thumbnail": (saved(photo(31, (150, 120)), "JPEG"), "too-small"),
        "banner": (saved(photo(32, (2400, 220)), "JPEG"), "bad-aspect"),
    }


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
