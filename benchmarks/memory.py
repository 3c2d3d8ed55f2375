"""How much memory byod takes at the most where strangers decide how much there is: peaks of whole processes, in MB.

    python benchmarks/memory.py

Large bodies and bombs over 32 connections, every kind of content through `byod collect`, and pictures of fifty
megapixels in each form. A peak above its bar ends with exit code 1. Linux: the peak is read from /proc.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"
sys.path.insert(0, str(FIXTURES))

BAR = 500
"""MB; byod promises to stay below on a machine with 1 GB to spare."""
# not ru_maxrss: that begins with the size of whoever started the process
PEAK = "print('PEAK', open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)\n"
BODIES = (
    """
import json, socket, sys
sys.path.insert(0, sys.argv[1])
import hostile_server
from byod.collection.download import Limits, download
from byod.schema.config import Settings
socket.getaddrinfo = hostile_server.resolving()
urls = json.loads(sys.argv[2])
limits = Limits(workers=32, per_host=32, tries=1)
for outcome, body in download(urls, settings=Settings.load(), limits=limits, inspect=lambda f, body: body):
    pass
"""
    + PEAK
)
COMMAND = f"""
import runpy, sys
sys.argv = ['byod', *sys.argv[1:]]
try:
    runpy.run_module('byod', run_name='__main__')
finally:
    {PEAK}"""
PICTURE = (
    """
import sys, pathlib
from byod.images.decode import Rules, inspect
inspect(pathlib.Path(sys.argv[1]).read_bytes(), Rules(), max_side=256)
"""
    + PEAK
)


def peak(program: str, *arguments: str, folder: Path) -> float:
    """The peak of a Python process in MB."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "BYOD_ALLOW_PRIVATE_HOSTS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr.split("PEAK ")[1].split()[0]) / 1024


def bodies(folder: Path) -> float:
    """Eighty bodies of 23 MB, however sent, and as many bombs and bodies without end."""
    import hostile_server

    kinds = [*hostile_server.LARGE, "gzip-bomb", "deflate-bomb", "endless-body", "endless-chunks"]
    with hostile_server.HostileServer() as server:
        urls = [server.url(kind) for _ in range(20) for kind in kinds]
        return peak(BODIES, str(FIXTURES), json.dumps(urls), folder=folder)


def collection(folder: Path) -> float:
    """Every kind of content that the tests know, in one run of the command."""
    from hostile_contents import contents
    from loopback_server import LoopbackServer

    with LoopbackServer() as web:
        with (folder / "list.csv").open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["url", "label"])
            for kind, (content, _) in contents().items():
                writer.writerow([web.put(f"/{kind}", content, "image/jpeg"), "thing"])
        return peak(COMMAND, "collect", "--from-urls", "list.csv", "--into", "set", "--json", folder=folder)


def picture(folder: Path, mode: str) -> float:
    """A picture of 8400 x 5900 pixels, the largest that the usual rules let in."""
    file = folder / "large"
    coarse = np.random.default_rng(1).integers(0, 256, (59, 84, 3), dtype=np.uint8)
    large = Image.fromarray(coarse).resize((8400, 5900), Image.Resampling.BICUBIC)
    if mode == "progressive":
        large.save(file, "JPEG", progressive=True)
    else:
        large.convert(mode).save(file, "PNG", compress_level=1)
    return peak(PICTURE, str(file), folder=folder)


def main() -> int:
    """Measure one after the other."""
    if sys.platform != "linux":
        print("the peak of a process is read from /proc: this needs Linux", file=sys.stderr)
        return 2
    modes = ("RGB", "RGBA", "P", "progressive")
    jobs = {
        "160 large bodies and bombs, 32 connections": bodies,
        "collect, every kind of content": collection,
    }
    jobs |= {f"50 megapixels, {mode}": lambda folder, mode=mode: picture(folder, mode) for mode in modes}
    above = 0
    for name, job in jobs.items():
        with tempfile.TemporaryDirectory() as folder:
            found = job(Path(folder))
        above += found >= BAR
        print(f"{name:45} {found:5.0f} MB (bar: {BAR})", flush=True)
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
