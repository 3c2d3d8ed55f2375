"""The findings of a check in a dataset besides what a snapshot says of it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ConfigDict

from byod.schema.label_issue import LabelIssue
from byod.schema.records import Record, Sha256, Snapshot
from byod.schema.task import LabelCount, OddLabel, Pages


class LikelyGroup(Record):
    """Pictures that look as if taken together, by their features; `name` is what stands in `captures.csv`."""

    name: str
    members: tuple[Sha256, ...]


class CheckFindings(Record):
    """What was found.

    `suspects` are the labels that look wrong to a probe (None: nobody asked), the likeliest first, `hard` the pictures
    that it takes for another class as it does others whose labels are right. `odd` are labels that cannot be true by
    themselves, `labelled` says how far labelling has come. `together` are the groups that features proposed, the
    largest first.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    suspects: tuple[LabelIssue, ...] | None = None
    hard: tuple[LabelIssue, ...] = ()
    odd: tuple[OddLabel, ...] = ()
    labelled: LabelCount | None = None
    together: tuple[LikelyGroup, ...] = ()


def look(
    snapshot: Snapshot,
    pages: Pages,
    *,
    suspects: Sequence[LabelIssue] | None = None,
    hard: Sequence[LabelIssue] = (),
    together: Sequence[LikelyGroup] = (),
) -> CheckFindings:
    """All findings of a dataset: what its task says of it, once, and what was found already.

    Raises:
        DatasetError: a label cannot be read.
    """
    return CheckFindings(
        suspects=None if suspects is None else tuple(suspects),
        hard=tuple(hard),
        odd=pages.odd_labels(snapshot),
        labelled=pages.label_count(snapshot),
        together=tuple(together),
    )
