"""A run as plain files: in a real browser, from a plain host, its answers are those of Python."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import web_page
from direct_training import train_keypoints
from headless import chromium, requested
from page_server import trained
from PIL import Image, ImageCms, ImageDraw
from selenium.webdriver.common.by import By
from spot_trainer import POINTS, WHEELS, Spot, spotted, wheels
from static_host import PAGE, hosting, opened, until

from byod.api import runs, train
from byod.images import decode
from byod.images import resize as resize_rule
from byod.report import attribution
from byod.schema.errors import UsageError
from byod.schema.model_card import Unreadable
from byod.tasks.classify.predict import Predictor
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.web import security
from byod.web.static_site import site_folder

pytestmark = pytest.mark.slow
RANDOM = np.random.default_rng(5)
OPEN = """
  globalThis.predictors ??= {};
  const predictor = (globalThis.predictors[location.pathname] ??= await (await import("./predictor-onnx.js")).open());
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that the host serves."""
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def host(site):
    with hosting(site) as made:
        yield made


@pytest.fixture(scope="module")
def browser():
    with chromium(log_network=True) as made:
        made.set_script_timeout(300)
        yield made


@pytest.fixture(scope="module")
def put(site, onnxruntime_web, tmp_path_factory):
    """A function that exports a run to the one place that the host shows."""

    def exported(run, **how):
        place = site / PAGE.strip("/")
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        return site_folder.write(run, place, onnxruntime_web.files, **how)

    return exported


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A run for classes, with names that are not easy."""
    return trained(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    """A run for points whose points are looked for again twice, and its pictures."""
    home = tmp_path_factory.mktemp("spots")
    examples, marks = spotted(home / "images" / "cat", 60)
    run = home / "runs" / "first"
    train_keypoints(examples, marks, POINTS, Spot(), {}, folder=run)
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    assert card["eyes"]
    (run / "model.json").write_text(json.dumps(card | {"refine": 2}), encoding="utf-8")
    return run, examples


@pytest.fixture(scope="module")
def bikes(tmp_path_factory):
    """A run for points of what has no eyes, and its pictures."""
    home = tmp_path_factory.mktemp("bikes")
    examples, marks = wheels(home / "images" / "bike", 60)
    train_keypoints(examples, marks, WHEELS, Spot(), {}, folder=home / "runs" / "first")
    return home / "runs" / "first", examples


def asked(browser, pixels):
    """What the page's predictor says of RGB bytes."""
    given = web_page.sent(pixels)
    return web_page.run(
        browser, OPEN + web_page.PICTURE + "return predictor.predict(picture(given[0]));", given
    )


def asked_files(browser, addresses, **how):
    """What it says of files of the host, and how many milliseconds each took."""
    body = """
      const answers = [];
      for (const address of given[0]) {
        const file = await (await fetch(address)).blob();
        const began = performance.now();
        const said = await predictor.predict(file, given[1]);
        answers.push({...said, ms: performance.now() - began});
      }
      return answers;
    """
    return web_page.run(browser, OPEN + body, addresses, how)


def noise(width, height):
    """Smooth colour with single pixels in it."""
    small = RANDOM.integers(0, 256, (height // 9 + 2, width // 9 + 2, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).copy()
    picture[RANDOM.random((height, width)) < 0.1] = 255
    return picture


def saved(site, name, image, **how):
    """A picture file on the host; gives the file and its path there."""
    file = site / "pictures" / name
    file.parent.mkdir(exist_ok=True)
    image.save(file, **how)
    return file, f"/pictures/{name}"


@pytest.mark.parametrize("resize", ["squish", "crop", "pad"])
def test_the_same_pixels_get_the_same_probabilities(resize, colours, put, host, browser, tmp_path):
    """Small, large, wide and high pictures: each probability is Python's within 1e-3, and the words are the same."""
    run = shutil.copytree(colours, tmp_path / "run")
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    card["input"]["resize"] = resize
    (run / "model.json").write_text(json.dumps(card), encoding="utf-8")
    put(run)
    opened(browser, host)
    predictor = Predictor(run, threads=1)
    for width, height in ((7, 5), (64, 64), (333, 200), (90, 700), (1200, 901)):
        block = noise(width, height)
        own = predictor.said(resize_rule.block(Image.fromarray(block), predictor.card.input))
        said = asked(browser, block)
        assert said["probabilities"] == pytest.approx(own.probabilities, abs=1e-3)
        assert said["label"] == own.label
        assert (said["width"], said["height"]) == (width, height)
        assert said["unsure"] == (own.probability < 0.7)
        assert said["typicality"] == pytest.approx(own.typicality, rel=1e-3)
        assert said["none_of_these"] == own.none_of_these


@pytest.mark.parametrize("resize", ["squish", "crop", "pad"])
def test_a_model_with_its_resize_inside_says_the_same_in_a_browser(
    resize, colours, put, site, host, browser, tmp_path
):
    """onnxruntime-web is given the pixels of any picture, and says what Python says within 1e-3."""
    run = shutil.copytree(colours, tmp_path / "run")
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    card["input"]["resize"] = resize
    (run / "model.json").write_text(json.dumps(card), encoding="utf-8")
    out = runs.export_run(run, "onnx", tmp_path / "out", with_resize=True)
    put(run)
    (site / "pictures").mkdir(exist_ok=True)
    shutil.copyfile(out / "model.onnx", site / "pictures" / f"{resize}.onnx")
    opened(browser, host)
    predictor = Predictor(run, threads=1)
    body = """
      const ort = await import("./runtime/ort.wasm.bundle.min.js");
      ort.env.wasm.numThreads = 1;
      const content = new Uint8Array(await (await fetch(given[1])).arrayBuffer());
      const session = await ort.InferenceSession.create(content, {executionProviders: ["wasm"]});
      const {width, height, pixels} = picture(given[0]);
      const said = await session.run({pixels: new ort.Tensor("uint8", pixels, [1, height, width, 3])});
      return [[...said.probabilities.data], [...said.typicality.data]];
    """
    for width, height in ((7, 5), (333, 200), (90, 700), (1200, 901)):
        block = noise(width, height)
        own = predictor.said(resize_rule.block(Image.fromarray(block), predictor.card.input))
        sent = web_page.sent(block)
        chances, typicality = web_page.run(browser, web_page.PICTURE + body, sent, f"/pictures/{resize}.onnx")
        assert chances == pytest.approx(list(own.probabilities.values()), abs=1e-3)
        assert typicality == pytest.approx([own.typicality], rel=1e-3)


@pytest.mark.long
@pytest.mark.data
def test_photos_get_the_same_label_as_in_python(put, host, site, browser, real_pictures, tmp_path):
    """All 400 vegetables, as JPEG files: the same label for 99 % and more, and certainty is the same to a percent."""
    pytest.importorskip("byod_sklearn")
    from byod.api import adding
    from byod.schema.recipe import Recipe

    folder, classes = tmp_path / "datasets" / "vegetables", ("blumenkohl", "brokkoli")
    recipe = Recipe().with_class(classes[0]).with_class(classes[1])
    for name in classes:
        source = real_pictures / "vegetables" / name
        adding.add([source], name, folder, recipe, say=str, watch=lambda tallies: None)
    body = {
        "arch": "mobilenet_v2",
        "features": "body",
        "weights": str(real_pictures / "weights" / "mobilenet_v2.pth"),
    }
    wanted = train.TrainRequest(plugin="sklearn", options=body, probe=False)
    run, card = train.train(folder, wanted, say=str, log=lambda epoch: None)
    assert card.metrics.accuracy > 0.85
    put(run)
    if not (site / "vegetables").exists():
        (site / "vegetables").symlink_to(real_pictures / "vegetables", target_is_directory=True)
    opened(browser, host)
    files = sorted((real_pictures / "vegetables").glob("*/*.jpg"))
    assert len(files) == 400
    said = asked_files(browser, [f"/vegetables/{file.parent.name}/{file.name}" for file in files])
    own = list(Predictor(run, threads=1).predict(files))
    assert np.mean([a["label"] == b.label for a, b in zip(said, own, strict=True)]) >= 0.99
    apart = [abs(a["probability"] - b.probabilities[a["label"]]) for a, b in zip(said, own, strict=True)]
    assert np.mean(apart) < 0.01


def test_what_the_net_looked_at_is_told_as_a_server_tells_it(colours, put, host, site, browser):
    """The same label, area and least certainty as from `byod serve`, and a veil of the same colours there."""
    from byod.web.inference import open_model as served

    block = np.full((90, 160, 3), (120, 120, 60), np.uint8)
    block[20:70, 90:150] = (200, 30, 30)
    file, address = saved(site, "look.png", Image.fromarray(block))
    put(colours)
    opened(browser, host)
    (said,) = asked_files(browser, [address], look=True)
    own = served(colours).answer(file.read_bytes(), look=True).look
    look = said["look"]
    assert (look["label"], look["clear"]) == (own.label, own.clear)
    assert look["area"] == list(own.area)
    assert look["least"] == pytest.approx(own.least, abs=1e-3)
    mine, theirs = (np.asarray(veil(each).convert("RGBA")).astype(float) for each in (look["veil"], own.veil))
    assert mine.shape == theirs.shape
    assert np.abs(mine[..., 3] - theirs[..., 3]).mean() < 20  # of 200
    strong = theirs[..., 3] > 80
    assert strong.any()
    assert np.abs(mine[strong][:, :3] - theirs[strong][:, :3]).mean() < 12


def veil(address):
    import base64

    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_the_same_pixels_get_the_same_heads(spots, put, host, browser):
    """Heads, their boxes and points in pixels are Python's within 1e-3, confidences within 0.03; two, one or none."""
    run, examples = spots
    put(run)
    opened(browser, host)
    predictor = KeypointsPredictor(run, threads=1)
    assert predictor.card.refine == 2
    counts = set()
    for example in examples[::4]:
        counts.add(same_in_both(browser, predictor, example.path))
    assert counts == {0, 1, 2}
    large = np.asarray(decode.open_picture(examples[0].path).resize((1500, 1300)))
    same_heads(asked(browser, large)["heads"], predictor.find(large), 1e-3)


def test_objects_without_eyes_get_the_same_points(bikes, put, host, browser):
    """Where nothing has eyes, an object is as sure as all of its points are, here as in Python."""
    run, examples = bikes
    put(run)
    opened(browser, host)
    predictor = KeypointsPredictor(run, threads=1)
    assert predictor.card.eyes is None
    assert {same_in_both(browser, predictor, each.path, WHEELS) for each in examples[::6]} >= {0, 1}


def same_in_both(browser, predictor, path, points=POINTS):
    """How many objects both find in a picture, at the same places."""
    block = np.asarray(decode.open_picture(path))
    own = predictor.find(block)
    said = asked(browser, block)
    assert (said["width"], said["height"]) == (block.shape[1], block.shape[0])
    same_heads(said["heads"], own, 1e-3, points)
    return len(own)


def same_heads(said, own, within, points=POINTS):
    assert len(said) == len(own)
    for here, there in zip(said, own, strict=True):
        # the factor of the second look is steep, and the page's weights may have 16 bits
        assert here["confidence"] == pytest.approx(there.confidence, abs=0.03)
        assert here["box"] == pytest.approx(there.box, abs=within)
        assert set(here["points"]) == set(here["point_confidence"]) == set(points.names)
        for name in points.names:
            assert here["points"][name] == pytest.approx(there.points[name], abs=within)
            assert here["point_confidence"][name] == pytest.approx(there.point_confidence[name], abs=0.03)


def test_jpeg_files_get_their_points_within_two_percent(spots, put, host, site, browser):
    """Each decoder on its own: points differ by less than 2 % of the distance of the eyes, turned files included."""
    run, examples = spots
    put(run)
    opened(browser, host)
    files, addresses = [], []
    for number, example in enumerate(examples[:16]):
        exif = Image.Exif()
        exif[0x0112] = number % 8 + 1
        image = decode.open_picture(example.path)
        image = image.resize((image.width * 3, image.height * 3)) if number % 2 else image
        file, address = saved(site, f"spot{number}.jpg", image, quality=70 + 2 * number, exif=exif)
        files.append(file)
        addresses.append(address)
    found = 0
    own = KeypointsPredictor(run, threads=1).predict(files)
    for here, there in zip(asked_files(browser, addresses), own, strict=True):
        assert (here["width"], here["height"], len(here["heads"])) == (
            there.width,
            there.height,
            len(there.heads),
        )
        for mine, theirs in zip(here["heads"], there.heads, strict=True):
            eyes = np.array([theirs.points["eye_image_left"], theirs.points["eye_image_right"]])
            apart = np.linalg.norm(eyes[0] - eyes[1])
            off = [np.subtract(mine["points"][name], theirs.points[name]) for name in POINTS.names]
            assert np.linalg.norm(off, axis=1).max() < 0.02 * apart
            found += 1
    assert found >= 4


def files_of_all_kinds():
    """(name, picture, how to save it) of what people drop on a page."""
    photo = Image.fromarray(noise(161, 120))
    alpha = photo.convert("RGBA")
    ImageDraw.Draw(alpha).ellipse((20, 20, 90, 90), fill=(200, 0, 0, 100))
    alpha.putpixel((5, 5), (10, 20, 30, 0))
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield from (
        ("plain.jpg", photo, {"quality": 90}),
        ("whole.jpg", photo, {"quality": 95, "subsampling": 0}),
        ("odd.jpg", photo, {"quality": 75, "subsampling": 1}),
        ("progressive.jpg", photo, {"quality": 85, "progressive": True}),
        ("grey.jpg", photo.convert("L"), {"quality": 90}),
        ("profile.jpg", photo, {"quality": 90, "icc_profile": wide}),
        ("plain.png", photo, {}),
        ("alpha.png", alpha, {}),
        ("palette.png", photo.quantize(60), {}),
        ("grey.png", photo.convert("L"), {}),
        ("two.png", photo.convert("1"), {}),
        ("plain.gif", photo.quantize(60), {}),
        ("plain.bmp", photo, {}),
        ("exact.webp", photo, {"lossless": True}),
        ("lossy.webp", photo, {"quality": 80}),
        ("alpha.webp", alpha, {"lossless": True, "exact": True}),
    )


def test_files_are_opened_as_byod_opens_them(colours, put, host, site, browser):
    """Pixels of every kind of file are those of `pictures.open_picture`, on white where they are transparent."""
    put(colours)
    opened(browser, host)
    body = (
        web_page.PICTURE
        + """
      const {fullSize, rgb} = await import("./pictures.js");
      const file = await (await fetch(given[0])).blob();
      const {canvas, scale} = await fullSize(file);
      const {width, height, pixels} = await rgb(canvas);
      return {width, height, scale, pixels: text(pixels)};
    """
    )
    for name, image, how in files_of_all_kinds():
        file, address = saved(site, name, image, **how)
        said = web_page.run(browser, body, address)
        own = np.asarray(decode.open_picture(file)).astype(int)
        assert (said["height"], said["width"], said["scale"]) == (*own.shape[:2], 1)
        apart = np.abs(web_page.received(said["pixels"], own.shape) - own)
        assert apart.mean() < 0.5, name
        assert np.quantile(apart, 0.999) <= 4, name


def test_a_file_that_is_no_picture_is_said_so(colours, put, host, site, browser):
    """The page's own word for it, as `Unreadable` is Python's."""
    (site / "pictures").mkdir(exist_ok=True)
    (site / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    put(colours)
    opened(browser, host)
    body = """
      const file = await (await fetch("/pictures/broken.jpg")).blob();
      return predictor.predict(file).then(() => "answered", (fault) => fault.reason);
    """
    assert web_page.run(browser, OPEN + body) == "no_picture"
    (own,) = Predictor(colours).predict([site / "pictures" / "broken.jpg"])
    assert isinstance(own, Unreadable)


def test_a_picture_that_is_taken_back_is_not_waited_for(colours, put, host, browser):
    """An aborted question ends at once, also within a long look; the next one is answered."""
    put(colours)
    opened(browser, host)
    body = (
        web_page.PICTURE
        + """
      const ends = new AbortController();
      const asked = predictor.predict(picture(given[0]), {look: true, signal: ends.signal});
      setTimeout(() => ends.abort(), 1);
      const first = await asked.then(() => "answered", (fault) => fault.name);
      return [first, (await predictor.predict(picture(given[0]))).path];
    """
    )
    assert web_page.run(browser, OPEN + body, web_page.sent(noise(900, 900))) == ["AbortError", "-"]


def test_the_page_works_with_nothing_but_its_own_files(colours, put, host, site, browser):
    """A photo is chosen and told apart; nothing was asked for outside the folder, nothing sent, nothing complained."""
    put(colours)
    file, _ = saved(site, "red.jpg", Image.new("RGB", (320, 240), (170, 70, 60)))
    browser.get_log("browser")
    requested(browser)
    host.asked.clear()
    opened(browser, host, "?lang=en")
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(file))
    until(lambda: browser.find_elements(By.CSS_SELECTOR, ".card .bars"))
    card = browser.find_element(By.CSS_SELECTOR, ".card")
    assert "rot <&\"'>" in card.text
    assert "never leave this device" in browser.find_element(By.TAG_NAME, "main").text
    outside = [
        address
        for address in requested(browser)
        if not address.startswith((host.url + PAGE, "blob:", "data:"))
    ]
    assert outside == []
    assert all(path.startswith(PAGE) for path in host.asked)  # a POST would not
    faults = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert faults == []


def test_neither_page_nor_worker_may_ask_anybody_else(colours, put, host, site, browser):
    """The policy holds in both: another host is not even asked, and no program from elsewhere is run."""
    put(colours)
    (site / "stranger.js").write_text(
        "fetch(ELSEWHERE, {mode: 'no-cors'}).then(() => postMessage('sent'), () => postMessage('kept in'));"
    )
    opened(browser, host)
    with hosting(site) as other:
        body = """
          const elsewhere = given[0] + "/vegetables/taken";
          const page = await fetch(elsewhere, {mode: "no-cors"}).then(() => "sent", () => "kept in");
          const {Workshop} = await import("./workshop.js");
          const prelude = (await (await fetch("/stranger.js")).text()).replace("ELSEWHERE", JSON.stringify(elsewhere));
          const made = (part) => URL.createObjectURL(new Blob([part], {type: "text/javascript"}));
          const worker = new Worker(made(prelude), {type: "module"});
          const inside = await new Promise((resolve) => { worker.onmessage = ({data}) => resolve(data); });
          const {worker: theirs} = new Workshop(new URL(given[0] + "/stranger.js"));
          const program = await new Promise((resolve) => {
            theirs.onmessage = () => resolve("run");
            theirs.onerror = () => resolve("not run");
          });
          return {page, inside, program};
        """
        said = web_page.run(browser, body, other.url)
        assert other.asked == []
    assert said == {"page": "kept in", "inside": "kept in", "program": "not run"}


def test_the_policy_is_the_servers_and_webassembly():
    """What `byod serve` allows its page, no `unsafe-eval`, and nothing that a page cannot say itself."""
    served = dict(part.strip().split(" ", 1) for part in security.POLICY.split(";"))
    own = dict(part.strip().split(" ", 1) for part in site_folder.PAGE_POLICY.split(";"))
    assert own["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert own["worker-src"] == "'self' blob:"
    assert {k: v for k, v in own.items() if k not in ("script-src", "worker-src")} == {
        k: v for k, v in served.items() if k not in ("script-src", "frame-ancestors")
    }


def test_half_an_upload_is_told(colours, put, host, browser):
    """A model that is cut off, or a runtime that is missing, makes the page say that it cannot begin."""
    for spoil in (
        "model.onnx.gz",
        "runtime/ort-wasm-simd-threaded.wasm.gz",
        "runtime/ort.wasm.bundle.min.js",
        "model.json",
    ):
        folder = put(colours)
        (folder / spoil).write_bytes((folder / spoil).read_bytes()[:300]) if spoil == "model.onnx.gz" else (
            folder / spoil
        ).unlink()
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.get(f"{host.url}{PAGE}?lang=en")
        notice = browser.find_element(By.CSS_SELECTOR, "#notice")
        until(lambda notice=notice: "could not be opened" in notice.text)


def test_once_opened_it_works_without_a_network(colours, put, site, browser):
    """Over https: the host is gone, the page comes and answers all the same."""
    import trustme

    put(colours)
    certificate = trustme.CA().issue_cert("127.0.0.1")
    with chromium("--ignore-certificate-errors") as made:
        made.set_script_timeout(120)
        with hosting(site, certificate) as host:
            opened(made, host)
            ready = "const it = await navigator.serviceWorker.ready; return it.active.state;"
            assert web_page.run(made, ready) in ("activating", "activated")
            kept = "return (await caches.keys()).length;"
            assert web_page.run(made, kept) == 1
            asked_before = len(host.asked)
        assert asked_before > 20
        opened(made, host, "?lang=de")
        assert "verlassen dieses Gerät nicht" in made.find_element(By.TAG_NAME, "main").text
        assert asked(made, np.full((40, 60, 3), (170, 70, 60), np.uint8))["label"] == "rot <&\"'>"


def test_a_new_export_is_seen_after_coming_back(colours, put, site):
    """Who has the page open keeps it whole; after closing it and coming back, the new one is there."""
    import trustme

    body = "return (await (await fetch('model.json')).json()).unsure_below;"
    waits = "return Boolean((await navigator.serviceWorker.getRegistration()).waiting);"
    put(colours)
    certificate = trustme.CA().issue_cert("127.0.0.1")
    with chromium("--ignore-certificate-errors") as made, hosting(site, certificate) as host:
        made.set_script_timeout(120)
        opened(made, host)
        web_page.run(made, "await navigator.serviceWorker.ready; return true;")
        put(colours, unsure_below=0.9)
        opened(made, host)
        assert web_page.run(made, body) == 0.7
        until(lambda: web_page.run(made, waits))

        def back():
            made.get("about:blank")  # a browser ends a page some moments after it was left
            opened(made, host)
            return web_page.run(made, body)

        until(lambda: back() == 0.9)
        assert web_page.run(made, "return (await caches.keys()).length;") == 1


def test_the_folder_is_whole(colours, put, onnxruntime_web):
    """Page, model, runtime, manual and licences; the card says no more than a page needs, README who made what."""
    folder = put(colours)
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert {
        "index.html",
        "app.js",
        "model.onnx",
        "model.json",
        "README.md",
        "offline.js",
        "CREDITS.csv",
    } <= names
    assert {
        "licences/byod.txt",
        "licences/onnxruntime-web.txt",
        "licences/onnxruntime-web-notices.txt",
    } <= names
    assert {name for name in names if name.startswith("runtime/")} == {
        *(f"runtime/{n}" for n in onnxruntime_web.files),
        "runtime/ort-wasm-simd-threaded.wasm.gz",
    }
    assert not {"heads.onnx", "predictor-server.js", "docs.css"} & names
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert not {"command", "licences", "options", "versions", "takes"} & card.keys()
    assert str(Path.home()) not in (folder / "model.json").read_text(encoding="utf-8")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.index("Content-Security-Policy") < page.index("<link")
    assert '<meta name="byod-predictor" content="onnx">' in page
    assert 'content="server"' not in page
    assert "needs a web server" in page
    manual = (folder / "README.md").read_text(encoding="utf-8")
    assert "python -m http.server" in manual
    assert "The model card names none." in manual  # a test trained it, and told no licences
    kept = (folder / "offline.js").read_text(encoding="utf-8")
    assert all(
        f'"{name}"' in kept for name in names if name.endswith((".js", ".gz")) and name != "offline.js"
    )
    assert '"model.onnx"' not in kept  # a browser that keeps pages unpacks the other


def test_the_manual_says_whose_pictures_the_model_saw(colours, onnxruntime_web, tmp_path):
    """Licences are counted as in the card, with links; credits are those of the pictures of the run, and no others."""
    dataset = shutil.copytree(colours.parent.parent, tmp_path / "dataset")
    run = dataset / "runs" / colours.name
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    card["licences"] = {"CC-BY-4.0": 20, "unknown": 4}
    (run / "model.json").write_text(json.dumps(card), encoding="utf-8")
    lines = (run / "examples.csv").read_text(encoding="utf-8").splitlines()
    (run / "examples.csv").write_text("\n".join(lines[:6]) + "\n", encoding="utf-8")
    folder = site_folder.write(run, tmp_path / "page", onnxruntime_web.files)
    manual = (folder / "README.md").read_text(encoding="utf-8")
    assert "| CC BY 4.0 | 20 | <https://creativecommons.org/licenses/by/4.0/> |" in manual
    assert "| not stated | 4 |" in manual
    credited = {credit.sha256 for credit in attribution.read_credits(folder / "CREDITS.csv")}
    assert credited == {line.split(",")[0] for line in lines[1:6]}


def test_an_export_is_another_edition_when_anything_in_it_changes(colours, put, tmp_path):
    """Browsers that keep the page see by offline.js alone whether it is a new one."""
    first = (put(colours) / "offline.js").read_text(encoding="utf-8")
    assert (put(colours) / "offline.js").read_text(encoding="utf-8") == first
    assert (put(colours, unsure_below=0.9) / "offline.js").read_text(encoding="utf-8") != first


def test_a_taken_place_is_left_alone(colours, onnxruntime_web, tmp_path):
    """Nothing is written into a folder that is there already, nor beside it."""
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        site_folder.write(colours, tmp_path / "there", onnxruntime_web.files)
    assert [each.name for each in tmp_path.iterdir()] == ["there"]
