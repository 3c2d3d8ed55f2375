"""HEIC, photos of 108 megapixels and PPM, by every way that a picture comes in."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import page_server
import pytest
from hostile_contents import photo, saved
from loopback_server import LoopbackServer
from made_pictures import heic
from PIL import Image

from byod.images.decode import open_picture


def large() -> bytes:
    """A photo of 108 megapixels, turned by its EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(photo(5).resize((12_000, 9_000)), "JPEG", quality=60, exif=exif)


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return {
        "phone.heic": heic(),
        "named.jpg": heic("turned"),
        "large.jpg": large(),
        "old.ppm": saved(photo(6), "PPM"),
    }


def byod(folder: Path, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "byod", *arguments, "--json"],
        cwd=folder,
        env={**os.environ, "BYOD_ALLOW_PRIVATE_HOSTS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_they_are_added_and_collected(tmp_path: Path, pictures: dict[str, bytes]):
    """`byod add` and `collect --from-urls` keep all of them, upright, and none is named broken."""
    own = tmp_path / "own" / "thing"
    own.mkdir(parents=True)
    with LoopbackServer() as web:
        rows = ["url,label"]
        for name, content in pictures.items():
            (own / name).write_bytes(content)
            rows.append(f"{web.put(f'/{name}', content, 'application/octet-stream')},thing")
        (tmp_path / "list.csv").write_text("\n".join(rows))
        for how in (["add", "own"], ["collect", "--from-urls", "list.csv"]):
            told = byod(tmp_path, *how, "--into", how[0])
            assert told["classes"] == {"thing": 4} or told["rejected"] == {"duplicate": 1}, told
            there = [*(tmp_path / how[0] / "images").rglob("*.*"), *(tmp_path / how[0]).rglob("duplicate/*")]
            sizes = {Image.open(file).size for file in there}
            assert {(320, 240), (240, 320), (12_000, 9_000), (400, 300)} == sizes
            assert len(list((tmp_path / how[0] / "originals").iterdir())) == 2


@pytest.mark.slow
def test_they_are_predicted_and_served(tmp_path: Path, pictures: dict[str, bytes]):
    """`byod predict` and the page's API say what each shows, and the size of the upright picture."""
    run = page_server.trained(tmp_path / "home")
    for name, content in pictures.items():
        (tmp_path / name).write_bytes(content)
    told = byod(tmp_path, "predict", "--run", str(run), *pictures)
    assert [each["path"] for each in told] == list(pictures)
    assert all(each["label"] for each in told)
    sizes = [(320, 240), (240, 320), (9_000, 12_000), (400, 300)]
    with page_server.served(run) as place:
        for (name, content), size in zip(pictures.items(), sizes, strict=True):
            answer = page_server.post(place, content=content).json
            assert (answer["width"], answer["height"]) == size, name
            shown = page_server.post(place, "/api/picture", content)
            assert Image.open(io.BytesIO(shown.body)).format == "JPEG"


def test_a_reduced_one_shows_the_same(pictures: dict[str, bytes]):
    """A photo of 108 megapixels is opened reduced, upright, and looks like what it was made from."""
    opened = open_picture(pictures["large.jpg"], at_least=224)
    assert 224 <= opened.width < opened.height < 1000
    small = photo(5).transpose(Image.Transpose.ROTATE_270).resize(opened.size)
    differences = zip(opened.resize((9, 12)).tobytes(), small.resize((9, 12)).tobytes(), strict=True)
    assert max(abs(one - other) for one, other in differences) < 12
