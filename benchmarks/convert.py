"""Converting a keypoints archive, beside unpacking it: how long, how much disk, and what 10,000 pictures would take.

    python benchmarks/convert.py [PICTURES]

The archive is drawn: pictures of 500 x 375 pixels as in the Cat Dataset, each with nine points. Converting reads
them in place, checks and fingerprints each, and writes its points; `unzip + decode` is what any other tool must do at
least: unpack the archive, and open each picture once with Pillow.
"""

import io
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from byod.api import convert
from byod.collection.importers import archives
from byod.tasks.keypoints.importers import cat_dataset, cat_file


def drawn(path: Path, number: int) -> None:
    """An archive in the Cat Dataset's layout."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(number):
            name = f"CAT_{n % 7:02d}/{n:08d}_000.jpg"
            grain = rng.integers(0, 256, (12, 16, 3), np.uint8)
            picture = Image.fromarray(grain).resize((500, 375), Image.Resampling.BICUBIC)
            noisy = np.asarray(picture, np.int16) + rng.integers(-12, 13, (375, 500, 1), np.int16)
            body = io.BytesIO()
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(body, "JPEG", quality=90)
            archive.writestr(name, body.getvalue())
            archive.writestr(name + cat_file.SUFFIX, cat_file.text(rng.integers(0, 375, (9, 2)).tolist()))


def converted(path: Path, folder: Path) -> tuple[float, int]:
    """Seconds, and pictures kept."""
    start = time.perf_counter()
    with archives.opened([path]) as stores:
        done = convert.convert(cat_dataset.read(stores), folder, say=lambda _: None, watch=lambda _: None)
    return time.perf_counter() - start, len(done.snapshot.kept)


def unpacked(path: Path, folder: Path) -> float:
    """Seconds."""
    start = time.perf_counter()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    for file in folder.rglob("*.jpg"):
        with Image.open(file) as picture:
            picture.convert("RGB")
    return time.perf_counter() - start


def main(number: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        drawn(root / "cats.zip", number)
        megabytes = (root / "cats.zip").stat().st_size / 1e6
        print(f"{number} pictures, {megabytes:.0f} MB")
        other = unpacked(root / "cats.zip", root / "unpacked")
        ours, kept = converted(root / "cats.zip", root / "cats")
        again, _ = converted(root / "cats.zip", root / "cats")
        print(f"byod convert cats   {ours:7.1f} s   {number / ours:6.0f} pictures/s   {kept} kept")
        print(f"unzip + decode      {other:7.1f} s   {number / other:6.0f} pictures/s")
        print(f"ratio               {ours / other:7.2f}")
        print(f"the same again      {again:7.1f} s   nothing is read twice")
        print(f"10,000 pictures would take {ours / number * 10_000 / 60:.1f} minutes")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
