"""The cat road with real photos and a net that really learned: convert, train, the page, and the page without a server.

The model learns for a minute only, so what is asked of it here is less than what benchmarks/cats.py measures.
"""

import base64
import csv
import hashlib
import io
import json
import shutil

import numpy as np
import pytest
import web_page
from command import byod
from headless import chromium, requested
from PIL import Image
from static_host import PAGE, hosting
from static_host import opened as opened_alone
from web_page import DESK, EYES, PHONE, eyes_of, media, one, opened, press, shown, sized, statuses, until

from byod.images.decode import open_picture
from byod.tasks.keypoints.geometry.metrics import glasses_sit
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.web.inference import open_model as opened_model
from byod.web.static_site import site_folder

pytestmark = [pytest.mark.long, pytest.mark.data]
STRANGERS = 24  # photos without a cat to learn from; as many others are kept back


@pytest.fixture(scope="module")
def photos(real_pictures):
    """The photos with eyes and faces."""
    return real_pictures / "cat-eyes"


@pytest.fixture(scope="module")
def strangers(real_pictures):
    """Photos of vegetables: those that the model learns from, and those that it never sees."""
    every = sorted((real_pictures / "vegetables").rglob("*.jpg"))
    chosen = every[:: len(every) // (2 * STRANGERS)]
    return chosen[0 : 2 * STRANGERS : 2], chosen[1 : 2 * STRANGERS : 2]


@pytest.fixture(scope="module")
def run(photos, strangers, real_pictures, tmp_path_factory):
    """Two sets of cats converted into one dataset, photos without a cat put beside them by hand; a short training."""
    home = tmp_path_factory.mktemp("home")
    dataset = home / "datasets" / "cats"
    own = {"BYOD_CACHE": str(home / "cache"), "BYOD_CONFIG": str(home / "config.toml")}
    centres = f"cat_eyes={','.join(EYES)}"
    byod("convert", "cats", str(real_pictures / "cats"), "--into", str(dataset), folder=home, **own)
    voc = ("convert", "voc", str(photos), "--points", centres, "--head", "cat_face", "--into", str(dataset))
    byod(*voc, folder=home, **own)
    for file in strangers[0]:
        copy = dataset / "images" / "cat" / f"none-{file.name}"
        shutil.copyfile(file, copy)
        width, height = open_picture(copy).size
        keypoints = {
            "sha256": hashlib.sha256(copy.read_bytes()).hexdigest(),
            "width": width,
            "height": height,
            "heads": [],
        }
        (dataset / "points" / f"{copy.stem}.json").write_text(json.dumps(keypoints), encoding="utf-8")
    weights = str(real_pictures / "weights" / "squeezenet1_1.pth")
    how = ("--task", "keypoints", "--plugin", "torch", "--weights", weights, "--epochs", "18", "--json")
    card = json.loads(byod("train", str(dataset), *how, folder=home, timeout=580, **own).stdout)
    assert card["counts"]["train"]["empty"] > STRANGERS / 2
    return dataset / "runs" / card["run"]


@pytest.fixture(scope="module")
def unseen(run, photos):
    """Photos with one cat that the model never saw: (file, its eyes, left first)."""
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as lines:
        tested = {row["sha256"] for row in csv.DictReader(lines) if row["alone"] == "1"}
    found = []
    for file in sorted((photos / "images").glob("*.jpg")):
        if hashlib.sha256(file.read_bytes()).hexdigest() in tested:
            ((points, _),) = eyes_of(photos / "annotations" / f"{file.stem}.xml")
            found.append((file, np.array([points[name] for name in EYES])))
    assert len(found) >= 20
    return found[:20]


@pytest.fixture(scope="module")
def predictor(run):
    return KeypointsPredictor(run)


@pytest.fixture(scope="module")
def browser():
    with chromium(log_network=True) as made:
        made.set_script_timeout(120)
        sized(made, DESK)
        media(made)
        yield made


@pytest.fixture(scope="module")
def address(run):
    with web_page.served(opened_model(run, unsure_below=0.7)) as url:
        yield url


def eyes(head):
    return np.array([head.points[name] for name in EYES])


def sits(heads, truth):
    """Whether there is one head, and glasses on its eyes would sit on the true ones."""
    return len(heads) == 1 and bool(glasses_sit(truth[None], eyes(heads[0])[None])[0])


@pytest.fixture(scope="module")
def found(unseen, predictor):
    """The unseen photos whose cat the model finds rightly, with what it says of them."""
    said = [(file, truth, predictor.find(np.asarray(open_picture(file)))) for file, truth in unseen]
    return [(file, truth, heads[0]) for file, truth, heads in said if sits(heads, truth)]


def canvases(browser):
    """What the cards show, in order."""
    code = "return [...document.querySelectorAll('.stage canvas')].map((it) => it.toDataURL('image/png'))"
    coded = browser.execute_script(code)
    return [Image.open(io.BytesIO(base64.b64decode(it.split(",")[1]))).convert("RGB") for it in coded]


def dark_at(canvas, place, width):
    """Whether there is dark glass at a place in pixels of the photo, which is `width` wide."""
    scale = canvas.width / width
    return sum(canvas.getpixel((round(place[0] * scale), round(place[1] * scale)))) < 200


def saved(folder, name, image, **how):
    file = folder / name
    image.save(file, quality=95, **how)
    return file


def test_most_unseen_cats_are_found(unseen, found):
    """Of twenty cats that it never saw, most get their glasses: middle, angle and size right."""
    assert len(found) >= 0.75 * len(unseen)


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_unseen_cats_wear_glasses_on_the_page(browser, address, found, size):
    """All of them on one page at once, at desk and phone size: a dark lens on every eye."""
    sized(browser, size)
    opened(browser, address)
    browser.execute_script("document.querySelector('[value=wayfarer]').click()")
    shown(browser, *[file for file, _, _ in found])
    assert not [line for line in statuses(browser) if "No cat" in line]
    for (file, _, head), canvas in zip(found, canvases(browser), strict=True):
        width = open_picture(file).width
        assert all(dark_at(canvas, at, width) for at in eyes(head)), file
    sized(browser, DESK)


def test_a_collage_of_two_gets_two(browser, address, found, predictor, tmp_path):
    """Two photos side by side: two cats, each with its own glasses, in most such pictures."""
    right = []
    for number in range(4):
        tiles = []
        for file, _, head in found[2 * number : 2 * number + 2]:
            x0, y0, x1, y1 = head.box
            side = 1.6 * max(x1 - x0, y1 - y0)
            cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
            box = tuple(round(v) for v in (cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2))
            tiles.append(open_picture(file).crop(box).resize((300, 300)))
        both = Image.new("RGB", (600, 300))
        both.paste(tiles[0], (0, 0))
        both.paste(tiles[1], (300, 0))
        file = saved(tmp_path, f"two{number}.jpg", both)
        opened(browser, address)
        shown(browser, file)
        heads = predictor.find(np.asarray(open_picture(file)))
        on_page = "2 cats found" in statuses(browser)[0]
        assert on_page == (len(heads) == 2)
        right.append(on_page and {int(eyes(head)[:, 0].mean() // 300) for head in heads} == {0, 1})
    assert sum(right) >= 3


def test_a_turned_cat_wears_turned_glasses(browser, address, found, predictor, tmp_path):
    """Turned by 30 degrees, most cats are found, and their glasses lie as their eyes do."""
    turned = []
    for number, (file, truth, _) in enumerate(found[:6]):
        photo = open_picture(file)
        degrees = 30 if number % 2 else -30
        image = photo.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(128, 128, 128))
        angle = -np.radians(degrees)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle, centre = np.array(photo.size) / 2, np.array(image.size) / 2
        where = (truth - middle) @ matrix.T + centre
        copy = saved(tmp_path, f"turned{number}.jpg", image)
        if sits(predictor.find(np.asarray(open_picture(copy))), where):
            turned.append((copy, where, image.width))
    assert len(turned) >= 4
    opened(browser, address)
    browser.execute_script("document.querySelector('[value=wayfarer]').click()")
    shown(browser, *[file for file, _, _ in turned])
    for canvas, (file, where, width) in zip(canvases(browser), turned, strict=True):
        assert all(dark_at(canvas, at, width) for at in where), file


def test_a_photo_that_lies_on_its_side_is_the_same_cat(browser, address, found, tmp_path):
    """The pixels turned and EXIF saying so: the page shows it upright, with the glasses on the same eyes."""
    file, _, head = found[0]
    photo = open_picture(file)
    copies = []
    for orientation, back in (
        (6, Image.Transpose.ROTATE_90),
        (3, Image.Transpose.ROTATE_180),
        (8, Image.Transpose.ROTATE_270),
    ):
        exif = Image.Exif()
        exif[0x0112] = orientation
        copies.append(saved(tmp_path, f"side{orientation}.jpg", photo.transpose(back), exif=exif))
    opened(browser, address)
    browser.execute_script("document.querySelector('[value=wayfarer]').click()")
    shown(browser, *copies)
    for canvas in canvases(browser):
        assert canvas.width / canvas.height == pytest.approx(photo.width / photo.height, abs=0.02)
        assert all(dark_at(canvas, at, photo.width) for at in eyes(head))


def test_vegetables_get_no_cat(browser, address, strangers):
    """Of vegetables that the model never saw, hardly one is taken for a cat, and the page says so plainly."""
    opened(browser, address)
    shown(browser, *strangers[1])
    said = statuses(browser)
    assert len(said) == len(strangers[1])
    assert sum("No cat found." in line for line in said) >= 0.9 * len(said)


def test_dogs_get_no_glasses(predictor, real_pictures):
    """No dog was ever seen in training, and of thirty at most two are taken for a cat."""
    dogs = sorted((real_pictures / "dogs").rglob("*.jpg"))
    assert len(dogs) == 30
    assert sum(bool(said.heads) for said in predictor.predict(dogs)) <= 2


def test_the_photo_is_saved_at_full_size(browser, address, found, tmp_path):
    """The download opens, is as large as the photo, and wears the glasses where the page shows them."""
    told = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", told)
    file, _, head = found[0]
    opened(browser, address)
    browser.execute_script("document.querySelector('[value=wayfarer]').click()")
    shown(browser, file)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", one(browser, ".card"))
    press(browser, "Save photo (PNG)")
    made = tmp_path / f"{file.stem}-sunglasses.png"
    until(browser, made.exists)
    image = Image.open(made)
    assert image.size == open_picture(file).size
    assert all(dark_at(image.convert("RGB"), at, image.width) for at in eyes(head))


def test_without_a_server_and_without_a_network(run, found, strangers, predictor, onnxruntime_web, tmp_path):
    """The exported page, once it is open and the network gone: the same cats get the same glasses, the others none."""
    place = tmp_path / PAGE.strip("/")
    place.parent.mkdir(parents=True)
    site_folder.write(run, place, onnxruntime_web.files)
    with chromium(log_network=True) as made, hosting(tmp_path) as host:
        made.set_script_timeout(120)
        sized(made, DESK)
        opened_alone(made, host)
        shown(made, found[0][0])
        made.execute_cdp_cmd("Network.enable", {})
        requested(made)
        asked = list(host.asked)
        off = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        made.execute_cdp_cmd("Network.emulateNetworkConditions", off)
        made.execute_script("document.querySelector('[value=wayfarer]').click()")
        shown(made, *[file for file, _, _ in found[1:8]], *strangers[1][:4])
        said = statuses(made)
        drawn = dict(zip((line.partition(":")[0] for line in said), canvases(made), strict=True))
        assert host.asked == asked
        assert [it for it in requested(made) if it.startswith("http")] == []
    assert sum("No cat found." in line for line in said) == sum(
        not predictor.find(np.asarray(open_picture(file))) for file in strangers[1][:4]
    )
    for file, _, head in found[:8]:
        width = open_picture(file).width
        assert all(dark_at(drawn[file.name], at, width) for at in eyes(head)), file
