"""Foretell which nets will learn, from the bank: one small model of all signs, judged on what it was not fitted on.

A logistic regression on the rank of each sign: what comes out is a probability. The same model of one sign alone, of
the validation loss so far, or of both together stands beside it, so that they differ in what they are told and in
nothing else.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from rnnkit.runs.foretelling import signs
from sweeps.flag_study import scores
from sweeps.flag_study.drawn import EVERY, MOMENTS, STEPS
from sweeps.flag_study.entries import Entry


WAY = 0.8  # from the cheap baseline to the best known loss: who came so far has learned
DRAWS = 1_000  # of the bootstrap over tasks
QUANTILES = 41  # of each sign, among which ranks are counted
PENALTIES = (0.1, 1.0, 10.0)
LEVEL = 2.0  # how much less than signs the levels of tasks are held back
# Signs that are bad on both sides. All others are taken as they rise: more freedom than that does not carry over to
# tasks that were not seen.
TWO_SIDED = ("learning rate", "size of first update", *signs.LOOK[:2], *scores.UNTRAINED[:2])


Interval = tuple[float, float, float]
"""A value, and the ends of its 95 % interval."""


def learned(entry: Entry) -> bool:
    """Whether a run came four fifths of the way from a cheap baseline's test loss to the best known one."""
    baseline, best = entry.limits
    return entry.loss is not None and entry.loss <= baseline - WAY * (baseline - best)


@dataclass(frozen=True)
class Known:
    """What is known of runs at a moment: `values` of shape (runs, signs), NaN where a net does not have one.

    The others are of shape (runs,).
    """

    names: tuple[str, ...]
    values: np.ndarray
    learned: np.ndarray
    tasks: np.ndarray
    families: np.ndarray
    cells: np.ndarray

    def of(self, wanted: Callable[[str], bool]) -> "Known":
        """The same with those signs alone whose names are wanted."""
        chosen = [i for i, name in enumerate(self.names) if wanted(name)]
        return replace(self, names=tuple(self.names[i] for i in chosen), values=self.values[:, chosen])


def at(entries: Sequence[Entry], moment: int) -> Known:
    """What is known at a moment (an index into `MOMENTS`) of the runs that have not diverged by then."""
    there = [entry for entry in entries if len(entry.signs) > moment]
    rows = [signs_of(entry, moment) | curve_of(entry, moment) for entry in there]
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    values = np.array([[row.get(name, math.nan) for name in names] for row in rows])
    labels = [[learned(entry) for entry in there], [entry.task for entry in there], [entry.family for entry in there]]
    return Known(names, values, *map(np.array, [*labels, [str(entry.settings["cell"]) for entry in there]]))


def signs_of(entry: Entry, moment: int) -> dict[str, float]:
    """The signs before training, and at a moment after it."""
    before = {f"before: {name}": value for name, value in entry.signs[0].items()}
    return before | ({f"now: {name}": value for name, value in entry.signs[moment].items()} if moment else {})


def curve_of(entry: Entry, moment: int) -> dict[str, float]:
    """What validation losses say up to a moment, in logarithms.

    The loss itself, as a share of the first one and of a cheap baseline's; how it went in the later half of the steps;
    and where it would end, were it to go on as straight by the logarithm of the step.
    """
    losses = entry.curve[: MOMENTS[moment] // EVERY + 1]
    last = _ln(losses[-1])
    found = {"loss": last, "of the first": last - _ln(losses[0]), "of the baseline": last - _ln(entry.limits[0])}
    if moment:
        half = len(losses) // 2
        slope = (last - _ln(losses[half])) / math.log((len(losses) - 1) / half)
        end = found["of the baseline"] + slope * math.log(STEPS / MOMENTS[moment])
        found |= {"slope": slope, "extrapolated": end}
    return {f"validation loss: {name}": value for name, value in found.items()}


def _ln(loss: float) -> float:
    return math.log(max(loss, 1e-9))


def features(train: Known, values: np.ndarray) -> np.ndarray:
    """Features of runs from their signs, `values`, both of shape (runs, any number).

    The rank of each sign among the quantiles that it has in `train`, from -1 to 1, and for some its square. A sign that
    a net does not have is in the middle.
    """
    ranks = np.zeros_like(values)
    for sign, known in enumerate(quantiles(train)):
        there = np.isfinite(values[:, sign])
        if len(known):
            of = values[there, sign]  # ties have the mean of their ranks
            ranks[there, sign] = (np.searchsorted(known, of) + np.searchsorted(known, of, "right")) / len(known) - 1
    return np.hstack([ranks, ranks[:, two_sided(train.names)] ** 2])


def quantiles(train: Known) -> list[np.ndarray]:
    """The quantiles of each sign, QUANTILES of them; none of what no run has."""
    columns = [column[np.isfinite(column)] for column in train.values.T]
    shares = np.linspace(0, 1, QUANTILES)
    return [np.quantile(one, shares, method="nearest") if len(one) else one for one in columns]


def two_sided(names: Sequence[str]) -> list[int]:
    """Which signs are bad on both sides."""
    return [i for i, name in enumerate(names) if name.partition(": ")[2] in TWO_SIDED]


def part(known: Known, rows: np.ndarray) -> Known:
    """Some of the runs, by a mask of shape (runs,)."""
    labels = {name: getattr(known, name)[rows] for name in ("values", "learned", "tasks", "families", "cells")}
    return replace(known, **labels)


def fitted(train: Known, test: Known, penalty: float) -> np.ndarray:
    """The chance to learn of each run of `test`, of shape (runs,), from a model that saw `train` alone.

    Each task of `train` has a level of its own, so that signs are weighed by what they tell of nets of the same task;
    one of `test` has that of none. The larger `penalty`, the nearer all chances are to each other.
    """
    share = train.learned.mean()
    if share in (0.0, 1.0):
        return np.full(len(test.learned), share)
    weights, constant = weighed(train, penalty)
    return 1 / (1 + np.exp(-(features(train, test.values) @ weights + constant)))


def weighed(train: Known, penalty: float) -> tuple[np.ndarray, float]:
    """What each feature counts for, of shape (features,), and the constant."""
    known = features(train, train.values)
    levels = LEVEL * (train.tasks[:, None] == np.unique(train.tasks))
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky")
    model.fit(np.hstack([known, levels]), train.learned)
    return np.ravel(model.coef_)[: known.shape[1]], float(np.ravel(model.intercept_)[0])


def by_group(groups: np.ndarray, chances: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `chances` says of each group's runs, given a mask of them, for all runs, of shape (runs,)."""
    found = np.empty(len(groups))
    for group in np.unique(groups):
        rows = groups == group
        found[rows] = chances(rows)
    return found


def apart(known: Known, groups: np.ndarray, penalty: float) -> np.ndarray:
    """The same with a given penalty."""
    if len(np.unique(groups)) == 1:  # which no other foretells
        return np.full(len(groups), known.learned.mean())
    return by_group(groups, lambda rows: fitted(part(known, ~rows), part(known, rows), penalty))


def held_out(known: Known, groups: np.ndarray) -> np.ndarray:
    """The chance to learn of each run, of shape (runs,), each group's from a model of the others."""

    def of_group(rows: np.ndarray) -> np.ndarray:
        rest = part(known, ~rows)
        return fitted(rest, part(known, rows), chosen(rest, groups[~rows]))

    return by_group(groups, of_group)


def chosen(known: Known, groups: np.ndarray) -> float:
    """The penalty that does best where each group is held out in its turn.

    Chances are then as far from all alike as holds for what was not seen, and no farther.
    """
    tried = {penalty: apart(known, groups, penalty) for penalty in PENALTIES}
    return min(tried, key=lambda penalty: log_loss(known.learned, tried[penalty], labels=[False, True]))


Measure = Callable[[np.ndarray], float]
"""A number from tasks, given by their places among all tasks; one that is drawn twice counts twice."""


def places(known: Known) -> list[np.ndarray]:
    """The runs of each task."""
    return [np.flatnonzero(known.tasks == task) for task in np.unique(known.tasks)]


def area(values: np.ndarray, failed: np.ndarray) -> float:
    """The area under the ROC curve of a sign, ties counted half; NaN where all runs failed or none did.

    That is the Mann-Whitney statistic over the number of pairs (Hanley & McNeil, 1982).
    """
    failures, others = values[failed], np.sort(values[~failed])
    if not len(failures) or not len(others):
        return math.nan
    below = np.searchsorted(others, failures, "left") + np.searchsorted(others, failures, "right")
    return below.mean() / (2 * len(others))


def whole(known: Known, chances: np.ndarray) -> Measure:
    """How well chances order all runs: the area under the ROC curve."""
    runs, failed = places(known), ~known.learned

    def measure(tasks: np.ndarray) -> float:
        rows = np.concatenate([runs[task] for task in tasks])
        return area(-chances[rows], failed[rows])

    return measure


def within(known: Known, chances: np.ndarray) -> Measure:
    """How well chances order the runs of a task: the tasks' areas, weighted with their pairs."""
    failed = ~known.learned
    areas = np.array([area(-chances[rows], failed[rows]) for rows in places(known)])
    pairs = np.array([failed[rows].sum() * (~failed[rows]).sum() for rows in places(known)])

    def measure(tasks: np.ndarray) -> float:
        tasks = tasks[pairs[tasks] > 0]
        return float(np.average(areas[tasks], weights=pairs[tasks])) if len(tasks) else math.nan

    return measure


def interval(measure: Measure, count: int) -> Interval:
    """A measure of `count` tasks, and its 95 % interval: tasks are drawn, for runs of one are much alike."""
    draws = np.random.default_rng(0).integers(count, size=(DRAWS, count))
    found = [value for draw in draws if not math.isnan(value := measure(draw))]
    low, high = np.percentile(found, [2.5, 97.5]) if found else (math.nan, math.nan)
    return measure(np.arange(count)), float(low), float(high)


def ahead(known: Known, chances: np.ndarray, others: np.ndarray) -> Interval:
    """By how much chances order the runs of a task better than others do, on the same draws of tasks."""
    one, other = within(known, chances), within(known, others)
    return interval(lambda tasks: one(tasks) - other(tasks), len(places(known)))


def miscalibration(chances: np.ndarray, learned: np.ndarray) -> float:
    """The expected calibration error, in ten parts of equal size (Naeini, Cooper & Hauskrecht, 2015).

    How far chances are from the shares that learned, by tenths of the runs, in the mean.
    """
    parts = np.array_split(np.argsort(chances, kind="stable"), min(10, len(chances)))
    return float(sum(abs(chances[rows].mean() - learned[rows].mean()) * len(rows) for rows in parts) / len(chances))
