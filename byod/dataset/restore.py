"""Bringing rejected pictures back: to restore one is a verdict for it, so no later placing drops it again.

Nothing that stands goes for what comes back: to restore a copy says that it is none, for whatever reason it was
rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from byod.dataset import originals
from byod.dataset.dataset_folder import Dataset
from byod.dataset.no_copies import NoCopies
from byod.dataset.originals import needs_stand_in
from byod.images import decode
from byod.images.decode import ANY_PICTURE
from byod.schema.errors import PictureError, UsageError
from byod.schema.progress import Say
from byod.schema.reasons import Reason
from byod.schema.records import Placement, Sample, Status, Verdict

WHO = "restore"


def restore(dataset: Dataset, wanted: Sequence[str], say: Say) -> int:
    """Bring back all rejected pictures of a reason, or single ones by path, file name or hash.

    Returns how many came back; `say` gets a line for each that cannot, and for each name of nothing to bring back.

    Raises:
        UsageError: nothing goes by one of these names.
    """
    samples = dataset.catalog.samples.all()
    chosen = {sample.sha256: sample for name in wanted for sample in _named(samples, name, say)}
    taken: set[str] = set()
    with dataset.changing():
        usable = [
            back
            for sample in chosen.values()
            if (back := _returning(dataset, sample, taken, say)) is not None
        ]
    usable.sort(
        key=lambda sample: sample.reason is Reason.DUPLICATE
    )  # copies state what returns with them, too
    now, no_copies = datetime.now(UTC), NoCopies(dataset.catalog.samples)
    with dataset.changing():
        dataset.catalog.verdicts.add(
            Verdict(
                sha256=sample.sha256,
                label=sample.label,
                who=WHO,
                when=now,
                note="restored",
                not_copy_of=no_copies.stated_by(sample),
            )
            for sample in usable
        )
        dataset.place(
            [Placement(sha256=sample.sha256, label=sample.label, status=Status.KEPT) for sample in usable]
        )
    return len(usable)


def _named(samples: Iterable[Sample], name: str, say: Say) -> list[Sample]:
    """The rejected samples that a name means; where nothing of it is left to bring back, a line says so."""
    wanted = name.removeprefix("./").removesuffix("/")
    reason = wanted.removeprefix("rejected/")
    rejected = [sample for sample in samples if sample.status is Status.REJECTED]
    for_it = [sample for sample in rejected if sample.reason == reason]
    if for_it or reason in set(Reason):
        if not for_it:
            say(f"nothing is rejected as {reason}: there is nothing to bring back")
        return for_it
    found = [
        sample
        for sample in rejected
        if (sample.path and (wanted.endswith(sample.path) or sample.path.rpartition("/")[2] == wanted))
        or (len(wanted) >= 8 and sample.sha256.startswith(wanted))
    ]
    if not found:
        file = wanted.rpartition("/")[2]
        for sample in samples:
            if sample.status is Status.KEPT and (
                sample.path.rpartition("/")[2] == file
                or (len(wanted) >= 8 and sample.sha256.startswith(wanted))
            ):
                say(f"{sample.path} stands in its class folder already")
                return []
        known = sorted({str(sample.reason) for sample in rejected})
        told = (
            f"a reason ({', '.join(known)}) or a file in rejected/" if known else "nothing is rejected here"
        )
        raise UsageError(f"nothing rejected is called {name!r}: name {told}")
    return found


def _returning(dataset: Dataset, sample: Sample, taken: set[str], say: Say) -> Sample | None:
    """The sample that comes back: itself, or the JPEG that stands for it; None where it cannot."""
    name = sample.path or sample.sha256[:12]
    if not sample.path or dataset.links.hides(sample.path) or not (dataset.folder / sample.path).exists():
        say(f"{name} cannot come back: its bytes were not kept")
        return None
    if sample.label not in dataset.recipe.classes:
        say(f"{name} cannot come back: it has no class; move the file into a class folder instead")
        return None
    try:
        content = dataset.picture(sample.path)
        if needs_stand_in(content):
            return _standing_in(dataset, sample, taken)
        if sample.fingerprint is None:
            inspected, _ = decode.inspect(content, ANY_PICTURE)
            mtime_ns = (dataset.folder / sample.path).stat().st_mtime_ns
            _add(dataset, sample.measured(inspected), mtime_ns)
    except PictureError as error:
        say(f"{name} cannot come back: {error.detail}")
        return None
    return sample


def _standing_in(dataset: Dataset, sample: Sample, taken: set[str]) -> Sample:
    """The JPEG for a picture that was refused as long as byod could not open its type; it takes the sample's place."""
    made = originals.stand_in(dataset, sample.path, taken)
    known = {"sha256": made.sha256, "path": made.path, "size": made.size, "original": made.original}
    back = sample.model_copy(update=known).measured(made.inspected)
    dataset.catalog.candidates.stands_for(made.sha256, sample.sha256)
    dataset.catalog.samples.forget(sample.sha256)
    _add(dataset, back, made.mtime_ns)
    return back


def _add(dataset: Dataset, sample: Sample, mtime_ns: int) -> None:
    dataset.catalog.samples.add(sample, position=dataset.catalog.samples.next_position(), mtime_ns=mtime_ns)
