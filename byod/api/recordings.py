"""The tape between byod and the sources that `record` and `replay` ask for, and the settings to ask with."""

from __future__ import annotations

from pathlib import Path
from urllib.request import getproxies

from byod.collection.http.api_reply import Tape
from byod.collection.http.stand_ins import StandIns, secrets_of
from byod.collection.http.tape import Recorder, Replay, having
from byod.schema.config import Settings
from byod.schema.errors import UsageError

_REPLAYED = "replayed"
"""Stands for the contact and the keys of whoever made a recording; it is sent to nobody."""


def tape(record: Path | None, replay: Path | None, settings: Settings) -> tuple[Tape | None, Settings]:
    """The tape, if one is wanted, and the settings the sources are asked with.

    A replay has a contact and keys where the recording had them, whatever is set here.

    Raises:
        UsageError: both are wanted, the file to record to is there, or the one to replay cannot be read.
        ByodError: the file to replay is no recording.
    """
    if record is not None and replay is not None:
        raise UsageError("--record and --replay do not go together; a replay asks nobody")
    if record is not None:
        secrets = secrets_of(settings.environment, settings.contact, getproxies())
        return Recorder(record, StandIns(secrets), having(settings.environment, settings.contact)), settings
    if replay is None:
        return None, settings
    made = Replay(replay)
    keys: dict[str, str] = {}
    for name in made.having - {"contact", ""}:
        start = f"BYOD_{name.upper().replace('-', '_')}"
        ends = ("ID", "SECRET") if name.endswith("-client") else ("KEY",)
        keys |= {f"{start}_{end}": _REPLAYED for end in ends}
    contact = _REPLAYED if "contact" in made.having else None
    return made, settings.model_copy(update={"contact": contact, "environment": keys})
