"""Writing files: whole or not at all, under names nobody can lie in wait at, and never out of the dataset."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byod.schema import files, places
from byod.schema.errors import DatasetError


def test_a_file_appears_whole_and_nothing_is_left_beside_it(tmp_path: Path):
    """The new content stands in the place of the old one, and no temporary file stays."""
    file = tmp_path / "a.json"
    file.write_bytes(b"old")
    files.replace(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_goes_wrong_leaves_the_old_file(tmp_path: Path):
    """An error while the new content is written keeps the old content, and no temporary file stays."""
    file = tmp_path / "a.json"
    file.write_bytes(b"old")

    def fail() -> None:
        with files.opened(tmp_path) as folder, folder.replacing("a.json") as stream:
            stream.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_link_in_the_files_place_is_replaced_and_not_followed(tmp_path: Path):
    """Whoever planted a link under the name of a file does not get what it leads to overwritten."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "a.json").symlink_to(victim)
    files.replace(tmp_path / "a.json", b"new")
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "a.json").is_symlink()


def test_a_new_file_is_written_over_nothing(tmp_path: Path):
    """What is there already, or a link that leads into the void, is left as it is."""
    with files.opened(tmp_path) as folder:
        folder.create("a.jpg", b"new")
        assert (tmp_path / "a.jpg").read_bytes() == b"new"
        (tmp_path / "link.jpg").symlink_to(tmp_path / "victim")
        for name in ("a.jpg", "link.jpg"):
            with pytest.raises(FileExistsError):
                folder.create(name, b"other")
    assert (tmp_path / "a.jpg").read_bytes() == b"new"
    assert not (tmp_path / "victim").exists()


def test_temporary_names_cannot_be_guessed_and_are_created_exclusively(tmp_path: Path, monkeypatch):
    """No two temporary names are alike, and one that is taken (by a link into the void, too) is never written to."""
    seen = set()
    with files.opened(tmp_path) as folder:
        for _ in range(20):
            with folder.replacing("a.json"):
                seen |= {file.name for file in tmp_path.iterdir()} - {"a.json"}
        assert len(seen) == 20
        assert not any("a.json" in name for name in seen)
        monkeypatch.setattr(files.secrets, "token_hex", lambda size: "guessed")
        (tmp_path / ".guessed.part").symlink_to(tmp_path / "victim")
        for attempt in (folder.replacing("a.json"), files.staging(tmp_path / "folder")):
            with pytest.raises(FileExistsError), attempt:
                pytest.fail("the planted name was taken")
    assert not (tmp_path / "victim").exists()
    assert (tmp_path / ".guessed.part").is_symlink()


def test_what_a_kill_left_is_cleared_and_nothing_else(tmp_path: Path):
    """Temporary files go, young ones stay where others may be writing, and so do links, folders and other names."""
    room = tmp_path / "points"
    room.mkdir()
    left, young = room / ".0123456789abcdef.part", room / ".fedcba9876543210.part"
    for file in (left, young, room / "a.part", room / ".0123.part"):
        file.write_bytes(b"half")
    os.utime(left, (1, 1))
    (room / ".aaaaaaaaaaaaaaaa.part").mkdir()
    (tmp_path / "victim").write_bytes(b"mine")
    (room / ".bbbbbbbbbbbbbbbb.part").symlink_to(tmp_path / "victim")
    with files.opened(tmp_path) as folder:
        folder.clear("missing")
        folder.clear("points", older_than=3600)
        assert not left.exists()
        assert young.exists()
        folder.clear("points")
    kept = {".aaaaaaaaaaaaaaaa.part", ".bbbbbbbbbbbbbbbb.part", ".0123.part", "a.part"}
    assert {file.name for file in room.iterdir()} == kept
    assert (tmp_path / "victim").read_bytes() == b"mine"


@pytest.mark.parametrize("handles", [True, False])
def test_whatever_is_done_in_a_folder_goes_through_no_link(tmp_path: Path, monkeypatch, handles: bool):
    """With a link on the way every way to write is refused in one line, and nothing appears behind the link."""
    if not handles:
        monkeypatch.setattr(files, "HANDLES", False)  # as on Windows
    folder, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    (folder / "real").mkdir(parents=True)
    (folder / "real" / "a").write_bytes(b"a")
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere)
    (folder / "real" / "log").symlink_to(elsewhere / "log")
    with files.opened(folder) as within:
        for act in (
            lambda: within.replace("link/x", b""),
            lambda: within.create("link/x", b""),
            lambda: within.append("link/x", b""),
            lambda: within.append("real/log", b""),
            lambda: within.make("link/x/y"),
            lambda: within.move("real/a", "link/x"),
            lambda: within.update("link/x", b""),
        ):
            with pytest.raises(DatasetError, match="is a link"):
                act()
    assert list(elsewhere.iterdir()) == []
    assert (folder / "real" / "a").read_bytes() == b"a"


@pytest.mark.skipif(not files.HANDLES, reason="no handles of folders on this system")
def test_an_open_folder_stays_the_same_folder_whatever_its_name_leads_to(tmp_path: Path):
    """Who puts another folder in the place of an open one gets nothing written into it."""
    (tmp_path / "set").mkdir()
    (tmp_path / "other").mkdir()
    with files.opened(tmp_path / "set") as folder:
        (tmp_path / "set").rename(tmp_path / "moved")
        (tmp_path / "set").symlink_to(tmp_path / "other")
        folder.make("images/cat")
        folder.create("images/cat/a.jpg", b"a")
    assert (tmp_path / "moved" / "images" / "cat" / "a.jpg").read_bytes() == b"a"
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("handles", [True, False])
def test_files_are_moved_made_and_added_to(tmp_path: Path, monkeypatch, handles: bool):
    """Folders are made with those above, a file moves over another, a line is added, and an unchanged file is kept."""
    if not handles:
        monkeypatch.setattr(files, "HANDLES", False)
    with files.opened(tmp_path) as folder:
        folder.make("a/b")
        folder.make("a/b")
        folder.create("a/b/one", b"1", flush=True)
        folder.replace("two", b"2", flush=True)
        folder.move("a/b/one", "two")
        folder.append("two", b"+")
        folder.append("new", b"+", flush=True)
        assert (tmp_path / "two").read_bytes() == b"1+"
        assert folder.update("two", b"3")
        assert not folder.update("two", b"3")
        folder.create("file", b"")
        with pytest.raises(FileExistsError):
            folder.make("file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file", "new", "two"]
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_staged_folder_goes_unless_it_was_moved(tmp_path: Path):
    """What was not moved into its place is removed, also after an error."""

    def fail() -> None:
        with files.staging(tmp_path / "out") as part:
            (part / "half").touch()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []
    with files.staging(tmp_path / "out") as part:
        (part / "whole").touch()
        part.replace(tmp_path / "out")
    assert (tmp_path / "out" / "whole").exists()


@given(
    st.lists(st.sampled_from(["images", "cat", "..", ".", "", "a.jpg", "C:", "\0", "x\\..\\y"]), max_size=6)
)
def test_no_name_leads_out_of_a_folder(parts: list[str]):
    """Whatever a name is made of, it is refused, or it names something below the folder."""
    folder = Path(__file__).parent
    try:
        place = places.inside(folder, "/".join(parts))
    except DatasetError:
        return
    assert Path(os.path.normpath(place)).is_relative_to(folder)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "images/../../x", "images/cat/..", "a\0b"])
def test_a_name_that_leads_out_is_named_with_what_to_do(tmp_path: Path, name: str):
    """The line says which path it is, and how the dataset is used all the same."""
    with pytest.raises(DatasetError, match=r"move its catalog\.db away") as caught:
        places.inside(tmp_path, name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("link", ["images", "images/cat", "images/cat/a.jpg"])
def test_a_link_anywhere_on_the_way_is_refused(tmp_path: Path, link: str):
    """A link is refused at each place below the folder; the folder itself may be reached through one."""
    folder, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / link).parent.mkdir(parents=True)
    (folder / link).symlink_to(elsewhere)
    with pytest.raises(DatasetError, match="is a link"):
        places.inside(folder, "images/cat/a.jpg")
    with pytest.raises(DatasetError, match="is a link"):
        places.inside(folder, "images/cat/a.jpg", {str(folder / "rejected")})
    (tmp_path / "alias").symlink_to(folder)
    assert places.inside(tmp_path / "alias", "points/a.json") == tmp_path / "alias" / "points" / "a.json"


@pytest.mark.skipif(os.name == "nt", reason="links and pipes need rights on Windows")
def test_only_an_ordinary_file_is_read(tmp_path: Path):
    """A file is read; a link to it, a pipe, a folder and a file behind a link are refused by name, at once."""
    (tmp_path / "set" / "in").mkdir(parents=True)
    (tmp_path / "set" / "in" / "a").write_bytes(b"a")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "set" / "in" / "a")
    (tmp_path / "set" / "door").symlink_to(tmp_path / "set" / "in")
    os.mkfifo(tmp_path / "set" / "pipe")
    with files.opened(tmp_path / "set") as folder:
        assert folder.read("in/a") == b"a"
        for name, why in (
            ("link", "link is a link"),
            ("door/a", "door is a link"),
            ("pipe", "not an ordinary file"),
        ):
            with pytest.raises(DatasetError, match=why):
                folder.read(name)
        with pytest.raises(DatasetError, match="not an ordinary file"):
            folder.read("in")
        with pytest.raises(FileNotFoundError):
            folder.read("in/b")
        for act in (folder.touch, lambda name: folder.cut(name, 0), lambda name: folder.append(name, b"b")):
            with pytest.raises(DatasetError, match="is a link"):
                act("link")
    assert (tmp_path / "set" / "in" / "a").read_bytes() == b"a"
    for name in ("link", "pipe"):
        assert not files.is_ordinary(tmp_path / "set" / name)
        with pytest.raises(DatasetError):
            files.read(tmp_path / "set" / name)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_removing_removes_the_link_itself(tmp_path: Path):
    """Of a link, the link goes; behind one, nothing does; what is not there is gone already."""
    (tmp_path / "out" / "empty").mkdir(parents=True)
    (tmp_path / "out" / "a").write_bytes(b"a")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link").symlink_to(tmp_path / "out" / "a")
    (tmp_path / "set" / "door").symlink_to(tmp_path / "out")
    with files.opened(tmp_path / "set") as folder:
        folder.remove("link")
        folder.remove("link")
        for act in (lambda: folder.remove("door/a"), lambda: folder.remove_folder("door/empty")):
            with pytest.raises(DatasetError, match="door is a link"):
                act()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "door", "empty", "out", "set"]


def test_what_stands_where_a_folder_belongs_is_said(tmp_path: Path):
    """A file on the way to a name, or a folder in the place of a file, is one line and no traceback."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with files.opened(tmp_path) as folder:
        for act in (
            lambda: folder.make("file"),
            lambda: folder.replace("file/a", b""),
            lambda: folder.make("file/a"),
        ):
            with pytest.raises(DatasetError, match="file is not a folder"):
                act()
        with pytest.raises(DatasetError, match="folder is not an ordinary file"):
            folder.replace("folder", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("name", ["link", "in/link", "door"])
def test_a_tree_with_a_link_is_told(tmp_path: Path, name: str):
    """A link at any depth, to a file or a folder, is found; a tree of files and folders is well."""
    (tmp_path / "set" / "in").mkdir(parents=True)
    (tmp_path / "set" / "in" / "a").write_bytes(b"a")
    files.check_tree(tmp_path / "set")
    (tmp_path / "set" / name).symlink_to(
        tmp_path / "set" / "in" if name == "door" else tmp_path / "set" / "in" / "a"
    )
    with pytest.raises(DatasetError, match=f"{name} is a link"):
        files.check_tree(tmp_path / "set")
