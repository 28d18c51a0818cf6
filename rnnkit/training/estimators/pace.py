"""As many epochs as a time limit leaves room for: measured on a copy of the net, then kept to the clock."""

import copy
import dataclasses
import itertools
import time
from typing import Any

import numpy as np
import torch

from rnnkit.inference import kept_out
from rnnkit.training.estimators.by_data import Config
from rnnkit.training.experiment import Experiment, Task
from rnnkit.training.rules import EVALUATIONS


TRIED = 5  # steps that are measured
SPENT = 0.85  # share of what is left that steps and evaluations may take


def within(deadline: float, config: Config, fit: Experiment[Config, Any]) -> tuple[Config, Experiment[Config, Any]]:
    """The settings with as many epochs as end before the `deadline`, by `time.perf_counter`, and a fit that heeds it.

    The learning rate then goes through its whole schedule. Training also ends at the first evaluation behind the
    deadline, where steps took longer than those that were measured. The first evaluation always comes.
    """
    task = fit.prepared(config)
    with kept_out():
        seconds, evaluation = _measured(task)
    left = SPENT * (deadline - time.perf_counter())
    evaluations = int(np.clip(left / 4 / evaluation, 1, EVALUATIONS))
    possible = max(1, int((left - evaluations * evaluation) / seconds))
    if possible < config.epochs * task.steps_per_epoch:
        epochs = max(1, possible // task.steps_per_epoch)
        every = max(1, min(possible, epochs * task.steps_per_epoch) // evaluations)
        config = dataclasses.replace(config, epochs=epochs, evaluate_every=every)

    def heeding(config: Config, device: torch.device) -> Task[Any]:
        return dataclasses.replace(fit.setup(config, device), late=lambda: time.perf_counter() > deadline)

    return config, dataclasses.replace(fit, setup=heeding)


def _measured(task: Task[Any]) -> tuple[float, float]:
    """Seconds of a step of training, on a copy, and of an evaluation."""
    net = copy.deepcopy(task.model).train()
    device = next(net.parameters()).device
    spent: list[float] = []
    for batch in itertools.islice(task.batches(0), TRIED):
        began = time.perf_counter()
        loss, _ = task.loss(net, batch.to(device), None)
        loss.backward()
        spent.append(time.perf_counter() - began)
    began = time.perf_counter()
    task.evaluate()
    return max(float(np.median(spent)), 1e-6), time.perf_counter() - began
