"""Pictures from folders: every kind, and what is wrong said with its place."""

import os
import sys

import pytest

from byod.collection.sources import folder
from byod.schema.errors import UsageError

JPEG = b"\xff\xd8\xff\xe0" + b"0" * 20


def put(place, content=JPEG):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def test_class_folders_are_labels(tmp_path):
    """Each class folder's name is the label of what lies in it and below it, in the order of names."""
    for name in ("b/2.jpg", "b/1.png", "a/deep/er/3.webp", "a/0.gif"):
        put(tmp_path / name)
    candidates = list(folder.pictures(tmp_path))
    assert [(one.label, one.path.name, one.rank) for one in candidates] == [
        ("a", "0.gif", 0),
        ("a", "3.webp", 1),
        ("b", "1.png", 0),
        ("b", "2.jpg", 1),
    ]
    assert candidates[0].url == (tmp_path / "a/0.gif").as_uri()
    assert candidates[0].source == "folder"
    assert candidates[0].licence is None


def test_loose_pictures_take_the_label(tmp_path):
    """With a label, everything below the path belongs to it; a single file does, too."""
    put(tmp_path / "x/1.jpg")
    one = put(tmp_path / "2.jpg")
    assert [(c.label, c.path.name) for c in folder.pictures(tmp_path, "Kohl")] == [
        ("Kohl", "2.jpg"),
        ("Kohl", "1.jpg"),
    ]
    assert [c.path for c in folder.pictures(one, "Kohl")] == [one]


def test_relative_paths_become_absolute(tmp_path, monkeypatch):
    """A candidate can be found from anywhere."""
    put(tmp_path / "a/1.jpg")
    monkeypatch.chdir(tmp_path)
    (candidate,) = folder.pictures("a", "x")
    assert candidate.path.is_absolute()


def test_pictures_are_known_by_content_too(tmp_path):
    """Files without a picture's ending count by their first bytes; hidden files and sidecars do not; broken ones do."""
    put(tmp_path / "a/no-ending")
    put(tmp_path / "a/web.dat", b"RIFF0000WEBPVP8 ")
    put(tmp_path / "a/notes.txt", b"about")
    put(tmp_path / "a/labels.json", b"{}")
    put(tmp_path / "a/.hidden.jpg")
    put(tmp_path / "a/.thumbs/1.jpg")
    put(tmp_path / "a/broken.jpg", b"<html>")
    put(tmp_path / "a/empty.jpg", b"")
    names = {one.path.name for one in folder.pictures(tmp_path)}
    assert names == {"no-ending", "web.dat", "broken.jpg", "empty.jpg"}


def test_links_and_odd_files_do_no_harm(tmp_path):
    """A circle of links ends, a dead link and a pipe are left out, a link to a picture counts."""
    put(tmp_path / "a/1.jpg")
    (tmp_path / "a/circle").symlink_to(tmp_path / "a")
    (tmp_path / "a/dead.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a/2.jpg").symlink_to(tmp_path / "a/1.jpg")
    os.mkfifo(tmp_path / "a/pipe.jpg")
    assert [one.path.name for one in folder.pictures(tmp_path)] == ["1.jpg", "2.jpg"]


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    """Nothing there, no class folders, and a picture beside class folders each have their line."""
    with pytest.raises(UsageError, match="there is nothing at"):
        list(folder.pictures(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"no class folders; .*--label"):
        list(folder.pictures(tmp_path))
    single = put(tmp_path / "1.jpg")
    with pytest.raises(UsageError, match="no class folders"):
        list(folder.pictures(single))
    put(tmp_path / "a/1.jpg")
    with pytest.raises(UsageError, match=r"1\.jpg lies beside class folders"):
        list(folder.pictures(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_names_that_are_no_text(tmp_path):
    """A file whose name is not UTF-8 is offered by its address, and one in such a folder under a readable label."""
    for place in (b"/a", b"/\xfe"):
        os.mkdir(os.fsencode(tmp_path) + place)
        with open(os.fsencode(tmp_path) + place + b"/\xff.jpg", "wb") as file:
            file.write(JPEG)
    first, second = folder.pictures(tmp_path)
    assert first.url.endswith("/a/%FF.jpg")
    assert (second.label, second.path.parent.name) == ("\\xfe", "\udcfe")


def test_labels_are_composed(tmp_path):
    """A decomposed name (macOS) becomes the composed one, so that both name one class."""
    put(tmp_path / "Ku\u0308rbis/1.jpg")
    (candidate,) = folder.pictures(tmp_path)
    assert candidate.label == "K\u00fcrbis"
