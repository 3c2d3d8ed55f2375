"""Tests of byod.images.registration: copies of one shot are told from two shots of one scene."""

import functools
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from byod.images.registration import SIDE, align, grey

SEEDS = range(2)


@functools.lru_cache
def texture(seed: int, width: int = 480, height: int = 360) -> Image.Image:
    """Something as rich as a photo."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), (120, 120, 120))
    for cells, share in ((4, 0.7), (9, 0.5), (30, 0.5), (90, 0.35)):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        image = Image.blend(image, noise.resize(image.size, Image.Resampling.BICUBIC), share)
    return image


@functools.lru_cache
def shot(seed: int, move: float = 0.0, shake: float = 0.0) -> Image.Image:
    """A shot of a scene whose foreground stands `move` pixels further right; the camera shook by `shake` pixels."""
    background = texture(seed).copy()
    front = texture(seed + 100)
    front = front.transform(
        front.size, Image.Transform.AFFINE, (1, 0, -move, 0, 1, 0), Image.Resampling.BICUBIC
    )
    mask = Image.new("L", background.size)
    mask.paste(255, (150, 90, 350, 300))
    background.paste(front, mask=mask.filter(ImageFilter.GaussianBlur(4)))
    whole = background.transform(
        background.size, Image.Transform.AFFINE, (1, 0, shake, 0, 1, -shake), Image.Resampling.BICUBIC
    )
    return whole.crop((12, 12, 468, 348))


def saved(image: Image.Image, kind: str = "JPEG", quality: int = 85) -> Image.Image:
    body = io.BytesIO()
    image.save(body, kind, quality=quality)
    return Image.open(body).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.LANCZOS)


def written_on(image: Image.Image) -> Image.Image:
    """The same with lines of half-transparent words all over it."""
    words = Image.new("RGBA", image.size, 0)
    for top in range(0, image.height, image.height // 5):
        ImageDraw.Draw(words).text(
            (top % 40, top), "words of somebody else", fill=(255, 255, 255, 130), font_size=image.height // 10
        )
    return Image.alpha_composite(image.convert("RGBA"), words).convert("RGB")


COPIES = {
    "worse": lambda image: saved(image, quality=10),
    "webp": lambda image: saved(image, "WEBP", 30),
    "a third": lambda image: saved(scaled(image, 0.3)),
    "twice": lambda image: saved(scaled(image, 2)),
    "square": lambda image: saved(image.resize((256, 256))),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.4),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 120)),
    "cut": lambda image: image.crop((6, 4, image.width - 8, image.height - 6)),
    "written on": written_on,
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_has_moved_in_a_copy(kind: str, seed: int):
    """A shot that was saved anew, resized, recoloured, cut, blurred, sharpened or written on is the same shot."""
    image = shot(seed)
    assert not align(grey(saved(image)), grey(COPIES[kind](image))).moved


@pytest.mark.parametrize("copy", ["webp", "a third", "grey", "cut"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_second_shot_is_told_from_a_copy(copy: str, seed: int):
    """Where what is in front stands 3 of 480 pixels elsewhere, however it was saved, it is another shot."""
    again = COPIES[copy](shot(seed, move=3, shake=1.5))
    assert align(grey(saved(shot(seed))), grey(again)).moved


@pytest.mark.parametrize("copy", ["a third", "blurred", "sharpened", "written on"])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_else_differs_hides_no_movement(copy: str, seed: int):
    """A second shot is told where blur, or words on it, leave much more than what moved by 1 pixel."""
    again = COPIES[copy](shot(seed, move=1, shake=1.5))
    assert align(grey(saved(shot(seed))), grey(again)).moved


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_two_pictures_does_not_matter(seed: int):
    """What is found between two pictures is the same from either side."""
    one, other = grey(shot(seed)), grey(COPIES["blurred"](shot(seed, move=2)))
    assert align(one, other) == align(other, one)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_fits_its_own_shot_best(seed: int):
    """Of two shots of a scene, what is left of a blurred copy is less beside the shot that it was made from."""
    one, other = shot(seed), shot(seed, move=3)
    copy = grey(COPIES["blurred"](one))
    assert align(grey(one), copy).left < align(grey(other), copy).left


@pytest.mark.parametrize("size", [(8, 8), (1, 300), (40, 40), (SIDE, SIDE), (3000, 9)])
def test_pictures_of_any_size_are_compared(size: tuple[int, int]):
    """Tiny, thin and flat pictures end in numbers, too."""
    for image in (shot(0).resize(size), Image.new("RGB", size, "red")):
        found = align(grey(image), grey(shot(1)))
        assert 0 <= found.left <= 1
