"""What goes wrong around a review: servers that are none, tokens that are refused, things deleted or renamed."""

import io
import json
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import static_host
import studio_proxy
import trustme
from command import byod
from PIL import Image

from byod.api import adding
from byod.labeling import client as studios
from byod.labeling.client import LabelStudio
from byod.labeling.identity import key, marker
from byod.schema.errors import ReviewError
from byod.schema.recipe import Recipe
from byod.schema.review_tasks import Purpose, ReviewQueue
from byod.testing import draw_classes

TOKEN = "0" * 40


def silent(*_):
    """Nobody listens."""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A dataset of two classes, four pictures each."""
    draw_classes(tmp_path / "drawn", classes=("Katze", "Hund"), per_class=4, size=(320, 240))
    adding.add([tmp_path / "drawn"], None, tmp_path / "set", Recipe(), say=silent, watch=silent)
    return tmp_path / "set"


def review(folder: Path, verb: str, *arguments: str, url: str, token: str = TOKEN, check: int = 0) -> str:
    """What `byod review` says on stderr."""
    there = {"BYOD_LABEL_STUDIO_URL": url, "BYOD_LABEL_STUDIO_TOKEN": token}
    return byod("review", verb, str(folder), *arguments, folder=folder.parent, check=check, **there).stderr


def one_line(folder: Path, verb: str, *arguments: str, url: str, token: str = TOKEN, check: int = 1) -> str:
    """The one line that a verb has to say before it ends."""
    said = review(folder, verb, *arguments, url=url, token=token, check=check)
    (line,) = said.strip().splitlines()
    assert line.startswith("byod: ")
    return line


# --- servers that are none


def html(request):
    request.say(200, b"<html>Welcome to the intranet</html>", "text/html")


def other_json(request):
    request.say(200, b'{"version": "2.1", "name": "another program"}')


def a_list(request):
    request.say(200, b"[1, 2, 3]")


def no_json(request):
    request.say(404, b"<h1>Not Found</h1>", "text/html")


def elsewhere(request):
    request.send_response(302)
    request.send_header("Location", "https://login.example/?next=/api/version")
    request.send_header("Content-Length", "0")
    request.end_headers()


def halfway(request):
    """Tells a version, and knows no people."""
    if request.path == "/api/version":
        request.say(200, b'{"release": "1.23.2"}')
    else:
        request.say(200, b'{"hello": "world"}')


def dated(date):
    """Label Studio's first two answers, with this in the Date header."""

    def answer(request):
        body = b'{"release": "1.23.2", "email": "anna@example.org"}'
        request.send_response_only(200)
        request.send_header("Date", date)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def endless(request):
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.end_headers()
    while True:
        request.wfile.write(b" " * 65536)


def slow(request):
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    for _ in range(600):
        request.wfile.write(b" ")
        request.wfile.flush()
        time.sleep(0.1)


def torn(request):
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b'{"release"')
    request.close_connection = True


def bent(request):
    """Says it is packed, and is not."""
    request.send_response(200)
    request.send_header("Content-Encoding", "gzip")
    request.send_header("Content-Length", "9")
    request.end_headers()
    request.wfile.write(b'{"a": "b"')


@contextmanager
def answering(kind):
    """A web server that answers everything in one way."""

    class Request(BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                kind(self)
            except OSError:
                self.close_connection = True  # whoever asked has gone

        do_POST = do_GET  # noqa: N815

        def say(self, status, body, kind="application/json"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (html, "is not a Label Studio"),
        (other_json, "is not a Label Studio"),
        (a_list, "is not a Label Studio"),
        (no_json, "is not a Label Studio"),
        (elsewhere, "sends byod on to https://login.example/"),
        (halfway, "is not a Label Studio"),
        (endless, "sends more than byod takes"),
        (slow, "sends too slowly"),
        (torn, "no Label Studio answers"),
        (bent, "no Label Studio answers"),
    ],
)
def test_a_web_server_that_is_no_label_studio(kind, said, monkeypatch):
    """Whatever else answers at the address, it is one line, soon, and no traceback."""
    monkeypatch.setitem(studios._FIRST, "timeout", 1.0)
    with answering(kind) as url, pytest.raises(ReviewError) as caught:
        LabelStudio(url, TOKEN)
    assert said in str(caught.value)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "pull", "status", "open"])
def test_every_verb_says_it_in_one_line(folder, verb):
    """A wrong server is one line on stderr and exit code 1, whatever was asked for."""
    with answering(html) as url:
        assert "is not a Label Studio" in one_line(folder, verb, "--no-browser", url=url)


def test_nothing_listens(folder):
    """An address where nothing listens is one line that says what to start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert f"no Label Studio answers at {url}" in one_line(folder, "push", url=url)


@pytest.mark.slow
@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://here", "http://[::1", "http://a:99999999", "http://", "x y"]
)
def test_an_address_that_is_none(folder, url):
    """What is not an address of the web is refused before anything is asked."""
    assert "is not an address of a Label Studio" in one_line(folder, "push", url=url)


@pytest.mark.slow
def test_a_certificate_that_nobody_trusts_is_named_and_one_variable_makes_it_trusted(tmp_path, monkeypatch):
    """An authority of one's own is one line that names the variable; with it both of byod's clients trust it."""
    authority = trustme.CA()
    (tmp_path / "files").mkdir()
    with static_host.hosting(tmp_path / "files", authority.issue_cert("127.0.0.1")) as host:
        with pytest.raises(
            ReviewError, match=r"certificate of https://.* is not accepted \(.+\); REQUESTS_CA_BUNDLE"
        ):
            LabelStudio(host.url, TOKEN)
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        with pytest.raises(ReviewError, match="is not a Label Studio"):
            LabelStudio(host.url, TOKEN)


@pytest.mark.parametrize(
    ("date", "hour"),
    [
        ("Mon, 30 Nov 2026 12:00:00 GMT", 12),
        ("Mon, 30 Nov 2026 12:00:00 -0000", 12),
        ("Mon, 30 Nov 2026 12:00:00 +0200", 10),
        ("soon", None),
    ],
)
def test_a_date_in_any_zone_is_a_moment_that_can_be_compared(date, hour):
    """A proxy may write another zone than GMT, or none; what is no date is no clock."""
    with answering(dated(date)) as url:
        clock = LabelStudio(url, TOKEN).clock
    assert clock == (None if hour is None else datetime(2026, 11, 30, hour, tzinfo=UTC))


@pytest.mark.parametrize("token", ["two words", "ümlaut", "a\nb", "a\tb"])
def test_a_token_that_is_none(token):
    """A token that no header can carry is refused before it is sent."""
    with pytest.raises(ReviewError, match="is not a token of"):
        LabelStudio("http://127.0.0.1:9", token)


@pytest.mark.slow
def test_an_address_without_a_token(folder):
    """An address alone is a wrong use of the command: exit code 2."""
    done = byod("review", "push", str(folder), "--url", "http://127.0.0.1:9", folder=folder.parent, check=2)
    assert "needs a token" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_folder_for_files_that_is_not_there(folder):
    """--files-root must be a folder: byod makes none in places it does not know."""
    with answering(halfway) as url:
        line = one_line(folder, "push", "--files-root", str(folder / "nowhere"), url=url, check=2)
    assert "--files-root" in line
    assert not (folder / "nowhere").exists()


# --- a real server


@pytest.fixture
def there(live_studio) -> dict[str, str]:
    """Address and token of a real server."""
    return {"url": live_studio.url, "token": live_studio.token}


@pytest.fixture
def studio(live_studio) -> LabelStudio:
    return LabelStudio(live_studio.url, live_studio.token)


def projects_of(folder: Path, studio: LabelStudio) -> list[dict]:
    mine = marker(key(folder), ReviewQueue(purpose=Purpose.LABELS))
    return [one for one in studio.projects() if mine in (one["description"] or "")]


def tasks_of(folder: Path, studio: LabelStudio) -> list[dict]:
    (project,) = projects_of(folder, studio)
    return studio.tasks(project["id"])


def judge(studio: LabelStudio, task: dict, label: str) -> dict:
    choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
    return studio.post(f"/api/tasks/{task['id']}/annotations/", json={"result": [choice]})


def logged(folder: Path) -> list[dict]:
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return [said for said in map(json.loads, lines) if "@" in said["who"]]


def lies(folder: Path, task: dict) -> str:
    name = Path(task["data"]["file"]).name
    (found,) = [path for room in ("images", "rejected") for path in (folder / room).glob(f"*/{name}")]
    return found.parent.relative_to(folder).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "pull", "status", "open"])
def test_a_wrong_token(folder, live_studio, verb):
    """A token the server does not know is one line that says where to get one; nothing is written there."""
    line = one_line(folder, verb, "--no-browser", url=live_studio.url)
    assert "does not accept this token" in line
    assert "Account & Settings" in line


def personal_token(running, *, refused: bool = False) -> str:
    """A personal access token, made as a person makes one on the server's pages; revoked if `refused`."""
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"{running.url}/user/login/")
        form = {"email": running.email, "password": running.password}
        form["csrfmiddlewaretoken"] = session.cookies["csrftoken"]
        session.post(f"{running.url}/user/login/", data=form, headers={"Referer": running.url})
        headers = {"Referer": running.url, "X-CSRFToken": session.cookies["csrftoken"]}
        allowed = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
        session.post(f"{running.url}/api/jwt/settings", json=allowed, headers=headers).raise_for_status()
        made = session.post(f"{running.url}/api/token/", headers=headers)
        made.raise_for_status()
        token = made.json()["token"]
        if refused:
            gone = session.post(
                f"{running.url}/api/token/blacklist/", json={"refresh": token}, headers=headers
            )
            gone.raise_for_status()
        return token


@pytest.mark.long
def test_personal_access_tokens(folder, live_studio, monkeypatch):
    """One works, also beyond the life of what it is exchanged for; a revoked or malformed one is one line."""
    refused = personal_token(live_studio, refused=True)
    assert "does not accept this token" in one_line(folder, "push", url=live_studio.url, token=refused)
    assert "does not accept this token" in one_line(folder, "push", url=live_studio.url, token="a.b.c")
    token = personal_token(live_studio)
    root = ("--files-root", str(live_studio.files))
    assert (
        "8 pictures added"
        in byod(
            *("review", "push", str(folder), *root),
            folder=folder.parent,
            BYOD_LABEL_STUDIO_URL=live_studio.url,
            BYOD_LABEL_STUDIO_TOKEN=f"{token}\n",
        ).stdout
    )
    studio = LabelStudio(live_studio.url, token)
    first, since = studio._access
    assert first
    monkeypatch.setattr(studios.time, "monotonic", lambda clock=time.monotonic: clock() + 290)
    assert len(tasks_of(folder, studio)) == 8
    assert studio._access[1] > since
    studio._access = (
        "an.old.one",
        studio._access[1],
    )  # refused before its time, as after the server was restarted
    assert len(tasks_of(folder, studio)) == 8


@pytest.mark.long
def test_a_version_nobody_knows(folder, live_studio, studio):
    """A server of another version is said once, and used."""

    def newer(method, path):
        if path == "/api/version":
            return 200, {"Content-Type": "application/json"}, b'{"release": "9.8.7", "edition": "Community"}'
        return None

    with studio_proxy.proxy(live_studio.url) as front:
        front.act = newer
        said = review(
            folder, "push", "--files-root", str(live_studio.files), url=front.url, token=live_studio.token
        )
        assert said.count("9.8.7") == 1
        judge(studio, tasks_of(folder, studio)[0], "Hund")
        assert "9.8.7" in review(folder, "pull", url=front.url, token=live_studio.token)
    assert [one["label"] for one in logged(folder)] == ["Hund"]


@pytest.mark.long
def test_a_server_that_takes_include_otherwise(folder, live_studio, studio):
    """Where annotations come without what was said in them, the tasks are read whole: no answer is passed over."""

    def bare(method, path):
        if path.startswith("/api/tasks/") and "include=" in path:
            tasks = [
                {"id": t["id"], "data": t["data"], "updated_at": t["updated_at"], "annotations": [{"id": 1}]}
                for t in tasks_of(folder, studio)
                if t["annotations"]
            ]
            body = json.dumps({"total": len(tasks), "tasks": tasks}).encode()
            return 200, {"Content-Type": "application/json"}, body
        return None

    review(
        folder, "push", "--files-root", str(live_studio.files), url=live_studio.url, token=live_studio.token
    )
    judge(studio, tasks_of(folder, studio)[0], "Hund")
    with studio_proxy.proxy(live_studio.url) as front:
        front.act = bare
        review(folder, "pull", url=front.url, token=live_studio.token)
    assert [one["label"] for one in logged(folder)] == ["Hund"]


@pytest.mark.slow
def test_deleted_tasks_and_a_deleted_project_are_asked_again(folder, live_studio, studio, there):
    """What somebody deleted on the server is asked again; verdicts that were pulled stay as they are."""
    push = ("push", "--files-root", str(live_studio.files))
    review(folder, *push, **there)
    first, second, third, *_ = tasks_of(folder, studio)
    said = [judge(studio, first, "Hund"), judge(studio, second, "Katze")]
    review(folder, "pull", **there)
    (project,) = projects_of(folder, studio)
    for task in (first, third):
        studio.delete(f"/api/tasks/{task['id']}/")
    review(folder, *push, **there)
    asked = [task["data"]["byod_id"] for task in tasks_of(folder, studio)]
    assert sorted(asked) == sorted(set(asked))
    assert third["data"]["byod_id"] in asked
    assert first["data"]["byod_id"] not in asked  # somebody has said already what it is
    studio.delete(f"/api/projects/{project['id']}/")
    assert "no project" in one_line(folder, "pull", **there)
    review(folder, *push, **there)
    assert len(tasks_of(folder, studio)) == 6
    review(folder, "pull", **there)
    assert sorted(one["when"] for one in logged(folder)) == sorted(one["updated_at"] for one in said)
    assert lies(folder, first) == "images/Hund"
    review(folder, *push, "--again", **there)
    assert len(tasks_of(folder, studio)) == 8


@pytest.mark.long
def test_a_dataset_renamed_on_disk_finds_its_project(folder, live_studio, studio, there):
    """Push and pull go on with the project they had, whatever the folder is called now."""
    push = ("push", "--files-root", str(live_studio.files))
    review(folder, *push, **there)
    task, *_ = tasks_of(folder, studio)
    judge(studio, task, "Hund")
    renamed = folder.rename(folder.with_name("another name"))
    review(renamed, *push, **there)
    assert len(tasks_of(renamed, studio)) == 8
    review(renamed, "pull", **there)
    assert lies(renamed, task) == "images/Hund"


@pytest.mark.slow
def test_a_lost_catalog_doubles_no_verdict(folder, live_studio, studio, there):
    """With catalog.db deleted byod rebuilds it, finds its projects again, and takes no answer twice."""
    push = ("push", "--files-root", str(live_studio.files))
    review(folder, *push, **there)
    first, second, *_ = tasks_of(folder, studio)
    judge(studio, first, "Hund")
    review(folder, "pull", **there)
    before = (folder / "labels.jsonl").read_bytes()
    for file in folder.glob("catalog.db*"):
        file.unlink()
    judge(studio, second, "Hund")
    said = json.loads(
        byod(
            *("review", "pull", str(folder), "--json"),
            folder=folder.parent,
            BYOD_LABEL_STUDIO_URL=live_studio.url,
            BYOD_LABEL_STUDIO_TOKEN=live_studio.token,
        ).stdout
    )
    assert said["answers"] == 1
    assert (folder / "labels.jsonl").read_bytes().startswith(before)
    assert sorted(one["sha256"] for one in logged(folder)) == sorted(
        t["data"]["byod_id"] for t in (first, second)
    )
    review(folder, *push, **there)
    assert len(tasks_of(folder, studio)) == 8


@pytest.mark.long
def test_the_labelling_page_edited_by_somebody(folder, live_studio, studio, there):
    """A class added on the server is kept there and its verdicts wait, said; one taken away comes back."""
    push = ("push", "--files-root", str(live_studio.files))
    review(folder, *push, **there)
    (project,) = projects_of(folder, studio)
    config = project["label_config"]
    lines = [line for line in config.splitlines() if 'alias="Katze"' not in line]
    edited = "\n".join(lines).replace("</Choices>", '<Choice value="Esel"/></Choices>')
    studio.patch(f"/api/projects/{project['id']}/", json={"label_config": edited})
    first, second, *_ = tasks_of(folder, studio)
    judge(studio, first, "Esel")
    judge(studio, second, "Hund")
    said = review(folder, "pull", **there)
    (line,) = said.strip().splitlines()
    assert "'Esel'" in line
    assert [one["label"] for one in logged(folder)] == ["Hund"]
    review(folder, *push, **there)
    now = projects_of(folder, studio)[0]["label_config"]
    assert 'alias="Katze"' in now
    assert "Esel" in now
    recipe = folder / "byod.toml"
    recipe.write_text(
        recipe.read_text(encoding="utf-8") + '\n[classes."Esel"]\nname = "Esel"\n', encoding="utf-8"
    )
    review(folder, "pull", **there)
    assert sorted(one["label"] for one in logged(folder)) == ["Esel", "Hund"]
    assert lies(folder, first) == "images/Esel"


@pytest.mark.long
def test_a_labelling_page_of_another_kind(folder, live_studio, studio, there):
    """Answers to a question that is not byod's are said and left out; the next push brings the page back."""
    push = ("push", "--files-root", str(live_studio.files))
    review(folder, *push, **there)
    (project,) = projects_of(folder, studio)
    other = '<View><Image name="image" value="$image"/><Rating name="stars" toName="image"/></View>'
    studio.patch(f"/api/projects/{project['id']}/", json={"label_config": other})
    task, *_ = tasks_of(folder, studio)
    stars = {"from_name": "stars", "to_name": "image", "type": "rating", "value": {"rating": 4}}
    studio.post(f"/api/tasks/{task['id']}/annotations/", json={"result": [stars]})
    (line,) = review(folder, "pull", **there).strip().splitlines()
    assert "1 answers name no class" in line
    assert logged(folder) == []


@pytest.mark.slow
def test_answers_of_any_shape(folder, live_studio, studio, there):
    """What a program wrote instead of an answer is counted and left out; the others are taken."""
    review(folder, "push", "--files-root", str(live_studio.files), **there)
    found = tasks_of(folder, studio)
    bent = [
        [{"from_name": "label", "value": "Hund"}],
        [{"from_name": "label", "value": {"choices": 7}}],
        [{"from_name": "label", "value": {"choices": ["Hund", "Katze"]}}],
        [{"from_name": "label", "value": {}}],
        [],
    ]
    for task, result in zip(found, bent, strict=False):
        studio.post(f"/api/tasks/{task['id']}/annotations/", json={"result": result})
    judge(studio, found[len(bent)], "Hund")
    (line,) = review(folder, "pull", **there).strip().splitlines()
    assert "5 answers name no class" in line
    assert [one["label"] for one in logged(folder)] == ["Hund"]


def shown(running, task: dict) -> bytes:
    """The picture of a task as the server gives it to people."""
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Token {running.token}"}
        answer = session.get(running.url + task["data"]["image"], headers=headers, timeout=300)
    answer.raise_for_status()
    return answer.content


@pytest.mark.long
def test_a_server_whose_disk_byod_cannot_reach(folder, live_studio, studio, there):
    """Previews are uploaded and shown: small files as they are, large ones at most 1024 pixels wide."""
    Image.effect_noise((3000, 1500), 80).convert("RGB").save(folder / "images" / "Hund" / "large.png")
    review(folder, "push", **there)
    found = tasks_of(folder, studio)
    assert len(found) == 9
    for task in found:
        with Image.open(io.BytesIO(shown(live_studio, task))) as image:
            large = task["data"]["file"] == "Hund/large.png"
            assert image.size == ((1024, 512) if large else (320, 240))
    review(folder, "push", **there)
    assert len(tasks_of(folder, studio)) == 9


@pytest.mark.long
def test_the_folder_that_a_server_shows_files_from(folder, live_studio, studio, there, tmp_path):
    """With --files-root pictures are shown from there; a folder that server does not show is one line."""
    (tmp_path / "another").mkdir()
    line = one_line(folder, "push", "--files-root", str(tmp_path / "another"), **there)
    assert str(tmp_path / "another") in line
    review(folder, "push", "--files-root", str(live_studio.files), **there)
    for task in tasks_of(folder, studio):
        assert shown(live_studio, task) == (folder / "images" / task["data"]["file"]).read_bytes()


@pytest.mark.long
def test_a_picture_deleted_before_it_is_pushed_and_after(folder, live_studio, studio, there):
    """A file somebody deleted is not asked about; an answer about one deleted later moves nothing."""
    push = ("push", "--files-root", str(live_studio.files))
    review(folder, *push, **there)
    task, *_ = tasks_of(folder, studio)
    (folder / "images" / task["data"]["file"]).unlink()
    judge(studio, task, "Hund")
    said = review(folder, "pull", **there)
    assert "deleted by hand" in said
    assert not list((folder / "images").glob(f"*/{Path(task['data']['file']).name}"))
