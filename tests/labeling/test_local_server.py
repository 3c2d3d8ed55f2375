"""byod's own Label Studio, for real: started, found again, stopped, and every way in which that fails."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import label_studio as studio
import pytest
import requests

from byod.cli.doctor import examine
from byod.labeling import detached_process, local_server
from byod.schema.config import Settings
from byod.schema.errors import ReviewError

pytestmark = pytest.mark.slow

STARTER = (
    "import sys\nfrom byod.labeling import local_server\nfrom byod.schema.config import Settings\n"
    "say = lambda line: print(line, file=sys.stderr, flush=True)\n"
    "print(local_server.start(Settings.load(), say).model_dump_json())"
)


def starter() -> subprocess.Popen:
    """Another byod that starts the server of the home the environment names."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def servers(home: Path) -> list[int]:
    """The processes that serve from a home; what they start themselves for a moment does not count."""
    found = {}
    mark = f"LABEL_STUDIO_BASE_DATA_DIR={home / 'data'}".encode()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the parent is the second after the name
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return [pid for pid, parent in found.items() if parent not in found]


def without_waiting(home: Path) -> None:
    """Killed before it let the server run, byod leaves a process that ends as soon as it sees that: wait for it."""

    def waits(pid: int) -> bool:
        try:
            return b"sys.stdin.readline()" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    until = time.monotonic() + 60
    while any(waits(pid) for pid in servers(home)):
        assert time.monotonic() < until, "it waits for a byod that is gone"
        time.sleep(0.02)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def squatter():
    """A program that answers everything on its port with JSON that looks like a server that is up."""

    class Squatter(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("Authorization")))
            body = b'{"status": "UP", "email": "somebody@else.example", "release": "1.23.2"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    seen = []
    made = ThreadingHTTPServer(("127.0.0.1", 0), Squatter)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made.server_address[1], seen
    made.shutdown()
    made.server_close()


def remembered(home: Path, **fields) -> None:
    """A `server.json` as an earlier start left it."""
    known = {"url": "http://127.0.0.1:20000", "pid": 1, "born": "long ago", "version": local_server.VERSION}
    (home / "server.json").write_text(json.dumps(known | fields))


def test_it_starts_is_found_and_stops(studio_home):
    """A start gives a server that knows the token; it is found again, at the same address after a restart."""
    settings = Settings.load()
    assert local_server.running(settings) is None
    found = local_server.start(settings, studio.quiet)
    assert studio.asked(found, "/api/current-user/whoami")["email"] == found.email
    assert studio.asked(found, "/api/version")["release"] == local_server.VERSION
    assert local_server.running(settings) == found
    assert local_server.start(settings, studio.quiet) == found
    assert local_server.stop(settings, studio.quiet)
    assert local_server.running(settings) is None
    assert not local_server.stop(settings, studio.quiet)
    assert servers(studio_home) == []
    log = (studio_home / "server.log").stat().st_size
    again = local_server.start(settings, studio.quiet)
    assert (again.url, again.token) == (found.url, found.token)
    assert (studio_home / "server.log").stat().st_size < 2 * log


def test_it_is_private(studio_home, monkeypatch):
    """Loopback alone, no sign-up, no foreign Host; keys and folders for the owner alone; the shell counts not."""
    for name, value in {
        "HOST": "http://evil.example",
        "PORT": "1",
        "USERNAME": "x",
        "DATABASE_NAME": "/x",
    }.items():
        monkeypatch.setenv(name, value)
    running = local_server.start(Settings.load(), studio.quiet)
    assert running.files == studio_home / "files"
    assert {mode(studio_home / name) for name in (".", "data", "files")} == {0o700}
    assert {mode(studio_home / name) for name in ("keys.json", "server.json", "server.log")} == {0o600}
    shown = Path(f"/proc/{running.pid}/cmdline").read_bytes()
    assert running.token.encode() not in shown
    assert running.password.encode() not in shown
    form = {"email": "a@b.example", "password": "longenough1", "csrfmiddlewaretoken": "x"}
    assert requests.post(f"{running.url}/user/signup/", data=form, timeout=300).status_code == 403
    foreign = requests.get(f"{running.url}/api/version", headers={"Host": "evil.example"}, timeout=300)
    assert foreign.status_code == 400
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{running.pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{int(running.url.rsplit(':', 1)[1]):04X}")
    ]
    assert [address.split(":")[0] for address in listening] == ["0100007F"]


def test_models_on_loopback_alone(live_studio, squatter):
    """A model that byod serves on loopback may be attached; an address of another private network is refused."""
    config = "<View><Image name='i' value='$image'/></View>"
    made = studio.asked(live_studio, "/api/projects/", "POST", json={"title": "loop", "label_config": config})
    headers = {"Authorization": f"Token {live_studio.token}"}
    for host in ("169.254.169.254", "192.168.1.1", "10.0.0.1"):
        row = {"project": made["id"], "url": f"http://{host}:9090", "title": "x"}
        answer = requests.post(f"{live_studio.url}/api/ml/", json=row, headers=headers, timeout=300)
        assert "reserved network" in answer.text
    row = {"project": made["id"], "url": f"http://127.0.0.1:{squatter[0]}", "title": "x"}
    answer = requests.post(f"{live_studio.url}/api/ml/", json=row, headers=headers, timeout=300)
    assert "reserved network" not in answer.text
    assert "/health" in [path for path, _ in squatter[1]]


def test_a_taken_port_is_left_alone(studio_home, squatter):
    """Where another server has the port used last, byod takes another one and tells that server no token."""
    port, seen = squatter
    remembered(studio_home, url=f"http://127.0.0.1:{port}")
    settings = Settings.load()
    assert local_server.running(settings) is None
    running = local_server.start(settings, studio.quiet)
    assert running.url != f"http://127.0.0.1:{port}"
    assert studio.asked(running, "/api/current-user/whoami")["email"] == running.email
    assert [authorization for _, authorization in seen if authorization] == []


@pytest.mark.long
def test_a_port_taken_at_the_last_moment(studio_home, squatter, monkeypatch):
    """A port that somebody takes after byod chose it is noticed, although Label Studio silently takes the next."""
    free, chosen = local_server._free, []

    def blind(port):
        chosen.append(port)
        return True if len(chosen) == 1 else free(port)

    monkeypatch.setattr(local_server, "_free", blind)
    remembered(studio_home, url=f"http://127.0.0.1:{squatter[0]}")
    running = local_server.start(Settings.load(), studio.quiet)
    assert chosen[0] == squatter[0]
    assert running.url == f"http://127.0.0.1:{chosen[-1]}"
    assert running.url != f"http://127.0.0.1:{squatter[0]}"
    assert servers(studio_home) == [running.pid]


@pytest.mark.long
def test_two_starts_give_one_server(studio_home):
    """Two byods that start it at the same moment get the same server."""
    both = [starter(), starter()]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert told[0] == told[1]
    assert servers(studio_home) == [told[0]["pid"]]


@pytest.mark.long
def test_byod_killed_during_a_start(studio_home):
    """Killed at any moment of a start, byod leaves at most one server, and the next start gives a good one."""
    settings = Settings.load()
    moments = random.Random(4)
    left = 0
    for _ in range(8):
        process = starter()
        time.sleep(moments.uniform(0.1, 2.5))
        process.kill()
        process.communicate()
        without_waiting(studio_home)
        alive = servers(studio_home)
        left += len(alive)
        running = local_server.start(settings, studio.quiet)
        assert servers(studio_home) == [running.pid]
        assert alive in ([], [running.pid])
        assert studio.asked(running, "/api/current-user/whoami")["email"] == running.email
        local_server.stop(settings, studio.quiet)
        assert servers(studio_home) == []
    assert left  # otherwise nothing was killed in between


@pytest.mark.long
def test_byod_killed_during_the_first_start(label_studio_program, tmp_path, monkeypatch):
    """Killed while the database is set up, byod finds that server at the next start and waits for it."""
    home = tmp_path / "home"
    monkeypatch.setenv("BYOD_LABEL_STUDIO", str(label_studio_program))
    monkeypatch.setenv("BYOD_LABEL_STUDIO_HOME", str(home))
    process = starter()
    while not (home / "data" / "label_studio.sqlite3").exists():
        time.sleep(0.05)
    process.kill()
    process.communicate()
    (alive,) = servers(home)
    said = []
    try:
        running = local_server.start(Settings.load(), said.append)
        assert running.pid == alive
        assert any("already" in line for line in said)
        assert studio.asked(running, "/api/current-user/whoami")["email"] == running.email
    finally:
        local_server.stop(Settings.load(), studio.quiet)


@pytest.mark.long
def test_a_stop_ends_a_server_that_is_only_starting(studio_home):
    """What a killed byod left starting can be stopped before it is ready."""
    process = starter()
    while not (studio_home / "server.json").exists():
        time.sleep(0.02)
    process.kill()
    process.communicate()
    local_server.stop(Settings.load(), studio.quiet)
    without_waiting(studio_home)
    assert servers(studio_home) == []


@pytest.mark.long
def test_the_server_killed_from_outside(studio_home):
    """A server that somebody kills is running no more, and the next start brings it back at the same address."""
    settings = Settings.load()
    first = local_server.start(settings, studio.quiet)
    os.kill(first.pid, signal.SIGKILL)
    while detached_process.born(first.pid):
        time.sleep(0.02)
    assert local_server.running(settings) is None
    second = local_server.start(settings, studio.quiet)
    assert second.url == first.url
    assert second.pid != first.pid


@pytest.mark.long
def test_a_number_that_belongs_to_somebody_else(studio_home):
    """A remembered process whose number another program has now is not a server, and is not ended."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        remembered(studio_home, pid=other.pid)
        settings = Settings.load()
        assert local_server.running(settings) is None
        assert not local_server.stop(settings, studio.quiet)
        assert local_server.start(settings, studio.quiet).pid != other.pid
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.long
def test_a_token_that_was_reset(studio_home):
    """A token reset on the server's pages is asked for again with the password, of the server that runs."""
    settings, said = Settings.load(), []
    first = local_server.start(settings, studio.quiet)
    new = studio.asked(first, "/api/current-user/reset-token/", "POST")["token"]
    assert local_server.running(settings) is None
    again = local_server.start(settings, said.append)
    assert (again.pid, again.token) == (first.pid, new)
    assert any("changed" in line for line in said)
    assert local_server.running(settings) == again


@pytest.mark.long
def test_tokens_turned_off(studio_home):
    """Such tokens turned off on the server's pages are turned on again."""
    settings = Settings.load()
    first = local_server.start(settings, studio.quiet)
    off = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
    studio.asked(first, "/api/jwt/settings", "POST", json=off)
    assert local_server.running(settings) is None
    assert local_server.start(settings, studio.quiet) == first


@pytest.mark.long
def test_a_home_that_accepts_nothing(studio_home):
    """A home that accepts neither token nor password is one line that names the file; the server stays, to look at."""
    keys = json.loads((studio_home / "keys.json").read_text())
    wrong = keys | {"token": "0" * 40, "password": "wrong password"}
    (studio_home / "keys.json").write_text(json.dumps(wrong))
    settings = Settings.load()
    with pytest.raises(ReviewError, match=r"neither the token nor the password in .*keys\.json") as refused:
        local_server.start(settings, studio.quiet)
    assert "\n" not in str(refused.value)
    assert local_server.running(settings) is None
    (studio_home / "keys.json").write_text(json.dumps(keys))
    assert local_server.running(settings) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "#!/bin/sh\necho begin\necho 'ImportError: no such thing' >&2\nexit 3\n",
            "ImportError: no such thing",
        ),
        ("#!/no/such/interpreter\n", "No such file"),
        ("not a program", "Exec format error"),
        ("#!/bin/sh\nexit 0\n", "it said nothing"),
    ],
    ids=["ends with an error", "has no interpreter", "is not a program", "ends at once"],
)
def test_a_program_that_cannot_start(tmp_path, text, said):
    """A program that ends, or cannot run at all, gives one line with the reason and the log, and leaves no process."""
    program, home = tmp_path / "label-studio", tmp_path / "home"
    program.write_text(text)
    program.chmod(0o755)
    with pytest.raises(ReviewError, match=said) as refused:
        local_server.start(studio.settings(home, program), studio.quiet)
    assert "\n" not in str(refused.value)
    assert str(home / "server.log") in str(refused.value)
    assert servers(home) == []


def test_a_program_that_never_answers(tmp_path, monkeypatch):
    """A program that runs and does not answer is ended in the end."""
    program, home = tmp_path / "label-studio", tmp_path / "home"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(local_server, "START_SECONDS", 1.0)
    with pytest.raises(ReviewError, match="does not answer after 1 s"):
        local_server.start(studio.settings(home, program), studio.quiet)
    assert servers(home) == []


def test_what_is_wrong_with_the_settings_or_files(tmp_path):
    """A program that is none, and damaged files, are one line that says which."""
    home = tmp_path / "home"
    with pytest.raises(ReviewError, match=r"BYOD_LABEL_STUDIO is .* not a program"):
        local_server.start(studio.settings(home, tmp_path / "missing"), studio.quiet)
    for name in ("server.json", "keys.json"):
        (home / name).write_text("{")
        with pytest.raises(ReviewError, match=f"{name} is damaged"):
            local_server.running(studio.settings(home))
        (home / name).unlink()


def test_data_of_another_version(studio_home):
    """Data that a later version wrote are refused in one line; those of an earlier one are used, and that is said."""
    settings, said = Settings.load(), []
    remembered(studio_home, version="99.0.0")
    with pytest.raises(ReviewError, match=r"from Label Studio 99\.0\.0, and this one is 1\.23\.2"):
        local_server.start(settings, studio.quiet)
    remembered(studio_home, version="1.9.0")
    local_server.start(settings, said.append)
    assert any("from Label Studio 1.9.0" in line for line in said)


@pytest.mark.long
def test_a_server_for_a_while(studio_home):
    """`serving` stops what it started, also after an error, and leaves alone what ran before."""
    settings = Settings.load()
    with pytest.raises(ZeroDivisionError), local_server.serving(settings, studio.quiet) as running:  # noqa: PT012
        assert local_server.running(settings) == running
        raise ZeroDivisionError
    assert local_server.running(settings) is None
    first = local_server.start(settings, studio.quiet)
    with local_server.serving(settings, studio.quiet) as running:
        assert running == first
    assert local_server.running(settings) == first


@pytest.mark.long
def test_the_server_outlives_byod(studio_home):
    """A server started by a byod that ended goes on, out of reach of the signals of byod's terminal."""
    told = json.loads(starter().communicate(timeout=120)[0])
    running = local_server.running(Settings.load())
    assert running is not None
    assert running.pid == told["pid"]
    assert os.getsid(running.pid) == running.pid


def test_the_doctor_says_where_it_stands(studio_home, tmp_path):
    """The doctor tells a missing, a resting and a running Label Studio apart, and makes no folder."""

    def line(settings):
        (found,) = [each for each in examine(settings, tmp_path) if "Label Studio" in each.what + each.remedy]
        return found

    nowhere = tmp_path / "nowhere" / "home"
    assert "not installed" in line(studio.settings(nowhere)).what
    assert not nowhere.parent.exists()
    assert line(studio.settings(nowhere, tmp_path / "missing")).level == "fault"
    settings = Settings.load()
    assert line(settings).what.endswith("does not run")
    running = local_server.start(settings, studio.quiet)
    assert line(settings).what.endswith(f"runs at {running.url}")
    assert socket.create_connection(("127.0.0.1", int(running.url.rsplit(":", 1)[1])), 5).close() is None


USER = (
    "import sys\nfrom byod.labeling import local_server\nfrom byod.schema.config import Settings\n"
    "with local_server.serving(Settings.load(), lambda line: None) as running:\n"
    "    print(running.pid, flush=True)\n    sys.stdin.readline()\n"
)


def user() -> tuple[subprocess.Popen, int]:
    """Another byod that uses the server until it is told to end, and the server's process."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", USER], **pipes)
    return process, int(process.stdout.readline())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are counted in /proc")
def test_a_shared_server_stops_with_the_last_who_uses_it(studio_home):
    """Whoever started it may leave, and one may be killed: it goes on for the others, and no longer than they do."""
    first, served = user()
    second, same = user()
    killed, _ = user()
    assert served == same
    killed.kill()
    killed.wait()
    first.communicate("\n")
    assert servers(studio_home) == [served]
    second.communicate("\n")
    assert servers(studio_home) == []
    third, served = user()
    assert local_server.start(Settings.load(), studio.quiet).pid == served
    third.communicate("\n")
    assert servers(studio_home) == [served], "somebody asked for it to stay"
