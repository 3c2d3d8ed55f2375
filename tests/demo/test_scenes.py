"""The demo's scenery: what is drawn, what is planted, and how it is served."""

import io
import json
import sys
from collections import Counter
from itertools import combinations
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import imagehash
import numpy as np
import pytest
from PIL import Image

from byod.demo import findings, scenes
from byod.demo.fake_source import WORKS, serve_fake_source
from byod.demo.scenes import Kind
from byod.demo.vegetables import VEGETABLES, draw
from byod.schema.errors import ByodError, DatasetError, UsageError
from byod.schema.reasons import Reason
from byod.schema.records import DuplicateGroup, Origin, Sample, Snapshot, Status, Task
from byod.testing import draw_classes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted():
    return scenes.drawn(per_class=40)


def opened(content):
    return Image.open(io.BytesIO(content)).convert("RGB")


def ask(base, **params):
    query = "&".join(f"{name}={value}" for name, value in params.items())
    with urlopen(f"{base}/v1/images/?{query}") as reply:
        return json.load(reply)


def all_results(base, q):
    first = ask(base, q=q)
    pages = [first, *(ask(base, q=q, page=page) for page in range(2, first["page_count"] + 1))]
    return [result for page in pages for result in page["results"]]


# --- drawing -------------------------------------------------------------------------------------


def test_a_drawing_follows_from_its_seed_alone():
    """The same seed draws the same pixels, another seed others."""
    first, again, other = (np.asarray(draw(np.random.default_rng(seed), "broccoli")) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.long
def test_drawn_pictures_are_far_apart_by_their_hashes(planted):
    """No two different drawings come near the distance at which copies are looked for."""
    hashes = [
        (imagehash.phash(image), imagehash.dhash(image))
        for image in (opened(offer.read()) for offer in planted.of(Kind.GOOD))
    ]
    pairs = [(a[0] - b[0], a[1] - b[1]) for a, b in combinations(hashes, 2)]
    assert not [pair for pair in pairs if pair[0] <= 12 and pair[1] <= 12]
    assert np.mean([phash > 16 for phash, _ in pairs]) > 0.99


def test_drawn_pictures_pass_the_size_and_shape_limits(planted):
    """Every good drawing is larger than the smallest side a collection keeps."""
    assert all(min(offer.width, offer.height) >= 204 for offer in planted.of(Kind.GOOD))


def test_the_test_kit_draws_different_pictures_for_each_class(tmp_path):
    """`draw_classes` fills one folder a class, with pictures of the size asked for and far apart by phash."""
    drawn = draw_classes(tmp_path, classes=("circle", "square", "anything"), per_class=12, size=(160, 120))
    assert {label: len(paths) for label, paths in drawn.items()} == {
        "circle": 12,
        "square": 12,
        "anything": 12,
    }
    assert sorted(path for paths in drawn.values() for path in paths) == sorted(tmp_path.glob("*/*.jpg"))
    images = [Image.open(path) for paths in drawn.values() for path in paths]
    assert {image.size for image in images} == {(160, 120)}
    distances = [a - b for a, b in combinations([imagehash.phash(image) for image in images], 2)]
    assert np.mean([distance > 16 for distance in distances]) > 0.98


def test_the_test_kit_draws_the_same_for_the_same_seed(tmp_path):
    """The files are equal byte for byte, and differ for another seed."""
    first, again, other = (
        draw_classes(tmp_path / name, per_class=2, seed=seed)["square"][1].read_bytes()
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == again != other


def test_drawn_classes_can_be_told_apart_by_colour_alone(tmp_path):
    """A nearest neighbour on 16 x 16 colour histograms gets nine of ten right: a small net can learn this."""
    drawn = draw_classes(tmp_path, per_class=40)
    rows, labels = [], []
    for label, paths in drawn.items():
        for path in paths:
            hsv = np.asarray(Image.open(path).convert("HSV"), float)
            strong = hsv[..., 1] > 150
            rows.append(np.histogram(hsv[..., 0][strong], bins=16, range=(0, 256), density=True)[0])
            labels.append(label)
    rows = np.array(rows)
    away = np.abs(rows[:, None] - rows[None]).sum(-1) + np.eye(len(rows)) * 1e9
    right = np.array(labels)[away.argmin(1)] == np.array(labels)
    assert right.mean() > 0.9


@pytest.mark.parametrize(
    "wrong", [{"classes": ()}, {"classes": ("a", "a")}, {"classes": tuple("abcdefg")}, {"size": (8, 8)}]
)
def test_the_test_kit_refuses_what_it_cannot_draw(tmp_path, wrong):
    """No class, the same class twice, too many classes and a tiny size are refused in one line."""
    with pytest.raises(UsageError, match="draw_classes"):
        draw_classes(tmp_path, **wrong)


@pytest.mark.parametrize("name", ["dog\u200b", "d\udcffg"])
@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_folder_that_names_no_class_is_said(tmp_path, name):
    """Pictures of one's own in a folder whose name cannot name a class end in one line before anything is served."""
    draw_classes(tmp_path, ("cat", name), per_class=scenes.FEWEST, size=(64, 64))
    with pytest.raises(UsageError, match="cannot name a class"):
        scenes.pictures_from(tmp_path)


# --- planting ------------------------------------------------------------------------------------


def test_every_kind_of_trouble_is_planted(planted):
    """Each kind is there for each class, and no address is used twice."""
    for label in VEGETABLES:
        assert {offer.kind for offer in planted.pictures if offer.label == label} == set(Kind)
    assert len({offer.path for offer in planted.pictures}) == len(planted.pictures)


@pytest.mark.slow
def test_planting_follows_from_its_seed_alone():
    """The same seed plants the same bytes in the same order."""
    assert scenes.drawn(per_class=12, seed=5) == scenes.drawn(per_class=12, seed=5)
    assert scenes.drawn(per_class=12, seed=5) != scenes.drawn(per_class=12, seed=6)


def test_copies_are_what_they_are_called(planted):
    """Exact copies are equal, the others differ in bytes and stay within the distance of their kind."""
    by_path = {offer.path: offer for offer in planted.pictures}
    for offer in planted.of(Kind.EXACT):
        assert offer.read() == by_path[offer.original].read()
        assert offer.host != by_path[offer.original].host
    near = {Kind.RESIZED: 4, Kind.RECOMPRESSED: 4, Kind.CAPTIONED: 12}
    for offer in planted.of(*near):
        copy, original = opened(offer.read()), opened(by_path[offer.original].read())
        assert offer.read() != by_path[offer.original].read()
        assert imagehash.phash(copy) - imagehash.phash(original) <= near[offer.kind], offer.path
        assert min(copy.size) >= 200
    for offer in planted.of(Kind.RESIZED):
        assert opened(offer.read()).size != (by_path[offer.original].width, by_path[offer.original].height)
    for offer in planted.of(Kind.MIRRORED):
        unmirrored = opened(offer.read()).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert imagehash.phash(unmirrored) - imagehash.phash(opened(by_path[offer.original].read())) <= 4


def test_each_trouble_has_an_original_of_its_own(planted):
    """No good picture has two copies, so that no copy passes for a placeholder seen under many addresses."""
    used = Counter(offer.original for offer in planted.pictures if offer.original)
    assert set(used.values()) == {1}


def test_broken_files_do_not_decode(planted):
    """Cut-off, zeroed and noisy files and web pages fail or come out grey; thumbnails are below the limit."""
    for offer in planted.of(Kind.TRUNCATED, Kind.GARBAGE, Kind.HTML):
        with pytest.raises(OSError, match=r"truncated|cannot identify"):
            opened(offer.read())
    for offer in planted.of(Kind.ZEROED):
        assert offer.read().endswith(bytes(1000))
    for offer in planted.of(Kind.TINY):
        assert max(opened(offer.read()).size) < 100


def test_the_placeholder_is_one_picture_under_many_addresses_of_one_host(planted):
    """All placeholder addresses give the same bytes and share a host."""
    placeholders = planted.of(Kind.PLACEHOLDER)
    assert len(placeholders) >= 6
    assert len({offer.read() for offer in placeholders}) == 1
    assert len({offer.host for offer in placeholders}) == 1


def test_a_picture_offered_under_both_classes_is_the_same_bytes_on_one_host(planted):
    """Each such picture is offered once for either class."""
    pictures = planted.of(Kind.BOTH_CLASSES)
    by_bytes = {}
    for offer in pictures:
        by_bytes.setdefault(offer.read(), []).append(offer)
    assert len(by_bytes) == 2
    for pair in by_bytes.values():
        assert {offer.label for offer in pair} == set(VEGETABLES)
        assert {offer.host for offer in pair} == {0}


def test_real_class_folders_are_planted_the_same_way(tmp_path):
    """Pictures of class folders are offered as they are, with every kind of trouble among them."""
    draw_classes(tmp_path, classes=("circle", "square"), per_class=20)
    planted = scenes.pictures_from(tmp_path)
    assert planted.classes == ("circle", "square")
    assert set(planted.counts) == set(Kind)
    files = {path.read_bytes() for path in tmp_path.glob("*/*.jpg")}
    assert {offer.read() for offer in planted.of(Kind.GOOD, Kind.BOTH_CLASSES)} == files


@pytest.mark.data
def test_real_vegetables_fit_into_what_openverse_shows(real_pictures):
    """With its trouble each class stays within the 240 works that a query shows, so that nothing is out of reach."""
    planted = scenes.pictures_from(real_pictures / "vegetables")
    assert set(planted.counts) == set(Kind)
    per_class = Counter(offer.label for offer in planted.pictures)
    assert set(per_class) == {"blumenkohl", "brokkoli"}
    assert max(per_class.values()) <= WORKS


def test_folders_that_cannot_be_planted_are_refused(tmp_path):
    """No folder, one class, too few pictures and a file that is not a picture are each said in one line."""
    with pytest.raises(DatasetError, match="not a folder"):
        scenes.pictures_from(tmp_path / "none")
    draw_classes(tmp_path, classes=("circle",), per_class=14)
    with pytest.raises(DatasetError, match="at least two"):
        scenes.pictures_from(tmp_path)
    draw_classes(tmp_path, classes=("square",), per_class=3)
    with pytest.raises(DatasetError, match=r"square holds 3 pictures"):
        scenes.pictures_from(tmp_path)
    draw_classes(tmp_path, classes=("square",), per_class=14)
    (tmp_path / "square" / "zzz.jpg").write_text("no picture")
    with pytest.raises(DatasetError, match=r"zzz\.jpg cannot be opened"):
        scenes.pictures_from(tmp_path)
    with pytest.raises(UsageError, match="at least 12"):
        scenes.drawn(per_class=5)


# --- serving -------------------------------------------------------------------------------------


def test_the_stand_answers_in_openverses_wire_format(planted):
    """A search gives Openverse's envelope and fields; its pages together give each offer once."""
    with serve_fake_source(planted) as here:
        first = ask(here.base, q="broccoli")
        assert {"result_count", "page_count", "page_size", "page", "results"} == set(first)
        assert (first["page"], first["page_size"], len(first["results"])) == (1, 20, 20)
        fields = (
            "id title url foreign_landing_url creator creator_url provider source category filesize filetype"
        )
        fields += " tags width height thumbnail license license_version license_url attribution"
        assert set(fields.split()) <= set(first["results"][0])
        results = all_results(here.base, "Broccoli")
        pictures = [offer for offer in planted.pictures if offer.label == "broccoli"]
        assert [urlsplit(result["url"]).path for result in results] == [offer.path for offer in pictures]
        assert len(results) == first["result_count"] == len({result["id"] for result in results})
        assert ask(here.base, q="carrot")["results"] == []
        assert ask(here.base, q="broccoli", page=12)["results"] == []


def test_the_stand_serves_what_was_planted_from_several_hosts(planted):
    """Every address gives its planted status, type, headers and bytes; the hosts are as many as planned."""
    with serve_fake_source(planted) as here:
        hosts = set()
        by_path = {offer.path: offer for offer in planted.pictures}
        for result in all_results(here.base, "broccoli"):
            offer = by_path[urlsplit(result["url"]).path]
            hosts.add(urlsplit(result["url"]).netloc)
            try:
                reply = urlopen(result["url"])
            except HTTPError as error:
                reply = error
            with reply:
                assert (reply.status, reply.read()) == (offer.status, offer.read())
                assert reply.headers["Content-Type"] == offer.content_type
                assert reply.headers.get("X-Robots-Tag") == offer.headers.get("X-Robots-Tag")
        assert len(hosts) == scenes.HOSTS
        assert all(urlsplit("//" + host).hostname == "127.0.0.1" for host in hosts)


def test_the_stand_filters_by_licence_as_openverse_does(planted):
    """`license_type` values are intersected, `license` is a list, and an unknown type is a 400."""
    with serve_fake_source(planted) as here:
        commercial = ask(here.base, q="broccoli", license_type="commercial,modification")
        assert commercial["result_count"] > 0
        assert not [work for work in commercial["results"] if "n" in work["license"].replace("by-sa", "")]
        assert {work["license"] for work in ask(here.base, q="broccoli", license="cc0,pdm")["results"]} == {
            "cc0",
            "pdm",
        }
        with pytest.raises(HTTPError, match="400"):
            ask(here.base, q="broccoli", license_type="free")


def test_the_stand_keeps_openverses_limits(planted):
    """Twenty works a page without a token and fifty with one, and never beyond the 240th work (else 401)."""
    with serve_fake_source(planted) as here:
        for beyond in ({"page_size": 21}, {"page": 13}):
            with pytest.raises(HTTPError, match="401"):
                ask(here.base, q="broccoli", **beyond)
        for wrong in ({"page": 21}, {"page": 0}, {"page_size": 0}, {"page": "x"}):
            with pytest.raises(HTTPError, match="400"):
                ask(here.base, q="broccoli", **wrong)
        address = f"{here.base}/v1/images/?q=broccoli&page_size="
        with urlopen(Request(f"{address}50", headers={"Authorization": "Bearer t"})) as reply:
            assert len(json.load(reply)["results"]) == 50
        with pytest.raises(HTTPError, match="401"):
            urlopen(Request(f"{address}51", headers={"Authorization": "Bearer t"}))


def test_a_stand_can_have_the_addresses_of_an_earlier_one(planted):
    """With the ports of an earlier stand the addresses are the same; a taken port is one clear line."""
    with serve_fake_source(planted) as here:
        first = ask(here.base, q="broccoli")["results"][0]["url"]
    with serve_fake_source(planted, here.ports) as again:
        assert again == here
        assert ask(again.base, q="broccoli")["results"][0]["url"] == first
        with pytest.raises(ByodError, match=f"port {here.ports[0]}"), serve_fake_source(planted, here.ports):
            pass


# --- comparing -----------------------------------------------------------------------------------


def perfect_collection(planted, folder):
    """The snapshot and the misses of a collection that finds all that was planted."""
    samples, origins, misses, groups, conflicts = {}, {}, {}, [], set()
    host = "http://127.0.0.1:4000"
    sha_of = {}
    for number, offer in enumerate(planted.pictures):
        sha_of[offer.path] = f"{number:064x}"
    for offer in planted.pictures:
        if offer.kind in (Kind.EXACT,):
            sha_of[offer.path] = sha_of[offer.original]
        if offer.kind is Kind.PLACEHOLDER:
            sha_of[offer.path] = "a" * 64
        if offer.kind is Kind.BOTH_CLASSES:
            sha_of[offer.path] = ("b" if offer.path.endswith("-0.jpg") else "c") * 64
            conflicts.add((sha_of[offer.path],))
    for offer in planted.pictures:
        sha, reason, keeper = sha_of[offer.path], None, None
        match offer.kind:
            case Kind.RESIZED | Kind.RECOMPRESSED:
                reason, keeper = Reason.DUPLICATE, sha_of[offer.original]
            case Kind.CAPTIONED | Kind.MIRRORED:
                members = (sha, sha_of[offer.original])
                groups.append(DuplicateGroup(key=min(members), members=members))
            case Kind.PLACEHOLDER:
                reason = Reason.PLACEHOLDER
            case Kind.BOTH_CLASSES:
                reason = Reason.CONFLICT
            case Kind.TRUNCATED | Kind.ZEROED:
                reason = Reason.BROKEN
            case Kind.TINY:
                reason = Reason.TOO_SMALL
            case Kind.GARBAGE | Kind.HTML:
                reason = Reason.NOT_A_PICTURE
            case Kind.OPTED_OUT | Kind.NOT_FOUND | Kind.SERVER_ERROR:
                misses[host + offer.path] = {
                    "marked": "opted-out",
                    "gone": "not-found",
                    "server": "server-error",
                }[offer.kind.split()[0]]
                continue
        samples[sha] = Sample(
            sha256=sha,
            label=offer.label,
            status=Status.REJECTED if reason else Status.KEPT,
            reason=reason,
            path=f"images/x/{sha}.jpg",
            size=1,
            keeper=keeper,
        )
        origin = Origin(sha256=sha, url=host + offer.path, source="openverse")
        origins[sha] = (*origins.get(sha, ()), origin)
    snapshot = Snapshot(
        folder=folder,
        name="demo",
        task=Task.CLASSIFY,
        classes={label: label for label in planted.classes},
        samples=tuple(samples.values()),
        origins=origins,
        splits={},
        groups=tuple(groups),
        conflicts=tuple(conflicts),
        lookalikes=(),
        yields=(),
        misses={},
        fingerprint="",
    )
    return snapshot, misses


def test_a_perfect_collection_finds_everything_planted(planted, tmp_path):
    """Every line says as many found as planted, and look-alikes are noted as kept in one split group."""
    lines = findings.compare(planted, *perfect_collection(planted, tmp_path))
    assert [line.kind for line in lines] == list(Kind)
    assert {line.kind: line.planted for line in lines} == planted.counts
    for line in lines:
        assert line.found == line.planted, line
    notes = {line.kind: line.note for line in lines if line.note}
    assert set(notes) == {Kind.CAPTIONED, Kind.MIRRORED}
    assert notes[Kind.MIRRORED] == "6 kept in one split group"


def test_what_a_collection_overlooks_is_counted_and_named(planted, tmp_path):
    """A copy that is kept beside its original, a lost good picture and a wrong reason each show in their line."""
    snapshot, misses = perfect_collection(planted, tmp_path)
    paths = {origin.url.partition(":4000")[2]: sha for sha, o in snapshot.origins.items() for origin in o}
    copy, tiny = paths[planted.of(Kind.RESIZED)[0].path], paths[planted.of(Kind.TINY)[0].path]
    copied = {offer.original for offer in planted.pictures if offer.original}
    lone = [offer for offer in planted.of(Kind.GOOD) if offer.path not in copied]
    lost, twin = paths[lone[0].path], paths[lone[1].path]
    changes = {
        copy: {"status": Status.KEPT, "reason": None, "keeper": None},
        tiny: {"status": Status.KEPT, "reason": None},
        lost: {"status": Status.REJECTED, "reason": Reason.DUPLICATE, "keeper": twin},
    }
    samples = tuple(sample.model_copy(update=changes.get(sample.sha256, {})) for sample in snapshot.samples)
    snapshot = snapshot.model_copy(update={"samples": samples})
    lines = {line.kind: line for line in findings.compare(planted, snapshot, misses)}
    assert (lines[Kind.RESIZED].planted - lines[Kind.RESIZED].found, lines[Kind.RESIZED].note) == (
        1,
        "1 missed",
    )
    assert (lines[Kind.TINY].planted - lines[Kind.TINY].found, lines[Kind.TINY].note) == (1, "1 kept")
    good = lines[Kind.GOOD]
    assert (good.planted - good.found, good.note) == (1, "1 near-duplicates of other good ones")


def test_addresses_never_asked_for_are_said(planted, tmp_path):
    """A collection that stopped early is told apart from one that overlooked something."""
    snapshot, _ = perfect_collection(planted, tmp_path)
    empty = snapshot.model_copy(update={"samples": (), "origins": {}, "groups": (), "conflicts": ()})
    lines = {line.kind: line for line in findings.compare(planted, empty, {})}
    assert lines[Kind.GOOD].found == 0
    assert lines[Kind.GOOD].note == f"{lines[Kind.GOOD].planted} not asked for"
    assert lines[Kind.TINY].note == f"{lines[Kind.TINY].planted} not asked for"
