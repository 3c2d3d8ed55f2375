"""Pascal VOC boxes and COCO keypoints, and the way back: exports that are read again, within half a pixel."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marked_pictures import cat_files, jpeg, keypoints, laid_out, zipped
from typer.testing import CliRunner

from byod.api import convert as conversion
from byod.api import datasets
from byod.cli import app
from byod.collection.importers import archives
from byod.schema.errors import DatasetError, KeypointsError, UsageError
from byod.schema.keypoints import Instance, Keypoint, Keypoints, is_inside, read_keypoints
from byod.tasks.keypoints.importers import cat_dataset, cat_file, coco, voc

EYES = {"cat_eyes": ("eye_image_left", "eye_image_right")}


def xml(boxes, size=(120, 90), file="a.jpg"):
    objects = "".join(
        f"<object><name>{kind}</name><bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin><xmax>{b[2]}</xmax>"
        f"<ymax>{b[3]}</ymax></bndbox></object>"
        for kind, b in boxes
    )
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation><filename>{file}</filename>{sides}{objects}</annotation>".encode()


FACE, LEFT, RIGHT = (
    ("cat_face", (10, 10, 80, 80)),
    ("cat_eyes", (20, 30, 30, 40)),
    ("cat_eyes", (50, 32, 60, 42)),
)


def from_voc(folder, head="cat_face"):
    with archives.opened([folder]) as stores:
        return voc.read(stores, EYES, head, "cat")


def convert(found, folder, said=None):
    said = [] if said is None else said
    return conversion.convert(found, folder, say=said.append, watch=lambda _: None)


def test_box_centres_become_points_of_the_head_around_them(tmp_path):
    """The eyes in a face are its left and right one by their place, whatever their order in the file."""
    second = [
        ("cat_face", (82, 5, 118, 60)),
        ("cat_eyes", (100, 20, 104, 24)),
        ("cat_eyes", (90, 20, 94, 24)),
    ]
    laid_out(tmp_path, {"Images/a.jpg": jpeg(1), "Annotations/a.xml": xml([RIGHT, FACE, LEFT, *second])})
    (picture,) = from_voc(tmp_path).pictures
    one, two = picture.heads
    assert (one.points["eye_image_left"].x, one.points["eye_image_left"].y) == (25, 35)
    assert (one.points["eye_image_right"].x, one.points["eye_image_right"].y) == (55, 37)
    assert one.box == (10, 10, 80, 80)
    assert (two.points["eye_image_left"].x, two.points["eye_image_right"].x) == (92, 102)


def test_what_is_unclear_stays_unmarked_and_is_said(tmp_path):
    """One eye where two belong, an eye in no face, a face without eyes: nothing is guessed, each is told."""
    files = {f"{n}.jpg": jpeg(i) for i, n in enumerate("abc")}
    files |= {
        "a.xml": xml([FACE, LEFT]),
        "b.xml": xml([FACE, LEFT, RIGHT, ("cat_eyes", (100, 80, 110, 88))], file="b.jpg"),
        "c.xml": xml([FACE], file="c.jpg"),
    }
    found = from_voc(laid_out(tmp_path, files))
    a, b, c = (picture.heads for picture in found.pictures)
    assert [head.marked for head in (*a, *c)] == [{}, {}]
    assert len(b[0].marked) == 2
    assert [line.split(":")[0] for line in found.lines] == ["a.xml", "b.xml"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<annotation>", "no XML"),
        (b"", "no XML"),
        (b"<html/>", "not a VOC annotation"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares entities"),
        (xml([("cat_eyes", (5, 5, 5, 9))]), "no area"),
        (xml([("cat_eyes", ("x", 5, 9, 9))]), "no number"),
        (xml([("cat_eyes", ("nan", 5, 9, 9))]), "lies in no picture"),
        (xml([("", (1, 5, 9, 9))]), "no name"),
    ],
)
def test_a_malformed_annotation_is_named(content, reason):
    """An annotation that is none is refused with its file and the reason."""
    with pytest.raises(KeypointsError, match=rf"^a\.xml: .*{reason}"):
        voc.parse(content, "a.xml")


def test_missing_pictures_and_unknown_boxes_are_said(tmp_path):
    """An annotation without its picture is left out aloud; a class of boxes that is nowhere is wrong usage."""
    laid_out(
        tmp_path, {"a.jpg": jpeg(1), "a.xml": xml([FACE, LEFT, RIGHT]), "b.xml": xml([FACE], file="none.jpg")}
    )
    assert any("its picture 'none.jpg' is not there" in line for line in from_voc(tmp_path).lines)
    with pytest.raises(UsageError, match="no box is called 'face'; there are: cat_eyes, cat_face"):
        from_voc(tmp_path, head="face")
    with pytest.raises(UsageError, match="no annotated picture"):
        from_voc(laid_out(tmp_path / "empty", {"a.jpg": jpeg(1)}))


def test_eyes_alone_join_a_dataset_of_nine_points(tmp_path):
    """Pictures with only eyes marked stand beside fully marked ones, their other points null."""
    with archives.opened([laid_out(tmp_path / "cats_in", cat_files({"CAT_00": 2}))]) as stores:
        convert(cat_dataset.read(stores), tmp_path / "cats")
    laid_out(tmp_path / "eyes_in", {"a.jpg": jpeg(77), "a.xml": xml([FACE, LEFT, RIGHT])})
    done = convert(from_voc(tmp_path / "eyes_in"), tmp_path / "cats")
    assert len(done.snapshot.kept) == 3
    eyes = [m["heads"][0] for m in keypoints(tmp_path / "cats").values() if m["heads"][0]["box"]]
    assert len(eyes) == 1
    assert list(eyes[0]["points"]) == list(cat_file.POINTS.names)
    assert [name for name, point in eyes[0]["points"].items() if point] == list(EYES["cat_eyes"])


def test_an_annotation_of_another_size_leaves_the_picture_unmarked(tmp_path):
    """Points of a picture of another size are not scaled by guess: it stands unmarked until that is mended."""
    laid_out(tmp_path / "in", {"a.jpg": jpeg(1), "a.xml": xml([FACE, LEFT, RIGHT], size=(240, 180))})
    said = []
    done = convert(from_voc(tmp_path / "in"), tmp_path / "cats", said)
    assert len(done.snapshot.kept) == 1
    assert keypoints(tmp_path / "cats") == {}
    assert sum("is annotated as 240 x 180 and has 120 x 90" in line for line in said) == 1
    (tmp_path / "in" / "a.xml").write_bytes(xml([FACE, LEFT, RIGHT]))
    convert(from_voc(tmp_path / "in"), tmp_path / "cats")
    assert len(keypoints(tmp_path / "cats")) == 1


@pytest.mark.parametrize(("size", "expected"), [((120, 90), (53, 55)), ((90, 120), (25, 35))])
def test_the_annotated_size_tells_whether_the_points_were_turned(tmp_path, size, expected):
    """A picture stored sideways: the size in the annotation says which pixels the points are of."""
    laid_out(tmp_path / "in", {"a.jpg": jpeg(1, (120, 90), 6), "a.xml": xml([FACE, LEFT, RIGHT], size=size)})
    convert(from_voc(tmp_path / "in"), tmp_path / "cats")
    (one,) = keypoints(tmp_path / "cats").values()
    assert (one["width"], one["height"]) == (90, 120)
    left = one["heads"][0]["points"]["eye_image_left"]
    assert (left["x"], left["y"]) == expected
    box = one["heads"][0]["box"]
    assert box[0] < left["x"] < box[2]
    assert box[1] < left["y"] < box[3]


def test_left_and_right_are_those_of_the_upright_picture(tmp_path):
    """Eyes of a picture stored upside down are named by where they lie once it stands upright."""
    laid_out(tmp_path / "in", {"a.jpg": jpeg(1, (120, 90), 3), "a.xml": xml([FACE, LEFT, RIGHT])})
    convert(from_voc(tmp_path / "in"), tmp_path / "cats")
    (one,) = keypoints(tmp_path / "cats").values()
    head = one["heads"][0]["points"]
    assert (head["eye_image_left"]["x"], head["eye_image_right"]["x"]) == (120 - 55, 120 - 25)


@pytest.mark.slow
@pytest.mark.data
def test_the_real_eyes_convert(real_pictures, tmp_path, monkeypatch):
    """All 187 real photos come in: 198 heads, 183 of them with both eyes, the odd ones told."""
    monkeypatch.chdir(tmp_path)
    typed = ["--points", "cat_eyes=eye_image_left,eye_image_right", "--head", "cat_face", "--label", "cat"]
    run = CliRunner().invoke(
        app, ["convert", "voc", str(real_pictures / "cat-eyes"), *typed, "--into", "eyes", "--json"]
    )
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout)
    assert (said["pictures"], said["heads"], said["classes"]) == (187, 198, {"cat": 187})
    assert said["points"]["points"] == {"eye_image_left": 183, "eye_image_right": 183}
    assert any(line.startswith("10 objects have another number of cat_eyes than 2") for line in said["notes"])
    assert sum("lies in no cat_face" in line for line in said["notes"]) == 2


def test_typed_points_are_checked():
    """--points wants each kind of box and each point once."""
    for typed in (["cat_eyes"], ["=a"], ["a=x,x"], ["a=x", "a=y"], ["a=x", "b=x"], ["a=x,"]):
        given_points = [part for text in typed for part in ("--points", text)]
        run = CliRunner().invoke(app, ["convert", "voc", "somewhere", *given_points, "--into", "x"])
        assert run.exit_code == 2, run.output


def document(**changes):
    base = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 120, "height": 90},
            {"id": 2, "file_name": "b.jpg"},
        ],
        "categories": [
            {"id": 3, "name": "dog", "keypoints": ["left_eye", "right_eye", "nose"]},
            {"id": 4, "name": "x"},
        ],
        "annotations": [
            {
                "id": 7,
                "image_id": 1,
                "category_id": 3,
                "keypoints": [10, 20, 2, 30.5, -4, 1, 0, 0, 0],
                "bbox": [5, 6, 50, 40],
            },
            {
                "id": 8,
                "image_id": 1,
                "category_id": 3,
                "keypoints": [0] * 9,
                "iscrowd": 1,
                "bbox": [0, 0, 9, 9],
            },
            {"id": 9, "image_id": 1, "category_id": 4, "bbox": [0, 0, 9, 9]},
        ],
    }
    return base | changes


def from_coco(folder, said, category=None):
    (folder / "a.json").write_text(json.dumps(said))
    with archives.opened([folder]) as stores:
        return coco.read(folder / "a.json", stores, category, None)


def test_the_lines_of_a_coco_skeleton_come_in_and_those_to_nowhere_do_not(tmp_path):
    """COCO counts points from 1."""
    laid_out(tmp_path / "in", {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    names = ["left_eye", "right_eye", "nose"]
    kind = {"id": 3, "name": "dog", "keypoints": names, "skeleton": [[1, 3], [0, 2], [3, 4]]}
    found = from_coco(tmp_path / "in", document(categories=[kind, {"id": 4, "name": "x"}]))
    assert found.points.skeleton == (("left_eye", "nose"),)


def test_coco_keypoints_come_in_with_their_pairs(tmp_path):
    """v = 0 is unmarked, out-of-frame points stay, pairs come from the names, a picture without heads is one."""
    laid_out(tmp_path / "in", {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    found = from_coco(tmp_path / "in", document())
    assert found.points.flips == (("left_eye", "right_eye"),)
    assert found.label == "dog"
    done = convert(found, tmp_path / "dogs")
    assert len(done.snapshot.kept) == 2
    said = sorted(keypoints(tmp_path / "dogs").values(), key=lambda m: -len(m["heads"]))
    assert said[1]["heads"] == []
    (head,) = said[0]["heads"]
    assert head["points"]["right_eye"] == {"x": 30.5, "y": -4, "inside": False}
    assert head["points"]["nose"] is None
    assert head["box"] == [5, 6, 55, 46]
    assert any("1 annotations of crowds" in line for line in found.lines)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"annotations": [{"id": 7, "image_id": 5, "category_id": 3}]}, "annotation 7 names image 5"),
        (
            {"annotations": [{"id": 7, "image_id": 1, "category_id": 3, "keypoints": [1, 2]}]},
            "2 numbers where 9",
        ),
        ({"annotations": [{"id": 7, "image_id": 1, "category_id": 3, "keypoints": [1, 2, 9] * 3}]}, "v = 9"),
        ({"annotations": [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 2, 0, 3]}]}, "no area"),
        ({"annotations": [{"image_id": 1}]}, "annotations, entry 1: category_id"),
        (
            {"images": [{"id": 1, "file_name": "none.jpg"}, {"id": 2, "file_name": "b.jpg"}]},
            "none.jpg is not there",
        ),
        (
            {"images": [{"id": 1, "file_name": "../a.jpg"}, {"id": 2, "file_name": "b.jpg"}]},
            "../a.jpg is not there",
        ),
    ],
)
def test_what_is_wrong_in_a_coco_file_is_named(tmp_path, changes, line):
    """An entry that says what cannot be is left out with its number and the reason."""
    laid_out(tmp_path, {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    assert any(line in text for text in from_coco(tmp_path, document(**changes)).lines)


def test_a_category_must_be_named_when_several_have_points(tmp_path):
    """Which points are meant is never guessed."""
    laid_out(tmp_path, {"a.jpg": jpeg(1)})
    two = document(
        categories=[{"id": n, "name": f"c{n}", "keypoints": ["a"]} for n in (1, 2)], annotations=[]
    )
    with pytest.raises(UsageError, match="--category"):
        from_coco(tmp_path, two)
    assert from_coco(tmp_path, two, "c2").label == "c2"
    with pytest.raises(UsageError, match="not a COCO file"):
        from_coco(tmp_path, {"images": []})


coordinate = st.floats(-300, 300, allow_nan=False)
nine = st.fixed_dictionaries({name: st.tuples(coordinate, coordinate) for name in cat_file.POINTS.names})


@pytest.fixture(scope="module")
def cat(tmp_path_factory):
    """A dataset of three cats, whose points a test may change."""
    folder = tmp_path_factory.mktemp("cat")
    files = cat_files({"CAT_00": 1, "CAT_05": 1, "CAT_06": 1}, size=(250, 200))
    with archives.opened([zipped(folder / "in.zip", files)]) as stores:
        convert(cat_dataset.read(stores), folder / "cats")
    return folder / "cats"


def mark(folder, heads):
    """Put these heads into the first picture, and give the name of its file of points."""
    file = sorted((folder / "points").iterdir())[0]
    before = read_keypoints(file)
    made = tuple(
        Instance(
            points={
                name: None
                if place is None
                else Keypoint(x=place[0], y=place[1], inside=is_inside(*place, 250, 200))
                for name, place in head.items()
            }
        )
        for head in heads
    )
    file.write_text(Keypoints(sha256=before.sha256, width=250, height=200, heads=made).model_dump_json())
    return before.sha256


def exported(folder, format):
    return datasets.export(folder, format, folder.parent / f"out-{format}", links=False, say=lambda _: None)


def known(found, sha256):
    """The heads read back for one picture, as {name: (x, y)}."""
    (picture,) = (p for p in found.pictures if sha256[:20] in p.name)
    return [{name: (p.x, p.y) for name, p in head.marked.items()} for head in picture.heads]


def close(one, other):
    assert one.keys() == other.keys()
    assert all(abs(a - b) <= 0.5 for name in one for a, b in zip(one[name], other[name], strict=True))


@settings(max_examples=25)
@given(nine)
def test_cat_files_come_back_within_half_a_pixel(cat, head):
    """Nine points of one head, also outside the frame, survive `byod export --format cat` and `convert cats`."""
    sha256 = mark(cat, [head])
    with archives.opened([exported(cat, "cat")]) as stores:
        (back,) = known(cat_dataset.read(stores), sha256)
    close(back, head)


@settings(max_examples=25)
@given(
    st.lists(
        st.fixed_dictionaries(
            {name: st.none() | st.tuples(coordinate, coordinate) for name in cat_file.POINTS.names}
        ),
        max_size=3,
    )
)
def test_coco_comes_back_within_half_a_pixel(cat, heads):
    """Any number of heads with any points missing or outside survive COCO there and back."""
    sha256 = mark(cat, heads)
    out = exported(cat, "coco")
    part = next(file for file in (out / "annotations").iterdir() if sha256[:20] in file.read_text())
    with archives.opened([out / "images"]) as stores:
        found = coco.read(part, stores, None, None)
    assert found.points == cat_file.POINTS
    back = known(found, sha256)
    assert len(back) == len(heads)
    for one, head in zip(back, heads, strict=True):
        close(one, {name: place for name, place in head.items() if place is not None})


@settings(max_examples=25)
@given(st.lists(nine, max_size=2))
def test_yolo_comes_back_within_half_a_pixel_where_it_can_hold_a_point(cat, heads):
    """Points in the frame survive the shares of YOLO pose; those outside are written as unmarked, boxes in range."""
    sha256 = mark(cat, heads)
    out = exported(cat, "yolo-pose")
    (label,) = (out / "labels").rglob(f"{sha256[:20]}.txt")
    lines = [[float(word) for word in text.split()] for text in label.read_text().splitlines()]
    assert all(
        0 <= value <= 1 for numbers in lines for value in (*numbers[1:5], *numbers[5::3], *numbers[6::3])
    )
    visible = [h for h in heads if any(is_inside(*place, 250, 200) for place in h.values())]
    assert len(lines) >= len(visible)
    for numbers, head in zip(lines, heads, strict=False) if len(lines) == len(heads) else ():
        triples = zip(numbers[5::3], numbers[6::3], numbers[7::3], strict=True)
        back = {
            n: (x * 250, y * 200) for n, (x, y, v) in zip(cat_file.POINTS.names, triples, strict=True) if v
        }
        close(back, {name: place for name, place in head.items() if is_inside(*place, 250, 200)})


def test_yolo_says_what_a_trainer_must_know(cat):
    """data.yaml holds the parts, the number of points and the flip permutation."""
    mark(cat, [dict.fromkeys(cat_file.POINTS.names, (9, 9))])
    out = exported(cat, "yolo-pose")
    text = (out / "data.yaml").read_text()
    assert "flip_idx: [1, 0, 2, 8, 7, 6, 5, 4, 3]" in text
    assert "kpt_shape: [9, 3]" in text
    assert [line for line in text.splitlines() if "images/" in line] == [
        "train: images/train",
        "val: images/val",
        "test: images/test",
    ]
    assert all((out / "images" / part).is_dir() for part in ("train", "val", "test"))


@pytest.mark.parametrize(
    ("heads", "words"),
    [
        ([], "0 heads"),
        ([dict.fromkeys(cat_file.POINTS.names, (5, 5))] * 2, "2 heads"),
        ([dict.fromkeys(cat_file.POINTS.names, (5, 5)) | {"mouth": None}], "no mouth"),
    ],
)
def test_a_cat_file_refuses_what_it_cannot_hold(cat, heads, words):
    """No head, several heads or a missing point are refused in one line that names the picture."""
    mark(cat, heads)
    with pytest.raises(DatasetError, match=words) as raised:
        exported(cat, "cat")
    assert "CAT_0" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_unmarked_pictures_stay_and_are_said(cat, tmp_path):
    """A picture nobody marked leaves in no format of points; how many stay is said."""
    mark(cat, [dict.fromkeys(cat_file.POINTS.names, (5, 5))])
    extra = cat / "images" / "cat" / "extra.jpg"
    extra.write_bytes(jpeg(4242))
    said = []
    out = datasets.export(cat, "coco", tmp_path / "out", links=False, say=said.append)
    assert "1 pictures have no points yet and stay here" in said
    assert len(list((out / "images").rglob("*.jpg"))) == 3
    extra.unlink()
    datasets.status(cat, say=said.append)


def test_formats_hold_what_they_hold(cat):
    """A format of class labels refuses points, and one of points refuses class labels, with the ones that fit."""
    with pytest.raises(UsageError, match=r"holds points.*use one of cat, coco, yolo-pose"):
        exported(cat, "hf")
