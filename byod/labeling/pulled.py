"""The result of a pull: what came back, what moved, and what needs somebody."""

from __future__ import annotations

from byod.schema.records import Record, Sha256
from byod.schema.review_tasks import Purpose
from byod.schema.right_labels import LabelQuality


class Clash(Record):
    """A picture whose class nobody knows after a pull, and why."""

    file: str
    why: str


class Withdrawn(Record):
    """A verdict whose answer somebody deleted on the server, or turned into a skip."""

    file: str
    sha256: Sha256
    reference: str
    purpose: Purpose
    who: str
    label: str | None


class Pulled(Record):
    """The result of a pull: annotations new to the log, files moved, and what needs somebody.

    `withdrawn` are verdicts that hold although their answer is gone, `dropped` counts those that fell with it.
    `imported` counts answered tasks of pictures that somebody brought into Label Studio. `round_answered` of
    `round_asked` pictures are answered in the round that goes on.
    """

    answers: int = 0
    moved: int = 0
    relabelled: int = 0
    rejected: int = 0
    points: int = 0
    by: dict[str, int] = {}
    conflicts: tuple[Clash, ...] = ()
    waiting: dict[str, int] = {}
    unreadable: int = 0
    in_bulk: int = 0
    withdrawn: tuple[Withdrawn, ...] = ()
    dropped: int = 0
    imported: int = 0
    round_answered: int = 0
    round_asked: int = 0
    label_quality: LabelQuality | None = None

    @property
    def progress(self) -> str:
        """How far the round is, and what comes next when it is over."""
        if not self.round_asked:
            return ""
        if self.round_answered < self.round_asked:
            return f"{self.round_answered} of {self.round_asked} answered"
        return (
            f"all {self.round_asked} of this round are answered; what next: byod review push asks about the others, "
            "byod review --sample 50 measures how good the labels are, byod train learns from them"
        )

    @property
    def summary(self) -> str:
        """The result in one line."""
        people = ", ".join(f"{number} by {who}" for who, number in self.by.items())
        points = f", points of {self.points} changed" if self.points else ""
        points += f", {self.dropped} fell with their answers" if self.dropped else ""
        return (
            f"{self.answers} verdicts{f' ({people})' if people else ''}: {self.relabelled} relabelled, "
            f"{self.rejected} rejected{points}, {len(self.conflicts)} in conflict"
            + (f" ({self.progress})" if self.progress else "")
        )

    @property
    def concerns(self) -> list[str]:
        """The things that need somebody, a line each."""
        lines = [f"conflict: {clash.file}: {clash.why}" for clash in self.conflicts]
        lines += [
            f"{number} verdicts name the class {name!r}, which byod.toml does not have; they wait until it is there: "
            f'[classes."{name}"] with name = "…"'
            for name, number in self.waiting.items()
        ]
        if self.unreadable:
            lines.append(
                f"{self.unreadable} answers name no class or several; they are left out until somebody mends them"
            )
        if self.in_bulk:
            lines.append(
                f"{self.in_bulk} answers were made of predictions in bulk, of pictures somebody has looked at; "
                "what that person said holds"
            )
        lines += [
            f"withdrawn: {one.file}: {one.who} said {one.label or 'reject'} and took it back on the server; "
            "the verdict holds unless you run: byod review pull --drop-withdrawn"
            for one in self.withdrawn
        ]
        if self.label_quality is not None:
            lines.append(self.label_quality.summary)
        if self.imported:
            lines.append(
                f"{self.imported} answers are about pictures that somebody brought into Label Studio; they are not in "
                "the dataset: byod review pull --take-in adds them"
            )
        return lines
