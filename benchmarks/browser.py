"""A run in a browser beside the same run in Python: milliseconds a picture, and how far the answers are apart.

    python benchmarks/browser.py [--run RUN --pictures FOLDER] [--most 200] [--runtime onnxruntime-web-….tgz]

Without a run, one is trained on drawn pictures (byod-sklearn, a second or two). It is exported as a page (`byod export
--format web`), put on a plain host on loopback and opened in a headless Chromium, whose chromedriver must be on the
PATH (selenium comes with the group `test`). Both use one thread for the net, one picture at a time, and open the files
themselves; the first picture warms up and is not counted. Ends with 1 when labels agree for less than 99 %, or points
lie more than 2 % of the distance of the eyes apart.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from selenium import webdriver

from byod.schema.config import Settings
from byod.schema.model_card import KeypointsCard
from byod.tasks.classify.predict import Predictor
from byod.tasks.keypoints.geometry.targets import eyes_of
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.testing import draw_classes
from byod.training.run_folder import read_card
from byod.web.static_site import runtime, site_folder

ASK = """
  const [addresses, done] = arguments;
  (async () => {
    const predictor = await (await import("./predictor-onnx.js")).open();
    const answers = [];
    for (const address of addresses) {
      const file = await (await fetch(address)).blob();
      const began = performance.now();
      const said = await predictor.predict(file);
      answers.push({said, ms: performance.now() - began});
    }
    return answers;
  })().then(done, (fault) => done({fault: `${fault.reason ?? ""} ${fault}`}));
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--most", type=int, default=200)
    parser.add_argument("--runtime", type=Path)
    given = parser.parse_args()
    if (given.run is None) != (given.pictures is None):
        parser.error("--run and --pictures go together")
    found = runtime.files(Settings.load().cache, given=given.runtime, say=print)
    with tempfile.TemporaryDirectory() as folder:
        run = given.run or trained(Path(folder))
        return compared(run, given.pictures or Path(folder) / "own", given.most, found)


def compared(run: Path, pictures: Path, most: int, found: dict[str, bytes]) -> int:
    files = sorted(file for file in pictures.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))[
        :most
    ]
    here = in_browser(run, files, found)
    there = in_python(run, files)
    browser, python = (statistics.median(ms for _, ms in each[1:]) for each in (here, there))
    print(f"{len(files)} pictures, median milliseconds a picture, file to answer, one thread:")
    print(f"  browser {browser:.1f}   python {python:.1f}   ratio {browser / python:.1f}")
    card = read_card(run)
    pairs = [(a, b) for (a, _), (b, _) in zip(here, there, strict=True)]
    return heads_apart(card, pairs) if isinstance(card, KeypointsCard) else labels_apart(pairs)


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
        program = [sys.executable, "-m", "byod", *command]
        subprocess.run(program, cwd=folder, env=environment, check=True, capture_output=True)
    return next((folder / "datasets/shapes/runs").glob("[!.]*"))


def in_browser(run: Path, files: list[Path], found: dict[str, bytes]) -> list[tuple[dict, float]]:
    """What the page says of files, with the milliseconds each took."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        site_folder.write(run, site / "page", found)
        for number, file in enumerate(files):
            shutil.copyfile(file, site / f"{number}{file.suffix}")
        with hosting(site) as url, chromium() as browser:
            browser.get(f"{url}/page/")
            answers = browser.execute_async_script(
                ASK, [f"/{n}{file.suffix}" for n, file in enumerate(files)]
            )
    if "fault" in answers:
        sys.exit(answers["fault"])
    return [(each["said"], each["ms"]) for each in answers]


def in_python(run: Path, files: list[Path]) -> list[tuple[dict, float]]:
    """The same in this process."""
    points = isinstance(read_card(run), KeypointsCard)
    predictor = KeypointsPredictor(run, threads=1) if points else Predictor(run, threads=1)
    answers = []
    for file in files:
        began = time.perf_counter()
        (said,) = predictor.predict([file])
        answers.append((said.model_dump(mode="json"), (time.perf_counter() - began) * 1000))
    return answers


def labels_apart(pairs: list[tuple[dict, dict]]) -> int:
    same = np.mean([a["label"] == b["label"] for a, b in pairs])
    most = max(abs(a["probabilities"][name] - p) for a, b in pairs for name, p in b["probabilities"].items())
    print(f"same label {same:.1%}   largest difference of a probability {most:.6f}")
    return int(same < 0.99)


def heads_apart(card: KeypointsCard, pairs: list[tuple[dict, dict]]) -> int:
    left, right = (card.points.names[at] for at in eyes_of(card.points))
    same = np.mean([len(a["heads"]) == len(b["heads"]) for a, b in pairs])
    off = []
    for a, b in pairs:
        for mine, own in zip(a["heads"], b["heads"], strict=False):
            apart = np.hypot(*np.subtract(own["points"][left], own["points"][right]))
            off.append(
                max(np.hypot(*np.subtract(mine["points"][n], own["points"][n])) for n in own["points"])
                / apart
            )
    print(f"same number of heads {same:.1%}   heads {len(off)}   points apart, in distances of the eyes:")
    print(
        f"  median {np.median(off):.6f}   99 of 100 below {np.quantile(off, 0.99):.6f}   most {max(off):.6f}"
    )
    return int(same < 0.99 or max(off) > 0.02)


@contextmanager
def hosting(folder: Path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            """Say nothing."""

    host = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=host.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{host.server_port}"
    finally:
        host.shutdown()
        host.server_close()


@contextmanager
def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    browser.set_script_timeout(1800)
    try:
        yield browser
    finally:
        browser.quit()


if __name__ == "__main__":
    sys.exit(main())
