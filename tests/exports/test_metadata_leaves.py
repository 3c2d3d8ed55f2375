"""What the files of an export say beside their pixels: of one's own nothing, of others' who made them."""

import io
import tarfile

import pytest
from command import byod
from loopback_server import LoopbackServer
from PIL import Image, ImageOps

from byod.report.attribution import read_credits
from byod.testing import draw_classes

pytestmark = pytest.mark.slow

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,8.2N">'
    b'<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Erika</rdf:li></rdf:Alt></dc:rights>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def exif(orientation=1):
    made = Image.Exif()
    made[0x0112], made[0x013B], made[0x8298] = orientation, "Erika", "(c) Erika"
    made.get_ifd(0x8769)[0xA431] = "SERIAL-1"
    made.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.7), 3: "E", 4: (11.0, 34.0, 31.0)})
    return made.tobytes()


def saved(image, kind, **how):
    target = io.BytesIO()
    image.save(target, kind, exif=exif(how.pop("orientation", 1)), xmp=XMP, **how)
    return target.getvalue()


@pytest.fixture
def both(tmp_path, monkeypatch):
    """A dataset of pictures from the web (an upright JPEG, a turned one, a WebP, further ones) and of one's own."""
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    drawn = draw_classes(tmp_path / "drawn", per_class=16)
    with LoopbackServer() as server:
        rows = ["url,label"]
        for label, files in drawn.items():
            (tmp_path / "own" / label).mkdir(parents=True)
            for number, file in enumerate(files):
                with Image.open(file) as image:
                    kind = ("JPEG", "JPEG", "WEBP", "TIFF")[number % 4]
                    how = {"orientation": 6} if number % 4 == 1 else {}
                    content = saved(image, kind, **how, **({"quality": 92} if kind == "JPEG" else {}))
                if number < 8:
                    rows.append(f"{server.put(f'/{label}{number}.{kind}', content)},{label}")
                else:
                    (tmp_path / "own" / label / f"{number}.{kind.lower()}").write_bytes(content)
        (tmp_path / "list.csv").write_text("\n".join(rows))
        byod("collect", "--from-urls", "list.csv", "--into", "d", folder=tmp_path)
    byod("add", "own", "--into", "d", folder=tmp_path)
    return tmp_path


def pictures(folder):
    """The pictures of an export by the beginning of their SHA-256 in the dataset, also out of shards."""
    found = {}
    for file in folder.rglob("*"):
        if file.suffix == ".tar":
            with tarfile.open(file) as shard:
                members = [(m.name, shard.extractfile(m).read()) for m in shard]
            found |= {name.split(".")[0]: body for name, body in members if name.endswith(("jpg", "png"))}
        elif file.suffix in (".jpg", ".png"):
            found[file.stem] = file.read_bytes()
    return found


def fetched(folder):
    """The names in exports of the pictures from the web."""
    lines = read_credits(folder / "d" / "CREDITS.csv")
    return {line.sha256[:20] for line in lines if line.source == "urls"}


@pytest.mark.parametrize("format", ["folders", "hf", "webdataset", "croissant"])
def test_position_and_camera_stay_here(both, format):
    """Every export leaves out position and serial number, and all but the credits of pictures from the web; says so."""
    done = byod("export", "d", "--format", format, "--into", "out", folder=both)
    assert "32 of 32 pictures say in their file where they were taken: left out" in done.stderr
    web, found = fetched(both), pictures(both / "out")
    assert len(web) == 16
    assert len(found) == 32
    for name, content in found.items():
        assert b"SERIAL" not in content
        assert b"GPSLat" not in content
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            told = image.getexif()
            assert not told.get_ifd(0x8825)
            if name in web:
                assert (told[0x013B], told[0x8298]) == ("Erika", "(c) Erika")
                assert (
                    image.format == "PNG" or b"(c) Erika</rdf:li>" in content
                )  # Pillow's TIFF was made without XMP
            else:
                assert not told
                assert not image.info.keys() & {"xmp", "XML:com.adobe.xmp"}


def test_a_turned_jpeg_looks_the_same(both):
    """An upright JPEG leaves with its own pixels, a turned one upright."""
    byod("export", "d", "--into", "out", folder=both)
    found = pictures(both / "out")
    seen = {True: 0, False: 0}
    for file in (both / "d" / "images").rglob("*.jpg"):
        with Image.open(file) as before, Image.open(io.BytesIO(found[file.stem[:20]])) as after:
            upright = before.getexif()[0x0112] == 1
            seen[upright] += 1
            assert after.getexif().get(0x0112, 1) == 1
            if upright:
                assert after.tobytes() == before.tobytes()
            else:
                assert after.size == ImageOps.exif_transpose(before).size != before.size
    assert min(seen.values()) > 0


def test_all_metadata_stays_on_demand(both):
    """With --keep-metadata a file that leaves as it is keeps every byte, and the export says that positions leave."""
    done = byod("export", "d", "--keep-metadata", "--links", "--into", "out", folder=both)
    assert "32 of 32 pictures say in their file where they were taken: kept, as asked for" in done.stderr
    found = pictures(both / "out")
    same = [
        file for file in (both / "d" / "images").rglob("*.jpg") if file.read_bytes() == found[file.stem[:20]]
    ]
    assert len(same) == 8
