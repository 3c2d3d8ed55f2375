"""What trainers of points iterate over: truth and pixels that belong together, repeatable, bounded."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from byod.schema.errors import TrainerError
from byod.schema.keypoints import Instance, Keypoint, Keypoints, KeypointSet
from byod.schema.records import Example, Split
from byod.tasks.keypoints.geometry import (
    DetectionFeed,
    Jitter,
    KeypointFeed,
    eyes_of,
    eyes_rule,
    of_eyes,
    regions,
    true_instances,
)
from byod.tasks.keypoints.geometry import augment as augmenting
from byod.tasks.keypoints.geometry.crops import Frame, whole

EYES = KeypointSet(
    names=("eye_image_left", "eye_image_right", "mouth"), flips=(("eye_image_left", "eye_image_right"),)
)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
PLAIN = Jitter(colour=0, blur=0)


def picture(folder, number, size=(160, 120), heads=1, marked=EYES.names):
    """A black picture with heads of three coloured dots: the left eye red, the right green, the mouth blue."""
    random = np.random.default_rng(number)
    ys, xs = np.mgrid[: size[1], : size[0]] + 0.5
    image = np.zeros((size[1], size[0], 3), np.uint8)
    found = []
    for head in range(heads):
        x, y = 40 + 60 * head + random.uniform(-4, 4), 50 + random.uniform(-4, 4)
        # with a faint grain, so that no two pictures are alike
        image[0, 0] = number % 250
        places = {
            "eye_image_left": (x - 12, y),
            "eye_image_right": (x + 12, y + random.uniform(-3, 3)),
            "mouth": (x, y + 18),
        }
        for (px, py), colour in zip(places.values(), (RED, GREEN, BLUE), strict=True):
            image[np.hypot(xs - px, ys - py) < 4] = colour
        points = {n: Keypoint(x=p[0], y=p[1]) if n in marked else None for n, p in places.items()}
        found.append(Instance(points=points, box=(x - 25, y - 25, x + 25, y + 30)))
    path = folder / f"{number}.png"
    Image.fromarray(image).save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    example = Example(sha256=sha256, path=path, label="cat", split=Split.TRAIN, group=sha256)
    return example, Keypoints(sha256=sha256, width=size[0], height=size[1], heads=tuple(found))


def drawn(folder, count, **kinds):
    both = [picture(folder, number, **kinds) for number in range(count)]
    return [example for example, _ in both], {example.sha256: keypoints for example, keypoints in both}


def colours(image, points):
    """The colour (number of the strongest channel) at each point of one picture."""
    size = len(image)
    at = np.clip((points * size).astype(int), 0, size - 1)
    return image[at[:, 1], at[:, 0]].argmax(axis=1)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), epoch=st.integers(0, 50))
def test_points_stay_on_their_features(tmp_path_factory, seed, epoch):
    """In every augmented frame, mirrored or not, the left eye's point lies on the left eye's colour, and so on."""
    examples, keypoints = drawn(tmp_path_factory.mktemp("feed"), 4)
    feed = KeypointFeed(examples, keypoints, EYES, 64, seed=seed, jitter=PLAIN)
    mirrored = 0
    for batch in feed.epoch(epoch, 3):
        assert batch.images.dtype == np.uint8
        assert batch.points.dtype == batch.known.dtype == np.float32
        for image, points, known in zip(batch.images, batch.points, batch.known, strict=True):
            if not known.any():
                continue
            said = colours(image, points)
            # a mirrored head's left eye is the one that was the right eye before
            seen = known > 0
            swapped = said[0] == 1 if seen[0] else said[1] == 0
            wanted = np.array([1, 0, 2]) if swapped else np.array([0, 1, 2])
            mirrored += swapped
            assert (said[seen] == wanted[seen]).all()
            assert points[0, 0] < points[1, 0] or not seen[:2].all()
        assert (batch.known.any(axis=1) <= (batch.there > 0)).all()
    assert mirrored <= len(feed)


def test_mirrored_frames_come_as_often_as_asked(tmp_path):
    """Half of the heads of an epoch are mirrored, none without mirroring, and the left eye always stands left."""
    examples, keypoints = drawn(tmp_path, 60)
    for share, low, high in ((0.5, 15, 45), (0.0, 0, 0), (1.0, 60, 60)):
        feed = KeypointFeed(
            examples, keypoints, EYES, 32, jitter=Jitter(colour=0, blur=0, mirror=share, rotation=20)
        )
        (batch,) = feed.epoch(0, 100)
        there = batch.there > 0
        assert there.sum() == 60
        points = batch.points[there]
        assert (points[:, 0, 0] < points[:, 1, 0]).all()
        swapped = sum(colours(i, p)[0] == 1 for i, p in zip(batch.images[there], points, strict=True))
        assert low <= swapped <= high


def test_frames_beside_heads_are_shown_as_such(tmp_path):
    """An epoch shows each head once, and a fifth as many frames beside heads, with hardly anything of one in them."""
    examples, keypoints = drawn(tmp_path, 40)
    feed = KeypointFeed(examples, keypoints, EYES, 48, jitter=PLAIN)
    for number in range(3):
        batches = list(feed.epoch(number, 7))
        assert len(batches) == feed.steps(7) == 7
        there = np.concatenate([batch.there for batch in batches]) > 0
        known = np.concatenate([batch.known for batch in batches])
        lit = np.concatenate([batch.images.max(axis=3) > 128 for batch in batches]).mean(axis=(1, 2))
        assert (int(there.sum()), len(there)) == (40, 48)
        assert not known[~there].any()
        assert lit[~there].mean() < lit[there].mean() / 2
    (plain,) = feed.plain(100)
    assert plain.there.tolist() == [1] * 40


def test_where_heads_fill_their_pictures_heads_are_shown_instead(tmp_path):
    """With no room beside a head, an epoch shows that head again, and nothing is called empty that is not."""
    examples, keypoints = drawn(tmp_path, 10)
    full = {
        s: m.model_copy(update={"heads": (m.heads[0].model_copy(update={"box": (0, 0, 160, 120)}),)})
        for s, m in keypoints.items()
    }
    (batch,) = KeypointFeed(examples, full, EYES, 32).epoch(0, 100)
    assert batch.there.tolist() == [1] * 12


def test_plain_batches_are_the_true_frames(tmp_path):
    """Without augmentation heads come in order, upright, in the middle of a frame as wide as the margin says."""
    examples, keypoints = drawn(tmp_path, 5)
    feed = KeypointFeed(examples, keypoints, EYES, 64, margin=1.5)
    batches = list(feed.plain(2))
    assert [len(batch.images) for batch in batches] == [2, 2, 1]
    points = np.concatenate([batch.points for batch in batches])
    for number, example in enumerate(examples):
        head = keypoints[example.sha256].heads[0]
        box = np.array(head.box)
        side = 1.5 * max(box[2:] - box[:2])
        corner = (box[:2] + box[2:]) / 2 - side / 2
        truth = [((p.x - corner[0]) / side, (p.y - corner[1]) / side) for p in head.points.values()]
        assert np.allclose(points[number], truth, atol=1e-6)
    for batch in batches:
        for image, places in zip(batch.images, batch.points, strict=True):
            assert colours(image, places).tolist() == [0, 1, 2]
        assert (batch.known == 1).all()


def test_what_is_not_marked_is_masked(tmp_path):
    """A point nobody marked, one outside the picture, and one outside the frame are 0 in `known`, and finite."""
    example, keypoints = picture(tmp_path, 1)
    (head,) = keypoints.heads
    points = {
        **head.points,
        "mouth": None,
        "eye_image_right": Keypoint(x=200, y=40, inside=False),
        "eye_image_left": Keypoint(x=150, y=40),
    }
    keypoints = keypoints.model_copy(update={"heads": (head.model_copy(update={"points": points}),)})
    (batch,) = KeypointFeed([example], {example.sha256: keypoints}, EYES, 32).plain(4)
    assert batch.known.tolist() == [[0, 0, 0]]
    assert np.isfinite(batch.points).all()


def test_epochs_repeat_and_differ(tmp_path):
    """The same seed and number give the same bytes, whatever the batch size; another number or seed gives others."""
    examples, keypoints = drawn(tmp_path, 6)

    def images(seed, epoch, size):
        feed = KeypointFeed(examples, keypoints, EYES, 32, seed=seed)
        heads = DetectionFeed(examples, keypoints, 32, seed=seed)
        return np.concatenate(
            [b.images for b in feed.epoch(epoch, size)] + [b.images for b in heads.epoch(epoch, size)]
        )

    first = images(1, 2, 4)
    assert np.array_equal(first, images(1, 2, 6))
    assert not np.array_equal(first, images(1, 3, 4))
    assert not np.array_equal(first, images(2, 2, 4))


def test_points_with_a_side_and_no_partner_are_not_mirrored(tmp_path):
    """A mirror image would call a left ear a right one: refused in one line, and allowed without mirroring."""
    examples, keypoints = drawn(tmp_path, 1)
    lonely = KeypointSet(names=(*EYES.names, "left_ear"), flips=EYES.flips)
    with pytest.raises(TrainerError, match="left_ear"):
        KeypointFeed(examples, keypoints, lonely, 32)
    assert len(KeypointFeed(examples, keypoints, lonely, 32, jitter=Jitter(mirror=0))) == 1


@settings(deadline=None)
@given(st.permutations(range(6)), st.integers(0, 3))
def test_the_permutation_of_a_mirror_image(order, pairs):
    """Mirrored twice, every point is where it was; once, each partner has the other's place and mask."""
    names = [f"p{n}" for n in order]
    point_set = KeypointSet(
        names=tuple(names), flips=tuple((f"p{2 * n}", f"p{2 * n + 1}") for n in range(pairs))
    )
    unit, known = np.random.default_rng(0).random((6, 2)), np.arange(6) % 3 > 0
    once = augmenting.exchanged(unit, known, point_set.permutation)
    for name in names:
        number = int(name[1])
        partner = f"p{number ^ 1}" if number < 2 * pairs else name
        assert np.array_equal(once[0][names.index(name)], unit[names.index(partner)])
        assert once[1][names.index(name)] == known[names.index(partner)]
    twice = augmenting.exchanged(*once, point_set.permutation)
    assert np.array_equal(twice[0], unit)
    assert np.array_equal(twice[1], known)


def test_which_eye_stands_left():
    """`eye_image_left` is the viewer's; a `left_eye` is the head's own and stands right; without a pair, none."""
    assert eyes_of(EYES) == (0, 1)
    coco = KeypointSet(names=("nose", "left_eye", "right_eye"), flips=(("left_eye", "right_eye"),))
    assert eyes_of(coco) == (2, 1)
    assert eyes_of(KeypointSet(names=("nose", "eye"))) is None


def test_the_rule_of_the_eyes_gives_frames_like_those_of_boxes(tmp_path):
    """Measured on heads of one shape, the frame around the eyes of an upright head is the frame around its box."""
    examples, keypoints = drawn(tmp_path, 9)
    heads = true_instances(examples, keypoints, EYES)
    rule = eyes_rule(heads, EYES, 1.3)
    frame = of_eyes((28, 50), (52, 50), rule)
    assert frame.side == pytest.approx(1.3 * 55, rel=0.02)
    assert (frame.cx, frame.cy) == pytest.approx((40, 52.5), abs=1.5)
    assert eyes_rule(heads[:0], EYES, 1.3) is None


def discs(folder, number, size=(240, 160)):
    """A black picture with two white ellipses as heads, which fill their boxes."""
    ys, xs = np.mgrid[: size[1], : size[0]] + 0.5
    image = np.zeros((size[1], size[0], 3), np.uint8)
    heads = []
    for x, y, a, b in ((50, 60 + number, 26, 30), (130 + number, 90, 22, 16)):
        image[((xs - x) / a) ** 2 + ((ys - y) / b) ** 2 < 1] = 255
        heads.append(Instance(points={}, box=(x - a, y - b, x + a, y + b)))
    path = folder / f"disc{number}.png"
    Image.fromarray(image).save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    example = Example(sha256=sha256, path=path, label="cat", split=Split.TRAIN, group=sha256)
    return example, Keypoints(width=size[0], height=size[1], heads=tuple(heads))


def test_boxes_stay_on_their_heads(tmp_path):
    """In augmented pictures each box is filled by a head, hardly anything of a head is outside, some have none."""
    both = [discs(tmp_path, number) for number in range(8)]
    examples, keypoints = [e for e, _ in both], {e.sha256: m for e, m in both}
    feed = DetectionFeed(examples, keypoints, 128, jitter=PLAIN)
    counts: list[int] = []
    lit = outside = 0
    for epoch in range(8):
        for batch in feed.epoch(epoch, 3):
            for image, found in zip(batch.images, batch.boxes, strict=True):
                assert found.dtype == np.float32
                assert found.shape[1:] == (4,)
                assert (found >= 0).all()
                assert (found <= 1).all()
                counts.append(len(found))
                white = image[..., 0] > 190
                left = white.copy()
                for x0, y0, x1, y1 in (found * 128).round().astype(int):
                    assert white[y0:y1, x0:x1].mean() > 0.5
                    left[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1] = False
                lit, outside = lit + white.sum(), outside + left.sum()
    assert outside < 0.02 * lit
    assert {0, 1, 2} <= set(counts)
    assert max(counts) > 2  # put together from four


def test_pictures_without_heads_are_learned_as_such(tmp_path):
    """Marks without heads give no boxes; no marks, or a head of which nothing is marked, remove a picture."""
    examples, keypoints = drawn(tmp_path, 4)
    keypoints[examples[0].sha256] = Keypoints(width=160, height=120)
    del keypoints[examples[1].sha256]
    nothing = Instance(points=dict.fromkeys(EYES.names))
    keypoints[examples[2].sha256] = Keypoints(width=160, height=120, heads=(nothing,))
    feed = DetectionFeed(examples, keypoints, 64)
    assert feed.examples == [examples[0], examples[3]]
    (batch,) = feed.plain(8)
    assert [len(boxes) for boxes in batch.boxes] == [0, 1]
    for epoch in feed.epoch(0, 8):
        assert len(epoch.images) == 2
    head = np.array(keypoints[examples[3].sha256].heads[0].box).reshape(2, 2)
    assert np.allclose(batch.boxes[1].reshape(2, 2), whole(160, 120).to_unit(head), atol=1e-6)


def test_nothing_to_learn_is_said(tmp_path):
    """No marked point, or no head at all, is one line and no empty training."""
    examples, keypoints = drawn(tmp_path, 2, heads=0)
    with pytest.raises(TrainerError, match="no point is marked"):
        KeypointFeed(examples, keypoints, EYES, 32).epoch(0, 4)
    with pytest.raises(TrainerError, match="no object is marked"):
        DetectionFeed(examples, keypoints, 32).epoch(0, 4)
    assert list(KeypointFeed(examples, keypoints, EYES, 32).plain(4)) == []


def test_a_cache_changes_nothing_but_the_decoding(tmp_path, monkeypatch):
    """Batches from a folder have the bytes of those from memory, and the second feed decodes no picture."""
    examples, keypoints = drawn(tmp_path, 5)

    def bytes_of(**where):
        feed, heads = (
            KeypointFeed(examples, keypoints, EYES, 32, **where),
            DetectionFeed(examples, keypoints, 32, **where),
        )
        parts = [feed.plain(4), feed.epoch(0, 4), heads.plain(4), heads.epoch(0, 4)]
        return np.concatenate([batch.images for part in parts for batch in part])

    first = bytes_of()
    assert np.array_equal(bytes_of(cache=tmp_path / "cache"), first)
    monkeypatch.setattr(regions, "opened", None)
    assert np.array_equal(bytes_of(cache=tmp_path / "cache"), first)


def test_beyond_its_memory_a_feed_decodes_anew(tmp_path, monkeypatch):
    """What does not fit into memory is decoded when asked for, is right all the same, and that is said."""
    examples, keypoints = drawn(tmp_path, 4)
    (first,) = KeypointFeed(examples, keypoints, EYES, 32).plain(8)
    monkeypatch.setattr(regions, "MEMORY", 2 * 32 * 32 * 3)
    said = []
    (again,) = KeypointFeed(examples, keypoints, EYES, 32, say=said.append).plain(8)
    assert np.array_equal(first.images, again.images)
    assert any("decoded anew" in line for line in said)


def test_a_picture_that_changed_its_size_is_refused(tmp_path):
    """Points marked on another size would lie wrong: one line names the picture; so does one that cannot be opened."""
    examples, keypoints = drawn(tmp_path, 2)
    other = {s: m.model_copy(update={"width": 161}) for s, m in keypoints.items()}
    with pytest.raises(
        TrainerError, match=r"0\.png is 160 x 120 pixels, but its points were marked on 161 x 120"
    ):
        list(KeypointFeed(examples, other, EYES, 32).plain(4))
    examples[1].path.write_bytes(b"<html>")
    with pytest.raises(TrainerError, match=r"1\.png cannot be opened"):
        list(KeypointFeed(examples, keypoints, EYES, 32).plain(4))


def test_a_turned_head_keeps_its_size():
    """The box of a turned head is that of the ellipse within it: the same for a round one, turned by a quarter turn."""
    box = np.array([[40.0, 40.0, 60.0, 60.0]])
    for angle in (0.0, 0.4, 1.2):
        inside, share = augmenting.seen(box, Frame(50, 50, 100, angle))
        assert np.allclose(inside, [[0.4, 0.4, 0.6, 0.6]])
        assert share == pytest.approx(1)
    tall = np.array([[45.0, 30.0, 55.0, 70.0]])
    assert np.allclose(augmenting.seen(tall, Frame(50, 50, 100, np.pi / 2))[0], [[0.3, 0.45, 0.7, 0.55]])


def test_the_share_of_a_head_that_is_seen():
    """Half of a head beyond the border is a share of one half, and its box ends at the border."""
    inside, share = augmenting.seen(np.array([[-10.0, 10.0, 10.0, 30.0]]), Frame(50, 50, 100))
    assert np.allclose(inside, [[0, 0.1, 0.1, 0.3]])
    assert share == pytest.approx(0.5)


def test_colours_change_and_places_do_not():
    """Other light changes the values, keeps the shape and the type, and does nothing at strength 0."""
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    seen = augmenting.recoloured(image, 1.0, np.random.default_rng(1))
    assert seen.shape == image.shape
    assert seen.dtype == np.uint8
    assert not np.array_equal(seen, image)
    assert np.array_equal(augmenting.recoloured(image, 0.0, np.random.default_rng(1)), image)
