"""Exports: what leaves, where it may be written, and that each format's own reader reads it back."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byod.exports import MARK
from byod.exports import export as export_task
from byod.report.attribution import read_credits
from byod.schema.errors import DatasetError, UsageError
from byod.schema.records import Sample, Split, Status
from byod.tasks import TASKS

OF_LABELS = list(TASKS["classify"].exchange.exports)


def export(snapshot, format, into, **how):
    return export_task(snapshot, TASKS[snapshot.task], format, into, **how)


# names that break CSV, paths, type guessing and split detection
TROUBLE = {
    'Möhre, "roh" 🥕': "Möhre, _roh_ 🥕",
    "NA": "NA",
    "007": "007",
    "test": "test",
    "=1+1": "=1+1",
    "2024-01-02": "2024-01-02",
}


@pytest.fixture
def trouble(tmp_path, drawn_snapshot):
    return drawn_snapshot(tmp_path / "set", TROUBLE)


def expected(snapshot):
    """For each part of the split: how many pictures of which label."""
    counts = {}
    for sample in snapshot.samples:
        key = (snapshot.splits[sample.sha256].value, sample.label)
        counts[key] = counts.get(key, 0) + 1
    return counts


def tally(pairs):
    counts = {}
    for pair in pairs:
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def readable(row):
    """A record of mlcroissant, which gives texts as bytes, with texts."""
    return {key: value.decode() if isinstance(value, bytes) else value for key, value in row.items()}


def with_extra(snapshot, body: bytes, suffix: str, kind: str, **fields):
    """The snapshot with one more picture, in the first class and the training part."""
    label, folder = next(iter(snapshot.classes.items()))
    sha256 = hashlib.sha256(body).hexdigest()
    path = snapshot.folder / "images" / folder / f"{sha256[:16]}{suffix}"
    path.write_bytes(body)
    values = {"label": label, "status": Status.KEPT, "path": f"images/{folder}/{path.name}"}
    values |= {"sha256": sha256, "format": kind, "size": len(body)} | fields
    sample = Sample(**values)
    return snapshot.model_copy(
        update={
            "samples": (*snapshot.samples, sample),
            "splits": {**snapshot.splits, sha256: Split.TRAIN},
        }
    ), sample


@pytest.mark.slow
def test_folders_torchvision_and_fastai(trouble, tmp_path):
    """Class folders are read by torchvision and fastai with the right number of pictures in each part and class."""
    from fastai.vision.all import get_image_files, parent_label
    from torchvision.datasets import ImageFolder

    root = export(trouble, "folders", tmp_path / "out")
    folder_to_label = {folder: label for label, folder in TROUBLE.items()}
    by_torchvision, by_fastai = [], []
    for split in Split:
        seen = ImageFolder(str(root / split))
        assert seen.classes == sorted(TROUBLE.values())
        by_torchvision += [(split.value, folder_to_label[seen.classes[number]]) for _, number in seen.samples]
        by_fastai += [
            (split.value, folder_to_label[parent_label(path)]) for path in get_image_files(root / split)
        ]
    assert expected(trouble) == tally(by_torchvision) == tally(by_fastai)


def test_hf_is_read_by_datasets(trouble, tmp_path, monkeypatch):
    """`datasets` reads parts, class names, pictures and origins, by imagefolder and by the folder alone."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    root = export(trouble, "hf", tmp_path / "out")
    parts = {"train": "train", "validation": "valid", "test": "test"}
    for arguments in ({"path": "imagefolder", "data_dir": str(root)}, {"path": str(root)}):
        loaded = datasets.load_dataset(**arguments, cache_dir=str(tmp_path / "cache"))
        assert set(loaded) == set(parts)
        label = loaded["train"].features["label"]
        assert label.names == list(TROUBLE)
        rows = [(parts[name], label.int2str(row["label"])) for name in loaded for row in loaded[name]]
        assert tally(rows) == expected(trouble)
        row = loaded["train"][0]
        assert row["image"].size == (60, 48)
        assert row["creator"] == "Jörg Müller"
        assert row["licence"] == "CC-BY-4.0"
        assert row["url"].startswith("https://pictures.example/")
        hashes = {row["sha256"] for name in loaded for row in loaded[name]}
        assert hashes == {sample.sha256 for sample in trouble.samples}


def test_webdataset_reads_the_shards(trouble, tmp_path, monkeypatch):
    """`webdataset` reads every picture with its class number and origin, shards ending where they should."""
    import webdataset

    monkeypatch.setattr("byod.exports.webdataset.SHARD_PICTURES", 5)
    root = export(trouble, "webdataset", tmp_path / "out")
    names = {
        entry["number"]: entry["name"] for entry in json.loads((root / "classes.json").read_text("utf-8"))
    }
    rows = []
    for split in Split:
        shards = sorted(str(path) for path in root.glob(f"{split}-*.tar"))
        read = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("pil")
        for sample in read:
            rows.append((split.value, names[sample["cls"]]))
            assert sample["json"]["label"] == names[sample["cls"]]
            assert sample["jpg"].size == (60, 48)
            assert sample["json"]["sha256"].startswith(sample["__key__"])
    assert tally(rows) == expected(trouble)
    assert len(list(root.glob("train-*.tar"))) == 5  # 24 pictures, five a shard


def test_webdataset_is_reproducible(trouble, tmp_path):
    """The same dataset gives the same shards, byte for byte."""
    first, second = (export(trouble, "webdataset", tmp_path / name) for name in ("one", "two"))
    for shard in first.glob("*.tar"):
        assert shard.read_bytes() == (second / shard.name).read_bytes()


def test_croissant_is_valid_and_loads(trouble, tmp_path):
    """mlcroissant finds no error in the metadata, and its records give every picture with label, split and origin."""
    import mlcroissant

    root = export(trouble, "croissant", tmp_path / "out")
    dataset = mlcroissant.Dataset(jsonld=str(root / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    rows = [readable(row) for row in dataset.records("pictures")]
    assert tally((row["pictures/split"], row["pictures/label"]) for row in rows) == expected(trouble)
    by_hash = {sample.sha256: sample for sample in trouble.samples}
    for row in rows:
        sample = by_hash[row["pictures/sha256"]]
        assert row["pictures/label"] == sample.label
        assert row["pictures/creator"] == "Jörg Müller"
        with Image.open(trouble.folder / sample.path) as picture:
            assert np.array_equal(np.asarray(row["pictures/image"]), np.asarray(picture))
    assert [readable(row)["labels/name"] for row in dataset.records("labels")] == list(TROUBLE)


def test_croissant_hashes_fit(trouble, tmp_path):
    """The table's hash in the metadata and each picture's hash in the table are those of the files."""
    root = export(trouble, "croissant", tmp_path / "out")
    described = json.loads((root / "croissant.json").read_text("utf-8"))
    table = next(entry for entry in described["distribution"] if entry["@id"] == "table")
    body = (root / table["contentUrl"]).read_bytes()
    assert hashlib.sha256(body).hexdigest() == table["sha256"]
    for row in json.loads(body):
        [path] = root.glob(f"images/*/*/{row['file']}")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]


@pytest.mark.parametrize("format", OF_LABELS)
def test_what_is_doubtful_never_leaves(format, trouble, tmp_path):
    """Rejected pictures and pictures in a conflict are in no export, neither as files nor in a table."""
    conflict, rejected = trouble.samples[0], trouble.samples[1]
    samples = list(trouble.samples)
    samples[1] = rejected.model_copy(update={"status": Status.REJECTED, "path": "rejected/review/x.jpg"})
    doubtful = trouble.model_copy(
        update={"samples": tuple(samples), "conflicts": ((conflict.sha256, samples[9].sha256),)}
    )
    root = export(doubtful, format, tmp_path / "out")
    everything = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    for sample in (conflict, rejected, samples[9]):
        assert sample.sha256[:20].encode() not in everything
        assert not list(root.rglob(f"*{sample.sha256[:20]}*"))
    rows = read_credits(root / "CREDITS.csv")
    assert len(rows) == len(trouble.samples) - 3


@pytest.mark.parametrize("format", OF_LABELS)
def test_credits_travel_along(format, trouble, tmp_path):
    """Every export has a CREDITS.csv that names each picture by where it lies in the export."""
    root = export(trouble, format, tmp_path / "out")
    rows = read_credits(root / "CREDITS.csv")
    assert {row.sha256 for row in rows} == {sample.sha256 for sample in trouble.samples}
    if format == "webdataset":
        assert all((root / row.file.split("/")[0]).is_file() for row in rows)
    else:
        assert all((root / row.file).is_file() for row in rows)


@pytest.mark.parametrize("format", OF_LABELS)
def test_an_earlier_export_is_replaced(format, trouble, tmp_path):
    """Exporting again into the same folder leaves only the new export, and no temporary folders."""
    root = export(trouble, format, tmp_path / "out")
    gone = trouble.samples[0].sha256
    smaller = trouble.model_copy(update={"samples": trouble.samples[1:]})
    assert export(smaller, format, tmp_path / "out") == root
    assert gone not in {row.sha256 for row in read_credits(root / "CREDITS.csv")}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]


def test_it_refuses_what_it_did_not_write(trouble, tmp_path, drawn_snapshot):
    """A folder with other content, another dataset's or format's export, or own files in an export stays untouched."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        export(trouble, "folders", other)
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]

    root = export(trouble, "folders", tmp_path / "out")
    with pytest.raises(DatasetError, match="no earlier hf export"):
        export(trouble, "hf", root)
    with pytest.raises(DatasetError, match="no earlier folders export of another"):
        export(drawn_snapshot(tmp_path / "another", {"a": "a"}), "folders", root)
    (root / "train" / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"did not put there \(train/notes.txt\)"):
        export(trouble, "folders", root)
    assert (root / "train" / "notes.txt").read_text() == "mine"


def test_it_never_writes_into_the_dataset(trouble):
    """The dataset's own folder and the folders of its pictures are refused."""
    for into in (trouble.folder, trouble.folder / "images" / "NA", trouble.folder / "rejected" / "x"):
        with pytest.raises(DatasetError, match="belongs to the dataset"):
            export(trouble, "folders", into)


def test_a_failure_leaves_the_earlier_export(trouble, tmp_path):
    """When a picture has changed since byod looked, the export stops in one line and the earlier one stands."""
    root = export(trouble, "folders", tmp_path / "out")
    before = sorted(path.relative_to(root) for path in root.rglob("*"))
    (trouble.folder / trouble.samples[3].path).write_bytes(b"something else")
    with pytest.raises(DatasetError, match="has changed since") as caught:
        export(trouble, "folders", root)
    assert "\n" not in str(caught.value)
    assert sorted(path.relative_to(root) for path in root.rglob("*")) == before
    (trouble.folder / trouble.samples[3].path).unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        export(trouble, "folders", root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]


def test_what_cannot_be_exported_is_said(trouble, tmp_path):
    """An unknown format, another task, a set without pictures and one without a split are refused in one line."""
    cases = [
        ("zip", trouble, UsageError, "folders, hf, webdataset, croissant"),
        ("hf", trouble.model_copy(update={"task": "keypoints"}), UsageError, "holds points"),
        ("hf", trouble.model_copy(update={"samples": ()}), DatasetError, "no pictures"),
        ("hf", trouble.model_copy(update={"splits": {}}), DatasetError, "byod split"),
    ]
    for format, snapshot, error, words in cases:
        with pytest.raises(error, match=words) as caught:
            export(snapshot, format, tmp_path / "out")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_pictures_leave_upright_as_jpeg_or_png(trouble, tmp_path):
    """A turned JPEG, a WebP and a PNG with transparency leave as upright RGB in JPEG or PNG; others byte for byte."""
    gradient = np.zeros((40, 80, 3), np.uint8)
    gradient[:, :, 0] = np.linspace(0, 255, 80, dtype=np.uint8)
    picture = Image.fromarray(gradient)
    bodies = {}
    for kind, suffix in (("JPEG", ".jpg"), ("WEBP", ".webp"), ("PNG", ".png")):
        body = io.BytesIO()
        options = {}
        if kind == "JPEG":
            options["exif"] = Image.Exif()
            options["exif"][274] = 6  # to be shown turned by a quarter: 40 wide, 80 high
        (picture.convert("RGBA") if kind == "PNG" else picture).save(body, kind, **options)
        bodies[kind] = body.getvalue()
        trouble, _ = with_extra(trouble, body.getvalue(), suffix, kind)
    root = export(trouble, "folders", tmp_path / "out")
    for kind, body in bodies.items():
        stem = hashlib.sha256(body).hexdigest()[:20]
        [path] = root.rglob(f"{stem}.*")
        with Image.open(path) as seen:
            assert seen.mode == "RGB"
            assert seen.size == ((40, 80) if kind == "JPEG" else (80, 40))
            assert seen.getexif().get(274, 1) == 1
            assert path.suffix == (".png" if kind == "PNG" else ".jpg")
    plain = trouble.samples[0]
    [path] = root.rglob(f"{plain.sha256[:20]}.jpg")
    assert path.read_bytes() == (trouble.folder / plain.path).read_bytes()


def test_links_share_the_file_and_copies_do_not(trouble, tmp_path):
    """With `links` a picture is the dataset's own file; without, changing the export changes no dataset."""
    plain = trouble.samples[0]
    source = trouble.folder / plain.path
    [linked] = export(trouble, "folders", tmp_path / "links", links=True).rglob(f"{plain.sha256[:20]}*")
    [copied] = export(trouble, "folders", tmp_path / "copies").rglob(f"{plain.sha256[:20]}*")
    assert linked.samefile(source)
    assert not copied.samefile(source)


def test_addresses_of_this_machine_stay_here(trouble, tmp_path):
    """A picture added from this machine leaves without the path it had here."""
    sample = trouble.samples[0]
    [origin] = trouble.origins[sample.sha256]
    local = origin.model_copy(update={"url": "file:///home/maria/secret/x.jpg", "page": None})
    trouble = trouble.model_copy(update={"origins": {**trouble.origins, sample.sha256: (local,)}})
    for format in OF_LABELS:
        root = export(trouble, format, tmp_path / format)
        assert not [path for path in root.rglob("*") if path.is_file() and b"maria" in path.read_bytes()]


def test_class_folders_are_safe_everywhere(tmp_path, drawn_snapshot):
    """Folder names that Windows cannot hold, or that differ only in case, become safe and distinct ones."""
    made = drawn_snapshot(tmp_path / "set", {"con": "con", "Apfel": "Apfel", "apfel": "apfel", "a:b": "a:b"})
    root = export(made, "folders", tmp_path / "out")
    assert {path.name for path in (root / "train").iterdir()} == {"_con", "Apfel", "apfel-2", "a_b"}


def test_a_mark_cannot_make_byod_delete(trouble, tmp_path):
    """A mark file that lies about what it wrote does not get somebody's files deleted."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    for text in ("[]", "not json", json.dumps({"dataset": "set", "format": "folders"})):
        (out / MARK).write_text(text)
        with pytest.raises(DatasetError):
            export(trouble, "folders", out)
    assert (out / "thesis.txt").read_text() == "mine"


@pytest.mark.slow
def test_real_pictures_leave_as_they_are(real_pictures: Path, tmp_path):
    """Real photos come out of an export with the pixels they had and no metadata, or on demand with all their bytes."""
    from byod.schema.records import Snapshot

    samples, splits = [], {}
    for label in ("brokkoli", "blumenkohl"):
        for position, path in enumerate(sorted((real_pictures / "vegetables" / label).iterdir())[:50]):
            body = path.read_bytes()
            sha256 = hashlib.sha256(body).hexdigest()
            splits[sha256] = list(Split)[position % 3]
            where = f"images/{label}/{path.name}"
            (tmp_path / "own" / where).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "own" / where).write_bytes(body)
            samples.append(Sample(sha256=sha256, label=label, status=Status.KEPT, path=where, size=len(body)))
    snapshot = Snapshot(
        folder=tmp_path / "own",
        name="vegetables",
        task="classify",
        classes={"brokkoli": "brokkoli", "blumenkohl": "blumenkohl"},
        samples=tuple({sample.sha256: sample for sample in samples}.values()),
        origins={},
        splits=splits,
        groups=(),
        conflicts=(),
        lookalikes=(),
        yields=(),
        misses={},
        fingerprint="0" * 64,
    )
    root = export(snapshot, "folders", tmp_path / "whole", keep_metadata=True)
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.jpg")}
    assert hashes == {sample.sha256 for sample in snapshot.samples}
    cut = {path.stem: path for path in export(snapshot, "folders", tmp_path / "out").rglob("*.jpg")}
    assert len(cut) == len(hashes)
    for whole in root.rglob("*.jpg"):
        with Image.open(whole) as before, Image.open(cut[whole.stem]) as after:
            assert after.tobytes() == before.tobytes()
            assert not after.getexif()
