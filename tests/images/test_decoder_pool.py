"""Pictures of strangers are opened in processes that may take so much memory and time, and no more."""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hostile_contents import contents, photo, saved
from PIL import Image

from byod.images import decode
from byod.images.decoder_pool import DecoderPool
from byod.images.openers import HeavyPicture, PixelLimits, TooManyPixels, opened_by
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

pytestmark = pytest.mark.slow

LIMITS = PixelLimits(decoded=1_000_000, jpeg=16_000_000)
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process")


@pytest.fixture(scope="module")
def pool():
    with_pool = DecoderPool(2, LIMITS)
    yield with_pool
    with_pool.close()


def processes(pool):
    """The ids of the processes that wait."""
    return [process._process._process.pid for process in pool._idle]


@pytest.mark.parametrize("at_least", [None, 60])
def test_pictures_come_out_as_they_do_here(at_least):
    """Every content, good or bad, is opened to the same pixels, or refused for the same reason, as in this process."""
    with contextlib.closing(DecoderPool(1, decode.Rules().limits)) as pool:
        _compare(pool, at_least)


def _compare(pool, at_least):
    for name, (content, _) in contents().items():
        here, there = [], []
        for found, other in ((here, None), (there, pool.opener(heavy=True))):
            try:
                if other is None:
                    image, *size = decode.opened(content, at_least=at_least)
                else:
                    with opened_by(other):
                        image, *size = decode.opened(content, at_least=at_least)
                found += [np.asarray(image).tobytes(), image.mode, *size]
            except PictureError as error:
                found.append(error.reason)
        assert here == there, name


def test_a_large_jpeg_comes_out_reduced_and_says_its_size(pool):
    """A JPEG over what is decoded comes out at a half or less, turned upright; asked for whole it is refused."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(photo(1, (3000, 2000)), "JPEG", exif=exif)
    with opened_by(pool.opener(heavy=True)):
        found = decode.opened(content)
        assert (found.image.size, found.width, found.height) == ((500, 750), 2000, 3000)
        with pytest.raises(TooManyPixels):
            decode.open_picture(content)
        assert decode.open_picture(content, at_least=100).size == (125, 188)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_other_types_have_the_smaller_limit(pool, kind):
    """A picture that can only be decoded whole is refused beyond that many pixels, with the numbers."""
    with opened_by(pool.opener(heavy=True)), pytest.raises(TooManyPixels) as refused:
        decode.opened(saved(Image.new("RGB", (1200, 1000)), kind))
    error = refused.value
    assert (error.kind, error.width, error.height, error.most) == (kind, 1200, 1000, LIMITS.decoded)
    assert error.jpeg == LIMITS.jpeg


def test_a_progressive_jpeg_has_a_limit_of_its_own(pool):
    """A progressive JPEG is kept whole while it is decoded: it may have twice what is decoded of others."""
    with opened_by(pool.opener(heavy=True)):
        decode.opened(saved(photo(1, (1600, 1200)), "JPEG", progressive=True))
        with pytest.raises(TooManyPixels) as refused:
            decode.opened(saved(photo(1, (1700, 1300)), "JPEG", progressive=True))
    assert refused.value.most == 2_000_000


def test_a_heavy_picture_is_left_for_its_turn():
    """A picture of more than some megapixels is not decoded until it may be, and is then."""
    pool = DecoderPool(1, PixelLimits(25_000_000, 25_000_000))
    content = saved(Image.new("RGB", (4000, 3000)), "PNG")
    try:
        with opened_by(pool.opener(heavy=False)), pytest.raises(HeavyPicture):
            decode.opened(content)
        with opened_by(pool.opener(heavy=True)):
            assert decode.opened(content).image.size == (4000, 3000)
    finally:
        pool.close()


@ON_LINUX
def test_a_picture_that_takes_too_much_memory_is_refused():
    """Beyond its memory a picture is refused in one line; the next one is opened."""
    pool = DecoderPool(1, PixelLimits(50_000_000, 50_000_000), memory=60_000_000)
    try:
        for kind in ("PNG", "WEBP", "JPEG"):
            with opened_by(pool.opener(heavy=True)), pytest.raises(PictureError) as refused:
                decode.opened(saved(Image.new("RGB", (6000, 5000)), kind))
            assert "\n" not in refused.value.detail
            with opened_by(pool.opener(heavy=True)):
                assert decode.opened(saved(photo(1), "PNG")).image.size == (400, 300)
    finally:
        pool.close()


def test_a_picture_that_takes_too_long_is_given_up():
    """After its time the process is ended and the picture refused; another process takes the next one."""
    pool = DecoderPool(1, PixelLimits(50_000_000, 50_000_000), seconds=0.01)
    try:
        pool.warm()
        (before,) = processes(pool)
        with opened_by(pool.opener(heavy=True)), pytest.raises(PictureError, match="longer than") as refused:
            decode.opened(saved(Image.new("RGB", (7000, 7000)), "WEBP", method=0))
        assert refused.value.reason == Reason.TOO_MANY_PIXELS
        pool.warm()
        assert processes(pool) != [before]
    finally:
        pool.close()


def test_a_process_that_is_gone_is_replaced(pool):
    """A process that was ended while it waited is not asked; another one opens the picture."""
    pool.warm()
    for pid in processes(pool):
        os.kill(pid, signal.SIGTERM)
    for process in pool._idle:
        process._process._process.wait(20)
    with opened_by(pool.opener(heavy=True)):
        assert decode.opened(saved(photo(1), "JPEG")).image.size == (400, 300)


def test_many_threads_share_few_processes(pool):
    """More threads than processes each get their own picture."""
    sizes = {}

    def open_one(number):
        with opened_by(pool.opener(heavy=True)):
            sizes[number] = decode.opened(saved(photo(number, (100 + number, 90)), "PNG")).image.size

    threads = [threading.Thread(target=open_one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == {number: (100 + number, 90) for number in range(12)}
    assert len(processes(pool)) <= 2


def test_a_closed_pool_leaves_no_process():
    """When a pool is closed its processes are gone."""
    pool = DecoderPool(1, LIMITS)
    pool.warm()
    (process,) = pool._idle
    pool.close()
    assert process._process.code is not None


@pytest.mark.skipif(sys.platform != "linux", reason="asks for the size of a pipe")
def test_a_picture_goes_through_its_pipe_in_one_piece():
    """The pipes to and from a process hold a whole picture of a usual net's input, so that nobody waits for pieces."""
    import fcntl

    pool = DecoderPool(1, LIMITS)
    pool.warm()
    (process,) = pool._idle
    child = process._process._process
    sizes = [fcntl.fcntl(pipe.fileno(), fcntl.F_GETPIPE_SZ) for pipe in (child.stdin, child.stdout)]
    pool.close()
    most = int(Path("/proc/sys/fs/pipe-max-size").read_text())
    assert min(sizes) >= min(most, 1 << 20)
