"""Whose question is whose: pictures shared out among people, each of whom has a queue of their own.

The open edition of Label Studio assigns nothing to anybody, and whoever has an account sees every project. So byod
makes a project for each person; the label stream of a project shows nobody's answers but one's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from byod.labeling.client import LabelStudio
from byod.labeling.open_tasks import Asked
from byod.schema.errors import ReviewError, UsageError
from byod.schema.review_tasks import Kind, ReviewTask


def people_named(studio: LabelStudio, names: Sequence[str]) -> list[str]:
    """The e-mail addresses of the accounts that are meant: by the address, what stands before its @, or a name.

    Raises:
        UsageError: there is no such account, or several.
    """
    accounts = studio.get("/api/users/")
    found: list[str] = []
    for name in names:
        meant = {
            str(one["email"])
            for one in accounts
            if name.casefold() == str(one["email"]).casefold() or name.casefold() in _names(one)
        }
        exact = {email for email in meant if email.casefold() == name.casefold()}
        meant = exact or meant
        if len(meant) > 1:
            raise UsageError(
                f"--assign {name}: {', '.join(sorted(meant))} are all called so; name the e-mail address"
            )
        if not meant:
            known = ", ".join(sorted(str(one["email"]) for one in accounts))
            raise UsageError(
                f"--assign {name}: there is no such account on {studio.url} (there are: {known}); "
                f"{_invitation(studio)}"
            )
        found += [email for email in meant if email not in found]
    return found


def _names(account: Mapping[str, object]) -> set[str]:
    """What an account may be called by, beside its e-mail address."""
    first, last = (str(account.get(name) or "").casefold() for name in ("first_name", "last_name"))
    called = {str(account["email"]).partition("@")[0].casefold(), first, last, f"{first} {last}"}
    return {name for name in called if name.strip()}


def _invitation(studio: LabelStudio) -> str:
    """How somebody gets an account; where the server tells the link, it is in it."""
    try:
        link = str(studio.get("/api/invite")["invite_url"])
    except (KeyError, TypeError, ReviewError):
        return "invite people on its page Organization"
    return f"people sign up with {studio.url + link if link.startswith('/') else link}"


@dataclass
class Involvement:
    """Who stands how to a picture: who answered (they are asked no more, and count), who has it in front of them (they
    keep it), and who skipped it."""

    answered: dict[str, set[str]] = field(default_factory=dict)
    holding: dict[str, set[str]] = field(default_factory=dict)
    skipped: dict[str, set[str]] = field(default_factory=dict)

    def take(self, person: str, there: Asked) -> None:
        """Take up what became of the questions in a person's queue."""
        for sha256 in (*there.open, *there.touched):
            where = self.answered if there.answers.get(sha256) else self.holding
            where = self.skipped if sha256 in there.skipped else where
            where.setdefault(sha256, set()).add(person)


def shared_out(
    tasks: Sequence[ReviewTask],
    people: Sequence[str],
    overlap: int,
    involved: Involvement,
) -> dict[str, list[ReviewTask]]:
    """Each person's questions, in the order of the queue: every picture for `overlap` people, all with as many.

    A conflict is decided by one, who has not said anything of it where there is such a one. Two people share as many
    pictures as any other two.
    """
    shares: dict[str, list[ReviewTask]] = {person: [] for person in people}
    chosen = {task.sha256: _keeping(task, people, overlap, involved) for task in tasks}
    load = Counter(dict.fromkeys(people, 0))
    together: Counter[frozenset[str]] = Counter()
    for some in chosen.values():
        load.update(some)
    for task in tasks:
        said, some = involved.answered.get(task.sha256, set()), chosen[task.sha256]
        out = {*said, *some, *involved.skipped.get(task.sha256, ())}
        free = [person for person in people if person not in out]
        wanted = _wanted(task, overlap, said)
        if task.kind is Kind.CONFLICT and not free and not some:
            free = list(people)
        while free and len(some) < wanted:
            with_them = said | set(some)
            least = min(
                free,
                key=lambda one: (
                    load[one],
                    sum(together[frozenset((one, other))] for other in with_them),
                ),
            )
            together.update(frozenset((least, other)) for other in with_them)
            load[least] += 1
            free.remove(least)
            some.append(least)
        for person in some:
            shares[person].append(task)
    return shares


def _wanted(task: ReviewTask, overlap: int, said: Collection[str]) -> int:
    """The number of people that a picture is still to be asked of."""
    return 1 if task.kind is Kind.CONFLICT else max(0, overlap - len(said))


def _keeping(task: ReviewTask, people: Sequence[str], overlap: int, involved: Involvement) -> list[str]:
    """Those who have a picture in front of them already, as many as are wanted."""
    said, there = involved.answered.get(task.sha256, set()), involved.holding.get(task.sha256, set())
    decides = task.kind is Kind.CONFLICT
    free = [person for person in people if person in there and (decides or person not in said)]
    return free[: _wanted(task, overlap, said)]
