"""byod's own Label Studio: one private server on loopback, found, started and stopped."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from byod.labeling import detached_process, server_users
from byod.labeling.home import alone, home, private_folder, write_private
from byod.labeling.install import VERSION, install, last_line, program, version
from byod.labeling.login import Keys, accepts, is_running, regain
from byod.schema.config import Settings
from byod.schema.errors import ReviewError
from byod.schema.progress import Say
from byod.schema.records import Record

__all__ = [
    "VERSION",
    "Running",
    "home",
    "install",
    "program",
    "running",
    "serving",
    "start",
    "stop",
    "version",
]

EMAIL = "byod@localhost"
START_SECONDS = 600.0
"""How long a start may take: the first one sets up the database, about a minute on two busy cores."""
_TRIES = 5
_MOVED = "Trying to start at"
_BANNED = "10.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7,fe80::/10"
_NOWHERE = "http://127.0.0.1:9"
"""A proxy that is none (port 9 is "discard"): what the server asks of the internet ends here, without a look-up."""


class Running(Record):
    """A server that runs: its address, how to enter, its process, and the folder it may show files from."""

    url: str
    token: str
    email: str
    password: str
    pid: int
    files: Path


class SavedServer(Record):
    """The content of `server.json` on the server started last: `born` tells its process from a later one.

    A `temporary` one is stopped by the last byod that uses it.
    """

    url: str
    pid: int
    born: str
    version: str | None
    temporary: bool = False


class _Elsewhere(Exception):  # noqa: N818 - reads as what happened
    """The server found its port taken and went to another one."""


def running(settings: Settings) -> Running | None:
    """The server, if its process lives, answers and accepts byod's token.

    Raises:
        ReviewError: a file that byod keeps about it cannot be read.
    """
    folder = home(settings)
    known, keys = _saved(folder), _keys(folder)
    if known is None or keys is None or detached_process.born(known.pid) != known.born:
        return None
    return _running(folder, known, keys) if accepts(known.url, keys) else None


def start(
    settings: Settings, say: Say, *, extra: Mapping[str, str] | None = None, temporary: bool = False
) -> Running:
    """The running server, or one that is started now; installs it where it is missing.

    It stays when byod ends, also one that was `temporary` until now.

    Two starts at the same time give one server. `extra` is added to the server's environment, which is otherwise
    made from nothing.

    Raises:
        ReviewError: it cannot be installed or started, or does not accept byod's token.
    """
    folder = home(settings)
    private_folder(folder)
    with alone(folder, "start", say):
        found = running(settings)
        if found is not None:
            if not temporary:
                _keep(folder)
            return found
        known, keys = _saved(folder), _keys(folder) or _new_keys(folder)
        if known is not None and detached_process.born(known.pid) == known.born:
            if not is_running(known.url):
                say("Label Studio is starting already; waiting for it")
            return _await(folder, known, keys, say)
        tool = program(settings) or install(settings, say)
        _check_version(folder, known, version(tool), say)
        say(
            "starting Label Studio" + ("" if known else ", which sets up its database first (about a minute)")
        )
        port = _port(known.url if known else None)
        for _ in range(_TRIES):
            try:
                spawned = _spawn(folder, tool, keys, port, extra or {}, temporary)
                return _await(folder, spawned, keys, say)
            except _Elsewhere:
                port = _port(None)
        raise ReviewError(f"Label Studio found every port taken that byod chose; see {folder / 'server.log'}")


def stop(settings: Settings, say: Say) -> bool:
    """End the server, also one that hangs or is only starting; False when none runs."""
    folder = home(settings)
    if _saved(folder) is None:
        return False
    with alone(folder, "start", say):
        return _end(folder, say)


def _end(folder: Path, say: Say) -> bool:
    known = _saved(folder)
    if known is None or detached_process.born(known.pid) != known.born:
        return False
    if not detached_process.end(known.pid, known.born):
        raise ReviewError(f"Label Studio (process {known.pid}) does not end; end it by hand")
    say("Label Studio has stopped")
    return True


def _keep(folder: Path) -> None:
    """Have a temporary server stay until it is stopped."""
    known = _saved(folder)
    if known is not None and known.temporary:
        kept = known.model_copy(update={"temporary": False})
        write_private(folder / "server.json", kept.model_dump_json(indent=1) + "\n")


@contextmanager
def serving(settings: Settings, say: Say) -> Iterator[Running]:
    """The running server; where none runs, one that is stopped by the last of those who use it."""
    folder = home(settings)
    private_folder(folder)
    with server_users.registered(folder):
        try:
            yield running(settings) or start(settings, say, temporary=True)
        finally:
            with alone(folder, "start", say):
                known = _saved(folder)
                if known is not None and known.temporary and not server_users.others(folder):
                    _end(folder, say)


def _running(folder: Path, known: SavedServer, keys: Keys) -> Running:
    return Running(
        url=known.url,
        pid=known.pid,
        files=folder / "files",
        **keys.model_dump(include=set(Keys.model_fields)),
    )


def _saved(folder: Path) -> SavedServer | None:
    text = _text(folder / "server.json")
    try:
        return SavedServer.model_validate_json(text, extra="allow") if text else None
    except ValidationError:
        raise ReviewError(f"{folder / 'server.json'} is damaged; remove it") from None


def _keys(folder: Path) -> Keys | None:
    text = _text(folder / "keys.json")
    try:
        return Keys.model_validate_json(text, extra="allow") if text else None
    except ValidationError:
        raise ReviewError(
            f"{folder / 'keys.json'} is damaged; put back its token, email and password"
        ) from None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _new_keys(folder: Path) -> Keys:
    keys = Keys(token=secrets.token_hex(20), email=EMAIL, password=secrets.token_urlsafe(18))
    write_private(folder / "keys.json", keys.model_dump_json(indent=1) + "\n")
    return keys


def _check_version(folder: Path, known: SavedServer | None, tool: str | None, say: Say) -> None:
    """Say when the data were last used by another version, and refuse to give them to an older one."""
    if known is None or known.version is None or tool is None or known.version == tool:
        return
    if _numbers(tool) < _numbers(known.version):
        raise ReviewError(
            f"the reviews in {folder} are from Label Studio {known.version}, and this one is {tool}, which cannot "
            f"read them; use {known.version} or later, or set BYOD_LABEL_STUDIO_HOME to another folder"
        )
    say(f"the reviews in {folder} are from Label Studio {known.version}; {tool} brings them up to date")


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdigit())


def _port(last: str | None) -> int:
    """The port used last, so that addresses stay the same, or a free one below those the system deals out."""
    if last is not None and _free(port := int(last.rsplit(":", 1)[1])):
        return port
    while not _free(port := 20_000 + secrets.randbelow(12_000)):
        continue
    return port


def _free(port: int) -> bool:
    """True if nobody listens on a port of this machine's loopback."""
    with socket.socket() as asking:
        asking.settimeout(2.0)
        if asking.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as trying:
        if sys.platform != "win32":  # there it would mean that two may listen
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _environment(folder: Path, keys: Keys, extra: Mapping[str, str]) -> dict[str, str]:
    """All the server sees of the environment; a HOST, PORT or USERNAME of the user's shell would be taken for its own.

    https://labelstud.io/guide/start and label_studio/core/settings/base.py of the version named above.
    """
    kept = ("PATH", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "PATHEXT", "LD_LIBRARY_PATH")
    own = str(folder / "data")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), own),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "LABEL_STUDIO_BASE_DATA_DIR": own,
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(folder / "files"),
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_ALLOWED_HOSTS": "127.0.0.1,localhost",
        "LABEL_STUDIO_CORS_ALLOW_ALL_ORIGINS": "false",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_USERNAME": keys.email,
        "LABEL_STUDIO_PASSWORD": keys.password,
        "LABEL_STUDIO_USER_TOKEN": keys.token,
        # a model that byod serves on loopback may be asked, other private networks not
        "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "false",
        "LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS": _BANNED,
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOWHERE),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,::1"),
        **extra,
    }


def _spawn(
    folder: Path, tool: Path, keys: Keys, port: int, extra: Mapping[str, str], temporary: bool
) -> SavedServer:
    """Start the server; its process is written down before it does anything, so a killed byod leaves none unknown."""
    for name in ("data", "files"):
        private_folder(folder / name)
    log = folder / "server.log"
    arguments = ["start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    try:
        waiting = detached_process.Waiting(
            [str(tool), *arguments, "--log-level", "WARNING"], _environment(folder, keys, extra), log
        )
    except OSError as error:
        raise ReviewError(f"{tool} cannot be started: {error.strerror}") from error
    known = SavedServer(
        url=f"http://127.0.0.1:{port}",
        pid=waiting.pid,
        born=detached_process.born(waiting.pid) or "gone",
        version=version(tool),
        temporary=temporary,
    )
    write_private(folder / "server.json", known.model_dump_json(indent=1) + "\n")
    waiting.go()
    return known


def _await(folder: Path, known: SavedServer, keys: Keys, say: Say) -> Running:
    """Wait until the server answers and accepts byod's token; one that went elsewhere or hangs is ended."""
    log = folder / "server.log"
    began = told = time.monotonic()
    while True:
        said = log.read_text("utf-8", "replace")
        if _MOVED in said:
            detached_process.end(known.pid, known.born)
            raise _Elsewhere
        if detached_process.born(known.pid) != known.born:
            raise ReviewError(f"Label Studio ended before it was ready: {last_line(log)} (all of it: {log})")
        if accepts(known.url, keys):
            return _running(folder, known, keys)
        if f"server at {known.url}/" in said and is_running(known.url):  # it is no other program at that port
            return _running(folder, known, _changed(folder, known, keys, say))
        now = time.monotonic()
        if now - began > START_SECONDS:
            detached_process.end(known.pid, known.born)
            raise ReviewError(f"Label Studio does not answer after {START_SECONDS:.0f} s; see {log}")
        if now - told >= 20:
            told = now
            say(f"still starting ({now - began:.0f} s)")
        time.sleep(0.2)


def _changed(folder: Path, known: SavedServer, keys: Keys, say: Say) -> Keys:
    """The keys that hold now, where somebody changed the token on the server's pages; kept from now on."""
    again = regain(known.url, keys)
    if again is None:
        raise ReviewError(
            f"the Label Studio at {known.url} accepts neither the token nor the password in {folder / 'keys.json'}; "
            "put there what it accepts (its page Account & Settings shows the token), then try again"
        )
    say("the token had been changed on the server's pages; byod goes on with the new one")
    write_private(folder / "keys.json", again.model_dump_json(indent=1) + "\n")
    return again
