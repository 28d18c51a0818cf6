"""What a look into a net before training says of it: flags, and the chance that it learns."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from rnnkit.core import BaseConfig
from rnnkit.diagnostics import ProbeBatch, monitor, norms
from rnnkit.nn import evaluating, recurrent_modules
from rnnkit.runs import Flag, before_training, foretelling
from rnnkit.runs.foretelling import Foretold, signs
from rnnkit.training.experiment import Task


@dataclass(frozen=True)
class Screened:
    """What may keep a net from learning, and its chance; nothing where the task names no sequences to look at."""

    flags: list[Flag]
    foretold: Foretold | None


def screened(task: Task[Any], config: BaseConfig) -> Screened:
    """Look into a net before training."""
    if task.probe is None:
        return Screened([], None)
    seen = monitor.look(task.model, task.probe).numbers
    known = of_untrained(task.model, task.probe, config, seen)
    return Screened(before_training(monitor.initial(seen, task.probe)), foretelling.untrained(known))


def of_untrained(
    model: nn.Module, probe: ProbeBatch, config: BaseConfig, seen: Mapping[str, float]
) -> dict[str, float]:
    """The signs of a net before training: of its settings, of what is `seen` of it, of how large a first step is."""
    known = signs.of_settings(config.learning_rate, config.hidden_size, config.depth, probe.span)
    return known | of_look(model, probe, seen) | of_first_update(model, config.learning_rate)


def of_look(model: nn.Module, probe: ProbeBatch, seen: Mapping[str, float]) -> dict[str, float]:
    """The signs of a net as it is, `seen` being the numbers of `diagnostics.monitor.look` on the watched sequences."""
    with evaluating(model):
        contexts = {"one": 1, "quarter": max(probe.span // 4, 1), "all": probe.span}
        losses = {f"memory/loss_{name}": probe.costs(k).double().mean().item() for name, k in contexts.items()}
    hidden_size = next(module.hidden_size for module in recurrent_modules(model).values())
    return signs.of_look({**seen, **losses}, probe.span, hidden_size)


def of_first_update(model: nn.Module, rate: float) -> dict[str, float]:
    """How large a first step of Adam is beside the weights of the recurrent layers, in their root mean square."""
    groups = norms.parameter_groups(model).items()
    weights = [p for name, group in groups if "/" in name and not name.endswith("/bias") for p in group]
    size = math.sqrt(sum(p.square().sum().item() for p in weights) / sum(p.numel() for p in weights))
    return signs.rounded({"size of first update": signs.log(rate / size) if size else None})
