"""`byod sources`: the list, who knows a word, and a table that is fetched beforehand."""

import json
import subprocess
import sys
import threading
import time

import pytest
from command import byod, compiled
from loopback_sources import LoopbackSources, Work
from recordings import serve_open_images

from byod.collection.sources import SOURCES

pytestmark = pytest.mark.slow


@pytest.fixture
def web(tmp_path, monkeypatch):
    monkeypatch.setenv("BYOD_CACHE", str(tmp_path / "cache"))
    with LoopbackSources() as server:
        serve_open_images(server)
        server.entities["Q47722"] = {
            "labels": {"de": "Brokkoli", "en": "broccoli"},
            "keys": {"P646": "/m/0hkxq", "P225": "broccoli"},
        }
        server.offer("broccoli", *(Work(url=f"https://a.example/{number}.jpg") for number in range(7)))
        yield server


def test_every_source_is_listed(tmp_path):
    """Each source with its key, whether it states licences and what it is good for, as a table and as JSON."""
    lines = json.loads(byod("sources", "--json", folder=tmp_path, BYOD_FLICKR_KEY="k").stdout)
    assert [line["source"].partition(":")[0] for line in lines] == list(SOURCES)
    flickr = next(line for line in lines if line["source"] == "flickr")
    assert (flickr["key"], flickr["key_set"], flickr["licences"]) == ("BYOD_FLICKR_KEY", True, True)
    images = next(line for line in lines if line["source"] == "openimages")
    assert (images["verified"], images["table"]) == (True, [])
    told = byod("sources", folder=tmp_path).stdout
    assert "huggingface:OWNER/NAME" in told
    assert all(name in told for name in SOURCES)


def test_who_knows_a_word_and_how_many_pictures_they_would_offer(web, tmp_path):
    """Each source says whether it knows the word, read as what it means, and how many it has; nothing is fetched."""
    web.offer("broccoli", *(Work(url=f"https://a.example/more/{number}.jpg") for number in range(30)))
    environment = web.environment()
    arguments = ("sources", "--for", "brokkoli", "--json")
    known = {
        each["source"]: each for each in json.loads(byod(*arguments, folder=tmp_path, **environment).stdout)
    }
    assert set(known) == set(SOURCES)
    assert known["flickr"] | {"told": ""} == {
        "source": "flickr", "word": "knows", "offers": 37, "more": False, "told": "",
    }  # fmt: skip
    assert (known["openverse"]["offers"], known["openverse"]["more"]) == (20, True)
    assert known["gbif"]["offers"] == 37
    assert known["openimages"]["word"] == "no table yet"
    assert known["huggingface"]["word"] == "no dataset named"
    assert not web.asked_for("/openimages/v7/oidv7-class-descriptions.csv")
    byod("sources", "--get", "openimages", folder=tmp_path, **environment)
    told = byod("sources", "--for", "brokkoli", "--source", "openimages", folder=tmp_path, **environment)
    assert "knows" in told.stdout
    assert "33" in told.stdout
    assert "people found none in 1 others" in told.stdout
    assert "brokkoli: broccoli" in told.stderr
    none = byod("sources", "--for", "xyzzy", "--source", "commons", folder=tmp_path, check=1, **environment)
    assert "unknown" in none.stdout


def test_a_table_is_fetched_beforehand(web, tmp_path):
    """`--get` fetches and keeps it, says how far it is, and asks nothing the second time; `--deep` adds the rest."""
    environment = web.environment()
    done = byod("sources", "--get", "openimages", "--json", folder=tmp_path, **environment)
    assert json.loads(done.stdout) == {"source": "openimages", "table": ["validation", "test"]}
    assert "about 250 MB" in done.stderr
    asked = len(web.asked)
    byod("sources", "--get", "openimages", folder=tmp_path, **environment)
    assert len(web.asked) == asked
    done = byod("sources", "--get", "openimages", "--deep", "--json", folder=tmp_path, **environment)
    assert json.loads(done.stdout)["table"] == ["validation", "test", "train"]


def test_a_fetch_that_was_killed_goes_on_where_it_was(web, tmp_path):
    """After kill -9 in the middle of a file its next part is asked for, not its first, and nothing is left behind."""
    path = "/openimages/v7/oidv7-test-annotations-human-imagelabels.csv"
    more = b"".join(b"%016x,verification,/m/0zz,1\n" % number for number in range(300_000))
    web.put(path, web.files[path][1] + more, "text/csv")
    whole, held = web.part, threading.Event()

    def slowly(asked, answer):
        if asked.path == path and not asked.headers["range"].startswith("bytes=0-"):
            held.wait(60)
        return whole(asked, answer)

    web.part = slowly
    environment = {**compiled(), **web.environment()}
    command = [sys.executable, "-m", "byod", "sources", "--get", "openimages"]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while len(web.asked_for(path)) < 2:
            time.sleep(0.02)
        process.kill()
    held.set()
    web.asked.clear()
    byod("sources", "--get", "openimages", folder=tmp_path, **web.environment())
    assert web.asked[0].headers["range"] == "bytes=4000000-7999999"
    assert not [asked for asked in web.asked if "validation" in asked.path]
    (place,) = (tmp_path / "cache" / "openimages").iterdir()
    names = {file.name for file in place.iterdir()} - {"lock"}
    assert names == {"oidv7-class-descriptions.csv", "test", "validation"}


def test_what_does_not_go_together_is_one_line(tmp_path):
    """A source without a table, an unknown one, and options without their command's sense end with 2."""
    assert (
        "--get is for openimages, coco" in byod("sources", "--get", "flickr", folder=tmp_path, check=2).stderr
    )
    assert (
        "there is no source"
        in byod("sources", "--for", "x", "--source", "altavista", folder=tmp_path, check=2).stderr
    )
    assert "--deep with --get" in byod("sources", "--deep", folder=tmp_path, check=2).stderr
