"""What a study's numbers support: means with intervals, paired tests, the spread between seeds, importances.

A value found as the best of many is flattered by chance. So the best configurations are run again on fresh seeds, and
judged by those runs alone. All intervals are of 95 %, by Student's t; they speak of other seeds, not of other examples.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from scipy import stats

from rnnkit.core.wording import listed
from sweeps.study import points
from sweeps.study.study import Study


LEAST_FOR_IMPORTANCES = 8  # finished trials


@dataclass(frozen=True)
class Mean:
    """A mean of values, its 95 % interval, and their standard deviation; only the mean where there is one value.

    What can only lie within `limits` has its interval cut there, which costs no coverage.
    """

    mean: float
    low: float | None
    high: float | None
    spread: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float], limits: tuple[float, float] = (-math.inf, math.inf)) -> "Mean":
        """Of at least one value."""
        mean, count = statistics.fmean(values), len(values)
        if count < 2:
            return cls(mean, None, None, None, count)
        spread = statistics.stdev(values)
        reach = float(stats.t.ppf(0.975, count - 1)) * spread / math.sqrt(count)
        return cls(mean, max(mean - reach, limits[0]), min(mean + reach, limits[1]), spread, count)


def limits(metric: str) -> tuple[float, float]:
    """What a metric can be at least and at most, by its name: `metric/accuracy/valid` is a share."""
    return (0.0, 1.0) if metric.split("/")[1] in ("accuracy", "macro_f1") else (-math.inf, math.inf)


@dataclass(frozen=True)
class Paired:
    """How much better one configuration is than another, seed by seed: mean difference, its interval, p of the t-test.

    `supported` says whether 0 lies outside of the interval.
    """

    trial: int
    other: int
    difference: float
    low: float
    high: float
    p: float
    seeds: int
    supported: bool


def paired(trial: int, other: int, ours: dict[int, float], theirs: dict[int, float], sign: int) -> Paired | None:
    """Compare two configurations on the seeds that both have, if there are two. `sign` is -1 if lower is better."""
    seeds = sorted(set(ours) & set(theirs))
    if len(seeds) < 2:
        return None
    differences = [sign * (ours[seed] - theirs[seed]) for seed in seeds]
    found = Mean.of(differences)
    if found.spread == 0:
        p = 1.0 if found.mean == 0 else 0.0
    else:
        p = float(stats.ttest_1samp(differences, 0.0).pvalue)
    supported = found.low > 0 or found.high < 0
    return Paired(trial, other, found.mean, found.low, found.high, p, len(seeds), supported)


def again(study: Study) -> dict[int, list[FrozenTrial]]:
    """The finished trials on fresh seeds, by the trial that each runs again: those of the best as they are now.

    What a smaller study ran again, or one that was told to run more, may be far from the best by now.
    """
    count, seeds = study.confirm
    found: dict[int, list[FrozenTrial]] = {}
    best = {trial.number for trial in points.ranked(study)[:count]}
    for trial in study.again.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if trial.user_attrs["confirms"] in best and trial.user_attrs["repeat"] < seeds:
            found.setdefault(trial.user_attrs["confirms"], []).append(trial)
    return found


def by_seed(trials: list[FrozenTrial]) -> dict[int, float]:
    """The values of trials on fresh seeds, by seed."""
    return {trial.user_attrs["repeat"]: trial.value for trial in trials}


def in_order(study: Study) -> list[tuple[int, list[FrozenTrial]]]:
    """What was run again, best first, by the mean on the fresh seeds that all of it finished on."""
    trials = again(study)
    found = {number: by_seed(of_one) for number, of_one in trials.items()}
    common = set.intersection(*(set(values) for values in found.values())) if found else set()
    score = study.folder.space.score

    def mean(number: int) -> float:
        values = [value for seed, value in found[number].items() if seed in common] or list(found[number].values())
        return score(statistics.fmean(values))

    return sorted(trials.items(), key=lambda item: (-mean(item[0]), item[0]))


@dataclass(frozen=True)
class Spread:
    """The standard deviation between seeds, pooled over configurations, and the degrees of freedom behind it."""

    deviation: float
    freedom: int


def spread(groups: Sequence[Sequence[float]]) -> Spread | None:
    """Pool what groups of values, each of one configuration on several seeds, say; None where none has two values."""
    groups = [values for values in groups if len(values) > 1]
    freedom = sum(len(values) - 1 for values in groups)
    if not freedom:
        return None
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in groups)
    return Spread(math.sqrt(squares / freedom), freedom)


def least_difference(found: Spread, cells: int, one: int, other: int) -> float:
    """How far the means of two of `cells` configurations must lie apart to be told apart, with so many seeds each.

    Tukey and Kramer's honestly significant difference at 5 % for all pairs together (Kramer, 1956).
    """
    q = float(stats.studentized_range.ppf(0.95, cells, found.freedom))
    return q * found.deviation * math.sqrt((1 / one + 1 / other) / 2)


def importances(study: Study) -> dict[str, float]:
    """How much of the variation of the value each setting accounts for, largest first; empty where trials are too few.

    fANOVA (Hutter, Hoos & Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, 2014), over
    finished trials, for the settings that all of them have.
    """
    trials = [t for t in study.all_of((TrialState.COMPLETE,)) if math.isfinite(t.value)]
    if len(trials) < LEAST_FOR_IMPORTANCES or np.ptp([t.value for t in trials]) == 0:
        return {}
    alone = optuna.create_study(direction=study.trials.direction)
    alone.add_trials(trials)
    measure = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {
        name: float(share) for name, share in optuna.importance.get_param_importances(alone, evaluator=measure).items()
    }


def cells(study: Study) -> list[dict]:
    """A cell for each point of the plane: size and depth, its trials, their values, their mean and spread."""
    space = study.folder.space
    plane = space.plane()
    found = []
    for number, settings in enumerate(plane):
        trials = [
            trial
            for trial in study.all_of((TrialState.COMPLETE,))
            if points.is_first_part(study.folder, trial.number) and trial.number % len(plane) == number
        ]
        mean = Mean.of([trial.value for trial in trials]) if trials else None
        sizes = [trial.user_attrs.get("result", {}).get("parameters") for trial in trials]
        found.append(
            {
                "hidden_size": settings["hidden_size"],
                "depth": settings["depth"],
                "value": mean and mean.mean,
                "spread": mean and mean.spread,
                "values": [trial.value for trial in trials],
                "trials": [trial.number for trial in trials],
                "parameters": next((size for size in sizes if size is not None), None),
            }
        )
    return found


def in_the_plane(study: Study, plane: list[dict], between_seeds: Spread | None) -> tuple[list[str], list[str]]:
    """Sentences on the plane: differences that the data support, and such that they do not."""
    score, filled = study.folder.space.score, [cell for cell in plane if cell["value"] is not None]
    if len(filled) < 2:
        return [], []
    best = max(filled, key=lambda cell: score(cell["value"]))
    if between_seeds is None:
        return [], [
            f"Between the {len(filled)} points of the plane no difference is supported: each was trained on one seed, "
            "and nothing here says how much seeds differ (--confirm, or --sampler grid, does)."
        ]
    close, worse = [], []
    for cell in filled:
        if cell is not best:
            needed = least_difference(between_seeds, len(filled), len(best["values"]), len(cell["values"]))
            apart = score(best["value"]) - score(cell["value"])
            (worse if apart > needed else close).append(named(cell))
    least = least_difference(between_seeds, len(filled), len(best["values"]), len(best["values"]))
    basis = (
        f"standard deviation between seeds {between_seeds.deviation:.4f}, {between_seeds.freedom} degrees of freedom; "
        f"two points must lie {least:.4f} apart to be told apart"
    )
    supported, not_supported = [], []
    if worse:
        supported.append(f"In the plane, {named(best)} is better than {listed(worse)} ({basis}).")
    if close:
        not_supported.append(f"In the plane, {named(best)} is not told apart from {listed(close)} ({basis}).")
    return supported, not_supported


def named(cell: dict) -> str:
    """A point of the plane in short: `64 x 2`."""
    return f"{cell['hidden_size']} x {cell['depth']}"
