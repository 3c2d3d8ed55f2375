"""Reading from folders and zips: what is dangerous or damaged is refused in one line, before anything is read."""

import io
import os
import struct
import sys
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked_pictures import cat_files, jpeg, laid_out, zipped

from byod.collection.importers import archives, stores
from byod.schema.errors import ByodError, DatasetError, UsageError
from byod.tasks.keypoints.importers import cat_dataset


def opened(path):
    with archives.opened([path]) as (store,):
        return {name: store.read(name) for name in store.entries}


def refused(path, words):
    with pytest.raises(DatasetError, match=words) as raised:
        opened(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def member(path, name, content=b"x", **changes):
    """An archive with one member whose description is changed as asked."""
    entry = zipfile.ZipInfo(name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, content)
        for key, value in changes.items():
            setattr(archive.infolist()[0], key, value)
    return path


def test_a_zip_and_its_folder_hold_the_same(tmp_path):
    """Whatever the store, the same files give the same names and bytes."""
    files = cat_files({"CAT_00": 3, "CAT_06": 1})
    assert opened(zipped(tmp_path / "a.zip", files)) == files
    assert opened(laid_out(tmp_path / "a", files)) == files


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "CAT_00/../../evil.jpg",
        "/etc/evil.jpg",
        "C:/evil.jpg",
        "CAT_00\\..\\..\\evil.jpg",
        "C:\\x.jpg",
    ],
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    """An archive with a single name that leads out of it is not read at all."""
    refused(member(tmp_path / "slip.zip", name), "leads out of the archive")


def test_names_that_would_break_a_line_are_refused(tmp_path):
    """A name with a line break could put words into byod's mouth."""
    refused(member(tmp_path / "break.zip", "a\nall is well.jpg"), "control characters")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_folder_passes_over_names_that_cannot_be_used(tmp_path):
    """In a folder, files whose names are not UTF-8 or hold what nobody sees are passed over, counted and named."""
    family = "👨\u200d👩\u200d👧.jpg"
    for name in (b"a.jpg", family.encode(), b"\xff.jpg", b"n\nl.jpg", b"e\x1b.jpg"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(b"x")
    with archives.opened([tmp_path]) as (store,):
        assert set(store.entries) == {"a.jpg", family}
        (line,) = store.passed_over
    assert line.startswith("3 passed over")
    assert "\\xff.jpg" in line
    assert line.isprintable()


def test_emoji_are_names_in_an_archive(tmp_path):
    """A member named with joined emoji is taken like any other, and an archive passes nothing over."""
    name = "👨\u200d👩\u200d👧.jpg"
    assert opened(member(tmp_path / "a.zip", name)) == {name: b"x"}


def test_links_are_refused(tmp_path):
    """A member that is a symbolic link is none of a set of pictures."""
    refused(member(tmp_path / "link.zip", "a.jpg", b"/etc/passwd", external_attr=0o120777 << 16), "is a link")


def test_encrypted_archives_are_refused(tmp_path):
    """A member behind a password is said to be one."""
    refused(member(tmp_path / "secret.zip", "a.jpg", flag_bits=1), "is encrypted")


def test_a_bomb_is_refused_by_its_ratio(tmp_path):
    """A small archive that would unpack to hundreds of megabytes is refused unread."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(6):
            archive.writestr(f"{number}.jpg", bytes(50_000_000))
    refused(path, "a zip bomb")
    refused(member(tmp_path / "huge.zip", "a.jpg", file_size=stores.MAX_MEMBER + 1), "would unpack to")


def test_overlapping_members_are_refused(tmp_path):
    """Members that share their bytes, as in the bombs without nesting, are refused."""
    path = tmp_path / "overlap.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.jpg", os.urandom(5000))
        archive.writestr("b.jpg", b"x")
        archive.infolist()[1].header_offset = 10
    refused(path, "overlap")


def test_a_member_larger_than_it_says_gives_no_more_than_it_says(tmp_path):
    """A member is read up to its stated size and no further, and the lie is said as damage."""
    path = member(tmp_path / "liar.zip", "a.jpg", bytes(5_000_000), file_size=10)
    refused(path, "damaged at a.jpg")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(50), jpeg(1)])
def test_what_is_no_zip_is_said(tmp_path, content):
    """A file that is not an archive is refused in one line."""
    path = tmp_path / "no.zip"
    path.write_bytes(content)
    refused(path, "not a zip archive")


def test_a_truncated_archive_is_refused_wherever_it_was_cut(tmp_path):
    """No prefix of an archive is taken for the whole."""
    whole = zipped(tmp_path / "a.zip", cat_files({"CAT_00": 2}, size=(40, 30))).read_bytes()
    path = tmp_path / "cut.zip"
    for cut in (*range(0, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DatasetError):
            opened(path)


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_damaged_archive_is_whole_or_refused(tmp_path_factory, damage):
    """Bytes changed anywhere end in the right content or in one line, never in another error."""
    folder = tmp_path_factory.mktemp("damage")
    content = bytearray(zipped(folder / "a.zip", cat_files({"CAT_00": 2}, size=(40, 30))).read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    (folder / "a.zip").write_bytes(content)
    said = ""
    try:
        with archives.opened([folder / "a.zip"]) as stores:
            for picture in cat_dataset.read(stores).pictures:
                picture.store.read(picture.entry)
    except ByodError as error:
        said = str(error)
    assert "\n" not in said


def test_an_unknown_compression_is_said(tmp_path):
    """A member packed in a way Python cannot unpack is refused by name."""
    path = member(tmp_path / "odd.zip", "a.jpg", b"x" * 100)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = content.find(mark) + offset
        content[place : place + 2] = struct.pack("<H", 97)
    path.write_bytes(content)
    refused(path, "method 97")


def test_hidden_files_and_links_to_folders_are_passed_over(tmp_path):
    """A system's own files are none of the set, and a circle of links ends."""
    files = {"CAT_00/a.jpg": b"a", "__MACOSX/CAT_00/._a.jpg": b"x", "CAT_00/.DS_Store": b"x"}
    assert set(opened(zipped(tmp_path / "a.zip", files))) == {"CAT_00/a.jpg"}
    laid_out(tmp_path / "a", files)
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    assert set(opened(tmp_path / "a")) == {"CAT_00/a.jpg"}


def test_nothing_at_the_path_is_a_slip_of_the_user(tmp_path):
    """A path with nothing at it is wrong usage."""
    with pytest.raises(UsageError, match="there is nothing at"):
        opened(tmp_path / "none.zip")


def test_nothing_is_unpacked(tmp_path):
    """Reading from an archive leaves no file beside it."""
    path = zipped(tmp_path / "a.zip", cat_files({"CAT_00": 2}))
    opened(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]
    assert io.BytesIO(path.read_bytes()).getvalue()
