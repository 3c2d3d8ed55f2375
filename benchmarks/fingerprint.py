"""byod's whole inspection of a picture against bare imagehash.phash: CPU time, side by side in one run.

    python benchmarks/fingerprint.py [--rounds 9] [--pictures 6]

byod checks the file, decodes all of it, and makes phash, mirrored phash, dhash, colour thumbnail, border and
flatness; imagehash opens the file and makes phash. Rounds alternate; the ratio is the median of the rounds' ratios.
Pictures are the real vegetables, enlarged, when BYOD_TEST_DATA names the folder, else drawn ones. Enlarging makes them
smooth, which makes small files; "grained" ones have noise added (standard deviation 5) as a camera's have. It matters
because whoever wants to find a cut file must read every byte of it: in a large JPEG that is nearly all of byod's time.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from byod.images import decode
from byod.images.decode import Rules, inspect
from byod.images.hashing import SHORT_SIDE, distance, fingerprint

RULES = Rules(min_side=1)


def originals(count: int) -> list[Image.Image]:
    """Some pictures to enlarge."""
    folder = Path(os.environ.get("BYOD_TEST_DATA", "")) / "vegetables"
    files = sorted(folder.glob("*/*.jpg")) if folder.is_dir() else []
    if files:
        return [Image.open(file).convert("RGB") for file in files[:: max(1, len(files) // count)][:count]]
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (14, 14, 3), np.uint8)).resize(
            (224, 224), Image.Resampling.BICUBIC
        )
        for _ in range(count)
    ]


def enlarged(image: Image.Image, width: int, height: int, grain: float) -> Image.Image:
    """The picture at another size, with the fine grain that enlarging takes away."""
    rng = np.random.default_rng(width)
    large = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noise = rng.normal(0, grain, (height, width, 1)).astype(np.int16)
    return Image.fromarray((large + noise).clip(0, 255).astype(np.uint8))


def files(kind: str, count: int) -> list[bytes]:
    """The encoded pictures of one kind: "JPEG 1024x768 progressive grained"."""
    form, size, *rest = kind.split()
    width, height = map(int, size.split("x"))
    options = {
        "JPEG": {"quality": 85, "progressive": "progressive" in rest},
        "PNG": {"compress_level": 6},
        "WEBP": {"quality": 80, "method": 2},
    }[form]
    found = []
    for image in originals(count):
        stream = io.BytesIO()
        enlarged(image, width, height, 5.0 if "grained" in rest else 0.0).save(stream, form, **options)
        found.append(stream.getvalue())
    return found


def milliseconds(work: Callable[[bytes], object], contents: list[bytes], repeat: int) -> float:
    """CPU time of one call."""
    start = time.process_time()
    for _ in range(repeat):
        for content in contents:
            work(content)
    return (time.process_time() - start) * 1000 / len(contents) / repeat


def peer(content: bytes) -> object:
    return imagehash.phash(Image.open(io.BytesIO(content)))


def ours(content: bytes) -> object:
    return inspect(content, RULES)[0]


def with_thumbnail(content: bytes) -> object:
    return inspect(content, RULES, max_side=256)


def compare(kind: str, count: int, rounds: int) -> None:
    contents = files(kind, count)
    repeat = max(1, int(60 / milliseconds(peer, contents, 1)))
    for work in (ours, with_thumbnail):
        milliseconds(work, contents, 1)
    times: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        times.append(
            (
                milliseconds(peer, contents, repeat),
                milliseconds(ours, contents, repeat),
                milliseconds(with_thumbnail, contents, repeat),
            )
        )
    theirs, record, small = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other, _ in times)
    shrunk = statistics.median(one / other for one, _, other in times)
    bits = max(distance(str(peer(c)), inspect(c, RULES)[0].fingerprint.phash) for c in contents)
    size = statistics.mean(map(len, contents)) / 1000
    print(
        f"{kind:36s}{size:7.0f} kB   imagehash {theirs:7.2f} ms   byod {record:7.2f} ms, x {ratio:4.2f}   "
        f"with a 256 px JPEG {small:7.2f} ms, x {shrunk:4.2f}   {bits} bits apart at most"
    )


def where_it_goes(kind: str, count: int) -> None:
    """The stages of one inspection, in milliseconds of CPU."""
    contents = files(kind, count)

    def opened(content: bytes) -> decode._Opened:
        return decode._open(content, RULES.max_pixels)

    def decoded(content: bytes) -> decode._Decoded:
        return decode._decode(opened(content), shorter=SHORT_SIDE, longer=0)

    small = [decode._reduced(decoded(content)) for content in contents]
    looks = iter([])

    def look(_: bytes) -> object:
        nonlocal looks
        found = next(looks, None)
        if found is None:
            looks = iter(small)
            found = next(looks)
        return fingerprint(found.image, found.box)

    repeat = 5
    stages = {"open and check": milliseconds(opened, contents, repeat)}
    stages["decode, convert, reduce"] = milliseconds(decoded, contents, repeat) - stages["open and check"]
    stages["fingerprint"] = milliseconds(look, contents, repeat * 4)
    stages["all"] = milliseconds(ours, contents, repeat)
    print(f"{kind:36s} " + "   ".join(f"{name} {value:.2f} ms" for name, value in stages.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=6)
    asked = parser.parse_args()
    kinds = [
        "JPEG 4000x3000",
        "JPEG 4000x3000 grained",
        "JPEG 4000x3000 progressive",
        "JPEG 4000x3000 progressive grained",
        "JPEG 1024x768",
        "JPEG 1024x768 grained",
        "JPEG 1024x768 progressive grained",
        "JPEG 224x224",
        "PNG 4000x3000 grained",
        "PNG 1024x768 grained",
        "WEBP 4000x3000 grained",
        "WEBP 1024x768 grained",
    ]
    for kind in kinds:
        compare(kind, 2 if "4000" in kind else asked.pictures, asked.rounds)
    print("\nwhere the time goes")
    for kind in ("JPEG 4000x3000", "JPEG 1024x768 grained", "PNG 1024x768 grained", "WEBP 1024x768 grained"):
        where_it_goes(kind, 2 if "4000" in kind else asked.pictures)


if __name__ == "__main__":
    main()
