"""The training for classes: batches, what happens to them, one cycle frozen, one cycle whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from byod_torch import class_weights
from byod_torch.batches import Batches
from byod_torch.body_features import OUTPUTS, WithFeatures
from byod_torch.networks import groups, net
from byod_torch.schedule import norms_kept, smoothing
from fastai.callback.core import Callback
from fastai.callback.mixup import MixUp
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import set_seed

from byod.plugin import Example, Floats, InputRule, Run, Trained, TrainingData
from byod_fastai import processes, training_loop
from byod_fastai.augmentation import Augment
from byod_fastai.averaging import Average
from byod_fastai.callbacks import FrozenNorm, Watch
from byod_fastai.options import Options
from byod_fastai.schedule import Plan, labels, plan
from byod_fastai.training_loop import Form, LearningTask, Rate


def train(data: TrainingData, options: Options, run: Run) -> Trained:
    """Train, keep the best epoch, and export; see `Fastai.train`."""
    team = processes.team(run)
    set_seed(run.seed, reproducible=team.device.type == "cuda")
    built = net(options, len(data.classes))
    task = LearningTask(data, options, run, team, built, plan(options, built, team.device, data))
    run.say(training_loop.introduction(task, (len(data.train), len(data.valid))))
    rule = InputRule(width=task.plan.size, height=task.plan.size, resize=options.resize)
    learner = _learner(task, rule)
    average = Average() if task.plan.ema else None
    watch = Watch(run, team, options.patience, task.plan.frozen_epochs, task.plan.all_epochs)
    rate = training_loop.learn(task, learner, watch, average)
    trained = _trained(task, learner, rule, rate, watch)
    team.end()
    return trained


def _learner(task: LearningTask[Plan], rule: InputRule) -> Learner:
    """The Learner with the loss of classes."""
    weighed = task.plan.class_weights
    if weighed is not None:
        task.run.say(class_weights.words(labels(task.data, task.data.train), task.data.classes))
    loss = CrossEntropyLossFlat(
        weight=None if weighed is None else torch.tensor(weighed, device=task.team.device),
        label_smoothing=smoothing(task.options),
    )
    return training_loop.learner(task, DataLoaders(*_batches(task, rule)), loss, groups, _changes(task))


def _batches(task: LearningTask[Plan], rule: InputRule) -> tuple[Batches, Batches]:
    """Training and validation batches, each from pictures decoded once."""
    side = task.plan.cached
    larger = InputRule(width=side, height=side, resize=rule.resize)
    team = task.team

    def batches(part: tuple[Example, ...], shape: InputRule, shuffle: bool) -> Batches:
        return Batches(
            task.run.pixels(part, shape),
            labels(task.data, part),
            task.plan.batch_size * team.world,
            team.device,
            shuffle=shuffle,
            rank=team.rank,
            world=team.world,
        )

    return batches(task.data.train, larger, True), batches(task.data.valid, rule, False)


def _changes(task: LearningTask[Plan]) -> list[Callback]:
    """What happens to training batches, and what of the net stays as it is."""
    options = task.options
    found: list[Callback] = [Augment(task.plan.size, task.plan.smallest_crop)] if options.augment else []
    if options.freeze_norm is None and norms_kept(options):
        found.append(FrozenNorm())
    return [*found, MixUp(options.mixup)] if options.mixup else found


def _trained(
    task: LearningTask[Plan], learner: Learner, rule: InputRule, rate: Rate, watch: Watch
) -> Trained:
    """The trained net, its files, and its logits."""
    form = Form(
        rule, task.data.classes, OUTPUTS, lambda net: WithFeatures(net, rule.width, task.plan.test_flips)
    )
    trained, model = training_loop.outcome(task, learner, form, rate, watch.notes())

    @torch.no_grad()
    def logits(images: Floats) -> Floats:
        return np.asarray(model(torch.from_numpy(images))[0].numpy(), np.float32)

    return replace(trained, logits=logits)
