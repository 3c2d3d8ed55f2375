"""The learning-rate finder: losses at rising rates, in memory, and the rate they speak for.

After Smith, https://arxiv.org/abs/1506.01186, and fastai's `lr_find`
(https://docs.fast.ai/callback.schedule.html#learner.lr_find), which pickles the net to disk and takes 100 steps.
"""

from __future__ import annotations

import math

import torch
from fastai.callback.core import Callback, CancelFitException, CancelValidException
from fastai.callback.schedule import valley
from fastai.learner import Learner, get_model

from byod.modelcard import LrFinder
from byod_fastai.processes import Team

LOWEST, HIGHEST = 1e-5, 1.0
FEWEST, MOST = 25, 50
"""Steps of a search: about an epoch, within these bounds."""

SMOOTHING = 0.8
SKIPPED = 3
"""So many losses at the start are too little smoothed to count."""

WORSE = 4.0
"""A loss this many times the lowest one ends the search."""

REACH = 2.5
"""The rate used is at most this many times higher or lower than the usual one: the curve of a small set is rough."""


class Search(Callback):
    """Raises the rate at every step until the loss explodes, and puts the weights back."""

    order = 60

    def __init__(self, steps: int, team: Team) -> None:
        self.steps, self.team = steps, team
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.mean = 0.0

    def before_fit(self) -> None:
        """Remember the weights."""
        state = get_model(self.model).state_dict()
        self.before = {name: value.detach().clone() for name, value in state.items()}

    def before_batch(self) -> None:
        """The next rate."""
        rate = LOWEST * (HIGHEST / LOWEST) ** (len(self.rates) / (self.steps - 1))
        self.opt.set_hyper("lr", rate)
        self.rates.append(rate)

    def after_batch(self) -> None:
        """The loss at this rate, smoothed; the same in all processes, so that all stop together."""
        loss = float(self.team.sum(self.loss.detach().reshape(1))) / self.team.world
        self.mean = SMOOTHING * self.mean + (1 - SMOOTHING) * loss
        self.losses.append(self.mean / (1 - SMOOTHING ** len(self.rates)))
        worse = self.losses[-1] > WORSE * min(self.losses)
        if worse or not math.isfinite(loss) or len(self.rates) == self.steps:
            raise CancelFitException

    def before_validate(self) -> None:
        """There is nothing to validate."""
        raise CancelValidException

    def after_fit(self) -> None:
        """As if nothing had been."""
        get_model(self.model).load_state_dict(self.before)


def find(learner: Learner, usual: float, team: Team) -> LrFinder:
    """Search on the learner as it is (frozen or not), and leave its weights as they were.

    The rate suggested is fastai's `valley`; the one used stays near the usual one.
    """
    batches = len(learner.dls.train)
    search = Search(min(max(batches, FEWEST), MOST), team)
    learner.fit(math.ceil(search.steps / batches), cbs=search)
    learner.opt = None  # its averages belong to the search
    curve = [
        (rate, loss)
        for rate, loss in zip(search.rates[SKIPPED:], search.losses[SKIPPED:], strict=True)
        if math.isfinite(loss)
    ]
    rates, losses = [rate for rate, _ in curve], [loss for _, loss in curve]
    suggested = usual
    if len(curve) > SKIPPED:
        suggested, _ = valley(torch.tensor(rates), torch.tensor(losses), len(curve))
    used = float(f"{min(max(suggested, usual / REACH), usual * REACH):.2g}")
    return LrFinder(rates=tuple(rates), losses=tuple(losses), suggested=suggested, used=used)


def words(found: LrFinder) -> str:
    """The line that says which rate was found, and which is used."""
    line = f"learning-rate finder: {found.suggested:.1e}"
    same = abs(math.log(found.used / found.suggested)) < 0.1
    return line if same else f"{line}, out of the usual range: {found.used:.1e} is used"
