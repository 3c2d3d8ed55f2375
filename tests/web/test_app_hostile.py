"""The page of a run among strangers: hostile uploads, foreign pages, slow clients, crowds."""

import io
import itertools
import json
import random
import socket
import struct
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import page_server
import pytest
from page_server import form, get, picture, post, request, served, wire
from PIL import Image

from byod.images.decode import open_picture
from byod.schema.errors import PictureError
from byod.web import inference
from byod.web.http_connection import Connection
from byod.web.limits import MemoryBudget, QueueFull
from byod.web.uploads import UploadLimits


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the colour trainer."""
    return page_server.trained(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def place(run):
    with served(run, limits=UploadLimits(bytes=3_000_000)) as at:
        yield at


def refused(answer, *statuses):
    """It is refused, with one line that gives nothing away."""
    assert answer.status in (statuses or range(400, 500)), answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
    line = answer.json["error"]
    assert line
    assert len(line.splitlines()) == 1
    assert len(line) < 300
    assert "Traceback" not in line
    assert "/byod/" not in line
    return line


def png(width, height, rows=b""):
    """A PNG that says to have so many pixels."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def of_many_scans(scans):
    """A progressive JPEG of 16 megapixels in which one scan stands very often: few bytes, and much work."""
    stream = io.BytesIO()
    Image.new("L", (4096, 4096), 128).save(stream, "JPEG", progressive=True, quality=50)
    content = stream.getvalue()
    starts = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xc4"]
    scan = content[starts[1] : starts[2]]
    return content[: starts[2]] + scan * scans + content[starts[2] :]


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("../../cat.jpg", b"\0" * 10_000_000)
    return stream.getvalue()


JPEG, PNG = picture(), picture(kind="PNG")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
BAD = {
    "one byte": b"\xff",
    "nothing but zeros": bytes(5000),
    "noise": random.Random(1).randbytes(5000),
    "cut jpeg": JPEG[: len(JPEG) // 2],
    "head of a jpeg": JPEG[:20],
    "cut png": PNG[:-20],
    "png without pixels": png(64, 64),
    "png with a wrong checksum": PNG[:40] + bytes([PNG[40] ^ 1]) + PNG[41:],
    "png bomb": png(60_000, 60_000, bytes(1000)),
    "png without width": png(0, 10),
    "cut webp": picture(kind="WEBP")[:-30],
    "cut gif": picture(kind="GIF")[:-30],
    "cut bmp": picture(kind="BMP")[:-3000],
    "cut tiff": picture(kind="TIFF")[:200],
    "cut avif": picture(kind="AVIF")[:-100],
    "gif bomb": b"GIF89a" + struct.pack("<HH", 65535, 65535)
    + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
    "gif with a script": b"GIF89a=1;alert(1)//" + b" " * 100,
    "bmp bomb": b"BM" + struct.pack("<IHHI", 100, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(40),
    "webp bomb": b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X"
    + struct.pack("<I", 10) + b"\0\0\0\0\xff\xff\xff\xff\xff\xff" + bytes(100),
    "jpeg of many scans": of_many_scans(1000),
    "svg": SVG,
    "svg with xml head": b'<?xml version="1.0"?>' + SVG,
    "xml bomb": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
    "html": b"<!doctype html><script>fetch('/api/report')</script>",
    "script": b"alert(document.cookie)",
    "zip": archive(),
    "gzip": zlib.compress(b"", wbits=31) + b"x",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n(x) run",
    "program": b"\x7fELF\x02\x01\x01" + bytes(100),
    "windows program": b"MZ\x90\x00" + bytes(100),
    "video": struct.pack(">I", 24) + b"ftypisom" + bytes(100),
    "heic": struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(100),
    "icon": b"\0\0\1\0\1\0\x10\x10" + bytes(100),
    "photoshop": b"8BPS\0\1" + bytes(100),
    "jpeg xl": b"\xff\x0a" + bytes(100),
    "pickle": b"\x80\x04\x95" + bytes(50),
    "json": b'{"image": "file:///etc/passwd"}',
    "address": b"http://169.254.169.254/latest/meta-data/",
    "imagemagick": b"push graphic-context\nviewbox 0 0 1 1\nimage over 0,0 0,0 'https://a.test'\npop graphic-context",
}  # fmt: skip
NAMES = (
    "../../../etc/cron.d/cat.jpg",
    'a"; name="truth',
    "C:\\Windows\\cat.jpg",
    "\u202egpj.exe",
    "a" * 5000,
    "%2e%2e%2fx",
    "cat\0.jpg",
)
WAYS = {
    "raw": lambda content: (content, "image/jpeg"),
    "with another type": lambda content: (content, "image/png"),
    "form": lambda content: form(image=("cat.jpg", "image/jpeg", content)),
    **{
        f"form, file {n}": lambda content, name=name: form(image=(name, "image/png", content))
        for n, name in enumerate(NAMES)
    },
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_hostile_upload_gets_one_line(place, what):
    """Whatever is not a whole picture is refused by its content, in each way it is sent, and the server goes on."""
    ways = list(WAYS.values()) if len(BAD[what]) < 50_000 else list(WAYS.values())[:3]
    for way in ways:
        content, kind = way(BAD[what])
        refused(post(place, content=content, kind=kind), 413, 415, 422)
        refused(post(place, "/api/picture", content, kind), 413, 415, 422)
    assert post(place, content=JPEG).status == 200


def test_there_are_enough_of_them():
    """More than a hundred different hostile uploads are tried."""
    assert len(BAD) >= 38
    assert len(BAD) * 3 > 100


def test_a_good_picture_is_taken_under_any_name(place):
    """The name of a file is not looked at: a picture is answered under each, and the answer does not repeat it."""
    for way in WAYS.values():
        content, kind = way(JPEG)
        answer = post(place, content=content, kind=kind)
        assert answer.status == 200
        assert answer.json["path"] == "-"


BODY, KIND = form(image=JPEG)
FENCE = KIND.partition("boundary=")[2]
FORMS = {
    "no boundary": (BODY, "multipart/form-data"),
    "another boundary": (BODY, "multipart/form-data; boundary=other"),
    "a boundary without end": (BODY, "multipart/form-data; boundary=" + "a" * 500),
    "an empty boundary": (BODY, 'multipart/form-data; boundary=""'),
    "no end": (BODY[:-6], KIND),
    "cut in the picture": (BODY[:-200], KIND),
    "cut in the head": (BODY[:60], KIND),
    "nothing": (b"", KIND),
    "no part": (f"--{FENCE}--\r\n".encode(), KIND),
    "a head without end": (BODY.replace(b"\r\n\r\n", b"; x=" + b"a" * 9000 + b"\r\n\r\n", 1), KIND),
    "no name": (BODY.replace(b'name="image"', b'nome="image"'), KIND),
    "another name": (BODY.replace(b'name="image"', b'name="picture"'), KIND),
    "a path for a name": (BODY.replace(b'name="image"', b'name="../image"'), KIND),
    "no disposition": (BODY.replace(b"Content-Disposition", b"X-Disposition"), KIND),
    "an attachment": (BODY.replace(b"form-data;", b"attachment;"), KIND),
    "the name in another's value": (BODY.replace(b'name="image"', b'filename="x; name=\\"image\\""'), KIND),
    "an empty picture": form(image=b""),
    "text": (b"image=cat", "application/x-www-form-urlencoded"),
    "json": (b'{"image": "x"}', "application/json"),
    "html": (JPEG, "text/html"),
    "nonsense": (JPEG, ";;;"),
    "mixed": (BODY, KIND.replace("form-data", "mixed")),
}  # fmt: skip


@pytest.mark.parametrize("what", FORMS)
def test_a_form_is_whole_or_refused(place, what):
    """A form that is not as the standard says, and other media types, are refused in one line."""
    refused(post(place, content=FORMS[what][0], kind=FORMS[what][1]), 400, 415)


def test_a_form_of_many_or_doubled_parts_is_refused(place):
    """A form holds each part once, and few of them."""
    twice = BODY[: -len(f"--{FENCE}--\r\n")] + BODY
    assert "twice" in refused(post(place, content=twice, kind=KIND), 400)
    many, kind = form(**{name * 3: b"x" for name in "abcdefghij"})
    assert "more than 8" in refused(post(place, content=many, kind=kind), 400)


REQUESTS = {
    "another host": {"host": "evil.example"},
    "another host with our port": {"host": "evil.example:80"},
    "a name that ends alike": {"host": "localhost.evil.example"},
    "a name that begins alike": {"host": "127.0.0.1.evil.example"},
    "a user in the host": {"host": "localhost@evil.example"},
    "a number for an address": {"host": "2130706433"},
    "another address": {"host": "10.0.0.1"},
    "an odd port": {"host": "localhost:evil"},
    "an empty host": {"host": " "},
    "brackets": {"host": "[::1"},
    "another origin": {"Origin": "http://evil.example"},
    "no origin": {"Origin": "null"},
    "another port as origin": {"Origin": "http://127.0.0.1:1"},
    "a file as origin": {"Origin": "file://"},
    "an origin that begins alike": {"host": "localhost", "Origin": "http://localhost.evil.example"},
    "an extension": {"Origin": "moz-extension://127.0.0.1"},
    "from another site": {"Sec_Fetch_Site": "cross-site"},
    "from the same site's other page": {"Sec_Fetch_Site": "same-site"},
    "packed": {"Content_Encoding": "gzip"},
    "packed otherwise": {"Content_Encoding": "br"},
}


@pytest.mark.parametrize("what", REQUESTS)
def test_other_peoples_pages_are_refused(place, what):
    """What is addressed to another name, or comes from another page, gets no answer about the picture."""
    answer = post(place, content=JPEG, **REQUESTS[what])
    refused(answer, 403, 415, 421)
    assert "access-control-allow-origin" not in answer.headers


def test_its_own_page_is_let_in(place):
    """The page itself, and programs that say nothing of an origin, are answered."""
    own = f"http://127.0.0.1:{place[1]}"
    for more in (
        {},
        {"Origin": own, "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"host": "LOCALHOST"},
    ):
        assert post(place, content=JPEG, **more).status == 200


PATHS = (
    "/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd",
    "/static/../site.py",
    "/index.html/..", "/index.html%00.js", "/\\..\\..\\windows", "/.git/config", "/model.onnx", "/runs", "/api",
    "/api/",
    "/api/predict/", "/docs/", "http://evil.example/", "/" + "a" * 20_000, "/%ff%fe", "/index.html;x", "/docs.css/x",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_only_what_is_there_is_served(place, path):
    """A path is looked up, never followed: what is not of the page is not found."""
    refused(get(place, path), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HACK"])
def test_other_methods_are_refused(place, method):
    """Each address has its method; others are told so, and no foreign page is promised anything."""
    answer = wire(place, request(place, method, "/api/predict"))
    refused(answer, 405)
    refused(wire(place, request(place, "POST", "/", b"x")), 405)
    assert "access-control-allow-methods" not in answer.headers


def broken_requests(port):
    host = f"Host: 127.0.0.1:{port}\r\n"
    post = f"POST /api/predict HTTP/1.1\r\n{host}Content-Type: image/jpeg\r\n"
    return {
        "no http": "hello\r\n\r\n",
        "another protocol": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "a giant header": f"GET / HTTP/1.1\r\n{host}X: {'a' * 200_000}\r\n\r\n",
        "a header without end": f"GET / HTTP/1.1\r\n{host}X: {'a' * 100_000}",
        "many headers": f"GET / HTTP/1.1\r\n{host}" + "X: a\r\n" * 20_000 + "\r\n",
        "a giant line": f"GET /{'a' * 200_000} HTTP/1.1\r\n{host}\r\n",
        "no host": "GET / HTTP/1.1\r\n\r\n",
        "two hosts": f"GET / HTTP/1.1\r\n{host}{host}\r\n",
        "a length that is not a number": f"{post}Content-Length: many\r\n\r\n",
        "a negative length": f"{post}Content-Length: -5\r\n\r\n",
        "two lengths": f"{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "a bad chunk": f"{post}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "another coding": f"{post}Transfer-Encoding: gzip\r\n\r\nhello",
        "a folded header": f"GET / HTTP/1.1\r\n {host}\r\n",
        "a nul": f"GET /\0 HTTP/1.1\r\n{host}\r\n",
        "a length beyond all": f"{post}Content-Length: {10**15}\r\n\r\nhello",
        "a length of many digits": f"{post}Content-Length: {'9' * 5000}\r\n\r\nhello",
    }


@pytest.mark.parametrize("what", broken_requests(1))
def test_what_is_no_request_is_refused(place, what):
    """Requests that break the protocol get a 4xx of one line, and the next client is answered."""
    answer = wire(place, broken_requests(place[1])[what].encode("latin-1"))
    refused(answer)
    assert get(place, "/api/model").status == 200


def test_a_request_that_ends_twice_closes_the_connection(place):
    """With Content-Length and Transfer-Encoding what follows may be smuggled: one 400, and nothing more is read."""
    second = request(place, "GET", "/api/model")
    for length in (0, 4, len(second) + 5):
        first = request(place, "POST", "/api/predict", Content_Type="image/jpeg", Transfer_Encoding="chunked")
        first = first.replace(b"Content-Length: 0", b"Content-Length: %d" % length)
        assert b"Content-Length" in first
        with socket.create_connection(("127.0.0.1", place[1]), timeout=20) as line:
            line.sendall(first + b"0\r\n\r\n" + second)
            said = b"".join(iter(lambda: line.recv(65536), b""))
        assert said.count(b"HTTP/1.1 ") == 1
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"\r\nconnection: close\r\n" in said.lower()


def chunked(place, pieces):
    head = request(place, "POST", "/api/predict", Content_Type="image/jpeg", Transfer_Encoding="chunked")
    yield head.replace(b"Content-Length: 0\r\n", b"")
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def test_what_is_too_large_is_refused_before_it_is_kept(place):
    """Over the limit nothing more is kept, whether the length was stated or not; who sends it all hears why."""
    refused(post(place, content=bytes(3_000_001)), 413)
    assert "3 MB" in refused(wire(place, b"".join(chunked(place, [bytes(1_000_000)] * 12))), 413)
    stated = request(place, "POST", "/api/predict", Content_Type="image/jpeg", Expect="100-continue")
    refused(wire(place, stated.replace(b"Content-Length: 0", b"Content-Length: 9000000")), 413)


def test_a_picture_may_come_in_chunks(place):
    """A picture sent without a length, byte by byte, is answered as any other."""
    assert wire(place, b"".join(chunked(place, [JPEG[n : n + 1] for n in range(len(JPEG))]))).status == 200


def test_two_requests_on_one_line_are_two(place):
    """Requests that follow each other at once are answered in turn."""
    both = request(place, path="/api/model") + request(place, path="/nothing", Connection="close")
    with socket.create_connection(place, timeout=10) as client:
        client.sendall(both)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]] == [200, 404]


class Impatient(Connection):
    """A connection with little patience."""

    most = 40
    header_seconds = 0.7
    stall_seconds = 0.7


@pytest.mark.slow
def test_slow_clients_are_left_and_hold_up_nobody(run):
    """Thirty that never end their request do not delay others; each is told, or left, after its time."""
    with served(run, connection=Impatient, limits=UploadLimits(send_seconds=1.0)) as at:
        post_head = request(at, "POST", "/api/predict", Content_Type="image/jpeg")
        beginnings = itertools.cycle(
            [
                b"POST /api/pre",
                b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:",
                post_head.replace(b"Content-Length: 0", b"Content-Length: 5000") + JPEG[:100],
            ]
        )
        slow = [socket.create_connection(at, timeout=20) for _ in range(30)]
        for client, beginning in zip(slow, beginnings, strict=False):
            client.sendall(beginning)
        assert all(post(at, content=JPEG).status == 200 for _ in range(5))
        ends = [_rest(client) for client in slow]
        assert [end[9:12] for end in ends] == [b"", b"", b"408"] * 10
        assert post(at, content=JPEG).status == 200


def _rest(client):
    with client:
        received = b""
        try:
            while piece := client.recv(65536):
                received += piece
        except ConnectionError:
            pass
        return received


@pytest.mark.slow
def test_a_client_that_does_not_read_is_left(run):
    """Who asks on and on and reads nothing loses the connection; its answers do not pile up."""
    with served(run, connection=Impatient) as at:
        asking = request(at, path="/openapi.json")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(at)
            client.settimeout(20)
            with pytest.raises(OSError):  # noqa: PT011 - however the system words it
                client.sendall(asking * 100_000)
        assert get(at, "/api/model").status == 200


def test_too_many_connections_are_told_to_come_again(run):
    """Beyond the limit a connection gets 503 with Retry-After; when others end there is room again."""
    with served(run, connection=Impatient) as at:
        open_ones = [socket.create_connection(at, timeout=10) for _ in range(40)]
        try:
            time.sleep(0.2)
            answer = wire(at, b"")
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")
            assert len(answer.json["error"].splitlines()) == 1
        finally:
            for client in open_ones:
                client.close()
        deadline = time.monotonic() + 10
        while (status := get(at, "/api/model").status) == 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert status == 200


class Held:
    """A real model that answers when it is let go."""

    def __init__(self, run):
        self._inner = inference.open_model(run)
        self.card, self.said, self.facts = self._inner.card, self._inner.said, self._inner.facts
        self.go, self.begun = threading.Event(), threading.Semaphore(0)

    def answer(self, content, *, look):
        """As the model, once it may."""
        self.begun.release()
        assert self.go.wait(30)
        return self._inner.answer(content, look=look)


def test_a_full_queue_says_when_to_come_again(run):
    """What finds the queue full gets 503 with Retry-After at once; what is in it is answered, and then all goes on."""
    held = Held(run)
    with served(run, model=held, limits=UploadLimits(places=6)) as at, ThreadPoolExecutor(12) as crowd:
        waiting = [crowd.submit(post, at, content=JPEG) for _ in range(12)]
        turned_away = _first(waiting, 6)
        for answer in turned_away:
            assert answer.status == 503
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert len(answer.json["error"].splitlines()) == 1
        assert get(at, "/").status == 200  # the page itself does not wait
        held.go.set()
        statuses = sorted(one.result().status for one in waiting)
        assert statuses == [200] * 6 + [503] * 6
        assert post(at, content=JPEG).status == 200


def _first(futures, number):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done = [one.result() for one in futures if one.done()]
        if len(done) >= number:
            return done
        time.sleep(0.02)
    raise AssertionError("they are not answered")


@pytest.mark.slow
def test_an_answer_has_a_deadline(run):
    """Work that takes too long is answered with 503, work in line is dropped, and the server goes on afterwards."""
    held = Held(run)
    with served(run, model=held, limits=UploadLimits(seconds=0.5)) as at:
        with ThreadPoolExecutor(8) as crowd:
            answers = list(crowd.map(lambda _: post(at, content=JPEG), range(8)))
        assert {answer.status for answer in answers} == {503}
        assert all("retry-after" in answer.headers for answer in answers)
        held.go.set()
        deadline = time.monotonic() + 20
        while (status := post(at, content=JPEG).status) == 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert status == 200


def test_uploads_share_a_bounded_memory(run):
    """When the bytes under way fill what there is, the next is told to come again; afterwards there is room."""
    held = Held(run)
    large = JPEG + bytes(200_000)
    with (
        served(run, model=held, limits=UploadLimits(bytes_together=500_000)) as at,
        ThreadPoolExecutor(6) as crowd,
    ):
        waiting = [crowd.submit(post, at, content=large) for _ in range(6)]
        for answer in _first(waiting, 4):
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        held.go.set()
        assert sorted(one.result().status for one in waiting) == [200] * 2 + [503] * 4
        assert post(at, content=large).status == 200


def test_memory_is_given_back_whatever_happens():
    """What a block took is free again when it ends, with an error too."""
    memory = MemoryBudget(100)
    with memory.share() as take:
        take(60)
        with pytest.raises(QueueFull):
            take(41)
        assert memory.held == 60
    assert memory.held == 0


def test_a_jpeg_of_many_scans_is_refused_at_once():
    """A JPEG with a thousand scans, each drawn over the whole picture, is refused; one with some more is opened."""
    with pytest.raises(PictureError, match="scans"):
        open_picture(of_many_scans(1000))
    assert open_picture(of_many_scans(20)).size == (4096, 4096)


def test_a_fault_of_byods_own_says_nothing(run):
    """An error inside is a 500 that says no more than that."""

    class Broken(Held):
        def answer(self, content, *, look):
            raise ZeroDivisionError("secret")

    with served(run, model=Broken(run)) as at:
        answer = post(at, content=JPEG)
        assert answer.status == 500
        assert json.loads(answer.body) == {"error": "an error inside byod"}
        assert answer.headers["x-content-type-options"] == "nosniff"
