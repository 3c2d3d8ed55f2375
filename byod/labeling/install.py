"""Label Studio as a program: where it is, its version, and its installation in an environment of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from byod.labeling.home import alone, home, private_folder, write_private
from byod.schema.config import Settings
from byod.schema.errors import ReviewError
from byod.schema.progress import Say

VERSION = "1.23.2"
"""The Label Studio that byod installs and is tested with."""
_SCRIPTS = Path("Scripts" if sys.platform == "win32" else "bin")
_SUFFIX = ".exe" if sys.platform == "win32" else ""
_CURRENT = "program"
"""The file that names the environment in use; written last, so that a half-made one is never taken for a whole one."""
_EVERY = 20.0
"""Seconds between two words on how an installation is getting on."""


def program(settings: Settings) -> Path | None:
    """The Label Studio to start: `BYOD_LABEL_STUDIO`, or the one byod installed; None when there is neither.

    Raises:
        ReviewError: `BYOD_LABEL_STUDIO` does not name a program.
    """
    told = settings.environment.get("BYOD_LABEL_STUDIO")
    if told:
        named = Path(told).expanduser().absolute()
        if not named.is_file() or not os.access(named, os.X_OK):
            raise ReviewError(
                f"BYOD_LABEL_STUDIO is {told!r}, which is not a program; give the path of label-studio, or unset it"
            )
        return named
    folder = home(settings)
    current = folder / _CURRENT
    if not current.is_file():
        return None
    installed = folder / current.read_text(encoding="utf-8").strip() / _SCRIPTS / f"label-studio{_SUFFIX}"
    return installed if installed.is_file() and version(installed) == VERSION else None


def version(installed: Path) -> str | None:
    """The version of a Label Studio, read from its environment without starting it; None when it cannot be seen."""
    environment = installed.resolve().parent.parent
    for pattern in ("lib/python*/site-packages", "Lib/site-packages"):
        for found in environment.glob(f"{pattern}/label_studio-*.dist-info"):
            return found.name.removeprefix("label_studio-").removesuffix(".dist-info")
    return None


def install(settings: Settings, say: Say) -> Path:
    """Install Label Studio in an environment of its own, in byod's folder for it, and give its program.

    Another byod that installs it meanwhile is waited for; a killed installation leaves a folder that the next one
    removes. The package index is the one that uv or pip is set up for.

    Raises:
        ReviewError: it cannot be installed; says the installer's last line.
    """
    folder = home(settings)
    private_folder(folder)
    with alone(folder, "install", say):
        present = None if settings.environment.get("BYOD_LABEL_STUDIO") else program(settings)
        if present is not None:
            return present
        say(
            f"installing Label Studio {VERSION} into {folder}: about 0.8 GB, in an environment of its own "
            "(half a minute with uv, a few minutes with pip)"
        )
        for left in folder.glob("venv-*"):
            shutil.rmtree(left, ignore_errors=True)  # of a killed installation, or of an earlier version
        environment = folder / f"venv-{secrets.token_hex(4)}"
        private_folder(environment)
        try:
            _fill(environment, folder / "install.log", say)
        except BaseException:
            shutil.rmtree(environment, ignore_errors=True)
            raise
        write_private(folder / _CURRENT, environment.name)
    installed = environment / _SCRIPTS / f"label-studio{_SUFFIX}"
    say(f"Label Studio {VERSION} is installed")
    return installed


def last_line(log: Path) -> str:
    """The last line of a log that says something, on one line of at most 300 characters."""
    lines = _lines(log)
    return lines[-1][:300] if lines else "it said nothing"


def _reason(log: Path) -> str:
    """The last line of an installer; uv breaks its errors into lines, and begins the first with a word or a cross."""
    lines = _lines(log)
    begins = [place for place, line in enumerate(lines) if line.startswith(("error:", "ERROR:", "×"))]
    return " ".join(lines[begins[-1] :])[:300] if begins else last_line(log)


def _lines(log: Path) -> list[str]:
    """The lines at the end of a log that say something, without frames and spare blanks."""
    if not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 16_384))
        text = stream.read().decode("utf-8", "replace")
    lines = (" ".join(line.strip(" \t*-=│╰├─▶").split()) for line in text.splitlines())
    return [line for line in lines if line]


def _uv() -> str | None:
    beside = Path(sys.executable).parent / f"uv{_SUFFIX}"
    return shutil.which("uv") or (str(beside) if beside.is_file() else None)


def _fill(environment: Path, log: Path, say: Say) -> None:
    """Make the environment and install into it."""
    python, uv = environment / _SCRIPTS / f"python{_SUFFIX}", _uv()
    wanted = f"label-studio=={VERSION}"
    if uv:
        steps = [
            [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(environment)],
            [uv, "pip", "install", "--quiet", "--python", str(python), wanted],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(environment)],
            [str(python), "-m", "pip", "install", "--quiet", "--no-input", wanted],
        ]
    log.unlink(missing_ok=True)
    for step in steps:
        _run(step, environment, log, say)
    found = version(environment / _SCRIPTS / "label-studio")
    if found != VERSION:
        raise ReviewError(f"asked for Label Studio {VERSION}, the installer gave {found}; see {log}")


def _run(step: Sequence[str], environment: Path, log: Path, say: Say) -> None:
    """Run one step of the installer, away from any project whose settings it would read."""
    seen = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    began = time.monotonic()
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as stream:
        process = subprocess.Popen(
            step, cwd=environment, env=seen, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        try:
            while True:
                try:
                    code = process.wait(_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    say(f"still installing Label Studio ({time.monotonic() - began:.0f} s)")
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code:
        raise ReviewError(f"Label Studio {VERSION} cannot be installed: {_reason(log)} (all of it: {log})")
