"""Real photographs with planted trouble, collected over two sources' formats."""

import io
import random
from collections import Counter
from pathlib import Path

import pytest
from loopback_sources import LoopbackSources, Work
from PIL import Image

from byod.api import collecting, datasets
from byod.images.hashing import distance
from byod.schema.config import Settings
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Snapshot, Status

pytestmark = [pytest.mark.data, pytest.mark.slow]
WORDS = {"brokkoli": "brokkoli", "blumenkohl": "blumenkohl"}


def changed(content: bytes, how: str, chance: random.Random) -> bytes:
    """A copy of a picture as the web makes them."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    out = io.BytesIO()
    if how == "resized":
        side = chance.choice((210, 300, 448))
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    image.save(out, "JPEG", quality=chance.randint(45, 70) if how == "recompressed" else 88)
    return out.getvalue()


@pytest.fixture(scope="module")
def collected(real_pictures: Path, tmp_path_factory):
    """A collection of 120 photos a class with copies, broken files and one photo under both words."""
    chance = random.Random(0)
    fates: dict[str, tuple[str, str]] = {}
    with LoopbackSources() as web:

        def offer(word: str, name: str, content: bytes, kind: str, original: str = "", **more) -> None:
            path = f"/{word}/{name}"
            url = web.put(path, content, more.pop("content_type", "image/jpeg"))
            web.offer(word, Work(url=url, kind="by-sa", version="4.0", width=224, height=224))
            fates[path] = (kind, original)

        for word in WORDS:
            photos = sorted((real_pictures / "vegetables" / word).glob("*.jpg"))[:120]
            for number, photo in enumerate(photos):
                content = photo.read_bytes()
                name = f"{number:03}.jpg"
                offer(word, name, content, "good")
                original = f"/{word}/{name}"
                if number % 12 == 1:
                    offer(word, f"exact-{name}", content, "exact", original)
                if number % 12 == 2:
                    offer(word, f"small-{name}", changed(content, "resized", chance), "resized", original)
                if number % 12 == 3:
                    offer(
                        word,
                        f"again-{name}",
                        changed(content, "recompressed", chance),
                        "recompressed",
                        original,
                    )
                if number % 24 == 4:
                    offer(word, f"cut-{name}", content[: len(content) * 2 // 3], "cut")
                if number % 24 == 5:
                    offer(word, f"page-{name}", b"<!doctype html><p>not found", "page")
        both = sorted((real_pictures / "vegetables" / "brokkoli").glob("*.jpg"))[150].read_bytes()
        for word in WORDS:
            offer(word, "both.jpg", both, "both")
        snapshot = run(web, tmp_path_factory.mktemp("real") / "dataset")
    return fates, snapshot


def run(web: LoopbackSources, folder: Path) -> Snapshot:
    recipe = Recipe(sources=("openverse", "commons"), languages=(), per_class=1000)
    for word in WORDS:
        recipe = recipe.with_class(word)
    home = folder.parent
    settings = Settings(
        contact="test@example.org",
        environment={**web.environment()},
        config_file=home / "none.toml",
        cache=home / "cache",
    )
    return collecting.collect(
        folder, recipe, collecting.Web(settings=settings), say=lambda line: None, watch=lambda tallies: None
    )


def by_path(snapshot: Snapshot) -> dict[str, object]:
    return {
        "/" + origin.url.split("/", 3)[3]: sample
        for sample in snapshot.samples
        for origin in snapshot.origins[sample.sha256]
    }


def test_every_planted_copy_is_found(collected):
    """Of each exact, resized and recompressed copy and its original, one stays, and the other names it."""
    fates, snapshot = collected
    found = by_path(snapshot)
    checked: Counter[str] = Counter()
    for path, (kind, original) in fates.items():
        if kind not in ("exact", "resized", "recompressed"):
            continue
        copy, first = found[path], found[original]
        checked[kind] += 1
        if kind == "exact":
            assert copy.sha256 == first.sha256
            continue
        rejected = [sample for sample in (copy, first) if sample.status is Status.REJECTED]
        assert rejected, path
        assert {sample.reason for sample in rejected} == {Reason.DUPLICATE}, path
    assert checked == {"exact": 20, "resized": 20, "recompressed": 20}


def test_broken_files_and_pages_end_with_their_reason(collected):
    """A photo that is cut off and a web page named .jpg are refused for what they are."""
    fates, snapshot = collected
    found = by_path(snapshot)
    reasons = {"cut": Reason.BROKEN, "page": Reason.NOT_A_PICTURE}
    for path, (kind, _) in fates.items():
        if kind in reasons:
            assert found[path].reason is reasons[kind], path


def test_a_photo_under_both_words_is_a_conflict(collected):
    """The photo offered for both classes trains in neither and is listed."""
    _, snapshot = collected
    sample = by_path(snapshot)["/brokkoli/both.jpg"]
    assert (sample.status, sample.reason) == (Status.REJECTED, Reason.CONFLICT)
    assert any(sample.sha256 in conflict for conflict in snapshot.conflicts)


def test_no_clean_photo_is_lost_except_to_a_real_near_duplicate(collected):
    """A good photo that was set aside has a keeper that looks the same, in the same class."""
    fates, snapshot = collected
    by_hash = {sample.sha256: sample for sample in snapshot.samples}
    found = by_path(snapshot)
    lost = 0
    for path, (kind, _) in fates.items():
        sample = found[path]
        if kind != "good" or sample.status is Status.KEPT:
            continue
        lost += 1
        assert sample.reason is Reason.DUPLICATE, path
        keeper = by_hash[sample.keeper]
        assert keeper.label == sample.label
        assert distance(sample.fingerprint.phash, keeper.fingerprint.phash) <= 8
        assert distance(sample.fingerprint.dhash, keeper.fingerprint.dhash) <= 10
    assert lost < 60


def test_nothing_alike_stands_on_both_sides_of_the_split(collected):
    """Each duplicate group lies wholly in one part of the split."""
    _, snapshot = collected
    done = datasets.split(snapshot.folder, say=lambda line: None)
    assert sum(sum(part.values()) for part in done.counts.values()) == len(snapshot.kept)
    after = datasets.status(snapshot.folder, say=lambda line: None)
    for group in after.groups:
        assert len({after.splits[sha] for sha in group.members if sha in after.splits}) <= 1
