"""The optimizers and the schedules of the learning rate that a configuration can name."""

from collections.abc import Callable

import torch
from torch import nn

from rnnkit.core import BaseConfig


def optimizer_of(config: BaseConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that `config` names, without momentum or weight decay."""
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)  # one pass over the numbers, not ten
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=config.learning_rate)
    return torch.optim.SGD(parameters, lr=config.learning_rate, fused=True)


def learning_rates(
    optimizer: torch.optim.Optimizer, config: BaseConfig, steps: int, factor: Callable[[int], float] | None = None
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule that `config` names, over all steps; or `factor`, a function of the steps done.

    `one-cycle`: up to `config.learning_rate`, then down to nearly 0 (Smith & Topin, Super-Convergence, 2018);
    `cosine`: from it down to 0 (Loshchilov & Hutter, SGDR, 2017, without restarts).
    """
    if factor is not None or config.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor or (lambda step: 1.0))
    if config.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=steps, cycle_momentum=config.optimizer == "adam"
    )
