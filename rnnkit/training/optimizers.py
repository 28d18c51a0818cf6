"""Optimizers and schedules: what a step of training does with gradients, in one pass over all parameters.

Numbers come out as torch.optim's within rounding; on the CPU in an order that no machine changes.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnnkit.core import BaseConfig, UserError
from rnnkit.nn import portable


BETAS = 0.9, 0.999  # Kingma & Ba, Adam, 2015
# Of RMSprop it is torch's `alpha`, what is kept of the mean square in a step.
ALPHA = 0.99
EPSILON = 1e-8

# What each keeps of gradients, by torch's names: their mean, and that of their squares.
_KEPT = {"sgd": (), "rmsprop": ("square_avg",), "adam": ("exp_avg", "exp_avg_sq")}

Schedule = Callable[[int], tuple[float, float]]
"""By the number of steps done: the learning rate, and Adam's beta_1."""


class Optimizer:
    """Adam, RMSprop or SGD, as `name` says, without momentum or weight decay. `UserError` where nothing is to learn.

    What it keeps of gradients is in single precision at least: in half, EPSILON would be 0.
    """

    def __init__(self, name: str, parameters: Sequence[nn.Parameter]):
        self.name, self.parameters = name, list(parameters)
        if not self.parameters:
            raise UserError("there is nothing to train: no weight of the model asks for a gradient (requires_grad)")
        types = [parameter.dtype for parameter in self.parameters]
        self._type = functools.reduce(torch.promote_types, types, torch.float32)
        count = sum(parameter.numel() for parameter in self.parameters)
        self._whole = {kept: self.parameters[0].new_zeros(count, dtype=self._type) for kept in _KEPT[name]}
        self._shapes = [parameter.shape for parameter in self.parameters]
        self._counts = [0] * len(self.parameters)  # the steps that each parameter has made
        self._native: portable.Steps | None = None
        self._cut()
        self._in_place()

    def _cut(self) -> None:
        """Take what is kept in one piece as a piece for each parameter too."""
        sizes = [shape.numel() for shape in self._shapes]
        self._kept = {
            kept: [part.view(shape) for part, shape in zip(whole.split(sizes), self._shapes, strict=True)]
            for kept, whole in self._whole.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs: no addresses."""
        return {**self.__dict__, "_native": None, "_kept": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cut()

    def step(self, rate: float, scale: float = 1.0, beta: float = BETAS[0]) -> None:
        """Make a step along the parameters' gradients times `scale`; those without a gradient stay as they are.

        Raises `ValueError` where a parameter has been given another shape.
        """
        second = ALPHA if self.name == "rmsprop" else BETAS[1]
        native = self._in_place()
        together: dict[int, list[Tensor | None]] = {}  # gradients by the number of the step that they are for
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self._counts[i] += 1
                gradients = together.setdefault(self._counts[i], [None] * len(self.parameters))
                gradients[i] = portable.dense_of(parameter.grad)
        for count, gradients in together.items():
            if native is not None:
                native(gradients, count, rate, scale, (beta, second), EPSILON)
            else:
                with torch.no_grad():
                    self._step(gradients, count, rate, scale, beta, second)

    def _in_place(self) -> portable.Steps | None:
        """What makes the steps natively, on the parameters where they lie now; None where that is not served."""
        if (shapes := [parameter.shape for parameter in self.parameters]) != self._shapes:
            i = next(i for i, shape in enumerate(shapes) if shape != self._shapes[i])
            then, now = tuple(self._shapes[i]), tuple(shapes[i])
            raise ValueError(f"a parameter of shape {then} has shape {now} now: make a new optimizer for it")
        if self._native is not None and self._native.is_of(self.parameters):
            return self._native
        squares = self._kept.get("exp_avg_sq", self._kept.get("square_avg", []))
        self._native = portable.optimizer(self.name, self.parameters, self._kept.get("exp_avg", []), squares)
        return self._native

    def _step(
        self, gradients: list[Tensor | None], count: int, rate: float, scale: float, first: float, second: float
    ) -> None:
        """The same by torch's operations, on any device: on the numbers of all parameters in one piece."""
        there = [(i, gradient) for i, gradient in enumerate(gradients) if gradient is not None]
        step = torch.cat([gradient.flatten().to(self._type) for _, gradient in there]) * scale
        kept = {name: torch.cat([parts[i].flatten() for i, _ in there]) for name, parts in self._kept.items()}
        if self.name == "rmsprop":
            squares = kept["square_avg"].mul_(second).addcmul_(step, step, value=1 - second)
            step = step / (squares.sqrt() + EPSILON)
        elif self.name == "adam":
            squares = kept["exp_avg_sq"].mul_(second).addcmul_(step, step, value=1 - second)
            root = squares.sqrt() / math.sqrt(1 - second**count)
            step = kept["exp_avg"].lerp_(step, 1 - first) / (1 - first**count) / (root + EPSILON)
        sizes = [gradient.numel() for _, gradient in there]
        for (i, _), part in zip(there, step.split(sizes), strict=True):
            self.parameters[i].detach().sub_(part.view_as(self.parameters[i]), alpha=rate)
        for name, whole in kept.items():
            for (i, _), part in zip(there, whole.split(sizes), strict=True):
                self._kept[name][i].copy_(part.view_as(self.parameters[i]))

    def state_dict(self) -> dict[str, Any]:
        """How many steps were made, by parameter if not alike, and what is kept of gradients, all in one piece."""
        alike = len(set(self._counts)) == 1
        return {"steps": self._counts[0] if alike else list(self._counts), **self._whole}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, or one of torch.optim's as older records have it.

        Raises `ValueError` for one of other parameters, `KeyError` for another optimizer's.
        """
        if "param_groups" in state:
            self._load_torchs(state)
            return
        for name, whole in self._whole.items():
            if state[name].shape != whole.shape:
                raise ValueError("its optimizer has other parameters")
            whole.copy_(state[name])
        steps = state["steps"]
        counts = list(steps) if isinstance(steps, list) else [int(steps)] * len(self.parameters)
        if len(counts) != len(self.parameters):
            raise ValueError("its optimizer has other parameters")
        self._counts = counts

    def _load_torchs(self, state: dict[str, Any]) -> None:
        parts = state["state"]
        if sum(len(group["params"]) for group in state["param_groups"]) != len(self.parameters):
            raise ValueError("its optimizer has other parameters")
        for i, parameter in enumerate(self.parameters) if parts else ():
            if i not in parts:  # it never had a gradient
                continue
            for name, kept in self._kept.items():
                if parts[i][name].shape != parameter.shape:
                    raise ValueError("its optimizer has parameters of other shapes")
                kept[i].copy_(parts[i][name])
            self._counts[i] = int(parts[i].get("step", 0))


def schedule_of(config: BaseConfig, steps: int, factor: Callable[[int], float] | None = None) -> Schedule:
    """The schedule that `config` names, over all steps; or `factor`, a function of the steps done.

    `one-cycle`: up to `config.learning_rate`, then down to nearly 0, while beta_1 goes down and up again (Smith &
    Topin, Super-Convergence, 2018); `cosine`: from it down to 0 (Loshchilov & Hutter, SGDR, 2017, without restarts).
    """
    peak = config.learning_rate
    if factor is not None:
        return lambda step: (peak * factor(step), BETAS[0])
    if config.schedule == "constant":
        return lambda step: (peak, BETAS[0])
    if config.schedule == "cosine":
        return lambda step: (_along_cosine(peak, 0.0, step / steps), BETAS[0])
    return lambda step: _one_cycle(peak, step, steps)


def _one_cycle(peak: float, step: int, steps: int) -> tuple[float, float]:
    """torch's OneCycleLR with its defaults: from a 25th of the peak, there after 3 of 10 steps, down to 4e-6 of it."""
    turn, end = 0.3 * steps - 1, steps - 1
    if step <= turn:
        part = step / turn
        return _along_cosine(peak / 25, peak, part), _along_cosine(0.95, 0.85, part)
    part = (step - turn) / (end - turn)
    return _along_cosine(peak, peak / 25 / 1e4, part), _along_cosine(0.85, 0.95, part)


def _along_cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
