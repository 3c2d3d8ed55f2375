"""Parts of large files: what is asked for, what is believed, and how a file is gone on with."""

import io
import zipfile

import pytest
from asking import client_of
from loopback_server import Answer
from loopback_sources import LoopbackSources

from byod.collection.http import ranges
from byod.schema.errors import SourceError

CONTENT = bytes(number * 7 % 251 for number in range(5000))


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(ranges, "PIECE", 1000)
    monkeypatch.setattr(ranges, "BLOCK", 400)
    with LoopbackSources() as server:
        server.put("/file.bin", CONTENT, "application/octet-stream")
        yield server


def remote(web, most=100_000, largest=10_000):
    return ranges.RemoteFile(client_of(web), f"{web.url}/file.bin", source="gbif", most=most, largest=largest)


def test_a_remote_file_reads_as_a_file_does(web):
    """Seeking and reading give the same bytes as a file here, wherever blocks and pieces end."""
    there, here = remote(web), io.BytesIO(CONTENT)
    for place, size in ((0, 10), (395, 10), (4990, 100), (100, 2500), (0, 5000), (4999, 1), (1200, 0)):
        assert there.seek(place) == here.seek(place)
        assert there.read(size) == here.read(size)
        assert there.tell() == here.tell()
    assert there.seek(-7, io.SEEK_END) == 4993
    assert there.read() == CONTENT[-7:]


def test_only_what_is_needed_is_asked_for(web):
    """A member of an archive comes without the rest of it."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("small.txt", b"found")
        archive.writestr("large.bin", bytes(200_000))
    web.put("/file.bin", body.getvalue(), "application/zip")
    file = remote(web, largest=1_000_000)
    with zipfile.ZipFile(file) as archive:
        assert archive.read("small.txt") == b"found"
    spans = [asked.headers["range"].removeprefix("bytes=").split("-") for asked in web.asked]
    assert sum(int(last) - int(first) + 1 for first, last in spans) < 5000


def test_a_remote_file_is_bounded(web):
    """A file that is too large is refused, and reading on and on ends with a line."""
    with pytest.raises(SourceError, match="too large"):
        remote(web, largest=4999)
    file = remote(web, most=3000)
    with pytest.raises(SourceError, match="than it may take"):
        file.read()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, b"x" * 10, {"Content-Range": "bytes 0-9/5000"}),
        Answer(206, b"x" * 9, {"Content-Range": "bytes 50-59/5000"}),
        Answer(206, b"x" * 10, {"Content-Range": "bytes 50-59/*"}),
        Answer(206, b"x" * 10, {}),
        Answer(206, b"x" * 10, {"Content-Range": "bytes 50-59/" + "9" * 40}),
    ],
)
def test_another_part_is_not_taken_for_the_one_asked_for(web, answer):
    """An answer that says no range, another one, or fewer bytes than it says ends with a line."""
    web.answer_next("/file.bin", answer)
    with pytest.raises(SourceError, match="another part"):
        ranges.read_part(client_of(web), f"{web.url}/file.bin", 50, 60, source="gbif")


def test_a_server_without_ranges_is_understood(web):
    """A small file is taken whole where its server knows no ranges."""
    web.ranges = False
    assert remote(web).read() == CONTENT


def test_a_file_that_changes_while_it_is_read_is_noticed(web):
    """Parts of two files are not put together."""
    file = remote(web)
    web.put("/file.bin", CONTENT[::-1], "application/octet-stream")
    with pytest.raises(SourceError, match="changed while"):
        file.read()


def test_a_kept_file_is_gone_on_with(web, tmp_path):
    """What came before a refusal is not asked for again, and progress is told."""
    url, told = f"{web.url}/file.bin", []
    refused = [Answer(404, "gone")]
    web.answer_next("/file.bin", *(web.part(asked, web.file("/file.bin")) for asked in _asked(2)), *refused)
    with pytest.raises(SourceError, match="404"):
        ranges.keep(client_of(web), url, tmp_path / "kept", source="gbif", largest=10_000)
    assert not (tmp_path / "kept").exists()
    web.asked.clear()
    ranges.keep(
        client_of(web),
        url,
        tmp_path / "kept",
        source="gbif",
        largest=10_000,
        came=lambda done, total: told.append((done, total)),
    )
    assert (tmp_path / "kept").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert web.asked[0].headers["range"] == "bytes=2000-2999"
    assert told == [(3000, 5000), (4000, 5000), (5000, 5000)]


def test_another_file_in_its_place_is_begun_anew(web, tmp_path):
    """Where the file was replaced meanwhile, nothing of the old one stays."""
    url = f"{web.url}/file.bin"
    web.answer_next(
        "/file.bin", *(web.part(asked, web.file("/file.bin")) for asked in _asked(1)), Answer(404, "gone")
    )
    with pytest.raises(SourceError):
        ranges.keep(client_of(web), url, tmp_path / "kept", source="gbif", largest=10_000)
    web.put("/file.bin", CONTENT[::-1], "application/octet-stream")
    ranges.keep(client_of(web), url, tmp_path / "kept", source="gbif", largest=10_000)
    assert (tmp_path / "kept").read_bytes() == CONTENT[::-1]


def _asked(number):
    from loopback_server import Asked

    return [Asked("/file.bin", {}, {"range": f"bytes={n * 1000}-{n * 1000 + 999}"}) for n in range(number)]
