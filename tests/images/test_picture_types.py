"""The table of picture types: what byod takes, and who else must agree with it."""

import re
from pathlib import Path

from PIL import Image

import byod.web
from byod.images import formats
from byod.images.picture_types import MEDIA_TYPES, NOT_TAKEN_SUFFIXES, SUFFIXES, TYPES

RAW = {"DNG", "CR2", "NEF", "ARW"}


def test_pillow_agrees():
    """Each type is one of Pillow's, which knows its endings and its media type under the same name."""
    Image.init()
    for kind in TYPES.values():
        if not kind.needs and kind.name not in RAW:
            assert {Image.EXTENSION.get(suffix, kind.name) for suffix in kind.suffixes} == {kind.name}
            assert Image.MIME.get(kind.name, kind.media_type).startswith("image/")
        if kind.shown_as_is:
            assert Image.MIME[kind.name] == kind.media_type


def test_no_ending_and_no_beginning_belongs_to_two_types():
    """A file ending names one type, and no first bytes of one type are those of another."""
    endings = [suffix for kind in TYPES.values() for suffix in kind.suffixes]
    assert len(set(endings)) == len(endings) == len(SUFFIXES)
    assert not SUFFIXES & NOT_TAKEN_SUFFIXES
    starts = [(magic, kind.name) for kind in TYPES.values() for magic in kind.magic]
    assert not [(one, other) for one, a in starts for other, b in starts if a != b and one.startswith(other)]


def test_what_is_saved_by_name_is_recognised_by_content(tmp_path):
    """A picture written by Pillow as any of the types is recognised as that type."""
    for kind in TYPES.values():
        if kind.needs or kind.name in RAW or kind.name == "PSD":
            continue
        file = tmp_path / f"picture{kind.suffixes[0]}"
        Image.new("RGB", (40, 30), "red").save(file)
        assert formats.recognise(file.read_bytes()) == kind.name


def test_the_page_lets_people_choose_just_these():
    """The page's file chooser names the same media types."""
    script = Path(byod.web.__file__).parent / "static" / "intake.js"
    named = re.search(r'const TYPES = "([^"]+)"', script.read_text(encoding="utf-8"))[1]
    assert set(named.split(",")) == set(MEDIA_TYPES.values())
