"""Sessions by likeness: groups that features propose, written down in `captures.csv`; from then on they are facts."""

from __future__ import annotations

from byod.dataset import captures, likeness_groups, sessions
from byod.dataset.captures import Capture
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sessions import FEATURES
from byod.report.check_findings import LikelyGroup
from byod.schema.progress import Say
from byod.schema.records import Example, Snapshot, Split, Status
from byod.training import extractors


def write_down(dataset: Dataset, say: Say) -> str:
    """Propose groups of what is kept, note them in the column `features`, and return what to split by.

    Raises:
        TrainerError: there is no extractor, or a picture cannot be opened.
    """
    kept = [sample for sample in dataset.catalog.samples.all() if sample.status is Status.KEPT]
    examples = [
        Example(
            sha256=sample.sha256,
            path=dataset.folder / sample.path,
            label=sample.label,
            split=Split.TRAIN,
            group=sample.sha256,
        )
        for sample in kept
    ]
    vectors = extractors.extractor(extractors.DEFAULT, {}, say).features(examples, say)
    names = likeness_groups.proposed(vectors, [sample.label for sample in kept])
    known = captures.read(dataset.folder)
    said = [
        Capture(sha256=sample.sha256, more={FEATURES: name}) for sample, name in zip(kept, names, strict=True)
    ]
    captures.put(dataset.files, known, said)
    together, groups = sum(bool(name) for name in names), len(set(names) - {""})
    say(
        f"{together} of {len(kept)} pictures look as if taken together, in {groups} groups: they stand in the column "
        f"{FEATURES} of {captures.FILE}; change there what is wrong, and split again with --by column {FEATURES}"
    )
    return f"column={FEATURES}"


def noted(snapshot: Snapshot) -> tuple[LikelyGroup, ...]:
    """The groups that features proposed for a dataset, as `captures.csv` has them now, the largest first.

    Raises:
        DatasetError: `captures.csv` cannot be read.
    """
    known = captures.read(snapshot.folder)
    kept = {one.sha256: known[one.sha256] for one in snapshot.kept if one.sha256 in known}
    groups = [
        LikelyGroup(name=known[tie.members[0]].more[FEATURES], members=tie.members)
        for tie in sessions.ties(kept, f"{sessions.COLUMN}={FEATURES}")
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group.members), group.name)))
