"""What values on several seeds support: means with intervals, differences with tests, the spread between seeds.

A value found as the best of many is flattered by chance. So the best configurations are run again on fresh seeds, and
judged by those runs alone. All intervals are of 95 %, by Student's t; they speak of other seeds, not of other examples.

SciPy takes most of a second to import, and is where it is needed: a list of studies with answers shows at once.
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.analysis.facts import Difference, Mean


LEAST_SEEDS = 3  # with two, an interval is a dozen times as wide as they lie apart: it says nothing
POWER = 0.8  # how often a difference is to be told, for the number of seeds that this takes
MOST_SEEDS = 1_000  # beyond which nobody looks

Limits = tuple[float, float]


def mean_of(values: Sequence[float], limits: Limits = (-math.inf, math.inf)) -> Mean:
    """The mean of at least one value, and its interval, of the kind that values between `limits` have.

    It is of Student's t on a scale without ends: logit between two limits, log above one. A mean of 0.99 of at most 1
    then has an interval that reaches further down than up, and none reaches beyond a limit. No interval is given for
    fewer than 3 values, and where all are alike: how far seeds differ does not show then.
    """
    mean, count = statistics.fmean(values), len(values)
    deviation = statistics.stdev(values) if count > 1 and all(map(math.isfinite, values)) else None
    if count < LEAST_SEEDS or deviation is None or _alike(values):
        return Mean(mean, None, None, deviation, count)
    from scipy import special, stats

    reach = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    low, high = limits
    if not low < mean < high or (math.isinf(low) and math.isinf(high)):
        return Mean(mean, mean - reach, mean + reach, deviation, count)
    if math.isinf(high):
        factor = math.exp(reach / (mean - low))
        return Mean(mean, low + (mean - low) / factor, low + (mean - low) * factor, deviation, count)
    if math.isinf(low):
        factor = math.exp(reach / (high - mean))
        return Mean(mean, high - (high - mean) * factor, high - (high - mean) / factor, deviation, count)
    share = (mean - low) / (high - low)
    steps = reach / (high - low) / (share * (1 - share))
    ends = [low + (high - low) * float(special.expit(special.logit(share) + way)) for way in (-steps, steps)]
    return Mean(mean, ends[0], ends[1], deviation, count)


def _alike(values: Sequence[float]) -> bool:
    """Whether values differ by no more than rounding does."""
    return max(values) - min(values) <= 1e-9 * max(map(abs, values), default=0.0)


def difference(ours: Mapping[int, float], theirs: Mapping[int, float], sign: int, comparisons: int = 1) -> Difference:
    """How much better `ours` is than `theirs`, both values by seed; `sign` is -1 where lower is better.

    In pairs over the seeds that both have, where these are 3 or more; else by Welch's test. `comparisons` is how many
    are made in all: interval and p are Bonferroni's for so many at once. Fewer than 3 seeds tell nothing apart, nor do
    differences that are all alike.
    """
    common = sorted(set(ours) & set(theirs))
    paired = len(common) >= LEAST_SEEDS
    first = [ours[seed] for seed in common] if paired else list(ours.values())
    second = [theirs[seed] for seed in common] if paired else list(theirs.values())
    mean = sign * (statistics.fmean(first) - statistics.fmean(second))
    untold = Difference(mean, None, None, None, len(common) if paired else 0, False, comparisons)
    enough = min(len(first), len(second)) >= LEAST_SEEDS and all(map(math.isfinite, [*first, *second]))
    if not enough or _shows_no_spread(first, second, paired):
        return untold
    from scipy import stats

    test = stats.ttest_rel(first, second) if paired else stats.ttest_ind(first, second, equal_var=False)
    ends = test.confidence_interval(1 - 0.05 / comparisons)
    low, high = sorted((sign * float(ends.low), sign * float(ends.high)))
    p = min(float(np.asarray(test)[1]) * comparisons, 1.0)
    supported = low > 0 or high < 0
    more = None if supported else _more_seeds(first, second, paired, comparisons)
    return Difference(mean, low, high, p, untold.seeds, supported, comparisons, more)


def _shows_no_spread(first: Sequence[float], second: Sequence[float], paired: bool) -> bool:
    if not paired:
        return _alike(first) and _alike(second)
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return max(differences) - min(differences) <= 1e-9 * max(map(abs, [*first, *second]))


def _more_seeds(first: Sequence[float], second: Sequence[float], paired: bool, comparisons: int) -> int | None:
    """How many seeds more for each would tell two apart, 4 times out of 5, if they differ as they do here.

    By the power of the two-sided t-test, from the noncentral t (Cohen, Statistical Power Analysis, 1988, ch. 2). None
    where they do not differ, or more than 1,000 would not do.
    """
    have = min(len(first), len(second))
    if paired:
        deviation = statistics.stdev(a - b for a, b in zip(first, second, strict=True))
    else:
        deviation = math.sqrt(statistics.variance(first) + statistics.variance(second))
    effect = abs(statistics.fmean(first) - statistics.fmean(second)) / deviation
    counts = np.arange(have + 1, MOST_SEEDS + 1)
    freedom = counts - 1 if paired else 2 * counts - 2
    from scipy import stats

    quantile = stats.t.ppf(1 - 0.025 / comparisons, freedom)
    enough = np.flatnonzero(stats.nct.sf(quantile, freedom, effect * np.sqrt(counts)) >= POWER)
    return int(counts[enough[0]]) - have if len(enough) else None


@dataclass(frozen=True)
class Spread:
    """The standard deviation between seeds, pooled over configurations, and the degrees of freedom behind it."""

    deviation: float
    freedom: int


def spread(groups: Sequence[Sequence[float]]) -> Spread | None:
    """Pool what groups of values, each of one configuration on several seeds, say; None where none shows any spread."""
    groups = [values for values in groups if len(values) > 1]
    freedom = sum(len(values) - 1 for values in groups)
    if not freedom or all(map(_alike, groups)):
        return None
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in groups)
    return Spread(math.sqrt(squares / freedom), freedom)


def least_difference(between_seeds: Spread, cells: int, ours: int, theirs: int) -> float:
    """How far the means of two of `cells` configurations must lie apart to differ clearly, with so many seeds each.

    Tukey and Kramer's honestly significant difference at 5 % for all pairs together (Kramer, 1956).
    """
    q = _studentized_range(cells, between_seeds.freedom)
    return q * between_seeds.deviation * math.sqrt((1 / ours + 1 / theirs) / 2)


@functools.cache  # a tenth of a second, and a page asks again and again
def _studentized_range(cells: int, freedom: int) -> float:
    from scipy import stats

    return float(stats.studentized_range.ppf(0.95, cells, freedom))
