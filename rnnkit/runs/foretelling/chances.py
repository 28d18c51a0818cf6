"""The chance that a net learns, from the signs in its record, and the reasons: what the bank says of such nets.

A logistic regression on the rank that each sign has among the bank's nets, one model for before training and one for
each moment early in it. `python -m sweeps.flag_study.paper` fits them and writes `models.json`; docs/flags.md says
how far they can be trusted.
"""

import bisect
import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from rnnkit.core import BaseConfig
from rnnkit.runs.flags import VALIDATION
from rnnkit.runs.foretelling import signs


BEST, WORST = "gradient through time", "gradient through time, worst layer"
REASONS = 3  # that are told
LATE, LATEST = 0.2, 0.4  # of the steps: what is said of a run is known at the first or soon after, or it is not said
BITS = "metric/bits_per_character/valid"


@dataclass(frozen=True)
class Sign:
    """What a model knows of one sign: its quantiles in the bank, and what its rank, from -1 to 1, counts for."""

    name: str
    quantiles: tuple[float, ...]
    weight: float
    of_square: float  # what the square of the rank counts for, where a sign is bad on both sides

    def rank(self, value: float) -> float:
        """Where a value stands among the bank's, from -1 to 1; in the middle, 0, where a net does not have it."""
        if math.isnan(value):
            return 0.0
        there = bisect.bisect_left(self.quantiles, value) + bisect.bisect_right(self.quantiles, value)
        return there / len(self.quantiles) - 1


@dataclass(frozen=True)
class Model:
    """A model for what is known after a share of the steps."""

    after: float
    signs: tuple[Sign, ...]
    constant: float


@dataclass(frozen=True)
class Foretold:
    """A chance to learn, after which share of the steps it was said, and its main reasons."""

    chance: float
    after: float
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"learns with probability {self.chance:.2f}, judging by other tasks: {'; '.join(self.reasons)}"


@functools.cache
def models() -> tuple[Model, ...]:
    """The models, by the share of the steps after which each speaks."""
    stored = json.loads(resources.files("rnnkit.runs.foretelling").joinpath("models.json").read_text(encoding="utf-8"))
    return tuple(read(one) for one in stored["models"])


def read(stored: Mapping[str, Any]) -> Model:
    """A model as the file holds it."""
    parts = tuple(Sign(**one | {"quantiles": tuple(one["quantiles"])}) for one in stored["signs"])
    return Model(stored["after"], parts, stored["constant"])


def untrained(found: Mapping[str, float]) -> Foretold:
    """What is foretold before training, from the signs of a net."""
    return foretold(models()[0], found)


def early(rows: Sequence[signs.Row], steps: int, config: BaseConfig) -> Foretold | None:
    """What is foretold early in training, from the rows of the first of `steps` steps, the last one an evaluation's.

    None before the first moment that a model is for, long after the last, and where nothing was looked at.
    """
    share = len(rows) / steps
    model = model_at(share)
    if model is None or share > LATEST or not watched_in(rows[-1]) or "memory/span" not in rows[0]:
        return None
    return foretold(model, of_rows(rows, config))


def model_at(share: float) -> Model | None:
    """The model for after a share of the steps, None before the first moment of training that there is one for."""
    return next((model for model in models()[:0:-1] if model.after <= share), None)


def watched_in(row: signs.Row) -> str:
    """The name of the validation loss in a row, empty where there is none."""
    return next((name for name in VALIDATION if math.isfinite(row.get(name, math.nan))), "")


def in_words(rows: Sequence[signs.Row], config: BaseConfig) -> str | None:
    """What the first fifth of a run that has ended foretold, from its rows; None where nothing was seen then."""
    steps = len(rows)
    step = speaks_after(evaluations(rows), steps)
    if step is None:
        return None
    said = early(rows[:step], steps, config)
    return None if said is None else f"after {step / steps:.0%} of the steps: {said}"


def evaluations(rows: Sequence[signs.Row]) -> list[int]:
    """After which steps, counted from 1, a run was evaluated."""
    return [step for step, row in enumerate(rows, start=1) if watched_in(row)]


def speaks_after(evaluations: Iterable[int], steps: int) -> int | None:
    """After which of these steps it is said whether a net learns: the first after a fifth of all `steps`.

    Not before: nets of a task are told apart better then (docs/flags.md).
    """
    return next((step for step in evaluations if step / steps >= LATE), None)


def of_rows(rows: Sequence[signs.Row], config: BaseConfig) -> dict[str, float]:
    """The signs in the rows of a run's first steps, the last of which is an evaluation's: of the later half of them."""
    span, watched = rows[0]["memory/span"], watched_in(rows[-1])
    found = signs.of_settings(config.learning_rate, config.hidden_size, config.depth, span)
    found |= signs.of_look(rows[-1], span, config.hidden_size)
    found |= signs.of_steps(rows[len(rows) // 2 :], rows[0], config.clip)
    unit = math.log(2) if watched == BITS else 1.0  # the loss of training is in nats
    losses = {
        i: unit * row[watched] for i, row in enumerate(rows, start=1) if math.isfinite(row.get(watched, math.nan))
    }
    return found | signs.of_losses(losses, rows[0]["loss/train"])


def foretold(model: Model, found: Mapping[str, float]) -> Foretold:
    """What a model says of these signs, with the three that speak loudest for what it says."""
    counts = {}
    for sign in model.signs:
        rank = sign.rank(found.get(sign.name, math.nan))
        counts[sign.name] = sign.weight * rank + sign.of_square * rank**2
    logit = model.constant + sum(counts.values())
    chance = 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
    side = 1 if chance >= 0.5 else -1
    speaking = [name for name in counts if name in found and side * counts[name] > 0]
    if found.get(WORST) == found.get(BEST):  # there is one layer: it is said once
        speaking = [name for name in speaking if name != WORST]
    loudest = sorted(speaking, key=lambda name: -side * counts[name])[:REASONS]
    return Foretold(chance, model.after, tuple(WORDS[name](found[name]) for name in loudest))


def _power(value: float) -> str:
    """A number from its natural logarithm."""
    return f"{math.exp(min(value, 700.0)):.2g}"


def _more(value: float) -> str:
    return f"{'less' if value >= 0 else 'more'} by {abs(value):.1%}"


# What each sign says of a net, in words.
WORDS: dict[str, Callable[[float], str]] = {
    "learning rate": lambda v: f"the learning rate is {_power(v)}",
    "hidden size": lambda v: f"the hidden size is {_power(v)}",
    "depth": lambda v: f"the depth is {v:.0f}",
    "span": lambda v: f"sequences have {math.exp(v):.0f} steps",
    "size of first update": lambda v: f"a first step is {_power(v)} of the recurrent weights' size",
    BEST: lambda v: f"{_power(v)} of a gradient reaches the beginning of a sequence",
    WORST: lambda v: f"{_power(v)} of a gradient reaches its beginning in the layer that carries it worst",
    "reach of gradients": lambda v: f"1 % of a gradient is left {v:.2g} of a sequence back",
    "forgetting": lambda v: f"two states that differ are {_power(v)} times as far apart after a sequence",
    "size of states": lambda v: f"states have the size {_power(v)}",
    "saturated units": lambda v: f"{v:.0%} of the units are saturated",
    "dead units": lambda v: f"{v:.0%} of the units hardly move",
    "dimensions of states": lambda v: f"states fill {v:.0%} of their dimensions",
    "growth of states": lambda v: f"states grow by {v:.1%} within a sequence",
    "insensitive gate": lambda v: f"a gate has a sensitivity of {v:.2g}",
    "timescale of gates": lambda v: f"gates keep for up to {_power(v)} of a sequence",
    "gain by all inputs": lambda v: f"with all inputs the loss is {_more(v)} than with the last one",
    "gain by far inputs": lambda v: f"with the farther three quarters of inputs the loss is {_more(v)}",
    "training loss": lambda v: f"the training loss is {_power(v)} of the first",
    "gradient norm": lambda v: f"the gradient norm is {_power(v)}",
    "share of W_hh in the gradient": lambda v: f"{_power(v)} of the gradient is that of W_hh",
    "clipped steps": lambda v: f"{v:.0%} of the steps are clipped",
    "validation loss": lambda v: f"the validation loss is {_power(v)} of the first loss",
    "slope of the validation loss": lambda v: f"the validation loss goes as the number of steps to the power {v:.2g}",
}
