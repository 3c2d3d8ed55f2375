"""Exports of keypoints: what the pictures say beside their pixels, and passwords of addresses, stay here as well."""

import csv
import io
import json

import pytest
from command import byod
from PIL import Image

from byod.report.attribution import read_credits
from byod.tasks import TASKS
from byod.tasks.keypoints.importers.cat_file import POINTS
from byod.testing import draw_classes

pytestmark = pytest.mark.slow

OF_POINTS = list(TASKS["keypoints"].exchange.exports)
ADDRESS = "https://bob:5EC2E7@h.example/{n}.jpg?w=640&X-Amz-Signature=5EC2E7&token=5EC2E7"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" exif:GPSLatitude="48,8.2N"></x:xmpmeta>'


def telling(image, orientation):
    """A JPEG that says where and with what it was taken."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, "Erika"
    exif.get_ifd(0x8769).update({0xA431: "SERIAL-1", 0x927C: b"MAKERNOTE"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.7), 3: "E", 4: (11.0, 34.0, 31.0)})
    target = io.BytesIO()
    image.save(target, "JPEG", exif=exif.tobytes(), xmp=XMP, comment=b"SERIAL-2", quality=92)
    return target.getvalue()


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A dataset of twelve marked pictures, every other one turned; half of them with addresses that hold secrets."""
    home = tmp_path_factory.mktemp("points")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYOD_CONFIG", str(home / "none.toml"))
        patch.setenv("BYOD_CACHE", str(home / "cache"))
        drawn = sorted(file for files in draw_classes(home / "drawn", per_class=6).values() for file in files)
        (home / "pictures").mkdir()
        images, annotations = [], []
        for at, file in enumerate(drawn):
            with Image.open(file) as image:
                content = telling(image.convert("RGB"), 6 if at % 2 else 1)
                width, height = image.size if at % 2 == 0 else image.size[::-1]
            (home / "pictures" / f"{at}.jpg").write_bytes(content)
            images.append({"id": at, "file_name": f"{at}.jpg", "width": width, "height": height})
            places = [value for n in range(len(POINTS.names)) for value in (60 + 10 * n, 70 + 8 * n, 2)]
            annotations.append({"id": at, "image_id": at, "category_id": 1, "keypoints": places})
        categories = [{"id": 1, "name": "cat", "keypoints": list(POINTS.names)}]
        document = {"images": images, "annotations": annotations, "categories": categories}
        (home / "marks.json").write_text(json.dumps(document))
        byod("convert", "coco", "marks.json", "pictures", "--into", "d", folder=home)
        credits = home / "d" / "CREDITS.csv"
        with credits.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for number, row in enumerate(rows):
            if number % 2:
                row["url"], row["source"] = ADDRESS.format(n=number), "urls"
        with credits.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        for file in (home / "d").glob("catalog.db*"):
            file.unlink()  # it is built anew from the list of credits
        byod("status", "d", folder=home)
        yield home


@pytest.mark.parametrize("format", OF_POINTS)
def test_neither_place_nor_camera_nor_key_leaves_with_points(marked, format):
    """An export of points leaves without position, serial number, maker's note and key, and says how many had one."""
    into = f"out-{format}"
    done = byod("export", "d", "--format", format, "--into", into, "--json", folder=marked)
    assert "12 of 12 pictures say in their file where they were taken: left out" in done.stderr
    pictures = list((marked / into).rglob("*.jpg"))
    assert len(pictures) == 12
    web = {line.sha256[:20] for line in read_credits(marked / "d" / "CREDITS.csv") if line.source == "urls"}
    assert len(web) == 6
    for file in pictures:
        content = file.read_bytes()
        assert not [word for word in (b"SERIAL", b"MAKERNOTE", b"GPSLat") if word in content]
        with Image.open(file) as image:
            told = image.getexif()
            assert not told.get_ifd(0x8825)
            assert (told.get(0x013B) == "Erika") == (file.stem in web)
            assert told.get(0x0112, 1) == 1
    for file in (marked / into).rglob("*"):
        assert not file.is_file() or b"5EC2E7" not in file.read_bytes(), file
    assert "5EC2E7" not in done.stdout + done.stderr


def test_the_address_that_coco_names_holds_no_key(marked):
    """`coco_url` is the address of the picture without password and signature."""
    byod("export", "d", "--format", "coco", "--into", "named", folder=marked)
    documents = [json.loads(file.read_text()) for file in (marked / "named" / "annotations").glob("*.json")]
    named = sorted(image["coco_url"] for each in documents for image in each["images"] if "coco_url" in image)
    assert len(named) == 6
    assert all(url.startswith("https://h.example/") and url.endswith(".jpg?w=640") for url in named)


@pytest.mark.parametrize("format", OF_POINTS)
def test_all_metadata_of_marked_pictures_stays_on_demand(marked, format):
    """With --keep-metadata an upright file keeps every byte, and the export says that positions leave."""
    into = f"kept-{format}"
    done = byod("export", "d", "--format", format, "--keep-metadata", "--into", into, folder=marked)
    assert "12 of 12 pictures say in their file where they were taken: kept, as asked for" in done.stderr
    upright = {(marked / "pictures" / f"{at}.jpg").read_bytes() for at in range(0, 12, 2)}
    assert upright <= {file.read_bytes() for file in (marked / into).rglob("*.jpg")}
