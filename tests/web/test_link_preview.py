"""What is shown where somebody passes the page on."""

import io

import keypoint_nets
import pytest
from PIL import Image

from byod.web.static_site import link_preview, site_folder

pytestmark = pytest.mark.slow


def test_the_preview_is_the_sample_cat_with_glasses():
    """The picture has the size that is stated, and glass as dark as the drawing's lies where the cat's eyes are."""
    picture = Image.open(io.BytesIO(link_preview.link_preview()))
    assert (picture.format, picture.size) == ("JPEG", link_preview.SIZE)
    scale = link_preview.SIZE[0] / 451
    for x, y in link_preview.EYES:
        assert sum(picture.getpixel((x * scale + 20, (y - link_preview.TOP) * scale + 5))) < 120


def test_a_page_for_cats_says_how_it_is_passed_on(tmp_path):
    """Title, description and picture of the page stand in its head, and the picture lies in the folder."""
    run = tmp_path / "runs" / "hand"
    run.mkdir(parents=True)
    page = site_folder.write(keypoint_nets.run_folder(run), tmp_path / "page", {})
    text = (page / "index.html").read_text(encoding="utf-8")
    assert '<meta property="og:title" content="Sunglasses for cats">' in text
    assert '<meta property="og:image" content="preview.jpg">' in text
    assert text.count("og:title") == text.count("og:description") == 1
    assert (page / "preview.jpg").read_bytes() == link_preview.link_preview()
