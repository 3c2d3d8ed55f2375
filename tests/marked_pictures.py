"""Drawn pictures with points for tests: JPEGs that differ from each other, and the Cat Dataset's layout around them."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

NINE = tuple((20 + 9 * n, 30 + (n * 17) % 50) for n in range(9))


def jpeg(seed: int, size: tuple[int, int] = (120, 90), orientation: int = 1, format: str = "JPEG") -> bytes:
    """A picture of coarse noise, unlike that of any other seed; `size` is that of the stored pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    body = io.BytesIO()
    image.save(body, format, **({"exif": exif} if orientation != 1 else {}))
    return body.getvalue()


def line(points=NINE) -> bytes:
    """A `.cat` line as the originals have it, with a blank at its end."""
    return (" ".join(str(n) for n in (len(points), *(v for p in points for v in p))) + " ").encode()


def cat_files(folders: dict[str, int], size=(120, 90), first: int = 0) -> dict[str, bytes]:
    """Files by name: in each folder so many pictures with their `.cat` files, each with other points."""
    files = {}
    seed = first
    for folder, number in folders.items():
        for _ in range(number):
            points = tuple((x + seed % 7, y + seed % 5) for x, y in NINE)
            files[f"{folder}/{seed:08d}_000.jpg"] = jpeg(seed, size)
            files[f"{folder}/{seed:08d}_000.jpg.cat"] = line(points)
            seed += 1
    return files


def laid_out(root: Path, files: dict[str, bytes]) -> Path:
    """The files below a folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    """The files in an archive: pictures stored, the rest compressed, as archives of pictures are made."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            how = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, how)
    return path


def marks(dataset: Path) -> dict[str, dict]:
    """All files of points of a dataset by name."""
    return {file.stem: json.loads(file.read_text()) for file in sorted((dataset / "points").glob("*.json"))}
