"""What a sweep of each experiment looks for: what is studied, what is tuned along, and the plane that comes first.

Studied are hidden size and depth, cell and direction: what the answer is about. Tuned along are learning rate, dropout
and clipping, so that no size is judged by settings that suit another. All else is fixed: the experiment's defaults, or
what follows -- on the sweep's command line.
"""

import dataclasses
import itertools
import math
from dataclasses import dataclass, field

import optuna

from rnnkit.core.config import BaseConfig
from rnnkit.core.errors import UserError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones where both are, on a logarithmic scale where `log` says so.

    `least` and `most` are the ends beyond which there is nothing to look for. `needs` names another setting and the
    value that it must have at least for this one to matter.
    """

    low: float
    high: float
    log: bool = False
    least: float | None = None
    most: float | None = None
    needs: tuple[str, int] | None = None

    def suggest(self, trial, name: str):
        """Ask an Optuna trial for a value."""
        if isinstance(self.low, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def widened(self, value: float) -> tuple[float, float] | None:
        """The range to look in instead, where `value` lies on a border of this one; None where it does not.

        On a border is what lies within a twentieth of the range (of its logarithm) of an end, unless nothing lies
        beyond that end. The range then reaches half as far again beyond it, in whole numbers where it is of such.
        """
        place, low, high = (math.log(x) if self.log else x for x in (value, self.low, self.high))
        reach = (high - low) / 2
        back = math.exp if self.log else float
        found = [self.low, self.high]
        if place <= low + reach / 10 and (self.least is None or self.low > self.least):
            found[0] = max(back(low - reach), -math.inf if self.least is None else self.least)
        if place >= high - reach / 10 and (self.most is None or self.high < self.most):
            found[1] = min(back(high + reach), math.inf if self.most is None else self.most)
        if found == [self.low, self.high]:
            return None
        if isinstance(self.low, int):
            return math.floor(found[0]), math.ceil(found[1])
        return tuple(float(f"{end:.2g}") for end in found)


@dataclass(frozen=True)
class Space:
    """The search space of an experiment.

    `studied` and `tuned` map settings to a `Range`, or to a tuple of choices. The plane is every pair of `hidden_sizes`
    and `depths`, with `start` for the other settings. `metric` is what a trial is judged by on the validation part, the
    higher the better unless `lower_is_better`.
    """

    metric: str
    hidden_sizes: tuple[int, ...]
    depths: tuple[int, ...]
    studied: dict[str, Range | tuple]
    tuned: dict[str, Range | tuple]
    start: dict = field(default_factory=dict)
    lower_is_better: bool = False

    def plane(self) -> list[dict]:
        """The points of the plane, each with all settings that the search varies there."""
        points = []
        for hidden_size, depth in itertools.product(self.hidden_sizes, self.depths):
            point = {"hidden_size": hidden_size, "depth": depth, **self.start}
            points.append(point | ({"dropout": 0.0} if depth > 1 else {}))
        return points

    def varied(self) -> set[str]:
        """The names of the settings that the search varies."""
        return set(self.studied) | set(self.tuned)

    def fitting(self, base: BaseConfig) -> "Space":
        """This space without the choices that `base` cannot be changed to: no plain RNN where --init sets gates."""

        def fits(name: str, choice) -> bool:
            try:
                base.changed(**{name: choice})
            except UserError:
                return False
            return True

        studied = {
            name: tuple(choice for choice in values if fits(name, choice)) if isinstance(values, tuple) else values
            for name, values in self.studied.items()
        }
        return dataclasses.replace(self, studied=studied)

    def suggest(self, trial) -> dict:
        """Ask an Optuna trial for a point. What the trial was planned with comes back unchanged."""
        point: dict = {}
        for name, values in (self.studied | self.tuned).items():
            if isinstance(values, tuple):
                point[name] = trial.suggest_categorical(name, values)
            elif values.needs is None or point[values.needs[0]] >= values.needs[1]:
                point[name] = values.suggest(trial, name)
        return point

    def drawn(self, seed: int) -> dict:
        """A point drawn at random, uniformly (on a logarithmic scale where a range says so), from `seed` alone."""
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        return self.suggest(study.ask())

    def best(self, trials: list):
        """The best of finished Optuna trials, the first of equal ones; None where there is none."""
        return max(trials, key=lambda t: self.score(t.value), default=None)

    def score(self, value: float) -> float:
        """The value, or its negative where lower is better: the higher the better in any case."""
        return -value if self.lower_is_better else value

    def borders(self, settings: dict, grid: bool = False) -> list[tuple[str, float, Range, tuple[float, float]]]:
        """The settings that lie on a border of their range: name, value, range, and the range to look in instead.

        In a grid the ranges are those of the plane, and nothing else is searched.
        """
        sizes, depths = self.hidden_sizes, self.depths
        plane = {
            "hidden_size": Range(min(sizes), max(sizes), log=True, least=1),
            "depth": Range(min(depths), max(depths), least=1),
        }
        found = []
        for name, values in (plane if grid else self.studied | self.tuned).items():
            if isinstance(values, Range) and name in settings and (wider := values.widened(settings[name])):
                found.append((name, settings[name], values, wider))
        return found


def _studied(hidden_size: tuple[int, int], depth: int, cells=("rnn", "gru", "lstm"), both: bool = True) -> dict:
    """Hidden size within two ends, depth from 1, cell, and direction where both are possible."""
    found = {"hidden_size": Range(*hidden_size, log=True, least=1), "depth": Range(1, depth, least=1), "cell": cells}
    return found | ({"bidirectional": (False, True)} if both else {})


def _tuned(learning_rate: tuple[float, float], clip: tuple[float, float] = (0.25, 4.0)) -> dict:
    """Learning rate and clipping within two ends each; dropout, which acts between layers, where there are two."""
    return {
        "learning_rate": Range(*learning_rate, log=True),
        "dropout": Range(0.0, 0.5, least=0.0, most=0.95, needs=("depth", 2)),
        "clip": Range(*clip, log=True),
    }


SPACES = {
    "digits": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(8, 16, 32, 64),
        depths=(1, 2, 3),
        studied=_studied((8, 96), 3),
        tuned=_tuned((1e-3, 3e-2)),
        start={"cell": "gru", "bidirectional": True, "learning_rate": 0.01, "clip": 1.0},
    ),
    "sentiment": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(16, 32, 64),
        depths=(1, 2),
        studied=_studied((16, 128), 2),
        tuned=_tuned((5e-4, 1e-2), (0.25, 16.0)),
        start={"cell": "lstm", "bidirectional": False, "learning_rate": 1e-3, "clip": 4.0},
    ),
    "char_lm": Space(
        metric="metric/bits_per_character/valid",
        lower_is_better=True,
        hidden_sizes=(64, 128, 256),
        depths=(1, 2),
        studied=_studied((32, 512), 2, both=False),
        tuned=_tuned((1e-3, 2e-2), (0.25, 16.0)),
        start={"cell": "lstm", "learning_rate": 5e-3, "clip": 4.0},
    ),
    "memory": Space(
        metric="metric/loss/valid",
        lower_is_better=True,
        hidden_sizes=(32, 64, 128),
        depths=(1, 2),
        studied=_studied((16, 128), 2, cells=("gru", "lstm"), both=False),  # the cells that every --init fits
        tuned=_tuned((1e-3, 1e-2)),
        start={"cell": "lstm", "learning_rate": 4e-3, "clip": 1.0},
    ),
    "word_lm": Space(
        metric="metric/perplexity/valid",
        lower_is_better=True,
        hidden_sizes=(64, 128, 200),
        depths=(1, 2),
        studied=_studied((64, 400), 2, both=False),
        tuned=_tuned((5.0, 40.0), (0.1, 1.0)),
        start={"cell": "lstm", "learning_rate": 20.0, "clip": 0.25},
    ),
    "tagging": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(32, 64, 128),
        depths=(1, 2),
        studied=_studied((32, 256), 2),
        tuned=_tuned((1e-3, 1e-2)),
        start={"cell": "lstm", "bidirectional": True, "learning_rate": 5e-3, "clip": 1.0},
    ),
    "music": Space(
        metric="metric/nats_per_step/valid",
        lower_is_better=True,
        hidden_sizes=(50, 100, 200),
        depths=(1, 2),
        studied=_studied((50, 400), 2, both=False),
        tuned=_tuned((1e-3, 2e-2)),
        start={"cell": "lstm", "learning_rate": 5e-3, "clip": 1.0},
    ),
    "pixels": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(32, 64, 128),
        depths=(1, 2),
        studied=_studied((32, 256), 2),
        tuned=_tuned((5e-4, 1e-2)),
        start={"cell": "gru", "bidirectional": False, "learning_rate": 5e-3, "clip": 1.0},
    ),
}
