"""Intervals, differences and numbers of seeds beside scipy, closed forms, and what is drawn with known truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from sweeps.analysis import inference


INF = math.inf


def test_a_mean_without_limits_has_students_interval():
    values = [0.3, -0.2, 0.9, 0.4]
    found = inference.mean_of(values)
    ends = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(ends)
    assert (found.mean, found.spread, found.count) == pytest.approx((np.mean(values), np.std(values, ddof=1), 4))


def test_between_limits_it_is_students_on_the_scale_of_log_odds():
    """The delta method: the standard error of logit(m) is that of m by m (1 - m)."""
    values = [0.95, 0.97, 0.99]
    found, mean = inference.mean_of(values, (0.0, 1.0)), np.mean(values)
    reach = stats.t.ppf(0.975, 2) * stats.sem(values) / (mean * (1 - mean))
    ends = special.expit(special.logit(mean) + np.array([-reach, reach]))
    assert (found.low, found.high) == pytest.approx(tuple(ends))
    doubled = inference.mean_of([2 * value for value in values], (0.0, 2.0))
    assert (doubled.low, doubled.high) == pytest.approx((2 * found.low, 2 * found.high))


def test_above_a_limit_it_is_students_on_the_scale_of_logarithms():
    values = [1.5, 2.5, 1.7]
    found, above = inference.mean_of(values, (1.0, INF)), np.mean(values) - 1
    reach = stats.t.ppf(0.975, 2) * stats.sem(values) / above
    assert (found.low, found.high) == pytest.approx((1 + above * math.exp(-reach), 1 + above * math.exp(reach)))
    below = inference.mean_of([-value for value in values], (-INF, -1.0))
    assert (below.low, below.high) == pytest.approx((-found.high, -found.low))


LIMITS = [(0.0, 1.0), (0.0, INF), (1.0, INF), (-INF, INF)]


@given(st.sampled_from(LIMITS), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_no_interval_reaches_beyond_what_a_metric_can_be(limits, shares):
    low, high = limits
    values = [min(max(share, low), high) if high == 1 else max(low, 0.0) + 100 * share for share in shares]
    found = inference.mean_of(values, limits)
    if found.low is not None:
        assert low <= found.low <= found.mean <= found.high <= high
        assert len(values) >= inference.LEAST_SEEDS
    assert found.count == len(values)


@pytest.mark.parametrize(
    ("values", "lacks"),
    [
        ([0.5], "1 seed: too few"),
        ([0.5, 0.9], "2 seeds: too few"),
        ([0.5, 0.5, 0.5], "all seeds alike"),
        ([0.5, math.nan, 0.5], "no number"),
        ([0.5, math.inf, 0.5], "no number"),
    ],
)
def test_why_a_mean_has_no_interval_is_said(values, lacks):
    found = inference.mean_of(values, (0.0, 1.0))
    assert (found.low, found.high, found.lacks) == (None, None, lacks)


def seeds(values, first=0):
    return {first + number: value for number, value in enumerate(values)}


def test_a_difference_is_scipys_in_pairs_where_seeds_are_the_same():
    ours, theirs = [0.8, 0.9, 0.85, 0.7], [0.7, 0.75, 0.8, 0.6]
    found, test = inference.difference(seeds(ours), seeds(theirs), 1), stats.ttest_rel(ours, theirs)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (found.p, found.seeds, found.supported) == (pytest.approx(test.pvalue), 4, test.pvalue < 0.05)
    turned = inference.difference(seeds(ours), seeds(theirs), -1)
    assert (turned.difference, turned.low, turned.high) == pytest.approx((-found.difference, -found.high, -found.low))


def test_it_is_welchs_where_seeds_differ_and_bonferronis_where_many_are_made():
    ours, theirs = [0.8, 0.9, 0.85, 0.7], [0.7, 0.75, 0.1]
    found = inference.difference(seeds(ours), seeds(theirs, 50), 1, 6)
    test = stats.ttest_ind(ours, theirs, equal_var=False)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(1 - 0.05 / 6)))
    assert (found.p, found.seeds) == (pytest.approx(min(6 * test.pvalue, 1)), 0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([0.5, 0.6], [0.1, 0.2]),
        ([0.5, 0.6, 0.7], [0.1]),
        ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6]),  # differences are all alike
        ([0.5] * 3, [0.5] * 3),
        ([0.5, math.nan, 0.7], [0.1, 0.2, 0.3]),
        ([0.5, math.inf, 0.7], [0.1, 0.2, 0.3]),
    ],
)
def test_what_tells_nothing_supports_nothing(ours, theirs):
    found = inference.difference(seeds(ours), seeds(theirs), 1)
    assert (found.low, found.high, found.p, found.supported, found.more) == (None, None, None, False, None)
    assert "too few seeds, or too much alike, for an interval" in found.in_words


@pytest.mark.parametrize("paired", [True, False])
def test_so_many_seeds_more_tell_two_apart_four_times_of_five(paired):
    """Drawn anew with as many seeds in all, and with the difference and the spread that were seen."""
    rng = np.random.default_rng(3)
    ours, theirs = [0.8, 0.83, 0.78, 0.88], [0.79, 0.78, 0.79, 0.80]
    found = inference.difference(seeds(ours), seeds(theirs, 0 if paired else 50), 1, 3)
    assert not found.supported
    count = 4 + found.more
    both = np.array([ours, theirs])
    covariance = np.cov(both) if paired else np.diag(both.var(axis=1, ddof=1))
    drawn = rng.multivariate_normal(both.mean(axis=1), covariance, size=(4_000, count))
    test = stats.ttest_rel if paired else stats.ttest_ind
    p = test(drawn[..., 0], drawn[..., 1], axis=1).pvalue * 3
    assert (p < 0.05).mean() == pytest.approx(inference.POWER, abs=0.04)
    p = test(drawn[:, : count // 2, 0], drawn[:, : count // 2, 1], axis=1).pvalue * 3
    assert (p < 0.05).mean() < 0.7


def test_the_spread_between_seeds_is_pooled():
    groups = [[0.1, 0.2, 0.4], [0.5, 0.9], [0.3], []]
    found = inference.spread(groups)
    assert found.freedom == 3
    assert found.deviation == pytest.approx(math.sqrt((2 * np.var(groups[0], ddof=1) + np.var(groups[1], ddof=1)) / 3))
    assert inference.spread([[0.1], [0.2]]) is None
    assert inference.spread([[0.1, 0.1], [0.2, 0.2]]) is None
