"""The page of `byod serve` with a model that knows its pictures by heart, and modules of it run in a real browser."""

import base64
import hashlib
import io
import threading
from contextlib import contextmanager
from xml.etree import ElementTree

import numpy as np
from headless import click, until
from PIL import Image
from selenium.common.exceptions import NoSuchElementException
from selenium.webdriver.common.by import By

from byod.collection.importers.cat_file import POINTS
from byod.images import decode
from byod.schema.model_card import HeadFound, PointsPrediction
from byod.schema.records import Task
from byod.web.app import Site
from byod.web.inference import upright_size
from byod.web.schemas import NO_PATH, About, ClassesSaid, Look
from byod.web.server import listening

EYES = ("eye_image_left", "eye_image_right")
DESK, PHONE = (1280, 900), (390, 844)


class KnowsCats:
    """A model of nine points that says of each picture, by its bytes, what it was told; of others that there is none.

    `busy` is how many of its next answers are refused for want of time. A picture comes as the bytes that were sent.
    """

    task = Task.KEYPOINTS

    def __init__(self, known=None):
        self.known = dict(known or {})
        self.asked = []
        self._turn = threading.Lock()

    def tell(self, content, heads):
        """From now on the picture has these heads: each {name: (x, y)} in upright pixels, and a box."""
        self.known[hashlib.sha256(content).hexdigest()] = heads
        return content

    def about(self, *, bytes, reports):
        return about(Task.KEYPOINTS, bytes, reports, points=POINTS, look=False)

    def answer(self, content, *, look):
        width, height = upright_size(content)
        decode.open_picture(content)
        with self._turn:
            self.asked.append(content)
        heads = self.known.get(hashlib.sha256(content).hexdigest(), [])
        said = [
            HeadFound(confidence=0.973, box=box, points=points, point_confidence=dict.fromkeys(points, 0.9))
            for points, box in heads
        ]
        return PointsPrediction(path=NO_PATH, width=width, height=height, heads=tuple(said))


class KnowsVegetables:
    """A model of two classes that says what it was told last."""

    task = Task.CLASSIFY
    classes = ("blumenkohl", "brokkoli")

    def __init__(self):
        self.probability, self.looks = 0.987, 0

    def about(self, *, bytes, reports):
        return about(Task.CLASSIFY, bytes, reports, classes=self.classes, unsure_below=0.7, look=True)

    def answer(self, content, *, look):
        width, height = upright_size(content)
        seen = None
        if look:
            self.looks += 1
            veil = (
                "data:image/png;base64," + base64.b64encode(png(np.full((8, 8, 3), 255, np.uint8))).decode()
            )
            seen = Look(label="brokkoli", veil=veil, area=(0, 0, width, height), least=0.4, clear=True)
        p = self.probability
        chances = {"blumenkohl": 1 - p, "brokkoli": p}
        label = max(chances, key=chances.get)
        return ClassesSaid(
            width=width,
            height=height,
            label=label,
            probability=chances[label],
            probabilities=chances,
            unsure=chances[label] < 0.7,
            look=seen,
        )


def about(task, bytes, reports, **more):
    return About(
        run="2026-01-01-drawn",
        task=task,
        arch="drawn",
        plugin="none",
        created="2026-01-01T00:00:00",
        input={"width": 64, "height": 64},
        reports=reports,
        takes={"types": ["JPEG", "PNG"], "bytes": bytes, "pixels": 89_000_000},
        metrics={},
        **more,
    )


@contextmanager
def served(model, **how):
    """The address of a page for a model."""
    site = Site(model, **how)
    try:
        with listening(site.app, port=None, usual=0) as url:
            yield url
    finally:
        site.close()


def sized(browser, size):
    phone = size == PHONE
    told = {"width": size[0], "height": size[1], "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})


def media(browser, scheme="light", motion="reduce"):
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
    told = [{"name": name, "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})


def opened(browser, url, language="en"):
    browser.get(f"{url}/?lang={language}")
    until(browser, lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes")


def find(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def button(browser, text):
    found = [it for it in find(browser, "button") if it.text == text]
    if not found:
        raise NoSuchElementException(f"no button says {text!r}")
    return found[0]


def press(browser, text):
    """Click the button that says so."""
    click(browser, lambda: button(browser, text))


def says(browser, selector, words):
    """Wait until an element says what it should."""
    until(browser, lambda: words in one(browser, selector).text)


def shown(browser, *files):
    """Choose files, as many cards are looked at afterwards."""
    before = len(find(browser, ".card"))
    one(browser, "input[type=file][multiple]").send_keys("\n".join(str(file) for file in files))
    until(browser, lambda: len(find(browser, ".card")) == before + len(files))
    until(browser, lambda: len(find(browser, ".card:has(.stage), .card.bad")) == before + len(files))
    frame(browser)


def statuses(browser):
    """What the cards say, as a screen reader reads it: the name is for its ears alone."""
    return [" ".join(it.text.split()) for it in find(browser, ".status")]


def status(browser):
    return statuses(browser)[0]


def frame(browser):
    """Wait until what was asked for is drawn."""
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def run(browser, body, *arguments):
    """What `body` (JavaScript of an async function that may `await import("/x.js")`) returns for `arguments`."""
    script = """
      const done = arguments[arguments.length - 1];
      const given = [...arguments].slice(0, -1);
      (async (given) => { %s })(given).then((it) => done({it}), (fault) => done({fault: String(fault.stack ?? fault)}));
    """
    answer = browser.execute_async_script(script % body, *arguments)
    if "fault" in answer:
        raise AssertionError(answer["fault"])
    return answer["it"]


PICTURE = """
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const picture = ({width, height, base64}) => ({width, height, pixels: bytes(base64)});
  const text = (bytes) => {
    let all = "";
    for (let i = 0; i < bytes.length; i += 8192) all += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(all);
  };
"""
"""JavaScript that takes pixels from Python, and gives bytes back."""


def sent(pixels):
    """uint8 [H, W, 3] as `picture` in JavaScript takes it."""
    raw = np.ascontiguousarray(pixels).tobytes()
    return {"width": pixels.shape[1], "height": pixels.shape[0], "base64": base64.b64encode(raw).decode()}


def received(text, shape):
    """Bytes that JavaScript gave back as an array."""
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)


def png(pixels):
    """uint8 [H, W, 3] as the bytes of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def eyes_of(annotation):
    """The heads of one file of Pascal VOC boxes: eyes are the centres of their boxes, each in the face around it."""
    boxes = {"cat_face": [], "cat_eyes": []}
    for thing in ElementTree.parse(annotation).iter("object"):
        edges = [float(thing.find("bndbox").findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax")]
        boxes.setdefault(thing.findtext("name"), []).append(edges)
    found = []
    for x0, y0, x1, y1 in boxes["cat_face"]:
        middles = [((a + c) / 2, (b + d) / 2) for a, b, c, d in boxes["cat_eyes"]]
        mine = sorted(at for at in middles if x0 <= at[0] <= x1 and y0 <= at[1] <= y1)
        if len(mine) == 2:
            found.append((dict(zip(EYES, mine, strict=True)), (x0, y0, x1, y1)))
    return found
