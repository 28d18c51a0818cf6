"""What is foretold of a net before it is trained, from a look into it."""

import math

from torch import nn

from rnnkit.core import BaseConfig
from rnnkit.diagnostics import ProbeBatch, monitor, norms
from rnnkit.nn import evaluating, recurrent_modules
from rnnkit.runs import foretelling
from rnnkit.runs.foretelling import signs


def foretold(model: nn.Module, probe: ProbeBatch, config: BaseConfig) -> foretelling.Foretold:
    """Whether a net will learn, as far as the bank of runs tells."""
    return foretelling.untrained(of_untrained(model, probe, config))


def of_untrained(model: nn.Module, probe: ProbeBatch, config: BaseConfig) -> dict[str, float]:
    """The signs of a net before training: of its settings, of a look into it, and of how large a first step will be."""
    known = signs.of_settings(config.learning_rate, config.hidden_size, config.depth, probe.span)
    return known | of_look(model, probe) | of_first_update(model, config.learning_rate)


def of_look(model: nn.Module, probe: ProbeBatch) -> dict[str, float]:
    """The signs of a net as it is, on the watched sequences."""
    row = monitor.look(model, probe).numbers
    with evaluating(model):
        contexts = {"one": 1, "quarter": max(probe.span // 4, 1), "all": probe.span}
        row |= {f"memory/loss_{name}": probe.costs(k).double().mean().item() for name, k in contexts.items()}
    hidden_size = next(module.hidden_size for module in recurrent_modules(model).values())
    return signs.of_look(row, probe.span, hidden_size)


def of_first_update(model: nn.Module, rate: float) -> dict[str, float]:
    """How large a first step of Adam is beside the weights of the recurrent layers, in their root mean square."""
    groups = norms.parameter_groups(model).items()
    weights = [p for name, group in groups if "/" in name and not name.endswith("/bias") for p in group]
    size = math.sqrt(sum(p.square().sum().item() for p in weights) / sum(p.numel() for p in weights))
    return signs.rounded({"size of first update": signs.log(rate / size) if size else None})
