"""Tell what gave no picture: which addresses, why, and when to come back for them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from byod.dataset.catalog.candidates import Candidates
from byod.dataset.dataset_folder import Dataset
from byod.schema.config import Settings
from byod.schema.progress import Say
from byod.schema.reasons import Reason, Retry
from byod.schema.records import FailedAddress
from byod.tasks import TASKS

_MOST_SAID = 5


def failed(folder: Path) -> tuple[FailedAddress, ...]:
    """The addresses of a dataset that gave no picture, and why; also while another byod is at work on it."""
    with Dataset(folder, TASKS, lock=False) as dataset:
        named = {entry: shown.name for entry, shown in dataset.recipe.classes.items()}
        found = tuple(dataset.catalog.candidates.failures())
    return tuple(each.model_copy(update={"label": named.get(each.label, each.label)}) for each in found)


def ask_again(
    candidates: Candidates, settings: Settings, retry: tuple[Reason, ...], *, optouts: bool, refusals: bool
) -> None:
    """Put back in the queue what may turn out otherwise since it failed.

    Args:
        candidates: the candidates of a dataset.
        settings: who asks now.
        retry: reasons whose addresses are asked again.
        optouts: whether also what its owners do not want used for training.
        refusals: whether also what was refused to the same contact, agent and key.
    """
    candidates.retry_for_others(settings.asker)
    if optouts:
        candidates.retry(Retry.ON_REQUEST)
    if refusals:
        candidates.retry(Retry.OTHER_ASKER)
    if retry:
        candidates.retry_reasons(retry)


def say_refusals(dataset: Dataset, say: Say) -> None:
    """Say what is waited for and when to come back, and what hosts said that handed nothing out."""
    now = datetime.now(UTC)
    until: dict[str, datetime] = {}
    waiting: Counter[str] = Counter()
    unreachable: Counter[str] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for each in dataset.catalog.candidates.failures(telling=True):
        host = _host(each)
        if each.reason.transient and each.again_at is not None and each.again_at > now:
            waiting[host] += 1
            until[host] = max(until.get(host, each.again_at), each.again_at)
        elif each.reason is Reason.FORBIDDEN and each.detail and host:
            refused[host, each.detail] += 1
        if each.reason is Reason.RATE_LIMITED and each.again_at is None:
            unreachable[host] += 1
    for host, number in waiting.items():
        when = until[host].astimezone()
        day = "" if when.date() == now.astimezone().date() else f"{when:%Y-%m-%d} "
        say(
            f"{host} asks to be left alone until {day}{when:%H:%M:%S}; {number} pictures wait for that: then run"
            " the same command again"
        )
    for (host, detail), number in refused.most_common(_MOST_SAID):
        say(f"{host} refused {number} pictures: {detail}")
    for host, number in unreachable.most_common(_MOST_SAID):
        say(
            f"{host} did not let byod get {number} pictures this time; run the same command again to ask once more"
        )


def _host(failed: FailedAddress) -> str:
    return urlsplit(failed.url).netloc
