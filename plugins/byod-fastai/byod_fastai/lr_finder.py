"""The learning-rate finder: losses at rising rates, in memory, and the rate they speak for.

After Smith, https://arxiv.org/abs/1506.01186, and fastai's `lr_find`
(https://docs.fast.ai/callback.schedule.html#learner.lr_find), which pickles the net to disk. While the body is frozen
the search needs only what the body makes of some batches, once: the head then takes hundreds of steps in a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException, CancelValidException, TrainEvalCallback
from fastai.data.core import DataLoaders
from fastai.learner import CastToTensor, Learner, get_model

from byod.plugin import LrFinder
from byod_fastai.augmentation import Augment
from byod_fastai.processes import Team

LOWEST, HIGHEST = 1e-5, 1.0
HEAD_STEPS, HEAD_SWEEPS, HEAD_BATCHES = 100, 2, 16
"""The head's search: steps of a sweep, sweeps whose losses are averaged, batches at most."""

FEWEST, MOST = 25, 50
"""Steps of a search on the whole net: about an epoch, within these bounds."""

SMOOTHING = 0.9
WORSE = 4.0
"""A loss this many times the lowest one ends the search."""

BELOW = 10.0
"""The rate suggested is this many times below the one with the lowest loss (fastai's `minimum`)."""

REACH = 2.5
"""The rate used is at most this many times higher or lower than the usual one: the curve of a small set is rough."""

Curve = tuple[list[float], list[float]]


class Search(Callback):
    """Raises the rate at every step until the loss explodes, and puts the weights back."""

    order = 60

    def __init__(self, steps: int, team: Team) -> None:
        self.steps, self.team = steps, team
        self.rates = [LOWEST * (HIGHEST / LOWEST) ** (step / (steps - 1)) for step in range(steps)]
        self.losses: list[float] = []
        self.mean = 0.0

    def before_fit(self) -> None:
        """Remember the weights."""
        state = get_model(self.model).state_dict()
        self.before = {name: value.detach().clone() for name, value in state.items()}

    def before_batch(self) -> None:
        """The next rate."""
        self.opt.set_hyper("lr", self.rates[len(self.losses)])

    def after_batch(self) -> None:
        """The loss at this rate, smoothed; the same in all processes, so that all stop together."""
        loss = float(self.team.sum(self.loss.detach().reshape(1))) / self.team.world
        self.mean = SMOOTHING * self.mean + (1 - SMOOTHING) * loss
        self.losses.append(self.mean / (1 - SMOOTHING ** (len(self.losses) + 1)))
        worse = self.losses[-1] > WORSE * min(self.losses)
        if worse or not math.isfinite(loss) or len(self.losses) == self.steps:
            raise CancelFitException

    def before_validate(self) -> None:
        """There is nothing to validate."""
        raise CancelValidException

    def after_fit(self) -> None:
        """As if nothing had been."""
        get_model(self.model).load_state_dict(self.before)


class Features:
    """The features of a frozen body for some batches, with their class numbers, in another order each time."""

    def __init__(self, learner: Learner) -> None:
        self.device = learner.dls.train.device
        augment = next((each for each in learner.cbs if isinstance(each, Augment)), None)
        model = learner.model.eval()
        self.batches = []
        with torch.no_grad():
            for images, labels in learner.dls.train:
                shown = augment.changed(images) if augment else images
                self.batches.append((model[1](model[0](shown)), labels))
                if len(self.batches) == HEAD_BATCHES:
                    break

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for number in torch.randperm(len(self.batches)).tolist():
            yield self.batches[number]


def find(learner: Learner, usual: float, team: Team, *, head: bool) -> LrFinder:
    """Search for the rate of the head alone, or of the whole net, and leave the weights as they were.

    The rate used stays near the usual one.
    """
    if head:
        sweeps = [_sweep(_on_features(learner), HEAD_STEPS, team) for _ in range(HEAD_SWEEPS)]
    else:
        sweeps = [_sweep(learner, min(max(len(learner.dls.train), FEWEST), MOST), team)]
    rates, losses = _curve(sweeps)
    suggested = rates[int(np.argmin(losses))] / BELOW if rates else usual
    used = float(f"{min(max(suggested, usual / REACH), usual * REACH):.2g}")
    return LrFinder(rates=tuple(rates), losses=tuple(losses), suggested=suggested, used=used)


def _on_features(learner: Learner) -> Learner:
    features = Features(learner)
    return Learner(
        DataLoaders(features, features),
        learner.model[2],
        loss_func=learner.loss_func,
        wd=learner.wd,
        cbs=[TrainEvalCallback(), CastToTensor()],
        default_cbs=False,
        path=learner.path,
    )


def _sweep(learner: Learner, steps: int, team: Team) -> Search:
    search = Search(steps, team)
    learner.fit(math.ceil(steps / len(learner.dls.train)), cbs=search)
    learner.opt = None  # its averages belong to the search
    return search


def _curve(sweeps: list[Search]) -> Curve:
    """Rates and the mean of their losses as far as all sweeps came, without the first steps, which say little."""
    count = min(len(sweep.losses) for sweep in sweeps)
    losses = np.mean([sweep.losses[:count] for sweep in sweeps], axis=0).tolist()
    first = sweeps[0].steps // 10
    points = [(r, s) for r, s in zip(sweeps[0].rates, losses, strict=False) if math.isfinite(s)][first:]
    return [rate for rate, _ in points], [loss for _, loss in points]


def words(found: LrFinder) -> str:
    """The line that says which rate was found, and which is used."""
    line = f"learning-rate finder: {found.suggested:.1e}"
    same = abs(math.log(found.used / found.suggested)) < 0.1
    return line if same else f"{line}, out of the usual range: {found.used:.1e} is used"
