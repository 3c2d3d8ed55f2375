"""The record of a picture whose label is probably wrong, or which is hard."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from byod.schema.records import Record, Sha256

Share = Annotated[float, Field(ge=-1e-9, le=1 + 1e-9)]


class LabelIssue(Record):
    """A picture that the others take for another class than its label.

    `file` is the end of its path; `label` what it is called, `suggested` what the other pictures speak for;
    `quality` is the out-of-fold probability of its label against the best other one, 0..1, lowest first. `doubt` (0..1)
    is how likely its label is wrong, rather than the picture hard.
    """

    sha256: Sha256
    file: str
    label: str
    suggested: str
    quality: Share
    doubt: Share = 1.0
