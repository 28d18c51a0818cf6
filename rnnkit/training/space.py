"""What a sweep of an experiment looks for: what is studied, what is tuned along, and the plane that comes first.

Studied are hidden size and depth, cell and direction: what the answer is about. Tuned along are learning rate, dropout
and clipping, so that no size is judged by settings that suit another. All else is fixed: the experiment's defaults, or
what follows -- on the sweep's command line.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rnnkit.core import BaseConfig, UserError, cells


Values = dict[str, Any]  # settings and their values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones where both are, on a logarithmic scale where `log` says so."""

    low: float
    high: float
    log: bool = False
    least: float | None = None  # beyond which there is nothing to look for
    most: float | None = None  # likewise
    needs: tuple[str, int] | None = None  # another setting, and what it must have at least for this one to matter

    def widened(self, value: float) -> tuple[float, float] | None:
        """The range to look in instead, where `value` lies on a border of this one; None where it does not.

        On a border is what lies within a twentieth of the range (of its logarithm) of an end, unless nothing lies
        beyond that end. The range then reaches half as far again beyond it, in whole numbers where it is of such.
        """
        least = 1 if self.least is None and isinstance(self.low, int) and self.low >= 1 else self.least  # a count
        place, low, high = (math.log(x) if self.log else x for x in (value, self.low, self.high))
        reach = (high - low) / 2
        back = math.exp if self.log else float
        new_low, new_high = self.low, self.high
        if place <= low + reach / 10 and (least is None or self.low > least):
            new_low = max(back(low - reach), -math.inf if least is None else least)
        if place >= high - reach / 10 and (self.most is None or self.high < self.most):
            new_high = min(back(high + reach), math.inf if self.most is None else self.most)
        if (new_low, new_high) == (self.low, self.high):
            return None
        if isinstance(self.low, int):
            return math.floor(new_low), math.ceil(new_high)
        return float(f"{new_low:.2g}"), float(f"{new_high:.2g}")


Ranges = dict[str, Range | tuple[Any, ...]]  # settings, and a range or the choices of each


@dataclass(frozen=True)
class Space:
    """The search space of an experiment: the plane is all `hidden_sizes` and `depths`, with `start` for the rest.

    `points` are a grid of one's own in its place: `Space.of_points`.
    """

    hidden_sizes: tuple[int, ...]
    depths: tuple[int, ...]
    studied: Ranges
    tuned: Ranges
    start: dict[str, Any] = field(default_factory=dict)
    # Of a sweep that is not told: how many trials, and how many of the best are run again. No part of what is searched.
    trials: int = field(default=24, compare=False)
    again: int = field(default=3, compare=False)
    points: tuple[Values, ...] = ()

    @classmethod
    def of_points(cls, points: Sequence[Values]) -> "Space":
        """The space of a grid: these points and nothing else, each a value for the same settings."""
        values = {name: tuple(dict.fromkeys(point[name] for point in points)) for name in points[0]}
        plane = (values["hidden_size"], values["depth"]) if values.keys() == {"hidden_size", "depth"} else ((), ())
        return cls(*plane, dict(values), {}, points=tuple(points))

    def plane(self) -> list[Values]:
        """The points of the plane or grid, each with all settings that the search varies there."""
        if self.points:
            return [dict(point) for point in self.points]
        dropped = {"dropout": _nearest(self.tuned.get("dropout", (0.0,)), 0.0)}
        return [
            {"hidden_size": hidden_size, "depth": depth, **self.start, **(dropped if depth > 1 else {})}
            for hidden_size, depth in itertools.product(self.hidden_sizes, self.depths)
        ]

    def varied(self) -> set[str]:
        """The names of the settings that the search varies."""
        return set(self.studied) | set(self.tuned)

    def fitting(self, base: BaseConfig) -> "Space":
        """This space without the choices that `base` cannot be changed to: no plain RNN where --init sets gates."""

        def fits(name: str, choice: Any) -> bool:
            try:
                base.changed(**{name: choice})
            except UserError:
                return False
            return True

        narrowed = {
            name: tuple(choice for choice in values if fits(name, choice)) if isinstance(values, tuple) else values
            for name, values in self.studied.items()
        }
        return dataclasses.replace(self, studied=narrowed)

    def completed(self, base: BaseConfig) -> "Space":
        """This space with a start for each setting that it searches: that of `base`, where it names none itself."""
        ranges = {name: values for name, values in (self.studied | self.tuned).items() if name not in self.start}
        lacking = {
            name: _nearest(values, _ends(values)[0] if (usual := getattr(base, name)) is None else usual)
            for name, values in ranges.items()
            if name not in ("hidden_size", "depth") and not (isinstance(values, Range) and values.needs)
        }
        return self if self.points or not lacking else dataclasses.replace(self, start=self.start | lacking)

    def suggest(self, trial: Any) -> Values:
        """Ask an Optuna trial for a point. What the trial was planned with comes back unchanged."""
        point: Values = {}
        for name, values in (self.studied | self.tuned).items():
            if isinstance(values, tuple):
                point[name] = trial.suggest_categorical(name, values)
            elif values.needs is None or point[values.needs[0]] >= values.needs[1]:
                ask = trial.suggest_int if isinstance(values.low, int) else trial.suggest_float
                point[name] = ask(name, values.low, values.high, log=values.log)
        return point

    def holds(self, point: Values) -> bool:
        """Whether a point lies in this space."""
        ranges = self.studied | self.tuned
        return all(name in ranges and _lies_in(ranges[name], value) for name, value in point.items())

    def covers(self, other: "Space") -> bool:
        """Whether all points of another space of the same settings lie in this one."""
        ours, theirs = self.studied | self.tuned, other.studied | other.tuned
        return ours.keys() == theirs.keys() and all(_covers(ours[name], theirs[name]) for name in ours)

    def searching(self, ranges: Ranges) -> "Space":
        """This space with other ranges or choices for some settings, those that it did not search included.

        The plane keeps of its sizes and depths those that lie inside, or gets the ends where none does; its other
        settings go to the nearest end, or to the first choice.
        """
        ranges = {name: _like(self.studied.get(name, self.tuned.get(name)), values) for name, values in ranges.items()}
        within = lambda name, values: tuple(v for v in values if _lies_in(ranges[name], v)) or _ends(ranges[name])
        planes = {"hidden_size": self.hidden_sizes, "depth": self.depths}
        planes = {name: within(name, values) if name in ranges else values for name, values in planes.items()}
        start = {name: _nearest(ranges[name], v) if name in ranges else v for name, v in self.start.items()}
        studied = {name: ranges.get(name, values) for name, values in self.studied.items()}
        tuned = self.tuned | {name: values for name, values in ranges.items() if name not in studied}
        return Space(planes["hidden_size"], planes["depth"], studied, tuned, start, self.trials, self.again)

    def borders(self, settings: Values, grid: bool = False) -> list[tuple[str, float, Range, tuple[float, float]]]:
        """Settings on a border of their range (of the plane's in a grid): name, value, range, and a wider one."""
        if self.points:  # what a grid of one's own leaves out was left out on purpose
            return []
        sizes, depths = self.hidden_sizes, self.depths
        plane: Ranges = {"hidden_size": Range(min(sizes), max(sizes), log=True, least=1)}
        plane["depth"] = Range(min(depths), max(depths), least=1)
        return [
            (name, settings[name], values, wider)
            for name, values in (plane if grid else self.studied | self.tuned).items()
            if isinstance(values, Range) and name in settings and (wider := values.widened(settings[name]))
        ]


def _lies_in(values: Range | tuple[Any, ...], value: Any) -> bool:
    return value in values if isinstance(values, tuple) else values.low <= value <= values.high


def _covers(ours: Range | tuple[Any, ...], theirs: Range | tuple[Any, ...]) -> bool:
    if isinstance(ours, tuple) or isinstance(theirs, tuple):
        return isinstance(ours, tuple) and isinstance(theirs, tuple) and set(theirs) <= set(ours)
    alike = (ours.log, ours.needs, type(ours.low)) == (theirs.log, theirs.needs, type(theirs.low))
    return alike and ours.low <= theirs.low and theirs.high <= ours.high


def _like(known: Range | tuple[Any, ...] | None, asked: Range | tuple[Any, ...]) -> Range | tuple[Any, ...]:
    """A range that was asked for, in all else like the one that was known."""
    if isinstance(known, Range) and isinstance(asked, Range):
        return dataclasses.replace(known, low=asked.low, high=asked.high)
    return asked


def _ends(values: Range | tuple[Any, ...]) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else tuple(dict.fromkeys((values.low, values.high)))


def _nearest(values: Range | tuple[Any, ...], value: Any) -> Any:
    if _lies_in(values, value):
        return value
    return values[0] if isinstance(values, tuple) else min(max(value, values.low), values.high)


def studied(
    hidden_size: tuple[int, int], depth: int, chosen: tuple[str, ...] | None = None, both: bool = True
) -> Ranges:
    """Hidden size within two ends, depth from 1, cell, and direction where both are possible.

    `chosen` are the cells: by default those that torch.nn has layers of.
    """
    ranges: Ranges = {"hidden_size": Range(*hidden_size, log=True, least=1), "depth": Range(1, depth, least=1)}
    ranges["cell"] = cells.standard() if chosen is None else chosen
    return {**ranges, **({"bidirectional": (False, True)} if both else {})}


def tuned(learning_rate: tuple[float, float], clip: tuple[float, float] = (0.25, 4.0)) -> Ranges:
    """Learning rate and clipping within two ends each; dropout, which acts between layers, where there are two."""
    return {
        "learning_rate": Range(*learning_rate, log=True),
        "dropout": Range(0.0, 0.5, least=0.0, most=0.95, needs=("depth", 2)),
        "clip": Range(*clip, log=True),
    }
