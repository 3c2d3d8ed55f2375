"""Live mode in a real browser, with a camera that plays a film the test draws."""

import keypoint_nets
import numpy as np
import pytest
from headless import chromium
from static_host import PAGE, hosting, opened
from web_page import button, find, one, press, until

from byod.web.static_site import site_folder

pytestmark = pytest.mark.slow
WIDTH, HEIGHT, PICTURES = 320, 240, 12
DEVICE = "--use-fake-device-for-media-stream"


def y4m(file, pictures):
    """Write pictures uint8 [N, H, W, 3] as a film without compression, colours at half the size (BT.601)."""
    height, width = pictures[0].shape[:2]
    with file.open("wb") as film:
        film.write(f"YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C420mpeg2\n".encode())
        for picture in pictures:
            red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
            luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
            first = 128 + (-37.797 * red - 74.203 * green + 112 * blue) / 255
            second = 128 + (112 * red - 93.786 * green - 18.214 * blue) / 255
            film.write(b"FRAME\n")
            film.write(luma.round().astype(np.uint8).tobytes())
            for part in (first, second):
                film.write(
                    part.reshape(height // 2, 2, width // 2, 2)
                    .mean((1, 3))
                    .round()
                    .astype(np.uint8)
                    .tobytes()
                )


@pytest.fixture(scope="module")
def host(tmp_path_factory, onnxruntime_web):
    """The page of two nets made by hand, on a plain host."""
    home = tmp_path_factory.mktemp("live")
    run = home / "runs" / "hand"
    run.mkdir(parents=True)
    keypoint_nets.run_folder(run)
    site = home / "site"
    (site / PAGE.strip("/")).parent.mkdir(parents=True)
    site_folder.write(run, site / PAGE.strip("/"), onnxruntime_web.files)
    with hosting(site) as made:
        yield made


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A head that goes from left to right."""
    file = tmp_path_factory.mktemp("film") / "film.y4m"
    places = np.linspace(90, 230, PICTURES)
    y4m(file, [keypoint_nets.scene([(x, 100, 60, 0)], size=(WIDTH, HEIGHT))[0] for x in places])
    return file


@pytest.fixture
def filmed(film):
    with chromium(
        DEVICE, "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={film}"
    ) as made:
        made.set_script_timeout(120)
        yield made


LENSES = """
  const canvas = document.querySelector(".live canvas");
  const {data, width} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [sum, count] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 2] < 60) { sum += (at / 4) % width; count++; }
  }
  return [count, sum / Math.max(count, 1) / width];
"""
"""How many pixels have little blue, as glasses alone have, and where their middle lies across (0..1)."""


def test_glasses_follow_until_it_is_stopped(host, filmed):
    """Glasses sit on the head wherever it goes in the film; Stop ends it, and the button has the focus again."""
    opened(filmed, host, "?lang=en")
    press(filmed, "Webcam, live")
    until(filmed, lambda: find(filmed, ".live[data-heads='1']"))
    assert "1 cat" in one(filmed, ".live .status").text or "1 object" in one(filmed, ".live .status").text
    seen = []

    def went():
        count, middle = filmed.execute_script(LENSES)
        if count > 200:
            seen.append(middle)
        return seen and max(seen) - min(seen) > 0.2

    until(filmed, went)
    press(filmed, "Stop")
    until(filmed, lambda: not find(filmed, ".live"))
    assert filmed.switch_to.active_element.text == "Webcam, live"


def test_a_picture_is_taken_from_the_camera(host, filmed):
    """A press takes what the camera sees as a picture of its own, with glasses that can be moved and saved."""
    opened(filmed, host, "?lang=en")
    press(filmed, "Webcam, live")
    until(filmed, lambda: find(filmed, ".live[data-heads='1']"))
    press(filmed, "Take this picture")
    until(filmed, lambda: find(filmed, "#pictures .card .handle"))
    assert one(filmed, "#pictures h2").text == "webcam.jpg"
    assert button(filmed, "Save photo (PNG)").is_enabled()


def test_a_camera_that_is_refused_is_one_line(host):
    """Who forbids the camera is told how to allow it, in one line, and nothing else stops working."""
    with chromium(DEVICE) as made:
        browser = {"origin": host.url, "permission": {"name": "camera"}, "setting": "denied"}
        made.execute_cdp_cmd("Browser.setPermission", browser)
        opened(made, host, "?lang=en")
        press(made, "Webcam, live")
        until(made, lambda: find(made, ".note.bad[role=alert]"))
        told = one(made, ".note.bad[role=alert]").text
        assert told == "The camera may not be used: allow it for this page in the browser, then try again."
        assert button(made, "Webcam, live").is_enabled()
        assert [it for it in made.get_log("browser") if it["level"] == "SEVERE"] == []


def test_without_a_camera_it_is_said(host):
    """Where there is no camera the page says so."""
    with chromium("--use-fake-ui-for-media-stream", f"{DEVICE}=device-count=0") as made:
        opened(made, host, "?lang=en")
        press(made, "Webcam, live")
        until(made, lambda: find(made, ".note.bad[role=alert]"))
        assert one(made, ".note.bad[role=alert]").text == "No camera was found."
