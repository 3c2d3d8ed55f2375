"""`byod convert cats`: the strict parser, errata by rule, the fixed split, and going on after a kill."""

import io
import json
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked_pictures import NINE, cat_files, jpeg, keypoints, laid_out, line, zipped
from typer.testing import CliRunner

from byod.api import convert, datasets
from byod.cli import app
from byod.collection.importers import archives
from byod.schema import recipe
from byod.schema.errors import DatasetError, KeypointsError, UsageError
from byod.schema.keypoints import KeypointSet
from byod.schema.records import Split, Task
from byod.tasks.keypoints.importers import cat_dataset, cat_file

whole = st.integers(-cat_file.MOST, cat_file.MOST)


def found(*paths, **options):
    with archives.opened(paths) as stores:
        return cat_dataset.read(stores, **options)


def converted(folder, *paths, **options):
    said = []
    with archives.opened(paths) as stores:
        done = convert.convert(
            cat_dataset.read(stores, **options), folder, say=said.append, watch=lambda _: None
        )
    return done, said


@given(st.lists(st.tuples(whole, whole), min_size=9, max_size=9))
def test_a_line_read_back_is_the_one_written(points):
    """Nine points, also negative ones, survive the text exactly."""
    assert list(cat_file.parse(cat_file.text(points).encode(), "x.cat")) == points


@given(st.lists(st.tuples(st.floats(-900, 900), st.floats(-900, 900)), min_size=9, max_size=9))
def test_rounding_moves_no_point_by_more_than_half_a_pixel(points):
    """What a .cat file cannot hold of a coordinate is half a pixel at most."""
    back = cat_file.parse(cat_file.text(points).encode(), "x.cat")
    assert all(
        abs(a - b) <= 0.5
        for one, two in zip(points, back, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@given(st.binary(max_size=120))
def test_no_bytes_surprise_the_parser(content):
    """Any bytes are nine points or one line that names the file and the reason."""
    said = ""
    try:
        assert len(cat_file.parse(content, "CAT_00/x.jpg.cat")) == 9
    except KeypointsError as error:
        said = str(error)
    assert not said or said.startswith("CAT_00/x.jpg.cat: ")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (line(NINE[:8]), "8 points where 9"),
        (b"9 " + b"1 " * 17, "17 coordinates"),
        (b"9 " + b"1 " * 19, "19 coordinates"),
        (b"9 x" + b" 1" * 17, "not a number"),
        (b"9 " + "１".encode() + b" 1" * 17, "not a number"),
        (b"9 1e3" + b" 1" * 17, "not a number"),
        (b"9 nan" + b" 1" * 17, "not a number"),
        (b"9 1.5.5" + b" 1" * 17, "not a number"),
        (b"9 123456789" + b" 1" * 17, "far outside"),
        (line() + b"\n" + line(), "37 coordinates where 18"),
        (b"9 1,5" + b" 1" * 17, "19 coordinates where 18"),
        (b"\xef\xbb\xbf", "empty"),
        (b"1 " * 4000, "too many"),
    ],
)
def test_a_malformed_line_is_named_and_never_guessed(content, reason):
    """Whatever is not `9` and eighteen numbers is refused with the file and the reason."""
    with pytest.raises(KeypointsError, match=reason) as raised:
        cat_file.parse(content, "CAT_03/x.jpg.cat")
    assert str(raised.value).startswith("CAT_03/x.jpg.cat: ")


@pytest.mark.parametrize(
    "written",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace(" ", ","),
        lambda text: text.strip().replace(" ", ", ") + ";\n",
        lambda text: text.replace(" ", "\n"),
        lambda text: text.replace(" ", "\r\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: " ".join(f"{word}.0" for word in text.split()),
        lambda text: text + "\r\n\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_other_programs_make_of_a_line_is_read(written, encoding):
    """Byte order marks, decimals, and numbers parted by commas or new lines change no point."""
    text = written(line().decode())
    assert cat_file.parse(text.encode(encoding), "x.cat") == NINE


def test_points_come_with_their_names_and_out_of_frame_ones_stay(tmp_path):
    """The first point is the viewer's left eye; one above the picture keeps its coordinates and says so."""
    points = ((96, 70), (103, 72), (100, 80), (48, 20), (78, -37), (110, 5), (115, 6), (160, 3), (119, 40))
    laid_out(tmp_path / "in", {"CAT_00/a_000.jpg": jpeg(1), "CAT_00/a_000.jpg.cat": line(points) + b"\r\n"})
    done, _ = converted(tmp_path / "cats", tmp_path / "in")
    (picture,) = done.snapshot.kept
    said = keypoints(tmp_path / "cats")[picture.sha256[:20]]
    assert (said["width"], said["height"], said["sha256"]) == (120, 90, picture.sha256)
    (head,) = said["heads"]
    assert list(head["points"]) == list(cat_file.POINTS.names)
    assert head["points"]["eye_image_left"] == {"x": 96, "y": 70, "inside": True}
    assert head["points"]["ear_image_left_tip"] == {"x": 78, "y": -37, "inside": False}
    assert head["points"]["ear_image_right_tip"] == {"x": 160, "y": 3, "inside": False}
    assert recipe.read(tmp_path / "cats").points == cat_file.POINTS


@pytest.mark.data
def test_the_real_pictures_convert(real_pictures, tmp_path):
    """The 24 real pictures come in with all their points, the two that hold points outside included."""
    done, said = converted(tmp_path / "cats", real_pictures / "cats")
    assert (done.pictures, len(done.snapshot.kept), len(keypoints(tmp_path / "cats"))) == (24, 24, 24)
    outside = [
        m
        for m in keypoints(tmp_path / "cats").values()
        if any(not p["inside"] for p in m["heads"][0]["points"].values())
    ]
    assert len(outside) == 2
    titles = {o.title: sha for sha, origins in done.snapshot.origins.items() for o in origins}
    head = keypoints(tmp_path / "cats")[titles["CAT_00/00000001_005.jpg"][:20]]["heads"][0]["points"]
    assert head["eye_image_left"] == {"x": 96, "y": 96, "inside": True}
    assert head["ear_image_left_tip"] == {"x": 78, "y": -37, "inside": False}
    assert any("would leave valid and test empty" in text for text in said)


def test_the_known_errata_are_handled_and_said(tmp_path):
    """The doubled tree, the missing pair, Thumbs.db and wrong endings each cost one line and no picture."""
    files = cat_files({"CAT_00": 3, "CAT_05": 2, "CAT_06": 2})
    files |= {f"cats/{name}": content for name, content in files.items()}
    files |= {
        "CAT_00/00000003_019.jpg.cat": line(),
        "CAT_00/00000003_015.jpg": jpeg(500),
        "CAT_02/Thumbs.db": b"x",
        "CAT_03/png_000.jpg": jpeg(501, format="PNG"),
        "CAT_03/png_000.jpg.cat": line(),
        "CAT_04/shout_000.JPG": jpeg(502),
        "CAT_04/shout_000.jpg.cat": line(),
        "CAT_04/bad_000.jpg": jpeg(503),
        "CAT_04/bad_000.jpg.cat": b"9 1 2 3",
    }
    done, said = converted(tmp_path / "cats", zipped(tmp_path / "archive.zip", files))
    text = "\n".join(said)
    assert (done.pictures, len(done.snapshot.kept)) == (9, 9)
    assert "14 files are there twice with the same contents" in text
    assert "CAT_00/00000003_019.jpg.cat has no picture (a known slip" in text
    assert "CAT_00/00000003_015.jpg has no .cat file (a known slip" in text
    assert "Thumbs.db" in text
    assert "CAT_04/shout_000.jpg.cat is taken for CAT_04/shout_000.JPG" in text
    assert "CAT_04/bad_000.jpg.cat: 3 coordinates where 18 belong" in text
    assert "9 pictures with 9 objects were found: CAT_00 3, CAT_03 1, CAT_04 1, CAT_05 2, CAT_06 2" in text
    (png,) = (sample for sample in done.snapshot.kept if sample.format == "PNG")
    assert png.path.endswith(".png")


def test_the_official_remedy_brings_the_missing_pair_in(tmp_path):
    """With 00000003_015.jpg.cat beside the picture, that pair is a pair like any other."""
    files = {"CAT_00/00000003_015.jpg": jpeg(1), "CAT_00/00000003_015.jpg.cat": line()}
    assert found(laid_out(tmp_path, files)).lines == ()
    assert [p.name for p in found(tmp_path / "CAT_00").pictures] == ["CAT_00/00000003_015.jpg"]


def test_two_files_of_one_name_and_different_contents_are_said(tmp_path):
    """Where the two trees disagree the first one is taken, and both are named."""
    files = cat_files({"CAT_00": 1})
    other = {f"cats/{name}": jpeg(77) if name.endswith(".jpg") else line() for name in files}
    said = found(laid_out(tmp_path, files | other)).lines
    assert any("twice with different contents: CAT_00/" in text for text in said)


def test_a_cleaning_list_is_followed_and_its_strays_are_named(tmp_path):
    """Names with and without folder, as text or as JSON by folder, remove their pictures."""
    files = cat_files({"CAT_00": 4})
    names = sorted(name for name in files if name.endswith(".jpg"))
    laid_out(tmp_path / "in", files)
    text = tmp_path / "clean.txt"
    text.write_text(f"# bad ones\n{names[0]}\n{names[1].split('/')[1]}  # two cats\nCAT_09/none.jpg\n")
    done = found(tmp_path / "in", leave_out=cat_dataset.cleaning_list(text))
    assert [picture.name for picture in done.pictures] == names[2:]
    assert "the cleaning list leaves out 2 pictures" in done.lines
    assert "1 of its lines name no picture that is here: CAT_09/none.jpg" in done.lines
    listed = tmp_path / "config.json"
    listed.write_text(json.dumps({"data_dir": "x", "remove": {"CAT_00": [names[3].split("/")[1]]}}))
    assert cat_dataset.cleaning_list(listed) == {names[3]}
    listed.write_text('{"a": 3}')
    with pytest.raises(UsageError, match="not a cleaning list"):
        cat_dataset.cleaning_list(listed)


def test_the_literatures_split_is_kept_and_its_leaks_are_printed(tmp_path):
    """Folders decide the parts, near-duplicates or not; each pair on both sides is named."""
    files = cat_files({"CAT_00": 3, "CAT_05": 2, "CAT_06": 2})
    files["CAT_00/twin_000.jpg"] = jpeg(900, (240, 180))
    files["CAT_00/twin_000.jpg.cat"] = line()
    files["CAT_06/twin_001.jpg"] = jpeg(900, (200, 150))
    files["CAT_06/twin_001.jpg.cat"] = line()
    done, said = converted(tmp_path / "cats", zipped(tmp_path / "cats.zip", files))
    assert recipe.read(tmp_path / "cats").split == "folders"
    assert done.split.name == "folders"
    folders = {sha: origins[0].terms for sha, origins in done.snapshot.origins.items()}
    parts = {"CAT_00": Split.TRAIN, "CAT_05": Split.VALID, "CAT_06": Split.TEST}
    assert all(done.snapshot.splits[s.sha256] is parts[folders[s.sha256]] for s in done.snapshot.kept)
    (leak,) = done.split.leaks
    assert {leak.first, leak.second} == {"CAT_00/twin_000.jpg", "CAT_06/twin_001.jpg"}
    assert {leak.first_part, leak.second_part} == {Split.TRAIN, Split.TEST}
    assert any("twin_000.jpg" in text and "twin_001.jpg" in text for text in said)


def test_a_part_that_would_be_empty_gives_the_split_to_the_groups_until_it_is_there(tmp_path):
    """With one of the two original zips byod splits by group and says so; with both, by folder."""
    first = zipped(tmp_path / "CAT_DATASET_01.zip", cat_files({"CAT_00": 6, "CAT_01": 4}))
    second = zipped(tmp_path / "CAT_DATASET_02.zip", cat_files({"CAT_05": 3, "CAT_06": 3}, first=100))
    done, said = converted(tmp_path / "cats", first)
    assert done.split.name is None
    assert any("would leave valid and test empty" in text for text in said)
    assert all(sum(part.values()) > 0 for part in done.split.counts.values())
    done, _ = converted(tmp_path / "cats", second)
    assert done.split.name == "folders"
    assert {part: sum(n.values()) for part, n in done.split.counts.items()} == {
        "train": 10,
        "valid": 3,
        "test": 3,
    }


def test_the_same_bytes_with_other_points_are_said_and_the_first_points_hold(tmp_path):
    """A photo annotated twice keeps its first points, and the second name is told."""
    files = {f"CAT_00/{n}_000.jpg": jpeg(5) for n in "ab"}
    files |= {
        "CAT_00/a_000.jpg.cat": line(),
        "CAT_00/b_000.jpg.cat": line(tuple((x + 9, y) for x, y in NINE)),
    }
    done, said = converted(tmp_path / "cats", laid_out(tmp_path / "in", files))
    assert len(done.snapshot.kept) == 1
    (said_of,) = keypoints(tmp_path / "cats").values()
    assert len(said_of["heads"]) == 1
    assert sum("with other points" in text for text in said) == 1


@pytest.mark.parametrize(("coordinates", "expected"), [("stored", (50, 20)), ("shown", (20, 40))])
def test_points_of_a_turned_picture_turn_with_it_unless_told_otherwise(tmp_path, coordinates, expected):
    """Points of a picture stored sideways are those of its pixels as stored, unless the user knows better."""
    points = ((20, 40), *NINE[1:])
    laid_out(tmp_path / "in", {"CAT_00/a.jpg": jpeg(1, (120, 90), 6), "CAT_00/a.jpg.cat": line(points)})
    said = []
    with archives.opened([tmp_path / "in"]) as stores:
        convert.convert(
            cat_dataset.read(stores),
            tmp_path / "cats",
            coordinates=coordinates,
            say=said.append,
            watch=lambda _: None,
        )
    (one,) = keypoints(tmp_path / "cats").values()
    left = one["heads"][0]["points"]["eye_image_left"]
    assert (one["width"], one["height"]) == (90, 120)
    assert (left["x"], left["y"]) == expected
    assert any(f"are taken as {coordinates}" in text for text in said)


def test_converting_again_adds_nothing_and_keeps_what_people_corrected(tmp_path):
    """The same command a second time reads no picture again and overwrites no point."""
    source = zipped(tmp_path / "cats.zip", cat_files({"CAT_00": 3, "CAT_05": 1, "CAT_06": 1}))
    converted(tmp_path / "cats", source)
    file = sorted((tmp_path / "cats" / "points").iterdir())[0]
    file.write_text(file.read_text().replace('"x": ', '"x": 1'))
    mended = file.read_text()
    done, _ = converted(tmp_path / "cats", source)
    assert len(done.snapshot.kept) == 5
    assert file.read_text() == mended


def test_a_dataset_for_something_else_is_refused(tmp_path):
    """Points go neither into a dataset of class labels nor into one whose heads lack them."""
    source = laid_out(tmp_path / "in", cat_files({"CAT_00": 1}))
    recipe_of = recipe.Recipe().with_class("cat")
    (tmp_path / "labels").mkdir()
    recipe.write(tmp_path / "labels", recipe_of)
    with pytest.raises(UsageError, match="is for the task classify"):
        converted(tmp_path / "labels", source)
    eyes = recipe_of.model_copy(
        update={"task": Task.KEYPOINTS, "points": KeypointSet(names=("eye_image_left",))}
    )
    (tmp_path / "eyes").mkdir()
    recipe.write(tmp_path / "eyes", eyes)
    with pytest.raises(UsageError, match="no point 'eye_image_right'"):
        converted(tmp_path / "eyes", source)
    with pytest.raises(UsageError, match=r"no \.cat file"):
        found(laid_out(tmp_path / "nothing", {"a.jpg": jpeg(1)}))


def test_the_command_line_converts_and_answers_in_json(tmp_path, monkeypatch):
    """`byod convert cats ZIP --json` gives one document with counts, notes and split; status and check work on it."""
    monkeypatch.chdir(tmp_path)
    zipped(tmp_path / "cats.zip", cat_files({"CAT_00": 3, "CAT_05": 1, "CAT_06": 1}))
    run = CliRunner().invoke(app, ["convert", "cats", "cats.zip", "--json"])
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout)
    assert said["task"] == "keypoints"
    assert said["classes"] == {"cat": 5}
    assert (said["pictures"], said["heads"], said["points"]["marked"]) == (5, 5, 5)
    assert said["split"]["name"] == "folders"
    for command in (["status", "--json"], ["check", "--json"], ["dedupe", "--json"], ["split", "--json"]):
        again = CliRunner().invoke(app, command)
        assert again.exit_code == 0, again.output
    for command, words in (
        (["collect", "dog", "--into", "datasets/cats"], "a search finds no points"),
        (["collect", "--recipe", "datasets/cats"], "a search finds no points"),
        (["export", "--format", "folders"], "holds points: there is no export format"),
        (["convert", "cats"], "name the archive"),
        (["convert", "cats", "cats.zip", "--kaggle"], "name the archive"),
    ):
        refused = CliRunner().invoke(app, command)
        assert refused.exit_code == 2, refused.output
        assert words in refused.stderr


@pytest.mark.long
def test_a_conversion_killed_at_any_point_goes_on(tmp_path):
    """After kill -9 at several moments the same command ends with every picture, its points, and nothing half."""
    files = cat_files({"CAT_00": 150, "CAT_05": 40, "CAT_06": 40}, size=(500, 375))
    source = zipped(tmp_path / "cats.zip", files)
    folder = tmp_path / "cats"
    command = [sys.executable, "-m", "byod", "convert", "cats", str(source), "--into", str(folder)]
    killed = 0
    for number in (1, 40, 120, 200):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list((folder / "points").glob("*.json"))) < number:
            time.sleep(0.002)
        killed += process.poll() is None
        process.kill()
        process.wait()
    assert killed
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    plain, _ = converted(tmp_path / "plain", source)
    assert json.loads(done.stdout)["classes"] == {"cat": 230}
    assert keypoints(folder) == keypoints(tmp_path / "plain")
    snapshot = datasets.status(folder, say=lambda _: None)
    assert snapshot.fingerprint == plain.snapshot.fingerprint
    assert not list(folder.rglob("*.part"))
    assert not any((folder / ".byod" / "incoming").iterdir())


@pytest.mark.parametrize("suffix", [".jpg", ".jpg.cat"])
def test_one_damaged_member_is_named_and_the_rest_comes_in(tmp_path, monkeypatch, suffix):
    """A damaged member does not end an archive: the rest comes in, the exit code is 1, a whole archive brings it."""
    files = cat_files({"CAT_00": 4, "CAT_05": 1, "CAT_06": 1})
    whole_zip = zipped(tmp_path / "cats.zip", files).read_bytes()
    name = next(name for name in sorted(files)[3:] if name.endswith(suffix))
    place = whole_zip.index(name.encode()) + len(name)
    spoilt = whole_zip[:place] + b"\xff" * 20 + whole_zip[place + 20 :]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats.zip").write_bytes(spoilt)
    run = CliRunner().invoke(app, ["convert", "cats", "cats.zip", "--into", "cats", "--json"])
    assert run.exit_code == 1, run.output
    said = json.loads(run.stdout)
    assert (said["damaged"], said["classes"]) == (1, {"cat": 5})
    assert [line for line in said["notes"] if f"damaged at {name}" in line]
    (tmp_path / "cats.zip").write_bytes(whole_zip)
    again = CliRunner().invoke(app, ["convert", "cats", "cats.zip", "--into", "cats", "--json"])
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["classes"] == {"cat": 6}
    assert len(keypoints(tmp_path / "cats")) == 6


def packed(path, files, kind):
    with tarfile.open(path, f"w:{kind}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def as_zips_in_a_folder(root, files):
    zipped(root / "all" / "CAT_DATASET_01.zip", {n: c for n, c in files.items() if "CAT_00" in n})
    zipped(root / "all" / "CAT_DATASET_02.zip", {n: c for n, c in files.items() if "CAT_00" not in n})
    return root / "all"


def as_a_zip_of_zips(root, files):
    folder = as_zips_in_a_folder(root, files)
    return zipped(root / "archive.zip", {file.name: file.read_bytes() for file in folder.iterdir()})


def as_a_tar_in_a_zip(root, files):
    return zipped(root / "archive.zip", {"cats.tgz": packed(root / "x", files, "gz").read_bytes()})


def as_zips_with_a_cover(root, files):
    folder = as_zips_in_a_folder(root, files)
    (folder / "dataset-cover.png").write_bytes(jpeg(77, format="PNG"))
    return folder


def with_labels_apart(root, files):
    apart = {
        f"{'points' if name.endswith('.cat') else 'photos'}/{name[7:]}": body for name, body in files.items()
    }
    return laid_out(root / "in", apart)


BROUGHT = {
    "the folder that holds the zips": as_zips_in_a_folder,
    "a zip of zips": as_a_zip_of_zips,
    "a tar in a zip": as_a_tar_in_a_zip,
    "a tar": lambda root, files: packed(root / "cats.tar", files, ""),
    "tar.gz": lambda root, files: packed(root / "cats.tar.gz", files, "gz"),
    "tar.bz2 called otherwise": lambda root, files: packed(root / "cats", files, "bz2"),
    "tar.xz": lambda root, files: packed(root / "cats.txz", files, "xz"),
    "below other folders": lambda root, files: laid_out(
        root / "in", {f"archive/cats/{name}": content for name, content in files.items()}
    ),
}


@pytest.mark.parametrize("brought", BROUGHT.values(), ids=BROUGHT.keys())
def test_the_set_is_read_however_it_is_packed(tmp_path, brought):
    """Folders of zips, zips of zips and tars hold the same pictures, under the same addresses, as the plain zip."""
    files = cat_files({"CAT_00": 3, "CAT_06": 2})
    (tmp_path / "all").mkdir()
    plain = found(zipped(tmp_path / "plain.zip", files))
    other = found(brought(tmp_path, files))
    assert [picture.url for picture in other.pictures] == [picture.url for picture in plain.pictures]
    assert [picture.heads for picture in other.pictures] == [picture.heads for picture in plain.pictures]
    assert other.lines == plain.lines


def test_a_cover_beside_the_zips_does_not_hide_them(tmp_path):
    """A picture or two beside the archives, such as a set's cover, do not make them count as unpacked."""
    (tmp_path / "all").mkdir()
    read = found(as_zips_with_a_cover(tmp_path, cat_files({"CAT_00": 3, "CAT_06": 2})))
    assert len(read.pictures) == 5
    assert any("dataset-cover.png has no .cat file" in line for line in read.lines)


def test_labels_in_a_folder_of_their_own_find_their_pictures(tmp_path):
    """Pictures in one folder and .cat files in another belong together by name, where a name is there once."""
    read = found(with_labels_apart(tmp_path, cat_files({"CAT_00": 3})))
    assert len(read.pictures) == 3


def test_a_damaged_zip_among_others_is_named(tmp_path, monkeypatch):
    """Of a folder of zips of which one is cut off the others come in, and the exit code is 1."""
    files = cat_files({"CAT_00": 3, "CAT_06": 2})
    (tmp_path / "all").mkdir()
    folder = as_zips_in_a_folder(tmp_path, files)
    second = folder / "CAT_DATASET_02.zip"
    second.write_bytes(second.read_bytes()[:-30])
    run = CliRunner().invoke(
        app, ["convert", "cats", str(folder), "--into", str(tmp_path / "cats"), "--json"]
    )
    assert run.exit_code == 1
    said = json.loads(run.stdout)
    assert (said["classes"], said["damaged"]) == ({"cat": 3}, 1)
    assert any("CAT_DATASET_02.zip" in line and "fetch it again" in line for line in said["notes"])


def test_archives_beside_their_unpacked_pictures_are_passed_over(tmp_path):
    """Where somebody unpacked the archive and left it there, the pictures are read once, and a line says so."""
    files = cat_files({"CAT_00": archives.BESIDE + 1})
    folder = laid_out(tmp_path / "in", files)
    zipped(folder / "cats.zip", files)
    with archives.opened([folder]) as stores:
        assert len(stores) == 1
        assert any("cats.zip" in line for line in stores[0].passed_over)


@pytest.mark.parametrize(
    ("begin", "words"), [(b"7z\xbc\xaf\x27\x1c", "7z x"), (b"Rar!\x1a\x07\x01\x00", "unrar x")]
)
@pytest.mark.parametrize("name", ["cats.7z", "cats.zip"])
def test_archives_that_are_not_read_are_named_with_the_command_that_unpacks_them(
    tmp_path, begin, words, name
):
    """A 7z or RAR archive, whatever it is called, is told apart from a broken download."""
    (tmp_path / name).write_bytes(begin + bytes(100))
    with pytest.raises(DatasetError, match=words) as raised:
        found(tmp_path / name)
    assert "fetch it again" not in str(raised.value)


def test_the_remedy_beside_the_folders_finds_its_picture(tmp_path):
    """A .cat file offered by itself, in the top folder, belongs to the one picture of its name."""
    files = cat_files({"CAT_00": 2, "CAT_01": 1})
    lone = "CAT_00/00000001_000.jpg.cat"
    files["00000001_000.jpg.cat"] = files.pop(lone)
    for there in (laid_out(tmp_path / "in", files), zipped(tmp_path / "in.zip", files)):
        read = found(there)
        assert [picture.name for picture in read.pictures] == sorted(
            name for name in files if name.endswith(".jpg")
        )


def test_a_name_twice_in_an_archive_is_said(tmp_path):
    """An archive with a name in it twice says which file is taken."""
    files = cat_files({"CAT_00": 2})
    path = zipped(tmp_path / "in.zip", files)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(min(files), b"another")
    with archives.opened([path]) as (store,):
        assert [min(files) in line and "the first file is taken" in line for line in store.passed_over] == [
            True
        ]


def test_thousands_of_remarks_are_a_line(tmp_path):
    """What is wrong with many files is counted by kind, with the first names."""
    files = cat_files({"CAT_00": 3})
    files |= {f"CAT_01/{n}.jpg": b"x" for n in range(500)}
    files |= {f"CAT_02/{n}.jpg.cat": b"9 1 2" for n in range(400)}
    lines = found(zipped(tmp_path / "in.zip", files)).lines
    assert len(lines) == 2
    assert any(
        line.startswith("500 pictures have no .cat file and are left out: CAT_01/0.jpg, ") for line in lines
    )
    assert any(line.startswith("400 .cat files have no picture") for line in lines)


UNTRUE = {
    "all zero": ([(0, 0)] * 9, None),
    "all -1": ([(-1, -1)] * 9, None),
    "eyes exchanged": ([(60, 30), (40, 30), (50, 50), *NINE[3:]], None),
    "upside down and exchanged": ([(40, 60), (60, 60), (50, 40), *NINE[3:]], None),
    "everything on one spot": ([(50, 50)] * 9, ("eye_image_left", "eye_image_right")),
    "eyes on one spot": ([(50, 30), (50, 30), (50, 50), *NINE[3:]], ("eye_image_left", "eye_image_right")),
    "a slip": ([(40, 30), (60, 30), (50, 99999), *NINE[3:]], ("mouth",)),
    "a point never set": ([(40, 30), (60, 30), (-1, -1), *NINE[3:]], ("mouth",)),
    "upright": ([(40, 30), (60, 30), (50, 50), *NINE[3:]], ()),
    "lying": ([(40, 30), (40, 60), (20, 45), *NINE[3:]], ()),
    "upside down": ([(60, 60), (40, 60), (50, 40), *NINE[3:]], ()),
    "an ear outside": ([(40, 30), (60, 30), (50, 50), (-30, 30), *NINE[4:]], ()),
}


@pytest.mark.parametrize(("points", "unmarked"), UNTRUE.values(), ids=UNTRUE.keys())
def test_points_that_cannot_be_true_are_said_and_not_learned(tmp_path, points, unmarked):
    """What geometry alone shows to be wrong stays unmarked or leaves its picture unmarked; what may be true stays."""
    laid_out(tmp_path / "in", {"CAT_00/a_000.jpg": jpeg(1), "CAT_00/a_000.jpg.cat": line(points)})
    done, said = converted(tmp_path / "cats", tmp_path / "in")
    assert len(done.snapshot.kept) == 1
    files = keypoints(tmp_path / "cats")
    assert bool(files) == (unmarked is not None)
    for file in files.values():
        (head,) = file["heads"]
        assert tuple(name for name, point in head["points"].items() if point is None) == unmarked
    assert any("a_000.jpg" in each and "unmarked" in each for each in said) == (unmarked != ())


LISTS = {
    "names": "CAT_00/00000000_000.jpg\n",
    "remarks": "# bad ones\nCAT_00/00000000_000.jpg # blurred\n",
    "no ending": "CAT_00/00000000_000\n",
    "the points' name": "CAT_00/00000000_000.jpg.cat\n",
    "Windows": "cats\\CAT_00\\00000000_000.JPG\r\n",
    "from the root": "./archive/cats/CAT_00/00000000_000.jpg\n",
    "csv": "filename,reason\nCAT_00/00000000_000.jpg,blurred\n",
    "csv, quoted": '"CAT_00/00000000_000.jpg";"two, or three cats"\n',
    "json": '["CAT_00/00000000_000.jpg"]',
    "json by folder": '{"remove": {"CAT_00": ["00000000_000.jpg"]}}',
    "json records": '[{"file": "CAT_00/00000000_000.jpg", "why": "blurred"}]',
    "a record a line": '{"path": "CAT_00/00000000_000.jpg"}\n{"path": "CAT_09/x.jpg"}\n',
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS.keys())
def test_cleaning_lists_are_read_however_people_write_them(tmp_path, text):
    """Plain names, CSV and JSON, with or without folder and ending, leave the same picture out."""
    (tmp_path / "clean").write_text(text, encoding="utf-8-sig")
    listed = cat_dataset.cleaning_list(tmp_path / "clean")
    read = found(laid_out(tmp_path / "in", cat_files({"CAT_00": 2})), leave_out=listed)
    assert [picture.name for picture in read.pictures] == ["CAT_00/00000001_000.jpg"]
    assert any("leaves out 1 pictures" in line for line in read.lines)
