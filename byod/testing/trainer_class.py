"""Check the declarations of a trainer's class, before anything is trained."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from byod.schema.errors import UsageError
from byod.testing.jobs import TrialJob, place, send
from byod.testing.spies import Broken, Rule
from byod.training import protocol
from byod.training.protocol import Trainer


def form(cls: type[Trainer]) -> str:
    """Look at what the class says of itself; its name."""
    with Rule(cls.__name__, "cannot be made without arguments"):
        trainer = cls()
    name = trainer.name
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise Broken(f"{cls.__name__}.name must be a word of small letters and digits, not {name!r}")
    tasks = trainer.tasks
    if not isinstance(tasks, tuple) or not tasks or not all(isinstance(task, str) for task in tasks):
        raise Broken(f"{name}.tasks must be a tuple of the names of at least one task, not {tasks!r}")
    if not isinstance(trainer.resumes, bool):
        raise Broken(f"{name}.resumes must be True or False, not {trainer.resumes!r}")
    made = trainer.Options
    if not (isinstance(made, type) and issubclass(made, BaseModel)):
        raise Broken(f"{name}.Options must be a pydantic model, not {made!r}")
    if made.model_config.get("extra") != "forbid":
        raise Broken(f"{name}.Options must forbid unknown options: model_config = ConfigDict(extra='forbid')")
    with Rule(name, "must take no options at all"):
        protocol.options(trainer, {})
    _check_doctor(cls, name)
    return name


def _check_doctor(cls: type[Trainer], name: str) -> None:
    """In a process of its own, where nothing heavy was imported before."""
    where = place(cls)
    with tempfile.TemporaryDirectory(prefix="byod-") as folder:
        answer, last = send(TrialJob(trainer=where, task="doctor", answer=Path(folder) / "doctor"))
    if not answer:
        raise Broken(
            f"{name} cannot be imported as {where} and asked for its doctor's word in another process: {last}"
        )
    said = json.loads(answer)
    if said["heavy"]:
        raise Broken(
            f"{name}.doctor, or the module it is in, imports {', '.join(said['heavy'])}; it must be quick"
        )
    lines = said["lines"]
    if not isinstance(lines, list) or any(not isinstance(line, str) or "\n" in line for line in lines):
        raise Broken(f"{name}.doctor must give a list of single lines, not {lines!r}")


def refuses_unknown_options(cls: type[Trainer], name: str, given: Mapping[str, str]) -> None:
    """See that the given options are taken, and one that does not exist is not."""
    trainer = cls()
    with Rule(name, f"does not take the options {dict(given)}"):
        protocol.options(trainer, given)
    unknown = "no_such_option"
    with Rule(name, "must refuse an unknown option with a UsageError"):
        try:
            protocol.options(trainer, {**given, unknown: "1"})
        except UsageError as error:
            unnamed = [known for known in trainer.Options.model_fields if known not in str(error)]
            if unnamed:
                raise Broken(
                    f"{name} refuses an unknown option without naming {unnamed[0]}: {error}"
                ) from error
            return
    raise Broken(f"{name} accepts an unknown option ({unknown})")
