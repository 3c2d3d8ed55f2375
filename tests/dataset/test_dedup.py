"""Tests of byod.dataset.dedup: copies, placeholders, conflicts and look-alikes, and nothing dropped that is none."""

import functools
import hashlib
import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from byod.dataset.dedup import Picture, deduplicate
from byod.images.decode import Rules, inspect
from byod.images.hashing import SPEC
from byod.images.neighbors.components import listed, parts, tree
from byod.schema.records import Fingerprint

ANYTHING = Rules(min_side=1, max_aspect=1000, refuse_blank=False)


@functools.lru_cache
def drawn(seed, width=400, height=300):
    """A photo-like picture; another seed gives another one."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(rng.integers(0, 256, 3)))
    for cells, share in ((3, 0.7), (6, 0.5), (13, 0.4), (40, 0.25)):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        image = Image.blend(image, noise.resize((width, height), Image.Resampling.BILINEAR), share)
    return image


def picture(content, label="a", order=0, **fields):
    """The Picture of a file's bytes, or of an image saved as JPEG."""
    if isinstance(content, Image.Image):
        stream = io.BytesIO()
        content.save(stream, "JPEG", quality=fields.pop("quality", 88))
        content = stream.getvalue()
    found, _ = inspect(content, ANYTHING)
    return Picture(
        sha256=hashlib.sha256(content).hexdigest(),
        label=label,
        fingerprint=found.fingerprint,
        order=order,
        width=found.width,
        height=found.height,
        size=len(content),
        **fields,
    )


def made(seed, label="a", **fields):
    """A Picture of invented hashes, for what does not need pixels; the same seed looks the same."""
    rng = random.Random(f"look {seed}")
    bits = [1] * 32 + [0] * 32
    hashes = []
    for _ in range(2):
        rng.shuffle(bits)
        hashes.append(f"{int(''.join(map(str, bits)), 2):016x}")
    look = {
        "phash": hashes[0],
        "mirror": hashes[1],
        "dhash": f"{rng.getrandbits(64):016x}",
        "rgb": rng.randbytes(192),
    }
    look |= {"spread": 40.0, "top_colour": 0.1, "white_ring": 0.0, "spec": SPEC}
    look |= {name: fields.pop(name) for name in list(fields) if name in Fingerprint.model_fields}
    name = fields.pop("name", f"seed {seed}")
    fields = {"order": 0, "width": 800, "height": 600, "size": 90_000} | fields
    sha256 = hashlib.sha256(str(name).encode()).hexdigest()
    return Picture(sha256=sha256, label=label, fingerprint=Fingerprint(**look), **fields)


def dropped(deduplicated):
    return {drop.sha256: drop.keeper for drop in deduplicated.drops}


def grouped(deduplicated):
    return {frozenset(group.members) for group in deduplicated.groups}


def test_copies_fall_to_the_best_one():
    """Recompressed, resized and re-typed copies are dropped, each with its distances; others stay."""
    best = picture(drawn(1), quality=95)
    worse = [
        picture(drawn(1), quality=40, order=1),
        picture(drawn(1).resize((200, 150)), order=2),
        picture(drawn(1).resize((300, 230)), order=3),
    ]
    others = [picture(drawn(seed), order=seed) for seed in range(2, 12)]
    deduplicated = deduplicate([*worse, *others, best])
    assert dropped(deduplicated) == {copy.sha256: best.sha256 for copy in worse}
    assert {drop.rule for drop in deduplicated.drops} == {"near"}
    assert all(drop.phash <= 8 and drop.dhash <= 10 and drop.rgb <= 8 for drop in deduplicated.drops)
    assert grouped(deduplicated) == {frozenset(p.sha256 for p in [best, *worse])}
    assert deduplicated.groups[0].members[0] == best.sha256
    assert deduplicated.groups[0].key == min(deduplicated.groups[0].members)
    assert deduplicated.lookalikes == deduplicated.conflicts == deduplicated.placeholders == ()


def test_the_same_pixels_in_another_file_are_exact():
    """A copy with other metadata is told from one that only looks the same."""
    stream = io.BytesIO()
    drawn(1).save(stream, "JPEG", quality=88, comment=b"another file")
    copy, original = picture(stream.getvalue(), order=1), picture(drawn(1), licence=True)
    (drop,) = deduplicate([copy, original]).drops
    assert (drop.sha256, drop.keeper, drop.rule) == (copy.sha256, original.sha256, "exact")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"by_hand": True, "width": 300}, {"licence": True, "width": 900}),
        ({"licence": True, "width": 300}, {"width": 900}),
        ({"width": 801, "order": 9}, {"width": 800}),
        ({"size": 90_001, "order": 9}, {"size": 90_000}),
        ({"order": 1}, {"order": 2}),
        ({"width": 300}, {"width": 900, "trim_phash": "0f" * 8, "trim_dhash": "1" * 16}),
    ],
)
def test_the_copy_that_stays(better, worse):
    """Judged by hand, then licensed, without a border, larger, less compressed, offered first."""
    one, two = made(1, name="x", **better), made(1, name="y", **worse)
    assert dropped(deduplicate([one, two])) == dropped(deduplicate([two, one])) == {two.sha256: one.sha256}


def test_nothing_judged_by_hand_is_dropped():
    """Two copies that people placed both stay, in one group, and are listed; a found one goes."""
    hands = [made(1, name=n, by_hand=True) for n in "xy"]
    found = made(1, name="z", licence=True, width=5000)
    deduplicated = deduplicate([*hands, found])
    assert set(dropped(deduplicated)) == {found.sha256}
    assert grouped(deduplicated) == {frozenset(p.sha256 for p in [*hands, found])}
    assert deduplicated.lookalikes == ((*sorted(p.sha256 for p in hands), "near"),)


def shifted(hashes, places):
    """A hash with as many ones, `2 * places` bits away."""
    value = int(hashes, 16)
    ones = [bit for bit in range(64) if value >> bit & 1][:places]
    zeros = [bit for bit in range(64) if not value >> bit & 1][:places]
    for bit in ones + zeros:
        value ^= 1 << bit
    return f"{value:016x}"


def test_drops_never_chain():
    """B is a copy of A, C of B but not of A: B goes, C stays, all three are one group."""
    first = made(1, name="a", width=900)
    look = first.fingerprint
    second = made(1, name="b", width=800, phash=shifted(look.phash, 4))
    third = made(1, name="c", width=700, phash=shifted(look.phash, 7))
    deduplicated = deduplicate([first, second, third])
    assert dropped(deduplicated) == {second.sha256: first.sha256}
    assert grouped(deduplicated) == {frozenset({first.sha256, second.sha256, third.sha256})}


def test_colour_keeps_like_shapes_apart():
    """The same shape in another colour is alike, and not the same."""
    one = made(1, name="x", rgb=bytes([100] * 192))
    two = made(1, name="y", rgb=bytes([109] * 192))
    deduplicated = deduplicate([one, two])
    assert deduplicated.drops == ()
    assert deduplicated.lookalikes == ((*sorted((one.sha256, two.sha256)), "alike"),)


def test_flat_pictures_do_not_fall_together():
    """Pictures without structure are no copies of each other, of whatever colour."""
    flats = [
        picture(Image.new("RGB", (300, 200), colour), order=n)
        for n, colour in enumerate(["white", "#fefefe", "blue"])
    ]
    flats += [
        picture(Image.linear_gradient("L").convert("RGB")),
        picture(Image.radial_gradient("L").convert("RGB")),
    ]
    deduplicated = deduplicate(flats)
    assert (
        deduplicated.drops == deduplicated.lookalikes == deduplicated.groups == deduplicated.conflicts == ()
    )
    (conflict,) = deduplicate([flats[0], flats[0].model_copy(update={"label": "b"})]).conflicts
    assert conflict == (flats[0].sha256,)


def test_mirrored_framed_and_captioned_ones_stay_together():
    """They are kept, in one group with the original, and listed with the rule that found them."""
    image = drawn(5)
    captioned = image.copy()
    ImageDraw.Draw(captioned).rectangle((0, 280, 400, 300), fill="black")
    original = picture(image, quality=95)
    copies = {
        "mirrored": picture(ImageOps.mirror(image)),
        "inside a border": picture(ImageOps.expand(image, 25, "white")),
        "alike": picture(captioned),
    }
    others = [picture(drawn(seed)) for seed in range(20, 30)]
    deduplicated = deduplicate([original, *copies.values(), *others])
    assert deduplicated.drops == ()
    assert grouped(deduplicated) == {frozenset(p.sha256 for p in [original, *copies.values()])}
    rules = {rule for _, _, rule in deduplicated.lookalikes}
    assert {"mirrored", "inside a border"} <= rules <= {*copies, "near"}
    assert len(deduplicated.lookalikes) == 3


def test_one_picture_for_two_classes_is_a_conflict():
    """The same bytes, and the same picture in two files, under two labels: nobody is dropped for the other."""
    same = made(1)
    deduplicated = deduplicate([same, same.model_copy(update={"label": "b"})])
    assert deduplicated.conflicts == ((same.sha256,),)
    assert deduplicated.drops == deduplicated.groups == ()
    pair = [made(2, "a", name="x"), made(2, "b", name="y"), made(2, "a", name="z", width=700)]
    deduplicated = deduplicate(pair)
    assert deduplicated.conflicts == (tuple(sorted(p.sha256 for p in pair[:2])),)
    assert dropped(deduplicated) == {pair[2].sha256: pair[0].sha256}
    assert deduplicated.lookalikes == ()


def test_alike_across_classes_is_no_conflict():
    """Only what is surely the same is a conflict; what is merely alike is listed."""
    one = made(1, "a", name="x")
    two = made(1, "b", name="y", phash=shifted(one.fingerprint.phash, 5))
    deduplicated = deduplicate([one, two])
    assert deduplicated.conflicts == ()
    assert deduplicated.lookalikes == ((*sorted((one.sha256, two.sha256)), "alike"),)


def test_a_judgement_decides_a_conflict():
    """What somebody put in a class takes its copies from the others; two judgements that differ are a conflict."""
    evaluated = made(1, "a", name="x", by_hand=True, width=300)
    other = made(1, "b", name="y", licence=True)
    deduplicated = deduplicate([evaluated, other])
    assert dropped(deduplicated) == {other.sha256: evaluated.sha256}
    assert deduplicated.conflicts == ()
    twin = evaluated.model_copy(update={"label": "b", "by_hand": False})
    assert deduplicate([evaluated, twin]).conflicts == ()
    against = other.model_copy(update={"by_hand": True})
    assert deduplicate([evaluated, against]).conflicts == (tuple(sorted((evaluated.sha256, other.sha256))),)


def offered(seed, *addresses, **fields):
    return made(seed, addresses=addresses, **fields)


def test_one_picture_at_three_addresses_of_a_host_is_a_placeholder():
    """As one file, or as files that are as good as identical; all copies go."""
    one = offered(1, "http://x.org/1.jpg", "http://x.org/2.jpg", "http://y.org/3.jpg", "http://x.org/4.jpg")
    assert deduplicate([one, made(2)]).placeholders == (one.sha256,)
    many = [offered(1, f"http://x.org/{n}.jpg", name=n) for n in "123"]
    deduplicated = deduplicate([*many, made(2)])
    assert deduplicated.placeholders == tuple(sorted(p.sha256 for p in many))
    assert (
        deduplicated.drops == deduplicated.groups == deduplicated.conflicts == deduplicated.lookalikes == ()
    )
    flat = Image.new("RGB", (300, 200), "#eeeeee")
    grey = picture(flat, addresses=("http://x.org/a?id=1", "http://x.org/a?id=2", "http://x.org/a?id=3"))
    assert deduplicate([grey]).placeholders == (grey.sha256,)


def test_one_picture_for_two_classes_at_different_places_is_a_placeholder():
    """Three addresses on two hosts, found for two classes: nobody's picture."""
    found = [
        offered(1, "http://x.org/1.jpg", "http://y.org/2.jpg"),
        offered(1, "http://x.org/3.jpg", label="b"),
    ]
    assert deduplicate(found).placeholders == (found[0].sha256,)


@pytest.mark.parametrize(
    "found",
    [
        [offered(1, "http://x.org/1.jpg", "http://y.org/1.jpg", "http://z.org/1.jpg")],
        [offered(1, "http://x.org/1.jpg", "https://www.x.org/1.jpg", "http://X.org:80/1.jpg?w=3", "http://x.org/1.jpg#a")],
        [offered(1, "http://x.org/1.jpg"), offered(1, "http://x.org/1.jpg", label="b")],
        [offered(1, "http://x.org/1.jpg", "http://y.org/1.jpg", "http://z.org/1.jpg", label=label) for label in "ab"],
        [offered(1, f"http://x.org/{n}.jpg", name=n, width=n * 100, height=n * 75) for n in (3, 4, 5)],
        [offered(1, "http://x.org/1.jpg", "http://x.org/2.jpg", "http://x.org/3.jpg", by_hand=True)],
        [offered(1, "file:///p/1.jpg", "file:///p/2.jpg", "file:///p/3.jpg", "http://[", "http:///x")],
    ],
    ids=["three hosts", "one address", "one for two classes", "mirrors for two", "sizes", "by hand", "own files"],
)  # fmt: skip
def test_what_is_no_placeholder(found):
    """A photo that several sources offer, in sizes or for two classes, is one photo."""
    assert deduplicate(found).placeholders == ()


def test_the_order_given_does_not_matter():
    """A function of the set: any order of the same pictures gives the same."""
    pictures = [made(n % 25, "ab"[n % 3 == 0], name=n, order=n, width=800 + n % 4) for n in range(120)]
    expected = deduplicate(pictures)
    assert expected.drops
    assert expected.conflicts
    for seed in range(5):
        random.Random(seed).shuffle(pictures)
        assert deduplicate(pictures) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 6), st.integers(0, 7), st.integers(0, 12), st.sampled_from("ab"), st.booleans()
        ),
        max_size=25,
    )
)
def test_what_holds_of_any_settlement(drawn_ones):
    """Each drop is a direct copy of one that stays and was not judged; each picture is in one group at most."""
    pictures = {}
    for number, (seed, places, grey, label, by_hand) in enumerate(drawn_ones):
        look = made(seed).fingerprint
        changed = {
            "phash": shifted(look.phash, places),
            "rgb": bytes(min(255, value + grey) for value in look.rgb),
        }
        found = made(
            seed, label, name=number, by_hand=by_hand and number % 4 == 0, width=700 + places, **changed
        )
        pictures[found.sha256] = found
    deduplicated = deduplicate(list(pictures.values()))
    drops = dropped(deduplicated)
    in_conflict = [sha256 for conflict in deduplicated.conflicts for sha256 in conflict]
    for drop in deduplicated.drops:
        copy, keeper = pictures[drop.sha256], pictures[drop.keeper]
        assert drop.keeper not in drops
        assert not copy.by_hand
        assert copy.label == keeper.label or keeper.by_hand
        assert (
            bin(int(copy.fingerprint.phash, 16) ^ int(keeper.fingerprint.phash, 16)).count("1")
            == drop.phash
            <= 8
        )
        assert any({drop.sha256, drop.keeper} <= set(group.members) for group in deduplicated.groups)
    assert not set(in_conflict) & set(drops)
    assert len(in_conflict) == len(set(in_conflict))
    members = [sha256 for group in deduplicated.groups for sha256 in group.members]
    assert len(members) == len(set(members))
    for one, other, _ in deduplicated.lookalikes:
        assert one not in drops
        assert other not in drops
        assert any({one, other} <= set(group.members) for group in deduplicated.groups)


def test_large_groups_say_so():
    """A chain of more than 50 pictures is one group for splitting; its look-alikes are marked."""
    look = made(1).fingerprint.phash
    chain = []
    for number in range(60):
        chain.append(made(1, name=number, phash=look, rgb=bytes([number * 4] * 192)))
        bits = [bit for bit in range(64) if int(look, 16) >> bit & 1]
        zeros = [bit for bit in range(64) if not int(look, 16) >> bit & 1]
        rng = random.Random(number)
        for bit in rng.sample(bits, 6) + rng.sample(zeros, 6):
            look = f"{int(look, 16) ^ 1 << bit:016x}"
    deduplicated = deduplicate(chain)
    assert grouped(deduplicated) == {frozenset(p.sha256 for p in chain)}
    assert len(deduplicated.lookalikes) == 59
    assert {rule for _, _, rule in deduplicated.lookalikes} == {"alike, in a loose group of 60"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "all the same",
        "by hand",
        "two classes",
        *(pytest.param(k, marks=pytest.mark.long) for k in ("other colours", "other dhash")),
    ],
)
def test_ten_thousand_equal_hashes_are_no_trouble(kind):
    """Ten thousand pictures of one phash are settled, whatever else differs."""
    rng = random.Random(1)
    extra = {
        "by hand": lambda n: {"by_hand": True},
        "other colours": lambda n: {"rgb": rng.randbytes(192)},
        "other dhash": lambda n: {"dhash": f"{rng.getrandbits(64):016x}", "rgb": rng.randbytes(192)},
        "two classes": lambda n: {"label": "ab"[n % 2]},
    }.get(kind, lambda n: {})
    pictures = [made(1, name=number, order=number, **extra(number)) for number in range(10_000)]
    deduplicated = deduplicate(pictures)
    assert len(deduplicated.drops) == {"all the same": 9999, "two classes": 9998}.get(kind, 0)
    if kind != "other dhash":
        assert len(deduplicated.groups) == 1


def test_nothing_and_one_picture():
    """An empty set and a single picture are settled at once."""
    for pictures in ([], [made(1)]):
        deduplicated = deduplicate(pictures)
        assert not any(getattr(deduplicated, name) for name in type(deduplicated).model_fields)


# The pairs that fall in the real vegetables, looked at one by one: the same heap or hand, photographed again.
SAME_SHOT = {
    ("blumenkohl", frozenset(pair)) for pair in [(1078, 1215), (1122, 1182)]
} | {
    ("brokkoli", frozenset(pair))
    for pair in [
        (1105, 1118), (1111, 1186), (1145, 1185), (1110, 1179), (1049, 1136), (1050, 1067), (1079, 1177), (1113, 1155),
        (1123, 1146), (1175, 1184), (1035, 1108), (1023, 1059), (1082, 1144), (1072, 1093),
    ]
}  # fmt: skip


@pytest.mark.slow
def test_only_real_near_duplicates_fall_among_real_photos(real_pictures):
    """Of 400 vegetables and all cats nothing is dropped but second shots of one scene, and nothing across classes."""
    names = {}
    pictures = []
    folders = [*sorted((real_pictures / "vegetables").iterdir()), real_pictures / "cats" / "CAT_00"]
    for folder in [*folders, real_pictures / "cat-eyes" / "images"]:
        for file in sorted(folder.glob("*.jp*g")):
            found = picture(file.read_bytes(), folder.name, order=len(pictures))
            names[found.sha256] = (folder.name, file.stem)
            pictures.append(found)
    assert len(pictures) > 600
    deduplicated = deduplicate(pictures)
    fallen = set()
    for drop in deduplicated.drops:
        (label, name), (other, keeper) = names[drop.sha256], names[drop.keeper]
        assert label == other
        fallen.add((label, frozenset((int(name), int(keeper)))))
    assert fallen == SAME_SHOT
    assert deduplicated.conflicts == deduplicated.placeholders == ()
    assert all(len({names[member][0] for member in group.members}) == 1 for group in deduplicated.groups)
    assert max(len(group.members) for group in deduplicated.groups) <= 8


def test_pages_of_one_design_are_not_the_same(real_pictures):
    """Screenshots of one page with other photos in it are not dropped; the same one at half its size is."""
    shots = []
    for number, file in enumerate(sorted((real_pictures / "cats" / "CAT_00").glob("*.jpg"))):
        photo = Image.open(file).convert("RGB").resize((330, 360))
        page = Image.new("RGB", (600, 600), (250, 250, 252))
        page.paste((60, 70, 160), (0, 0, 600, 50))
        page.paste((220, 224, 230), (420, 100, 570, 300))
        page.paste(photo, (60, 100))
        shots.append(picture(page, order=number))
        shots.append(picture(page.resize((300, 300), Image.Resampling.LANCZOS), order=100 + number))
    deduplicated = deduplicate(shots)
    pages = {shot.sha256: number // 2 for number, shot in enumerate(shots)}
    assert all(pages[drop.sha256] == pages[drop.keeper] for drop in deduplicated.drops)
    assert len(deduplicated.drops) == len(pages) // 2


@pytest.mark.slow
def test_planted_copies_of_real_photos_are_all_found(real_pictures):
    """Every recompressed and resized copy among real photos is dropped; mirrored and framed ones are grouped."""
    files = sorted((real_pictures / "vegetables").glob("*/*"))[::4]
    originals, planted, linked = [], [], []
    for number, file in enumerate(files):
        image = Image.open(file).convert("RGB")
        original = picture(file.read_bytes(), file.parent.name, order=number)
        originals.append(original)
        later = {"label": file.parent.name, "order": 1000 + number}
        planted.append((original, picture(image, quality=45, **later)))
        planted.append((original, picture(image.resize((150, 150), Image.Resampling.LANCZOS), **later)))
        linked.append((original, picture(ImageOps.mirror(image), **later)))
        linked.append((original, picture(ImageOps.expand(image, 14, "white"), **later)))
    deduplicated = deduplicate(originals + [copy for _, copy in planted + linked])
    drops = dropped(deduplicated)
    group = {member: group.key for group in deduplicated.groups for member in group.members}
    assert all(copy.sha256 in drops for _, copy in planted)
    assert sum(group.get(one.sha256) == group.get(copy.sha256, "") for one, copy in linked) >= 0.97 * len(
        linked
    )
    assert not any(copy.sha256 in drops and drops[copy.sha256] == one.sha256 for one, copy in linked[::2])
    assert deduplicated.conflicts == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_partitions_and_trees(links):
    """Parts are what is linked; a tree links the same parts with the fewest links, the first ones."""
    one = np.array([a for a, _ in links], np.int64)
    other = np.array([b for _, b in links], np.int64)
    part = parts(31, one, other)
    slow = list(range(31))
    chosen = []
    for number, (a, b) in enumerate(links):
        low, high = sorted((slow[a], slow[b]))
        if low != high:
            chosen.append(number)
            slow = [low if value == high else value for value in slow]
    assert part.tolist() == slow
    assert tree(31, one, other).tolist() == chosen
    assert listed(part, np.bincount(part, minlength=31) > 1) == [
        [n for n in range(31) if slow[n] == least] for least in range(31) if slow.count(least) > 1
    ]
