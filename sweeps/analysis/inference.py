"""What a study's numbers support: means with intervals, paired tests, the spread between seeds.

A value found as the best of many is flattered by chance. So the best configurations are run again on fresh seeds, and
judged by those runs alone. All intervals are of 95 %, by Student's t; they speak of other seeds, not of other examples.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from scipy import stats

from rnnkit.core import wording
from sweeps.analysis.facts import GridCell, Mean, Paired
from sweeps.analysis.grid import GridPoint
from sweeps.study import Study, points


def mean_of(values: Sequence[float], limits: tuple[float, float] = (-math.inf, math.inf)) -> Mean:
    """The mean of at least one value, and its interval, which is cut at `limits`: that costs no coverage."""
    mean, count = statistics.fmean(values), len(values)
    if count < 2:
        return Mean(mean, None, None, None, count)
    deviation = statistics.stdev(values)
    low, high = _interval(mean, deviation, count)
    return Mean(mean, max(low, limits[0]), min(high, limits[1]), deviation, count)


def _interval(mean: float, deviation: float, count: int) -> tuple[float, float]:
    reach = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return mean - reach, mean + reach


def paired(trial: int, other: int, ours: dict[int, float], theirs: dict[int, float], sign: int) -> Paired | None:
    """Compare two configurations on the seeds that both have, if there are two. `sign` is -1 if lower is better."""
    seeds = sorted(set(ours) & set(theirs))
    if len(seeds) < 2:
        return None
    differences = [sign * (ours[seed] - theirs[seed]) for seed in seeds]
    mean, deviation = statistics.fmean(differences), statistics.stdev(differences)
    low, high = _interval(mean, deviation, len(seeds))
    p = float(np.asarray(stats.ttest_1samp(differences, 0.0))[1]) if deviation else float(mean == 0)
    return Paired(trial, other, mean, low, high, p, len(seeds), supported=low > 0 or high < 0)


def confirmations(study: Study) -> dict[int, list[FrozenTrial]]:
    """The finished trials on fresh seeds, by the trial that each runs again: those of the best as they are now.

    What a smaller study ran again, or one that was told to run more, may be far from the best by now.
    """
    count, seeds = study.confirm
    best = [trial.number for trial in points.ranked(study)[:count]]
    by_trial: dict[int, list[FrozenTrial]] = {}
    for trial in study.confirmations.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if trial.user_attrs["confirms"] in best and trial.user_attrs["repeat"] < seeds:
            by_trial.setdefault(trial.user_attrs["confirms"], []).append(trial)
    return by_trial


def by_seed(trials: list[FrozenTrial]) -> dict[int, float]:
    """The values of trials on fresh seeds, by seed."""
    return {trial.user_attrs["repeat"]: trial.values[0] for trial in trials}


def in_order(study: Study) -> list[tuple[int, list[FrozenTrial]]]:
    """What was run again, best first, by the mean on the fresh seeds that all of it finished on."""
    trials = confirmations(study)
    values = {number: by_seed(several) for number, several in trials.items()}
    common = set.intersection(*(set(by_one) for by_one in values.values())) if values else set()
    score = study.folder.objective.score

    def mean(number: int) -> float:
        shared = [value for seed, value in values[number].items() if seed in common]
        return score(statistics.fmean(shared or list(values[number].values())))

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


def least_difference(between_seeds: Spread, cells: int, ours: int, theirs: int) -> float:
    """How far the means of two of `cells` configurations must lie apart to be told apart, with so many seeds each.

    Tukey and Kramer's honestly significant difference at 5 % for all pairs together (Kramer, 1956).
    """
    q = float(stats.studentized_range.ppf(0.95, cells, between_seeds.freedom))
    return q * between_seeds.deviation * math.sqrt((1 / ours + 1 / theirs) / 2)


def in_the_plane(
    study: Study, plane: Sequence[GridCell | GridPoint], between_seeds: Spread | None, where: str = "plane"
) -> tuple[list[str], list[str]]:
    """Sentences on the plane, or the grid: differences that the data support, and such that they do not."""
    score = study.folder.objective.score
    scores = {cell.name: score(cell.value) for cell in plane if cell.value is not None}
    counts = {cell.name: len(cell.values) for cell in plane}
    if len(scores) < 2:
        return [], []
    if between_seeds is None:
        return [], [
            f"Between the {len(scores)} points of the {where} no difference is supported: each was trained on one "
            "seed, and nothing here says how much seeds differ (--confirm, or --sampler grid, does)."
        ]
    best = max(scores, key=scores.__getitem__)
    needed = {name: least_difference(between_seeds, len(scores), counts[best], counts[name]) for name in scores}
    worse = [name for name in scores if scores[best] - scores[name] > needed[name]]
    close = [name for name in scores if name not in (best, *worse)]
    basis = (
        f"standard deviation between seeds {between_seeds.deviation:.4f}, "
        f"{wording.count(between_seeds.freedom, 'degree')} of freedom; "
        f"two points must lie {needed[best]:.4f} apart to be told apart"
    )
    supported = [f"In the {where}, {best} is better than {wording.listed(worse)} ({basis})."] if worse else []
    not_supported = (
        [f"In the {where}, {best} is not told apart from {wording.listed(close)} ({basis})."] if close else []
    )
    return supported, not_supported
