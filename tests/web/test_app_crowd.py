"""Visitors beside each other: each has a turn, whatever another one sends; what is too large is said in their words."""

import asyncio
import io
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import page_server
import pytest
from keypoint_nets import jpeg, run_folder, scene
from page_server import get, picture, post, request, served
from PIL import Image

from byod.images.decoder_pool import DecoderPool
from byod.images.openers import HeavyPicture, PixelLimits, opened_by
from byod.tasks.keypoints import served_model
from byod.web import inference
from byod.web.http_connection import Connection
from byod.web.inference import THREADS
from byod.web.limits import Queue, QueueFull
from byod.web.uploads import UploadLimits
from byod.web.visitors import visitor_of

pytestmark = pytest.mark.slow

MINE, THEIRS = picture(), picture((70, 160, 70))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the colour trainer."""
    return page_server.trained(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def place(run):
    with served(run) as at:
        yield at


class Watched:
    """A real model that notes which pictures it is asked about, and answers one when it is let go on."""

    def __init__(self, run):
        self._inner = inference.open_model(run)
        self.card, self.said, self.facts = self._inner.card, self._inner.said, self._inner.facts
        self.begun, self.go = [], threading.Semaphore(0)

    def answer(self, content, *, look):
        self.begun.append(content)
        assert self.go.acquire(timeout=60)
        return self._inner.answer(content, look=look)


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def crowd(pool, at, number, content, address):
    """So many requests of one visitor behind a proxy, at once."""
    return [pool.submit(post, at, content=content, X_Forwarded_For=address) for _ in range(number)]


def test_two_visitors_are_answered_in_turn(run):
    """Who sends many has the first turns; once another one sends, each has every second turn, until one is done."""
    model = Watched(run)
    limits = UploadLimits(places_each=8)
    with served(run, model=model, limits=limits) as at, ThreadPoolExecutor(20) as pool:
        first = crowd(pool, at, 9, MINE, "192.0.2.1")  # the ninth is refused: then the others are in line
        until(lambda: any(one.done() for one in first))
        second = crowd(pool, at, 9, THEIRS, "192.0.2.2")
        until(lambda: any(one.done() for one in second))
        assert set(model.begun) == {MINE}
        ahead = len(model.begun)
        for _ in range(16):
            model.go.release()
        answers = [one.result() for one in (*first, *second)]
    assert sorted(answer.status for answer in answers) == [200] * 16 + [429] * 2
    told = next(answer for answer in answers if answer.status == 429)
    assert 1 <= int(told.headers["retry-after"]) <= 60
    assert "yours" in told.json["error"]
    turns = model.begun[ahead : ahead + 8]
    assert turns.count(THEIRS) in (4, 5)


def test_one_quick_picture_is_not_behind_heavy_ones(place):
    """Somebody at the same address whose picture is small is answered while many heavy ones are still waiting."""
    stream = io.BytesIO()
    Image.new("RGB", (5000, 5000), (70, 160, 70)).save(stream, "WEBP", method=0)
    if THREADS == 1:
        pytest.skip("one thread does one thing after another")
    ended = []
    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(post, place, content=stream.getvalue()) for _ in range(6)]:
            one.add_done_callback(lambda one: ended.append(one.result().status))
        until(lambda: ended)
        assert post(place, content=MINE).status == 200
        before = len(ended)
    assert before < 6
    assert ended == [200] * 6


def test_a_visitor_who_left_is_not_worked_for(run):
    """A request in line whose client is gone is never begun, and its place is free."""
    model = Watched(run)
    with (
        served(run, model=model, limits=UploadLimits(places=THREADS + 1)) as at,
        ThreadPoolExecutor(8) as pool,
    ):
        busy = [pool.submit(post, at, content=MINE) for _ in range(THREADS)]
        until(lambda: len(model.begun) == THREADS)
        gone = post_and_leave(at, THEIRS)
        until(lambda: post(at, content=MINE).status == 503)
        gone.close()
        again = pool.submit(lambda: until_taken(at))
        time.sleep(0.1)
        for _ in range(THREADS + 1):
            model.go.release()
        assert [one.result().status for one in busy] == [200] * THREADS
        assert again.result() == 200
    assert THEIRS not in model.begun


def post_and_leave(at, content):
    line = socket.create_connection(at, timeout=20)
    line.sendall(request(at, "POST", "/api/predict", content, Content_Type="image/jpeg"))
    return line


def until_taken(at):
    status = 503
    while status == 503:
        status = post(at, content=MINE).status
    return status


SAID = {
    "en": ("8,000 x 8,000", "50,000,000", "250,000,000", "smaller"),
    "de": ("8.000 x 8.000", "50.000.000", "250.000.000", "kleiner"),
}


@pytest.mark.parametrize("language", SAID)
def test_too_many_pixels_are_refused_in_the_visitors_language(place, language):
    """A small file of many pixels is refused at once: the line says what it has, what it may have, and what to do."""
    stream = io.BytesIO()
    Image.new("RGB", (8000, 8000)).save(stream, "WEBP", method=0)
    answer = post(place, content=stream.getvalue(), Accept_Language=f"{language}-XX;q=0.9")
    assert answer.status == 413
    assert all(part in answer.json["error"] for part in SAID[language])
    assert answer.headers["vary"] == "Accept-Language"


def test_the_photo_of_a_phone_is_taken(place):
    """A JPEG of fifty megapixels is answered with its own size, and comes back upright within the limit."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGB", (8160, 6144), (170, 70, 60)).save(stream, "JPEG", exif=exif)
    said = post(place, content=stream.getvalue()).json
    assert (said["width"], said["height"], said["label"]) == (6144, 8160, page_server.RED)
    back = post(place, "/api/picture", stream.getvalue())
    with Image.open(io.BytesIO(back.body)) as image:
        assert max(image.size) <= 4096
        assert image.width < image.height


def test_the_limits_are_told(place):
    """What may be sent stands in what programs are told of the model."""
    takes = get(place, "/api/model").json["takes"]
    assert (takes["pixels"], takes["jpeg_pixels"]) == (50_000_000, 250_000_000)


def test_points_of_a_reduced_picture_are_those_of_the_whole(tmp_path):
    """Where a large JPEG is looked at reduced, boxes and points come out in pixels of the picture as it was sent."""
    model = served_model.opened(run_folder(tmp_path), unsure_below=0.7, threads=1)
    image, _ = scene([(400, 440, 160, 0.0), (1160, 720, 192, 0.35)], size=(1600, 1200))
    content = jpeg(image)
    whole = model.answer(content, look=False)
    assert len(whole.heads) == 2
    pool = DecoderPool(1, PixelLimits(800 * 600, 100_000_000))
    try:
        with opened_by(pool.opener(heavy=True)):
            reduced = model.answer(content, look=False)
    finally:
        pool.close()
    assert (reduced.width, reduced.height) == (whole.width, whole.height)
    assert len(reduced.heads) == len(whole.heads)
    for one, other in zip(reduced.heads, whole.heads, strict=True):
        assert one.box == pytest.approx(other.box, abs=whole.width / 50)
        for name, place in other.points.items():
            assert one.points[name] == pytest.approx(place, abs=whole.width / 50)


def asked(address, *forwarded):
    headers = SimpleNamespace(getlist=lambda name: list(forwarded) if name == "x-forwarded-for" else [])
    return SimpleNamespace(client=SimpleNamespace(host=address) if address else None, headers=headers)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (asked("192.0.2.1"), asked("192.0.2.2"), False),
        (asked("192.0.2.1"), asked("192.0.2.1"), True),
        (asked("192.0.2.1", "1.1.1.1"), asked("192.0.2.1", "2.2.2.2"), True),
        (asked("127.0.0.1", "1.1.1.1"), asked("127.0.0.1", "2.2.2.2"), False),
        (asked("127.0.0.1", "6.6.6.6, 1.1.1.1"), asked("127.0.0.1", "7.7.7.7, 1.1.1.1"), True),
        (asked("127.0.0.1", "6.6.6.6", "1.1.1.1"), asked("127.0.0.1", "1.1.1.1"), True),
        (asked("127.0.0.1", "garbage"), asked("127.0.0.1"), True),
        (asked("2001:db8::1"), asked("2001:db8::2"), True),
        (asked("2001:db8:0:1::1"), asked("2001:db8:0:2::1"), False),
        (asked("::ffff:192.0.2.1"), asked("192.0.2.1"), True),
        (asked("::1", "1.1.1.1"), asked("::1", "2.2.2.2"), False),
        (asked("fe80::1%eth0"), asked("fe80::2%eth0"), True),
        (asked(None), asked(None), True),
    ],
)
def test_visitors_are_told_apart(one, other, same):
    """A visitor is an address, an IPv6 network, or what a proxy on this machine saw last; nobody else is believed."""
    assert (visitor_of(one) == visitor_of(other)) is same


def queue(**how):
    return Queue(**{"threads": 1, "places": 99, "places_each": 99, "seconds": 30.0} | how)


def test_work_that_waits_is_taken_round_robin():
    """Of one visitor's eighty pieces and another's one, the one is next but one."""

    async def order():
        turns, done, go = queue(), [], threading.Event()

        def work(name):
            return lambda heavy: (go.wait(30), done.append(name))

        jobs = [asyncio.ensure_future(turns(work("many"), "a")) for _ in range(80)]
        await asyncio.sleep(0)
        jobs.append(asyncio.ensure_future(turns(work("one"), "b")))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*jobs)
        turns.close()
        return done

    assert asyncio.run(order()).index("one") <= 2


def test_slow_work_takes_no_more_than_half_of_the_threads():
    """While slow pieces wait, half of the threads are left to quick ones; a heavy picture becomes a slow piece."""

    async def most():
        turns, now, seen, lock = queue(threads=4), [], [], threading.Lock()
        both = threading.Barrier(2, timeout=30)

        def work(heavy):
            if not heavy:
                raise HeavyPicture
            with lock:
                now.append(1)
                seen.append(len(now))
            both.wait()
            with lock:
                now.pop()
            return "slow"

        jobs = [asyncio.ensure_future(turns(work, str(n % 3), slow=n % 2 == 0)) for n in range(8)]
        quick = [await turns(lambda heavy: heavy, "d") for _ in range(5)]
        assert await asyncio.gather(*jobs) == ["slow"] * 8
        turns.close()
        return max(seen), quick

    assert asyncio.run(most()) == (2, [False] * 5)


def test_what_is_cancelled_while_it_waits_is_never_begun():
    """Work nobody waits for any more leaves its line, and its place is free for others."""

    async def begun():
        turns, names, go = queue(places=2), [], threading.Event()
        first = asyncio.ensure_future(turns(lambda heavy: (names.append("first"), go.wait(30)), "a"))
        second = asyncio.ensure_future(turns(lambda heavy: names.append("second"), "a"))
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFull):
            await turns(lambda heavy: None, "b")
        second.cancel()
        await asyncio.wait([second])
        third = asyncio.ensure_future(turns(lambda heavy: names.append("third"), "b"))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, third)
        turns.close()
        return names

    assert asyncio.run(begun()) == ["first", "third"]


def test_connections_of_one_address_are_bounded():
    """An address beyond this machine may hold so many connections and no more; this machine's own are not counted."""

    def of_same(own, *others):
        connection = Connection.__new__(Connection)
        connection.client = (own, 1)
        connection.connections = [*(SimpleNamespace(client=(each, 2)) for each in others), connection]
        return connection._of_same_address()

    assert of_same("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1") == 3
    assert of_same("127.0.0.1", "127.0.0.1", "127.0.0.1") == 0
    assert of_same("2001:db8::1", "2001:db8::9", "2001:db9::1") == 2
