"""Pictures as they come in real life: none of them may stop a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WORDS = "1-pixel, CMYK, EXIF-rotated, transparent, 16-bit and grey"
"""The kinds."""


def draw(folder: Path) -> list[Path]:
    """Write one picture of each kind in WORDS."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(0).integers(0, 256, (36, 48, 4), np.uint8)
    rotated = Image.Exif()
    rotated[0x0112] = 6  # Orientation: to be turned by 90 degrees, https://exiftool.org/TagNames/EXIF.html
    Image.fromarray(colours[:1, :1, :3]).save(folder / "one-pixel.png")
    Image.fromarray(colours, "CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(colours[:, :, :3]).save(folder / "exif-rotated.jpg", exif=rotated)
    Image.fromarray(colours, "RGBA").save(folder / "transparent.png")
    Image.fromarray(colours[:, :, 0].astype(np.uint16) * 257).save(folder / "16-bit.png")
    Image.fromarray(colours[:, :, 0]).save(folder / "grey.png")
    return sorted(folder.iterdir())
