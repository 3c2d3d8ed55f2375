"""The host's side: a trainer behind another Python, used as any other."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from byod.schema import files
from byod.schema.errors import TrainerError, UsageError
from byod.training.protocol import Floats, Run, Trained, TrainingData
from byod.training.remote.messages import JOB, MARK, MAX_LINE, Described, Reply, TrainingJob


class Given(BaseModel):
    """Options that the other side has checked: kept as they were typed."""

    model_config = ConfigDict(extra="allow")


@dataclass
class Remote:
    """A trainer behind another Python; use it as any other.

    `python` is that environment's interpreter, `launcher` what stands between it and `-m byod.training.remote` (how
    several processes are started).

    Raises:
        TrainerError: that Python cannot be run, has no byod, or has no such trainer.
    """

    name: str
    python: Path
    launcher: tuple[str, ...] = ()
    Options: ClassVar[type[BaseModel]] = Given

    def __post_init__(self) -> None:
        """Ask what it is; nothing heavy is imported there."""
        said = self._request(TrainingJob(plugin=self.name, task="describe"), "described")
        try:
            self.described = Described.model_validate(said)
        except ValidationError as error:
            raise TrainerError(f"{self.python} says what this byod does not understand ({error})") from error
        self.tasks, self.resumes = self.described.tasks, self.described.resumes

    def doctor(self) -> list[str]:
        """List what is missing in that environment."""
        return list(self.described.doctor)

    def check(self, given: Mapping[str, str]) -> BaseModel:
        """The options as the trainer there understands them.

        Raises:
            UsageError: an unknown option, or a value that does not fit.
        """
        self._request(TrainingJob(plugin=self.name, task="options", options=dict(given)), "options")
        return Given.model_validate(dict(given))

    def beginning(self, options: BaseModel) -> str:
        """What the trainer there begins with; empty where that byod, or that trainer, does not say."""
        if not self.described.begins:
            return ""
        return str(
            self._request(
                TrainingJob(plugin=self.name, task="beginning", options=_texts(options)), "beginning"
            )
        )

    def train(self, data: TrainingData, options: BaseModel, run: Run) -> Trained:
        """Train over there; the process stays until byod has compared the export with the trained model."""
        job = TrainingJob(
            plugin=self.name,
            task="train",
            options=_texts(options),
            learning=data,
            folder=run.folder.resolve(),
            seed=run.seed,
            device=run.device,
            gpus=run.gpus,
            cache=(run.cache or run.folder / "pixels").resolve(),
            cache_mb=run.cache_mb,
        )
        other = _Other(self.python, self.launcher, run.folder.resolve(), job)
        try:
            return _trained(_listen(other, run), other, run.folder.resolve())
        except BaseException:
            other.end()
            raise

    def _request(self, job: TrainingJob, wanted: str) -> Any:
        with tempfile.TemporaryDirectory(prefix="byod-") as folder:
            other = _Other(self.python, (), Path(folder), job)
            try:
                kind, what = other.hear()
            finally:
                other.end()
        if kind != wanted:
            raise TrainerError(f"{self.python} answered {kind!r} where {wanted!r} was asked for")
        return what


def _texts(options: BaseModel) -> dict[str, str]:
    """The options as they were typed."""
    return {key: str(value) for key, value in (options.model_extra or {}).items()}


def _listen(other: _Other, run: Run) -> Any:
    """Pass on what it says while it learns, until it has learned."""
    while True:
        kind, what = other.hear()
        if kind == "say":
            run.say(str(what))
        elif kind == "log":
            run.log(what)
        elif kind == "stop?":
            other.send({"stop": run.should_stop()})
        elif kind == "trained":
            return what


def _trained(what: Any, other: _Other, folder: Path) -> Trained:
    try:
        answer = Reply.model_validate(what)
    except ValidationError as error:
        raise TrainerError(f"the trainer gave back what this byod does not understand ({error})") from error
    for file in (answer.onnx, answer.weights):
        if file is not None and folder not in file.resolve().parents:
            raise TrainerError(f"the trainer gave back a file outside its folder: {file}")

    def request(what: str, images: Floats) -> Path:
        file = folder / "asked.npy"
        np.save(file, images, allow_pickle=False)
        other.send({what: str(file)})
        kind, said = other.hear()
        if kind != what or folder not in Path(said).resolve().parents:
            raise TrainerError(f"the trainer answered {kind!r} where {what} were asked for")
        return Path(said)

    def logits(images: Floats) -> Floats:
        found: Floats = np.load(request("logits", images), allow_pickle=False)
        return found

    def outputs(images: Floats) -> dict[str, Floats]:
        with np.load(request("outputs", images), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    facts = {name: getattr(answer, name) for name in Reply.model_fields}
    return Trained(logits=logits, outputs=outputs, release=other.end, **facts)


class _Other:
    """The process over there; it ends when this end of its input is closed."""

    def __init__(self, python: Path, launcher: tuple[str, ...], folder: Path, job: TrainingJob) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        files.replace(folder / JOB, job.model_dump_json().encode())
        self._python, self._errors = python, folder / "errors.txt"
        with self._errors.open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    [
                        str(python),
                        *(launcher or ("-P",)),
                        "-m",
                        "byod.training.remote",
                        str(folder),
                    ],  # -P: not the folder we stand in
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                )
            except OSError as error:
                raise TrainerError(
                    f"{python} cannot be run ({error.strerror}); --python names a Python"
                ) from error

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one line."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(dict(message)) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def hear(self) -> tuple[str, Any]:
        """The next thing it says: (kind, what); its errors are raised here."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline(MAX_LINE):
            if not line.startswith(MARK):
                continue
            try:
                message = json.loads(line[len(MARK) :])
                ((kind, what),) = ((k, v) for k, v in message.items() if k != "wrong")
            except (ValueError, AttributeError) as error:
                raise TrainerError(f"{self._python} said what is not a message ({line[:80]!r})") from error
            if kind == "error":
                raise (UsageError if message.get("wrong") == "usage" else TrainerError)(str(what))
            return str(kind), what
        raise self._ended()

    def _ended(self) -> TrainerError:
        code = self._process.wait()
        lines = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        if re.search(r"No module named '?byod\b", last):
            last = f"byod is not installed there; from a clone: uv pip install -p {self._python} -e . -e plugins/…"
        return TrainerError(
            f"the trainer behind {self._python} ended (exit code {code}): {last.strip()[:300]}"
        )

    def end(self) -> None:
        """Close its input, and wait until it has gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # it has gone already
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
