"""Limits of a net's size, beyond which a point of a study is not trained: parameters, measured time a prediction."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import experiments
from rnnkit.core import BaseConfig


if TYPE_CHECKING:
    from torch import nn


SECONDS = 0.3  # that are spent on measuring a net's predictions
MOST_CALLS = 30


@dataclass(frozen=True)
class Limits:
    """The most parameters, and the most milliseconds that a prediction may take; None for any number."""

    parameters: int | None = None
    milliseconds: float | None = None

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return self.parameters is not None or self.milliseconds is not None


@dataclass(frozen=True)
class Size:
    """A net's parameters, and the milliseconds that a prediction of it takes, each where it was measured."""

    parameters: int | None = None
    milliseconds: float | None = None

    def beyond(self, limits: Limits) -> str | None:
        """What of the limits it goes beyond, in words; None where it keeps them."""
        count, most = self.parameters or 0, limits.parameters
        if most is not None and count > most:
            return f"{count:,} parameters, more than {most:,}"
        took, longest = self.milliseconds or 0.0, limits.milliseconds
        if longest is not None and took > longest:
            return f"{took:.3g} ms a prediction, more than {longest:g}"
        return None


def parameters(config: BaseConfig) -> int:
    """How many parameters a net with these settings has."""
    return _count(experiments.load(config.experiment).run.prepared(config).model)


def _count(model: "nn.Module") -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def measured(config: BaseConfig, limits: Limits) -> Size:
    """The size of a net with these settings; its time only where that is limited.

    The time is the least of several calls without gradients on the first batch, divided by the sequences in it: what
    others do on the machine makes a call longer, never shorter. It is that of this machine, with the run's threads.
    """
    import torch  # a second, which whoever limits nothing need not wait for

    task = experiments.load(config.experiment).run.prepared(config)
    count = _count(task.model)
    if limits.milliseconds is None:
        return Size(count)
    device = next(task.model.parameters()).device
    batch = next(iter(task.batches(0))).to(device)
    sequences = len(batch.lengths) if hasattr(batch, "lengths") else len(batch.inputs)
    task.model.eval()
    least, began, calls = float("inf"), time.perf_counter(), 0
    with torch.no_grad():
        while calls < 3 or (calls < MOST_CALLS and time.perf_counter() - began < SECONDS):
            start = time.perf_counter()
            task.loss(task.model, batch, None)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            least, calls = min(least, time.perf_counter() - start), calls + 1
    return Size(count, 1000 * least / sequences)
