"""The page of `byod serve` in a real browser, at desk and phone size: pictures in, glasses on, files out."""

import base64
import io
import json
import re
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from headless import chromium, click, requested
from PIL import Image, ImageSequence
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from web_page import (
    DESK,
    EYES,
    PHONE,
    KnowsCats,
    KnowsVegetables,
    button,
    eyes_of,
    find,
    frame,
    media,
    one,
    opened,
    press,
    run,
    says,
    served,
    shown,
    sized,
    status,
    statuses,
    until,
)

from byod.report.i18n import say
from byod.schema.model_card import FoundInstance
from byod.tasks.keypoints.importers.cat_file import POINTS
from byod.web.limits import QueueFull
from byod.web.uploads import UploadLimits

pytestmark = pytest.mark.slow
SKIN = (222, 184, 120)
LIMIT = 800_000


@pytest.fixture(scope="module")
def cats():
    return KnowsCats()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder in which corrections are kept."""
    return tmp_path_factory.mktemp("dataset")


@pytest.fixture(scope="module")
def address(cats, kept):
    with served(cats, dataset=kept, limits=UploadLimits(bytes=LIMIT)) as url:
        yield url


@pytest.fixture(scope="module")
def vegetables():
    return KnowsVegetables()


@pytest.fixture(scope="module")
def market(vegetables):
    with served(vegetables) as url:
        yield url


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def made(downloads):
    with chromium(log_network=True) as browser:
        where = {"behavior": "allow", "downloadPath": str(downloads)}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
        yield browser


@pytest.fixture
def browser(made):
    """The browser at desk size; whatever it was told of colours and motion before is undone."""
    sized(made, DESK)
    media(made)
    yield made
    faults = [
        it for it in made.get_log("browser") if it["level"] == "SEVERE" and "status of " not in it["message"]
    ]
    assert faults == []


def pixel(browser, place, card=0):
    """The colour at a place, in pixels of the picture, of what a card shows."""
    code = """
      const canvas = document.querySelectorAll(".stage canvas")[arguments[0]];
      const [x, y] = arguments[1].map((v) => Math.round(v * canvas.width / arguments[2]));
      return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
    """
    return tuple(browser.execute_script(code, card, list(place), WIDTH))


WIDTH = 480


def picture(*heads, size=(WIDTH, 360), orientation=1):
    """A flat picture with a spot of its own, as JPEG, and heads whose eyes are at (left, right) in upright pixels."""
    picture.number = getattr(picture, "number", 0) + 1
    image = Image.new("RGB", size, SKIN)
    image.paste((picture.number * 53 % 256, picture.number * 97 % 256, 90), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera's name"
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, exif=exif, comment=str(picture.number))
    return stream.getvalue(), [head(left, right) for left, right in heads]


def head(left, right):
    """All nine points around two eyes, and a box."""
    e1, e2 = complex(*left), complex(*right)
    turn = e2 - e1
    shape = [0, 1, 0.5 + 0.9j, -0.5 - 0.8j, -0.4 - 1.3j, 0.1 - 0.8j, 0.9 - 0.8j, 1.4 - 1.3j, 1.5 - 0.8j]
    places = [e1 + turn * z for z in shape]
    points = {name: (z.real, z.imag) for name, z in zip(POINTS.names, places, strict=True)}
    xs, ys = [z.real for z in places], [z.imag for z in places]
    return points, (min(xs), min(ys), max(xs), max(ys))


def put(folder, model, made, name="cat.jpg"):
    """A picture as a file that the model knows."""
    content, heads = made
    file = folder / name
    file.write_bytes(model.tell(content, heads))
    return file


def is_lens(colour):
    """Whether a colour is that of dark glass, not of the picture below."""
    return sum(colour) < 0.5 * sum(SKIN)


def is_skin(colour):
    return all(abs(a - b) < 12 for a, b in zip(colour, SKIN, strict=True))


def test_two_cats_get_two_pairs(browser, address, cats, tmp_path):
    """Each cat of a collage gets glasses on both eyes, and the page says how many it found."""
    eyes = [((100, 150), (160, 150)), ((320, 100), (400, 160))]
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(*eyes)))
    assert status(browser).startswith("cat.jpg: 2 cats found in ")
    assert all(is_lens(pixel(browser, eye)) for pair in eyes for eye in pair)
    assert is_skin(pixel(browser, (240, 300)))
    assert one(browser, ".stage canvas").get_attribute("aria-label") == "cat.jpg, with 2 pairs of sunglasses"


@pytest.mark.parametrize("angle", [30, -100, 180])
def test_turned_heads_get_turned_glasses(browser, address, cats, tmp_path, angle):
    """The glasses lie along the eyes: beyond them is frame or glass, the same far across there is none."""
    turn = 40 * np.exp(1j * np.radians(angle))
    middle = 240 + 180j
    left, right = middle - turn, middle + turn
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(((left.real, left.imag), (right.real, right.imag)))))
    assert is_lens(pixel(browser, (left.real, left.imag)))
    assert is_lens(pixel(browser, (right.real, right.imag)))
    for way in (-1, 1):
        along, across = middle + way * turn * 1.5, middle + way * turn * 1.5j
        assert not is_skin(pixel(browser, (along.real, along.imag)))
        assert is_skin(pixel(browser, (across.real, across.imag)))


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photo_lying_on_its_side(browser, address, cats, tmp_path, downloads, orientation):
    """A photo that EXIF turns is shown and saved upright, its glasses where the upright eyes are, without EXIF."""
    size = (WIDTH, 360) if orientation == 3 else (360, WIDTH)
    eyes = ((300, 100), (380, 110))
    file = put(tmp_path, cats, picture(eyes, size=size, orientation=orientation), f"turned{orientation}.jpg")
    opened(browser, address)
    shown(browser, file)
    assert all(is_lens(pixel(browser, eye)) for eye in eyes)
    saved = Image.open(
        downloaded(browser, downloads, "Save photo (PNG)", f"turned{orientation}-sunglasses.png")
    )
    assert (saved.size, saved.format) == ((WIDTH, 360), "PNG")
    until(browser, lambda: browser.switch_to.active_element.text == "Save photo (PNG)")
    assert not saved.getexif()
    assert b"camera" not in Path(saved.filename).read_bytes()
    assert all(is_lens(saved.convert("RGB").getpixel(eye)) for eye in eyes)


def downloaded(browser, folder, text, name):
    """The file that a button gives."""
    press(browser, text)
    until(browser, (folder / name).exists)
    until(browser, lambda: "Saved as" in one(browser, ".note").text or "Saved as" in browser.page_source)
    return folder / name


def test_glasses_over_the_border(browser, address, cats, tmp_path, downloads):
    """An eye at the very edge, and one beyond it, have their glasses all the same, in full size too."""
    eyes = ((-20, 200), (60, 200))
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(eyes), "edge.jpg"))
    assert is_lens(pixel(browser, (60, 200)))
    assert not is_skin(pixel(browser, (1, 190)))
    saved = Image.open(downloaded(browser, downloads, "Save photo (PNG)", "edge-sunglasses.png")).convert(
        "RGB"
    )
    assert is_lens(saved.getpixel((60, 200)))
    assert not is_skin(saved.getpixel((0, 190)))


def test_no_cat_is_said_plainly(browser, address, cats, tmp_path):
    """Without a cat the page says so and saves nothing; a person can put glasses on by hand, and take them off."""
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(), "broccoli.jpg"))
    assert status(browser) == "broccoli.jpg: No cat found."
    assert not button(browser, "Save photo (PNG)").is_enabled()
    press(browser, "Add glasses")
    frame(browser)
    assert is_lens(pixel(browser, (240 - 36, 180)))
    assert button(browser, "Save photo (PNG)").is_enabled()
    assert browser.switch_to.active_element.get_attribute("data-point") == EYES[0]
    press(browser, "Remove cat 1")
    frame(browser)
    assert is_skin(pixel(browser, (240 - 36, 180)))
    assert status(browser) == "broccoli.jpg: No glasses."


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_dragging_an_eye_moves_the_glasses(browser, address, cats, tmp_path, size):
    """The glasses follow a point that is dragged, on a desk and on a phone."""
    eyes = ((150, 200), (250, 200))
    sized(browser, size)
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(eyes)))
    handle = one(browser, f"[data-point={EYES[1]}]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
    scale = one(browser, ".stage").rect["width"] / WIDTH
    ActionChains(browser).move_to_element(handle).click_and_hold().move_by_offset(
        round(100 * scale), round(-80 * scale)
    ).release().perform()
    frame(browser)
    assert is_lens(pixel(browser, (350, 120)))
    assert is_skin(pixel(browser, (290, 225)))  # there was the old lens
    assert is_lens(pixel(browser, eyes[0]))


def test_close_eyes_have_a_handle_each(browser, address, cats, tmp_path):
    """Eyes of a small cat, closer than a finger, can be taken hold of one by one."""
    eyes = ((200, 200), (216, 200))
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(eyes)))
    code = """
      const {left, top, width} = document.querySelector(".stage").getBoundingClientRect();
      const [x, y] = arguments[0].map((v) => v * width / arguments[1]);
      return document.elementFromPoint(left + x, top + y).dataset.point;
    """
    browser.execute_script("document.querySelector('.stage').scrollIntoView({block: 'center'})")
    assert [browser.execute_script(code, eye, WIDTH) for eye in eyes] == list(EYES)


def test_points_move_by_keyboard(browser, address, cats, tmp_path):
    """Tab reaches a point, arrow keys move it, Shift goes further, and a screen reader hears where it is."""
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
    handle = one(browser, f"[data-point={EYES[0]}]")
    browser.execute_script("document.querySelector('.close').focus()")
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element == handle
    assert handle.get_attribute("aria-label") == "Left eye (as you see it) of cat 1"
    assert handle.get_attribute("aria-valuetext") == "31% from the left, 56% from the top"
    keys = ActionChains(browser).send_keys(Keys.ARROW_RIGHT * 5).key_down(Keys.SHIFT)
    keys.send_keys(Keys.ARROW_UP * 10).key_up(Keys.SHIFT).perform()
    frame(browser)
    x, y = 150 + 5 * 1.2, 200 - 10 * 12
    assert (
        handle.get_attribute("aria-valuetext") == f"{x / 480:.0%} from the left, {y / 360:.0%} from the top"
    )
    assert is_lens(pixel(browser, (x, y)))
    assert browser.switch_to.active_element == handle


def test_size_strength_and_kind(browser, address, cats, tmp_path):
    """Sliders make the glasses larger and their glass clearer; each kind is another picture."""
    eyes = ((200, 180), (280, 180))
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(eyes)))
    beyond = (336, 180)  # outside of glasses of this size
    assert is_skin(pixel(browser, beyond))
    size, strength = find(browser, "input[type=range]")
    browser.execute_script("arguments[0].value = 150; arguments[0].dispatchEvent(new Event('input'))", size)
    frame(browser)
    assert is_lens(pixel(browser, beyond))
    browser.execute_script("arguments[0].value = 0; arguments[0].dispatchEvent(new Event('input'))", strength)
    frame(browser)
    assert is_skin(pixel(browser, eyes[0]))
    browser.execute_script(
        "arguments[0].value = 100; arguments[0].dispatchEvent(new Event('input'))", strength
    )
    seen = set()
    for radio in find(browser, "input[name=glasses]"):
        browser.execute_script("arguments[0].click()", radio)
        time.sleep(0.2)
        frame(browser)
        code = "return document.querySelector('.stage canvas').toDataURL()"
        seen.add(hash(browser.execute_script(code)))
    assert len(seen) == len(find(browser, "input[name=glasses]")) >= 5


def test_deal_with_it_is_a_gif(browser, address, cats, tmp_path, downloads):
    """The animation is saved as a GIF that Pillow opens: it begins without glasses on the eyes and ends with them."""
    eyes = ((200, 200), (280, 200))
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(eyes), "cool.jpg"))
    film = Image.open(downloaded(browser, downloads, "Save animation (GIF)", "cool-deal-with-it.gif"))
    frames = [(it.convert("RGB"), it.info["duration"]) for it in ImageSequence.Iterator(film)]
    assert (film.size, film.info["loop"], len(frames)) == ((480, 360), 0, 24)
    assert [time for _, time in frames] == [60] * 22 + [500, 2500]
    assert all(is_skin(frames[0][0].getpixel(eye)) for eye in eyes)
    assert all(is_lens(frames[-1][0].getpixel(eye)) for eye in eyes)
    lowest = [
        np.argwhere(np.asarray(it, np.int16).sum(axis=2)[8:] < 200)[:, 0].max(initial=0)
        for it, _ in frames[:23]
    ]
    assert lowest == sorted(lowest)  # they only come down
    assert lowest[22] > lowest[5] > 0
    caption = np.asarray(frames[-1][0])[320:, :]
    assert (caption.min(axis=2) > 240).sum() > 500


def test_it_drops_in_on_the_page(browser, address, cats, tmp_path):
    """The button plays it on the picture, ends with the caption, and the picture is as before then."""
    eyes = ((200, 200), (280, 200))
    media(browser, motion="no-preference")
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(eyes)))
    press(browser, "Deal with it")
    assert is_skin(pixel(browser, eyes[0]))
    until(browser, lambda: find(browser, ".playing") and is_lens(pixel(browser, eyes[0])))
    until(browser, lambda: not find(browser, ".playing"))
    frame(browser)
    assert is_lens(pixel(browser, eyes[0]))
    assert is_skin(pixel(browser, (240, 335)))


def test_a_large_photo_is_sent_smaller_and_saved_whole(browser, address, cats, tmp_path, downloads):
    """What is over the server's limit goes there smaller; the glasses are right, the file saved has all its pixels."""
    coarse = np.random.default_rng(1).integers(150, 256, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((4000, 3000), Image.Resampling.BICUBIC).save(
        tmp_path / "large.jpg", quality=96
    )
    assert (tmp_path / "large.jpg").stat().st_size > LIMIT
    widths = []

    def answer(content, *, look):
        said = KnowsCats.answer(cats, content, look=look)
        widths.append(said.width)
        points, box = head((0.4 * said.width, 0.5 * said.height), (0.6 * said.width, 0.5 * said.height))
        found = FoundInstance(confidence=0.9, box=box, points=points, point_confidence={})
        return said.model_copy(update={"heads": (found,)})

    cats.answer = answer
    try:
        opened(browser, address)
        shown(browser, tmp_path / "large.jpg")
        saved = Image.open(downloaded(browser, downloads, "Save photo (PNG)", "large-sunglasses.png"))
    finally:
        del cats.answer
    assert (saved.size, widths) == ((4000, 3000), [2048])
    assert all(sum(saved.convert("RGB").getpixel(eye)) < 300 for eye in ((1600, 1500), (2400, 1500)))


GIVE = """
  const carried = new DataTransfer();
  for (const [name, type, text] of arguments[1]) {
    carried.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, {type}));
  }
  const made = arguments[0] === "paste"
    ? new ClipboardEvent("paste", {clipboardData: carried, bubbles: true, cancelable: true})
    : new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true});
  return !document.body.dispatchEvent(made);
"""


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_are_pasted_and_dropped(browser, address, cats, way):
    """Several pictures pasted or dropped at once each get a card; what is not a picture is refused in words."""
    first, second = picture(((100, 100), (160, 100))), picture()
    files = [
        (name, "image/jpeg", base64.b64encode(cats.tell(*it)).decode())
        for name, it in (("a.jpg", first), ("b.jpg", second))
    ]
    opened(browser, address)
    assert browser.execute_script(GIVE, way, files)
    until(browser, lambda: len(find(browser, ".card .stage")) == 2)
    assert [it.split(" in ")[0] for it in statuses(browser)] == [
        "a.jpg: 1 cat found",
        "b.jpg: No cat found.",
    ]
    assert browser.execute_script(GIVE, way, [("a.txt", "text/plain", "aGk=")])
    says(browser, "main", "That is not a picture file.")
    assert browser.execute_script(
        GIVE, way, [*files[:1], ("b.txt", "text/plain", "aGk="), ("c.pdf", "application/pdf", "aGk=")]
    )
    says(browser, "main", "2 files are not pictures and were left out: b.txt, c.pdf.")
    until(browser, lambda: len(find(browser, ".card .stage")) == 3)
    click(browser, lambda: one(browser, ".close"))
    click(browser, lambda: one(browser, ".close"))
    assert [it.text for it in find(browser, ".card h2")] == ["b.jpg"]


def test_a_sample_cat_can_be_tried(browser, address):
    """Who has no photo at hand tries it with the cat that comes along."""
    opened(browser, address)
    click(browser, lambda: one(browser, ".sample"))
    until(browser, lambda: len(find(browser, ".card .stage")) == 1)
    assert [it.text for it in find(browser, ".card h2")] == ["chelsea.jpg"]


def test_glasses_and_language_are_remembered(browser, address):
    """What a person chose stands there again at the next visit."""
    opened(browser, address)
    click(browser, lambda: one(browser, ".kind:has(input[value=heart])"))
    click(browser, lambda: one(browser, ".language[lang=de]"))
    browser.get(address)
    until(browser, lambda: one(browser, "html").get_attribute("data-ready") == "yes")
    try:
        assert one(browser, "html").get_attribute("lang") == "de"
        assert one(browser, ".kind input[value=heart]").is_selected()
    finally:
        browser.execute_script("localStorage.clear()")


def test_changes_are_taken_back_one_by_one(browser, address, cats, tmp_path):
    """Undo takes back an added pair, a removed pair and a moved point, each by itself."""
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
    assert "Undo" not in [it.text for it in find(browser, "button")]
    press(browser, "Add glasses")
    press(browser, "Remove cat 1")
    assert len(find(browser, ".handle.eye")) == 2
    press(browser, "Undo")
    assert len(find(browser, ".handle.eye")) == 4
    press(browser, "Undo")
    assert len(find(browser, ".handle.eye")) == 2
    assert "Undo" not in [it.text for it in find(browser, "button")]
    before = one(browser, ".handle.eye").get_attribute("style")
    one(browser, ".handle.eye").send_keys(Keys.ARROW_RIGHT)
    assert one(browser, ".handle.eye").get_attribute("style") != before
    press(browser, "Undo")
    assert one(browser, ".handle.eye").get_attribute("style") == before


@pytest.mark.parametrize("first", [0, 1])
def test_two_taps_put_the_glasses_on_a_cat_that_was_not_found(browser, address, cats, tmp_path, first):
    """Tapping both eyes of a cat, in whichever order, puts the glasses there, and Undo takes them off."""
    eyes = ((150, 200), (250, 200))
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture()))
    stage = one(browser, ".stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    scale = stage.rect["width"] / WIDTH
    for x, y in (eyes[first], eyes[1 - first]):
        ActionChains(browser).move_to_element_with_offset(
            stage, round((x - WIDTH / 2) * scale), round((y - 180) * scale)
        ).click().perform()
        frame(browser)
    assert all(is_lens(pixel(browser, eye)) for eye in eyes)
    assert status(browser).endswith("Placed by hand: 1 pair of glasses.")
    press(browser, "Undo")
    frame(browser)
    assert is_skin(pixel(browser, eyes[0]))


def test_what_cannot_be_opened(browser, address, tmp_path):
    """A broken picture is one line on its card, with the server's reason; nothing else stops working."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    opened(browser, address)
    shown(browser, broken)
    assert status(browser).startswith("broken.jpg: byod does not take it: ")


def test_the_browser_cannot_but_byod_can(browser, address, cats, tmp_path):
    """A TIFF, which browsers do not draw, is drawn by byod, and gets its glasses."""
    file = tmp_path / "cat.tif"
    stream = io.BytesIO()
    Image.new("RGB", (WIDTH, 360), SKIN).save(stream, "TIFF", compression="tiff_deflate")
    file.write_bytes(cats.tell(stream.getvalue(), [head((200, 200), (280, 200))]))
    opened(browser, address)
    shown(browser, file)
    assert is_lens(pixel(browser, (200, 200)))


def test_a_busy_server_is_asked_again(browser, address, cats, tmp_path):
    """503 with Retry-After is waited out, and said; then the answer is there."""
    file = put(tmp_path, cats, picture(((100, 100), (160, 100))))
    refusals = [QueueFull(1, say("busy")), QueueFull(1, say("busy"))]

    def answer(content, *, look):
        if refusals:
            raise refusals.pop()
        return KnowsCats.answer(cats, content, look=look)

    cats.answer = answer
    try:
        opened(browser, address)
        one(browser, "input[type=file][multiple]").send_keys(str(file))
        until(browser, lambda: "again in 1 second" in status(browser))
        until(browser, lambda: "1 cat found" in status(browser))
    finally:
        del cats.answer


def test_a_server_that_is_gone(browser, cats, tmp_path):
    """When the server ends, the card says so and offers another try."""
    with served(cats) as url:
        opened(browser, url)
    one(browser, "input[type=file][multiple]").send_keys(str(put(tmp_path, cats, picture())))
    until(browser, lambda: find(browser, ".card.bad"))
    assert status(browser) == "cat.jpg: byod does not answer. Is it still running? Try again"
    browser.get_log("browser")  # the refused connections


def test_a_miss_is_reported_with_what_a_person_saw(browser, address, cats, kept, tmp_path):
    """A report keeps the picture and the corrected eyes; points that nobody was shown are not taken for truth."""
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
    one(browser, f"[data-point={EYES[0]}]").send_keys(Keys.SHIFT, Keys.ARROW_LEFT)
    before = set(kept.rglob("*.json"))
    press(browser, "Report a miss")
    says(browser, ".report", "in the dataset on this computer")
    press(browser, "Send")
    until(browser, lambda: "Thank you" in one(browser, ".card").text)
    (file,) = set(kept.rglob("*.json")) - before
    marks = json.loads(file.read_text())["marks"]
    assert (marks["width"], marks["height"], len(marks["heads"])) == (WIDTH, 360, 1)
    points = marks["heads"][0]["points"]
    assert {name for name, point in points.items() if point} == set(EYES)
    assert points[EYES[0]]["x"] == pytest.approx(138, abs=0.02)
    click(browser, lambda: one(browser, ".check input"))
    press(browser, "Report a miss")
    press(browser, "Send")
    until(browser, lambda: all(json.loads(file.read_text())["marks"]["heads"][0]["points"].values()))


def test_no_cat_can_be_reported_too(browser, address, cats, kept, tmp_path):
    """Glasses on something that is not a cat: removed and reported, it is a picture without heads."""
    opened(browser, address)
    shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
    before = set(kept.rglob("*.json"))
    press(browser, "Remove cat 1")
    press(browser, "Report a miss")
    says(browser, ".report", "there is no cat in this photo")
    press(browser, "Send")
    until(browser, lambda: set(kept.rglob("*.json")) - before)
    (file,) = set(kept.rglob("*.json")) - before
    assert json.loads(file.read_text())["marks"]["heads"] == []


def test_only_a_host_who_allows_it_gets_reports(browser, cats, market, tmp_path):
    """Where the host keeps no reports, the page offers none, and promises that nothing is kept."""
    with served(cats) as url:
        opened(browser, url)
        shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
        assert not [it for it in find(browser, "button") if it.text == "Report a miss"]
        assert (
            one(browser, ".where").text
            == "Your photos go to byod on this very computer and nowhere else. Nothing is kept."
        )


def test_classes_are_bars(browser, market, vegetables, tmp_path):
    """A model of classes shows its probabilities as bars, longest first, and names the likeliest."""
    vegetables.probability = 0.987
    opened(browser, market)
    shown(browser, put(tmp_path, KnowsCats(), picture(), "veg.jpg"))
    assert status(browser) == "veg.jpg: brokkoli, 99% sure"
    rows = [it.text.split("\n") for it in find(browser, ".bar")]
    assert rows == [["brokkoli", "98.7%"], ["blumenkohl", "1.3%"]]
    long, short = (it.rect["width"] for it in find(browser, ".track i"))
    assert long / short == pytest.approx(0.987 / 0.013, rel=0.3)


def test_unsure_means_none_of_these(browser, market, vegetables, tmp_path):
    """Below the line the page says "none of these", and which would be the likeliest."""
    vegetables.probability = 0.62
    opened(browser, market)
    shown(browser, put(tmp_path, KnowsCats(), picture(), "sofa.jpg"))
    assert status(browser) == "sofa.jpg: None of these, it seems."
    says(browser, ".answer", "the likeliest is brokkoli")


def test_what_it_looked_at_is_shown_on_request(browser, market, vegetables, tmp_path):
    """The model is asked for it only when the person asks, once; the veil comes and goes."""
    vegetables.probability, vegetables.looks = 0.9, 0
    opened(browser, market)
    shown(browser, put(tmp_path, KnowsCats(), picture(), "veg.jpg"))
    assert (vegetables.looks, is_skin(pixel(browser, (240, 180)))) == (0, True)
    press(browser, "What did it look at?")
    until(browser, lambda: not is_skin(pixel(browser, (240, 180))))
    says(browser, ".answer", "With the most important place covered it is 40% sure")
    press(browser, "Hide what it looked at")
    until(browser, lambda: is_skin(pixel(browser, (240, 180))))
    press(browser, "What did it look at?")
    until(browser, lambda: not is_skin(pixel(browser, (240, 180))))
    assert vegetables.looks == 1


def test_a_wrong_class_is_reported(browser, vegetables, tmp_path):
    """The person says what it really is, or that it is none of the classes."""
    vegetables.probability = 0.9
    (tmp_path / "kept").mkdir()
    with served(vegetables, dataset=tmp_path / "kept") as url:
        opened(browser, url)
        shown(browser, put(tmp_path, KnowsCats(), picture(), "veg.jpg"))
        for choice, label in (("blumenkohl", "blumenkohl"), ("None of these", None)):
            press(browser, "Report a miss")
            Select(one(browser, ".report select")).select_by_visible_text(choice)
            press(browser, "Send")
            until(browser, lambda: not one(browser, ".report").is_displayed())
            (file,) = (tmp_path / "kept").rglob("*.json")
            assert json.loads(file.read_text())["label"] == label


def test_german_browsers_see_german(cats, address, tmp_path):
    """Where the browser speaks German the page does from the start; one button changes all of it, and back."""
    with chromium(language="de-AT") as browser:
        browser.get(address)
        until(
            browser, lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes"
        )
        assert browser.execute_script("return navigator.language").startswith("de")
        shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
        assert browser.title == "Sonnenbrillen für Katzen"
        assert re.search("1 Katze in [0-9,]+ s gefunden", status(browser).replace("\xa0", " "))
        german = one(browser, "body").text
        press(browser, "English")
        until(browser, lambda: one(browser, "body").text != german)
        english = one(browser, "body").text
        assert browser.execute_script("return document.documentElement.lang") == "en"
        assert "1 cat found in " in english
        alike = set(german.split("\n")) & set(english.split("\n"))
        assert alike <= {"Wayfarer", "Deal with it", "cat.jpg", "cat.jpg:", "✕", "100 %", "95 %"}
        press(browser, "Deutsch")
        until(browser, lambda: one(browser, "body").text == german)


def accessible(browser):
    """The roles and names that a screen reader finds."""
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [
        (it["role"]["value"], it.get("name", {}).get("value", "")) for it in nodes if not it.get("ignored")
    ]


def test_everything_has_a_name(browser, address, market, cats, tmp_path):
    """Whatever can be operated or looked at has a name for a screen reader, and answers are announced."""
    operated = {"button", "slider", "radio", "checkbox", "combobox", "link", "image", "img"}
    for url in (address, market):
        opened(browser, url)
        shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
        found = accessible(browser)
        assert {role for role, _ in found} >= {
            "button",
            "image" if ("image", "") in found else "heading",
            "status",
            "main",
        }
        assert [it for it in found if it[0] in operated and not it[1].strip()] == []
    opened(browser, address)
    assert ("slider", "Size") in [(role, name.split("100")[0].strip()) for role, name in accessible(browser)]


CONTRAST = """
  const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map((v) => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const it = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$|transparent/.test(it)) return it; } return "rgb(255,255,255)"; };
  const speaks = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll("h1, h2, p, a, label, button, span, legend, output")]
    .filter((e) => speaks(e) && e.checkVisibility() && !e.disabled && !e.closest(".unseen"))
    .map((e) => {
      const [a, b] = [getComputedStyle(e).color, behind(e)].map(light).sort((x, y) => y - x);
      return [e.textContent, (a + 0.05) / (b + 0.05)]; }).filter(([, ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_it_can_be_read(browser, address, market, cats, tmp_path, scheme, size):
    """In light and dark every text stands out (4.5 : 1) and nothing sticks out of the window."""
    sized(browser, size)
    media(browser, scheme=scheme)
    for url in (address, market):
        for language in ("en", "de"):
            opened(browser, url, language)
            long = "ein-sehr-langer-dateiname-" * 6 + ".jpg"
            shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200))), long))
            assert browser.execute_script(CONTRAST) == []
            widths = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert widths[0] <= widths[1] == size[0]
    back = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, back[4:-1].split(","))) < 200) == (scheme == "dark")
    if size == PHONE:
        low = [
            it.text for it in find(browser, "button, .button") if it.is_displayed() and it.rect["height"] < 36
        ]
        assert low == []


def test_a_phone_offers_its_camera(browser, address):
    """Where there is a finger there is a button for the camera; on a desk there is none."""
    sized(browser, PHONE)
    opened(browser, address)
    camera = one(browser, ".camera")
    assert camera.is_displayed()
    assert camera.find_element(By.TAG_NAME, "input").get_attribute("capture") == "environment"
    sized(browser, DESK)
    opened(browser, address)
    assert not one(browser, ".camera").is_displayed()


def test_nothing_is_asked_of_others(browser, address, cats, tmp_path):
    """All the page asks for comes from its own server, and the strict policy finds nothing to forbid."""
    requested(browser)
    opened(browser, address)
    assert "script-src 'self'" in policy(browser, address)
    assert "unsafe" not in policy(browser, address)
    shown(browser, put(tmp_path, cats, picture(((150, 200), (250, 200)))))
    asked = [url for url in requested(browser) if not url.startswith(("blob:", "data:"))]
    assert len(asked) > 15
    assert [url for url in asked if not url.startswith(address)] == []


def policy(browser, address):
    code = (
        "const done = arguments[0]; fetch('/').then((it) => done(it.headers.get('content-security-policy')))"
    )
    return browser.execute_async_script(code)


def test_thirty_pictures_and_no_more(browser, address, cats):
    """The page takes thirty pictures and says that it took no more."""
    files = [
        (f"{n}.jpg", "image/jpeg", base64.b64encode(cats.tell(*picture(size=(64, 48)))).decode())
        for n in range(33)
    ]
    opened(browser, address)
    browser.execute_script(GIVE, "drop", files)
    until(browser, lambda: len(find(browser, ".card .stage")) == 30)
    says(browser, "main", "Only the first 30 photos were taken")


@contextmanager
def known(real_pictures, names):
    """A page whose model knows the eyes in real photos by their annotations."""
    model = KnowsCats()
    for name in names:
        content = (real_pictures / "cat-eyes" / "images" / f"{name}.jpg").read_bytes()
        model.tell(content, eyes_of(real_pictures / "cat-eyes" / "annotations" / f"{name}.xml"))
    with served(model) as url:
        yield url


@pytest.mark.data
def test_twenty_real_cats_get_their_glasses(browser, real_pictures):
    """In twenty real photos, all on one page at once, there is a dark lens on every eye."""
    photos = sorted((real_pictures / "cat-eyes" / "images").glob("*.jpg"))
    eyes = {it.stem: eyes_of(real_pictures / "cat-eyes" / "annotations" / f"{it.stem}.xml") for it in photos}
    names = [it.stem for it in photos if eyes[it.stem]][:20]
    with known(real_pictures, names) as url:
        opened(browser, url)
        browser.execute_script("document.querySelector('[value=wayfarer]').click()")
        shown(browser, *[real_pictures / "cat-eyes" / "images" / f"{name}.jpg" for name in names])
        code = "return [...document.querySelectorAll('.stage canvas')].map((it) => it.toDataURL('image/png'))"
        canvases = [
            Image.open(io.BytesIO(base64.b64decode(it.split(",")[1]))) for it in browser.execute_script(code)
        ]
    assert len(canvases) == 20
    for name, canvas in zip(names, canvases, strict=True):
        with Image.open(real_pictures / "cat-eyes" / "images" / f"{name}.jpg") as photo:
            scale = canvas.width / photo.width
        heads = eyes[name]
        for points, _ in heads:
            for x, y in points.values():
                at = round(x * scale), round(y * scale)
                assert sum(canvas.convert("RGB").getpixel(at)) < 200, (name, at)


def test_a_picture_can_be_given_as_pixels(browser, address, cats):
    """`predict` takes {width, height, pixels} as well as files: what arrives at the server are the same pixels."""
    opened(browser, address)
    before = len(cats.asked)
    code = """
      const {open} = await import("/predictor-server.js");
      const pixels = Uint8Array.from({length: 5 * 4 * 3}, (_, i) => (i * 37) % 256);
      const said = await (await open()).predict({width: 5, height: 4, pixels});
      return [said.width, said.height, said.heads.length];
    """
    assert run(browser, code) == [5, 4, 0]
    (sent,) = cats.asked[before:]
    pixels = (np.arange(60) * 37 % 256).astype(np.uint8).reshape(4, 5, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(sent)).convert("RGB")), pixels)
