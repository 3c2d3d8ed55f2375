"""The training for points: byod-torch's nets and losses, byod's own augmented batches, fastai's Learner; one cycle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from byod_torch import batch_norm
from byod_torch.keypoints import schedule
from byod_torch.keypoints import train as recipe
from byod_torch.keypoints.feeds import EVALUATED, Batch, Feed
from byod_torch.keypoints.train import OUTPUTS
from byod_torch.keypoints.training_loop import DECAY
from byod_torch.networks import groups
from fastai.data.core import DataLoaders
from fastai.learner import get_model
from fastai.torch_core import set_seed

from byod.plugin import InputRule, Run, Trained, TrainerError, TrainingData
from byod.plugin import Stage as Which
from byod_fastai import processes, training_loop
from byod_fastai.averaging import Average
from byod_fastai.callbacks import Watch
from byod_fastai.options import Options
from byod_fastai.schedule import TrainingStage
from byod_fastai.training_loop import Form, LearningTask


@dataclass(frozen=True)
class Plan(schedule.Plan):
    """byod-torch's plan as the Learner goes through it: one cycle, in which a pretrained body learns more slowly."""

    frozen_epochs: ClassVar[int] = 0
    searched: ClassVar[bool] = False
    """The few steps of a search told noise from noise: with another seed they spoke for a thirty times higher rate."""

    @property
    def usual_rate(self) -> float:
        """The rate that does well on most sets."""
        return self.lr

    @property
    def smaller(self) -> str:
        """The options that take less memory."""
        return f"--set batch_size={max(2, self.batch_size // 2)}"

    def notes(self, processes: int) -> dict[str, Any]:
        """The notes for the model card."""
        said = {"batch_size": self.batch_size * processes, "mirror": self.mirror}
        return said | ({"head": "direct"} if self.direct else {})

    def stages(self, rate: float) -> tuple[TrainingStage, ...]:
        """Everything from the first step on."""
        return (TrainingStage(self.epochs, False, rate * self.body, rate, 0.25, 25),)


class Shown:
    """Batches as fastai takes them: pictures float32 [B, 3, S, S] in 0..1, and the batch they are from as the truth.

    `draw` gives those of one epoch, which is that of number `epoch`; there are `steps` of them, `count` things in all.
    """

    drop_last = False

    def __init__(
        self, draw: Callable[[int], Iterator[Batch]], steps: int, count: int, device: torch.device
    ) -> None:
        self.draw, self.steps, self.dataset, self.device = draw, steps, range(count), device
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[torch.Tensor, Batch]]:
        for batch in self.draw(self.epoch):
            images = torch.from_numpy(batch.images).to(self.device)
            yield images.permute(0, 3, 1, 2).float().div_(255), batch

    def to(self, device: torch.device) -> Shown:
        """Send pictures elsewhere from now on."""
        self.device = device
        return self


class PointsWatch(Watch):
    """Has every epoch drawn by its number, and keeps the last one's weights.

    The rate has fallen to nothing by then, and a few dozen validation objects cannot tell better from luckier.
    """

    def __init__(self, task: LearningTask[Plan], average: Average | None) -> None:
        epochs = task.plan.epochs
        super().__init__(task.run, task.team, epochs, 0, epochs)
        self.measures, self.average = task.plan.scratch, average

    def before_epoch(self) -> None:
        """The batches of this epoch, whenever it is learned."""
        super().before_epoch()
        self.dls.train.epoch = self.done

    def before_validate(self) -> None:
        """Measure the statistics of a new net's batch norms anew at the end, for the weights that are kept."""
        if self.measures and self.done + 1 == self.epochs:
            model = get_model(self.model)
            state = model.state_dict()
            batch_norm.measure(model, state, (images for images, _ in self.dls.train))
            if self.average:
                self.average.kept.average = {name: value.clone() for name, value in state.items()}

    def after_batch(self) -> None:
        """One batch more."""
        count = len(self.yb[0].images)
        sums = self.sums[0 if self.training else 1]
        sums[0] += self.loss.detach() * count
        sums[2] += count

    def numbers(self) -> tuple[dict[str, float], float]:
        """Mean losses, that on validation only where there is something to validate on; no later epoch is worse."""
        sums = dict(zip(("train_loss", "valid_loss"), self.sums.tolist(), strict=True))
        return {name: loss / count for name, (loss, _, count, _) in sums.items() if count}, math.inf


def train(data: TrainingData, options: Options, run: Run) -> Trained:
    """Train the net of `data.stage` and export it; see `Fastai.train`."""
    assert data.stage is not None
    assert data.points is not None
    if run.gpus > 1:
        raise TrainerError("a net for points learns on one GPU; remove --gpus")
    if options.from_scratch and "arch" not in options.model_fields_set:
        options = options.model_copy(update={"arch": schedule.OWN})
    team = processes.team(run)
    set_seed(run.seed, reproducible=team.device.type == "cuda")
    chosen = Plan(**vars(schedule.plan(options, data.stage, len(data.train))))
    feed = Feed(data, chosen, run)
    task = LearningTask(data, options, run, team, recipe.net(options, chosen, data.points), chosen)
    counts, of = (
        (len(feed.train), len(feed.valid)),
        "pictures" if data.stage is Which.DETECTION else "objects",
    )
    run.say(training_loop.introduction(task, counts, of=of, does=f"finds {data.stage}, "))
    batches = DataLoaders(
        Shown(feed.epoch, feed.steps, counts[0], team.device),
        Shown(lambda epoch: feed.validating(), math.ceil(counts[1] / EVALUATED), counts[1], team.device),
    )
    learner = training_loop.learner(task, batches, recipe.loss(chosen, data.points, team.device), groups)
    average = Average(DECAY) if chosen.average else None
    watch = PointsWatch(task, average)
    rate = training_loop.learn(task, learner, watch, average)
    form = Form(
        InputRule(width=chosen.size, height=chosen.size),
        data.points.names,
        OUTPUTS[data.stage],
        lambda model: recipe.answer(model, chosen, data.points),
    )
    trained, whole = training_loop.outcome(task, learner, form, rate, watch.notes())
    return replace(trained, outputs=recipe.outputs(whole, form.outputs))
