"""A recording of API traffic: what is in it, what is not, that it replays, and that a hostile one is one line."""

import contextlib
import errno
import json
import re
import string

import pytest
from asking import Clock, client_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recordings import Recordings

from byod.api import recordings as tapes
from byod.collection.http import guard
from byod.collection.http.api_client import ApiClient
from byod.collection.http.api_reply import ApiReply, Question
from byod.collection.http.stand_ins import StandIns, secrets_of
from byod.collection.http.tape import FIRST, Recorder, Replay, having
from byod.collection.sources import get
from byod.schema.config import Settings
from byod.schema.errors import ByodError, SourceError, UsageError
from byod.schema.records import Query, SearchOptions

ASKED = {
    "openverse": "cat",
    "commons": "village",
    "inaturalist": "cat",
    "flickr": "dog",
    "pixabay": "dog",
    "google": "dog",
    "duckduckgo": "dog",
    "bing": "dog",
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """No proxy of this machine goes into a recording."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def client_with(tape, given: Settings) -> ApiClient:
    clock = Clock()
    return ApiClient(given, guard.session(given), sleep=clock.sleep, clock=clock, tape=tape)


def offered(client, name):
    query = Query(label="x", terms=ASKED[name])
    return list(get(name)(query, SearchOptions(), client))


def recorded(file, web, *names):
    """What sources offered while they were recorded, and the text of the recording."""
    given = client_of(web).settings
    secrets = secrets_of(given.environment, given.contact, {})
    tape = Recorder(file, StandIns(secrets), having(given.environment, given.contact))
    return {name: offered(client_with(tape, given), name) for name in names}, file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ASKED)
def test_a_recording_replays(tmp_path, name):
    """From a recording alone, with no server, key or contact, a source offers what it offered then, but for people."""
    with Recordings() as web:
        before, _ = recorded(tmp_path / "run.txt", web, name)
    assert before[name]
    cache = tmp_path / "cache"
    tape, given = tapes.tape(None, tmp_path / "run.txt", Settings.load({"BYOD_CACHE": str(cache)}))
    after = offered(client_with(tape, given), name)
    people = {"creator", "creator_url", "attribution", "page", "title"}
    assert [one.model_dump(exclude=people) for one in after] == [
        one.model_dump(exclude=people) for one in before[name]
    ]
    assert not cache.exists()


@pytest.mark.parametrize(
    "key",
    [{"OPENVERSE_TOKEN": "a-token"}, {"OPENVERSE_CLIENT_ID": "an-id", "OPENVERSE_CLIENT_SECRET": "a-secret"}],
    ids=["token", "client"],
)
def test_a_recording_with_a_key_replays(tmp_path, key):
    """With a token, or with a client id and secret that buy one, the replay asks just what was asked then."""
    with Recordings("openverse") as web:
        given = client_of(web, **key).settings
        secrets = secrets_of(given.environment, given.contact, {})
        tape = Recorder(tmp_path / "run.txt", StandIns(secrets), having(given.environment, given.contact))
        before = offered(client_with(tape, given), "openverse")
    tape, given = tapes.tape(None, tmp_path / "run.txt", Settings.load({}))
    assert [one.url for one in offered(client_with(tape, given), "openverse")] == [one.url for one in before]
    assert before


def test_nobody_is_in_a_recording(tmp_path):
    """Creators, their numbers, logins and pages are stand-ins, the same for one person; places are left out."""
    with Recordings() as web:
        offers, text = recorded(tmp_path / "run.txt", web, *ASKED)
    for candidate in (one for found in offers.values() for one in found):
        if candidate.creator and candidate.creator != "Unknown author":
            assert not re.search(rf"(?<!\w){re.escape(candidate.creator)}(?!\w)", text), candidate.creator
        if candidate.creator_url:
            assert candidate.creator_url not in text
    for name in ("10000000@N01", "10000001@N00", "somebody1", "Some Body", "Somebody 1", "User:Somebody"):
        assert name not in text, name
    assert "https://people.example/" in text
    creators = {}
    for person, work in re.findall(r'"creator": "(person \d+)",.*?\n.*?"creator_url": "(\S+)"', text):
        assert creators.setdefault(person, work) == work


def test_no_secret_is_in_a_recording(tmp_path, monkeypatch):
    """Keys, tokens, the contact, cookies and all that names a proxy are left out, wherever a source repeats them."""
    proxy = "http://bob:hush-hush@proxy.corp.example:3128"
    with Recordings() as web:
        given = client_of(web, OPENVERSE_CLIENT_ID="an-id", OPENVERSE_CLIENT_SECRET="a-secret").settings
        echo = next(each for each in web.recorded if each.name == "authenticated")
        reply = echo.content["response"]
        reply["headers"] |= {"set-cookie": "session=crumbs", "x-ratelimit-limit-auth": "tests@example.org"}
        work = reply["body"]["results"][0]
        work["title"] = (
            f"tests@example.org right-key a-token bob {proxy} proxy.corp.example tests%40example.org"
        )
        work["url"] = "https://pictures.example/1.jpg?X-Amz-Signature=abc&X-Amz-Credential=x&w=1"
        tape = Recorder(
            tmp_path / "run.txt",
            StandIns(
                secrets_of(given.environment | {"BYOD_X_TOKEN": "a-token"}, given.contact, {"https": proxy})
            ),
            having(given.environment, given.contact),
        )
        offered(client_with(tape, given), "openverse")
    text = (tmp_path / "run.txt").read_text(encoding="utf-8")
    for secret in (
        *("tests@example.org", "tests%40example.org", "right-key", "a-token", "a-secret", "an-id"),
        *("crumbs", "hush-hush", "proxy.corp.example", "abc", "authorization", "User-Agent"),
    ):
        assert secret not in text, secret
    assert "with: contact, flickr, openverse-client, pixabay, serpapi" in text


def test_a_recording_can_be_read_by_people(tmp_path):
    """It says what it is, each line has its sign, JSON is laid out, and nothing in it is invisible."""
    with Recordings("openverse") as web:
        first = next(each for each in web.recorded if each.name == "photographs")
        first.content["response"]["body"]["results"][0]["title"] = "a\x1b[31m\u202eb\u200b"
        _, text = recorded(tmp_path / "run.txt", web, "openverse")
    assert text.startswith(f"{FIRST}\n# Read this before you give it away")
    assert all(line == "" or line[0] in "#>?<:|bw" for line in text.split("\n"))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert "> openverse GET /v1/images/\n? category=photograph\n" in text
    assert '|  "result_count": 2,' in text


def test_what_did_not_answer_is_replayed_as_that(tmp_path):
    """A source that did not answer while it was recorded does not answer in the replay; waits are not sat out."""
    given = Settings.load({"BYOD_OPENVERSE_URL": "http://127.0.0.1:9", "BYOD_ALLOW_PRIVATE_HOSTS": "1"})
    file = tmp_path / "run.txt"
    with pytest.raises(SourceError, match="no answer"):
        offered(client_with(Recorder(file, StandIns(()), []), given), "openverse")
    tape, given = tapes.tape(None, file, Settings.load({}))
    clock = Clock()
    client = ApiClient(given, guard.session(given), sleep=clock.sleep, clock=clock, tape=tape)
    with pytest.raises(SourceError, match="no answer when"):
        offered(client, "openverse")
    assert clock.slept == []


@pytest.mark.parametrize("depth", [600, 100_000])
def test_an_answer_that_is_too_deep_is_left_out(depth):
    """An answer nested deeper than can be walked is not written down, since who is in it cannot be told."""
    made = StandIns(()).body(b'{"a":' * depth + b'{"creator": "Ada Ada"}' + b"}" * depth)
    assert made == '"left-out"'


def test_a_disk_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    """What cannot be written down ends the run in one line that names the file."""
    tape = Recorder(tmp_path / "run.txt", StandIns(()), [])

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("byod.schema.files.Folder.append", full)
    with pytest.raises(ByodError, match=r"run.txt cannot be written \(No space left"):
        tape.exchange(Question(source="bing", path="/"), lambda: ApiReply(status=200, body=b"x"))


def test_another_question_is_said(tmp_path):
    """A question that a recording does not answer is one line that says how to replay it."""
    with Recordings() as web:
        recorded(tmp_path / "run.txt", web, "bing")
    tape, given = tapes.tape(None, tmp_path / "run.txt", Settings.load({}))
    with pytest.raises(SourceError, match="holds no answer to this question"):
        offered(client_with(tape, given), "duckduckgo")


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    """--record takes a new file only, in a folder that is there, and not together with --replay."""
    there = tmp_path / "there.txt"
    there.write_text("mine", encoding="utf-8")
    given = Settings.load({})
    with pytest.raises(UsageError, match="there already"):
        tapes.tape(there, None, given)
    assert there.read_text(encoding="utf-8") == "mine"
    with pytest.raises(UsageError, match="no folder"):
        tapes.tape(tmp_path / "no" / "a.txt", None, given)
    with pytest.raises(UsageError, match="do not go together"):
        tapes.tape(tmp_path / "a.txt", there, given)
    with pytest.raises(UsageError, match="cannot be read"):
        tapes.tape(None, tmp_path / "none.txt", given)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "is not a recording"),
        ("", "is not a recording"),
        (f"{FIRST}\n< 200\n", "line 2"),
        (f"{FIRST}\n> openverse GET\n", "line 2"),
        (f"{FIRST}\n> ../x GET /\n", "line 2"),
        (f"{FIRST}\n> openverse DELETE /\n", "line 2"),
        (f"{FIRST}\n> openverse GET /\n", "in the middle"),
        (f"{FIRST}\n> openverse GET /\n< 999\n", "line 3"),
        (f"{FIRST}\n> openverse GET /\n< 200\n< 200\n", "line 4"),
        (f"{FIRST}\n> openverse GET /\n< 200\n? a=b\n", "line 4"),
        (f"{FIRST}\n> openverse GET /\n? =b\n", "line 3"),
        (f"{FIRST}\n> openverse GET /\n< 200\n: a\n", "line 4"),
        (f"{FIRST}\n> openverse GET /\n< 200\n| x\n: a=b\n", "line 5"),
        (f"{FIRST}\n> openverse GET /\n< 200\nwhat\n", "line 4"),
    ],
)
def test_what_is_no_recording_is_one_line(tmp_path, text, says):
    """A file that is none, or is broken, is refused with the line and what is wrong."""
    file = tmp_path / "run.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ByodError, match=says) as caught:
        Replay(file)
    assert "\n" not in str(caught.value)


def test_a_recording_of_more_than_one_run_is_refused(tmp_path, monkeypatch):
    """More answers than one run can have are one line."""
    monkeypatch.setattr("byod.collection.http.tape._MOST_ANSWERS", 10)
    file = tmp_path / "run.txt"
    file.write_text(f"{FIRST}\n" + "> a GET /\n< none\n" * 11, encoding="utf-8")
    with pytest.raises(ByodError, match="more than"):
        Replay(file)


def test_bytes_that_are_no_text_and_huge_files_are_refused(tmp_path, monkeypatch):
    """Size and encoding are looked at before anything is read."""
    file = tmp_path / "run.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ByodError, match="UTF-8"):
        Replay(file)
    with file.open("wb") as made:
        made.truncate(100_000_001)
    with pytest.raises(ByodError, match="larger than"):
        Replay(file)
    monkeypatch.setattr("byod.collection.http.tape.MAX_REPLY", 10)
    file.write_text(f"{FIRST}\n> a GET /\n< 200\n| {'x' * 30}\n", encoding="utf-8")
    with pytest.raises(ByodError, match="larger than a source's"):
        Replay(file)


ANY_LINE = st.one_of(
    st.sampled_from(["> openverse GET /v1/images/", "> commons GET /w/api.php", "< 200", "< none"]),
    st.sampled_from(["| {", "| }", "", "# x"]),
    st.builds("? {}={}".format, st.sampled_from(["q", "page", ""]), st.text(max_size=20)),
    st.builds(": {}={}".format, st.sampled_from(["age", "x"]), st.text(max_size=20)),
    st.builds("| {}".format, st.text(max_size=60)),
    st.text(max_size=30),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(ANY_LINE, max_size=25))
def test_any_file_ends_in_answers_or_one_line(tmp_path_factory, lines):
    """No file, however put together, is anything but answers or one line; and what it answers does no harm."""
    file = tmp_path_factory.mktemp("tape") / "run.txt"
    file.write_bytes("\n".join([FIRST, *lines]).encode("utf-8", "replace"))
    said = []
    try:
        tape, given = tapes.tape(None, file, Settings.load({}))
        for name in ("openverse", "commons"):
            with contextlib.suppress(SourceError):
                offered(client_with(tape, given), name)
    except ByodError as error:
        said.append(str(error))
    assert not [line for line in said if "\n" in line]


NAMES = st.text(alphabet=string.ascii_letters + " äß.'", min_size=4, max_size=20)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@example("A  A", "")
@given(NAMES.filter(lambda name: name.strip() == name), st.text(max_size=30))
def test_no_name_survives_in_its_own_words(name, title):
    """A creator is gone from every string of a reply, and the reply stays JSON with the same fields."""
    work = {"creator": name, "title": f"{title} {name} {title}", "tags": [{"name": "cat"}], "width": 3}
    made = StandIns(()).body(json.dumps({"results": [work]}).encode())
    (row,) = json.loads(made)["results"]
    assert set(row) == set(work)
    assert row["width"] == 3
    assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", row["title"])
    assert row["creator"] == "person 1"


ANY_TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["http://[", "https://x.example/users/ada/1", "//a", "http://", "User:Ada Lovelace", "a=b&key=c"]
    ),
)
ANY_FIELD = st.sampled_from(
    ["creator", "creator_url", "user", "user_id", "id", "name", "attribution", "value", "token", "x"]
)
ANY_VALUE = st.recursive(
    st.one_of(ANY_TEXT, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(ANY_FIELD, inner, max_size=4)),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ANY_VALUE)
def test_any_reply_is_written_down(value):
    """Whatever JSON a source answers with is written down as JSON of the same form, and the same the next time."""
    body = json.dumps(value).encode()
    made = StandIns(["secret"])
    first = made.body(body)
    assert type(json.loads(first)) is type(value)
    assert made.body(body) == first


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_written_down(content):
    """Whatever bytes a source answers with are written down as text."""
    StandIns(["secret"]).body(content)
