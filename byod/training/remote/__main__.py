"""The trainer's side: `python -m byod.training.remote FOLDER` does the job in the folder, and says how it goes."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byod.schema.errors import ByodError, UsageError
from byod.training import protocol
from byod.training.protocol import Run, Trained
from byod.training.remote.messages import JOB, MARK, Reply, TrainingJob, described


class Line:
    """The line to the host. Whatever libraries print goes to standard error from here on.

    When the host closes its end, this process ends at once: nobody is left to train for.
    """

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message."""
        self._out.write(MARK + json.dumps(dict(message)) + "\n")
        self._out.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for the next one."""
        message: dict[str, Any] = json.loads(self._lines.get())
        return message

    def _read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line)
        os._exit(0)


class Silent(Run):
    """The run of a process that is not the first of several: only the first one writes and speaks."""

    def save(self, epochs: int, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        """Left to the first process."""


def main(folder: Path) -> None:
    """Do the job, and answer until the host has heard enough."""
    job = TrainingJob.model_validate_json((folder / JOB).read_bytes())
    if int(os.environ.get("RANK", "0")):
        _train(job, Silent(**_run(job)))
        return
    line = Line()
    try:
        if job.task == "describe":
            line.send({"described": described(job.plugin).model_dump(mode="json")})
        elif job.task == "options":
            chosen = protocol.options(protocol.load(job.plugin), job.options)
            line.send({"options": chosen.model_dump(mode="json")})
        elif job.task == "beginning":
            trainer = protocol.load(job.plugin)
            line.send({"beginning": protocol.beginning(trainer, protocol.options(trainer, job.options))})
        else:
            _learn(job, line)
    except ByodError as error:
        line.send({"error": str(error), "wrong": "usage" if isinstance(error, UsageError) else "training"})
    while True:  # until the host closes its end
        line.hear()


def _run(job: TrainingJob) -> dict[str, Any]:
    names = ("folder", "seed", "device", "gpus", "cache", "cache_mb")
    return {name: getattr(job, name) for name in names}


def _train(job: TrainingJob, run: Run) -> Trained:
    assert job.learning is not None
    trainer = protocol.load(job.plugin)
    return trainer.train(job.learning, protocol.options(trainer, job.options), run)


def _learn(job: TrainingJob, line: Line) -> None:
    """Train, hand the result over, and then say of any arrays what the trained model says of them."""

    def should_stop() -> bool:
        line.send({"stop?": True})
        return bool(line.hear()["stop"])

    run = Run(
        **_run(job),
        say=lambda words: line.send({"say": words}),
        log=lambda epoch: line.send({"log": dict(epoch)}),
        should_stop=should_stop,
    )
    trained = _train(job, run)
    answer = Reply(**{name: getattr(trained, name) for name in Reply.model_fields})
    line.send({"trained": answer.model_dump(mode="json")})
    while True:
        ((kind, asked),) = line.hear().items()
        images = np.load(asked, allow_pickle=False)
        if kind == "logits":
            file = run.folder / "answer.npy"
            np.save(file, np.asarray(trained.logits(images), np.float32), allow_pickle=False)
        else:
            file = run.folder / "answer.npz"
            said = trained.outputs(images)
            np.savez(file, **{name: np.asarray(array, np.float32) for name, array in said.items()})  # type: ignore[arg-type]
        line.send({kind: str(file)})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
