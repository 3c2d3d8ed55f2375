"""The exported page as a visitor meets it: on a slow line, and before a camera.

    python benchmarks/page.py RUN [--runtime onnxruntime-web-….tgz] [--megabits 9] [--latency 40]

RUN is a model that puts glasses on cats. It is exported as a page (`byod export --format web`) and put on a plain host
on loopback, which packs nothing. A headless Chromium with an empty cache, whose line is as slow as said (devtools'
Network.emulateNetworkConditions), opens it and presses the sample cat at once. Then the line is free, and live mode
looks at a film for ten seconds: the sample cat, 640 pixels across, that moves about. Printed are the first paint, the
bytes that came and the seconds until the first glasses, and pictures a second. chromedriver must be on the PATH
(selenium comes with the group `test`).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from browser import hosting
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from byod.schema.config import Settings
from byod.web.static_site import runtime, site_folder

SIZE = (640, 480)
STATIC = Path(site_folder.__file__).parent.parent / "static"
LIVE_SECONDS = 10
WAIT = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--runtime", type=Path)
    parser.add_argument("--megabits", type=float, default=9)
    parser.add_argument("--latency", type=float, default=40, help="milliseconds there and back")
    given = parser.parse_args()
    found = runtime.files(Settings.load().cache, given=given.runtime, say=print)
    with tempfile.TemporaryDirectory() as folder:
        site, film = Path(folder) / "site", Path(folder) / "film.y4m"
        site_folder.write(given.run, site, found, say=print)
        write_film(film)
        with hosting(site) as url:
            first_visit(url, given.megabits, given.latency)
            live(url, film)
    return 0


def first_visit(url: str, megabits: float, latency: float) -> None:
    """Open the page on a slow line, and press the sample as soon as it is there."""
    browser = chromium("--disk-cache-size=1")
    try:
        rate = megabits * 1e6 / 8
        line = {"offline": False, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate}
        browser.execute_cdp_cmd("Network.enable", {})
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", line)
        began = time.monotonic()
        browser.get(url)
        until(lambda: browser.find_elements(By.CSS_SELECTOR, ".sample"))
        usable = time.monotonic() - began
        browser.find_element(By.CSS_SELECTOR, ".sample").click()
        until(lambda: browser.find_elements(By.CSS_SELECTOR, ".card .stage, .card.bad"))
        glasses = time.monotonic() - began
        shown = browser.find_element(By.CSS_SELECTOR, ".card .status").text.splitlines()[-1]
        paint = browser.execute_script("return performance.getEntriesByName('first-paint')[0].startTime")
        print(
            f"line {megabits:g} Mbit/s, {latency:g} ms: first paint {paint / 1000:.2f} s, place to drop {usable:.1f} s"
        )
        print(
            f"first answer {glasses:.1f} s after it was asked for ({shown}); {received(browser) / 1e6:.2f} MB came"
        )
    finally:
        browser.quit()


def live(url: str, film: Path) -> None:
    """How many pictures of a film are looked at in a second."""
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    browser = chromium(*camera, f"--use-file-for-fake-video-capture={film}")
    try:
        browser.get(url)
        until(lambda: browser.find_elements(By.CSS_SELECTOR, ".webcam"))
        browser.find_element(By.CSS_SELECTOR, ".webcam").click()
        until(lambda: browser.find_elements(By.CSS_SELECTOR, ".live[data-rate]"))
        rates = []
        for _ in range(LIVE_SECONDS):
            time.sleep(1)
            told = browser.find_element(By.CSS_SELECTOR, ".live")
            rates.append((float(told.get_attribute("data-rate")), int(told.get_attribute("data-heads"))))
        found = np.mean([heads > 0 for _, heads in rates])
        middle = np.median([rate for rate, _ in rates])
        print(f"live: {middle:.1f} pictures a second (glasses in {found:.0%} of the looks)")
    finally:
        browser.quit()


def write_film(file: Path) -> None:
    """The sample cat as a film without compression (YUV4MPEG2), moving about within a grey frame."""
    cat = Image.open(STATIC / "chelsea.jpg").convert("YCbCr")
    cat.thumbnail((520, 400))
    with file.open("wb") as film:
        film.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F30:1 Ip A1:1 C420mpeg2\n".encode())
        for turn in np.linspace(0, 2 * np.pi, 45, endpoint=False):
            frame = Image.new("YCbCr", SIZE, (120, 128, 128))
            across, down = SIZE[0] - cat.width, SIZE[1] - cat.height
            frame.paste(cat, (int(across * (1 + np.cos(turn)) / 2), int(down * (1 + np.sin(turn)) / 2)))
            luma, first, second = frame.split()
            film.write(b"FRAME\n" + luma.tobytes())
            for part in (first, second):
                film.write(part.resize((SIZE[0] // 2, SIZE[1] // 2)).tobytes())


def received(browser: webdriver.Chrome) -> int:
    """The bytes that came over the line, worker included."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return sum(
        int(event["params"]["encodedDataLength"])
        for event in events
        if event["method"] == "Network.loadingFinished"
    )


def chromium(*arguments: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    return webdriver.Chrome(options=options)


def until(true: Callable[[], object], seconds: float = WAIT) -> None:
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            sys.exit("it did not come")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
