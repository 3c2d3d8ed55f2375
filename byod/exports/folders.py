"""Class folders in `train`, `valid` and `test`: what fastai, torchvision and Keras read without a word of code.

Sources: https://docs.fast.ai/vision.data.html#imagedataloaders.from_folder and
https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from byod.dataset.export_selection import Leaving, place
from byod.schema.records import Snapshot


def write(snapshot: Snapshot, items: tuple[Leaving, ...], root: Path, links: bool) -> dict[str, str]:
    """Write `<part>/<class>/<file>` under `root`; returns each sample's path relative to it.

    Every part has a folder for every class that leaves, also an empty one: readers number classes by the folders
    they see, and the numbers must be the same in all parts.
    """
    folders = sorted({item.folder for item in items})
    for split in sorted({item.split for item in items}):
        for folder in folders:
            (root / split / folder).mkdir(parents=True, exist_ok=True)
    return {
        item.sample.sha256: place(snapshot, item, root, PurePosixPath(item.split) / item.folder, links)[0]
        for item in items
    }
