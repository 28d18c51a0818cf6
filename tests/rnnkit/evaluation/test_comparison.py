"""Comparisons of right answers beside published intervals, closed forms, and simulated runs whose truth is known."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from rnnkit.evaluation import compare, over_runs, signs_of


def answers(both, ours, theirs, none):
    """Right answers of two classifiers, from how many examples both have right, one alone has, and none."""
    counts = both, ours, theirs, none
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_the_interval_is_newcombes():
    """The first example of his paper's comparison of methods: 0.0569 to 0.3404 by method 10."""
    result = compare("other", *answers(36, 12, 2, 0))
    assert (result.difference, result.examples) == (pytest.approx(0.2), 50)
    assert (result.low, result.high) == (pytest.approx(0.0569, abs=5e-5), pytest.approx(0.3404, abs=5e-5))


def test_the_interval_is_the_normal_one_where_there_are_many_examples():
    rng = np.random.default_rng(5)
    ours, theirs = rng.random(4_000) < 0.9, rng.random(4_000) < 0.85
    result = compare("other", ours, theirs)
    differences = ours.astype(float) - theirs
    half = 1.96 * differences.std() / np.sqrt(len(differences))
    assert result.difference == pytest.approx(differences.mean())
    assert result.low == pytest.approx(differences.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(differences.mean() + half, abs=0.1 * half)


def test_the_comparison_is_in_pairs():
    right = np.arange(100) % 2 == 0
    same, apart = compare("itself", right, right), compare("its opposite", right, ~right)
    assert (same.ours, same.theirs, same.difference, same.examples) == (0.5, 0.5, 0.0, 100)
    assert -0.02 < same.low < 0 < same.high < 0.02
    assert apart.high - apart.low > 5 * (same.high - same.low)


@pytest.mark.parametrize("count", range(1, 6))
def test_so_few_examples_tell_nothing_apart(count):
    assert compare("other", *answers(0, count, 0, 0)).low <= 0
    assert compare("other", *answers(0, 0, count, 0)).high >= 0


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(sum))
def test_any_answers_have_an_interval_within_its_limits_that_turns_with_them(counts):
    ours, theirs = answers(*counts)
    there, back = compare("other", ours, theirs), compare("other", theirs, ours)
    assert -1 <= there.low <= there.difference <= there.high <= 1
    assert (back.low, back.high) == (pytest.approx(-there.high), pytest.approx(-there.low))
    assert signs_of(there).tolist() == (ours.astype(int) - theirs).tolist()


def test_answers_that_do_not_go_together_are_refused():
    for ours, theirs in (([], []), ([True], [True, False]), ([[True]], [[True]])):
        with pytest.raises(ValueError, match=r"two of the same \(examples,\) are needed"):
            compare("other", np.array(ours), np.array(theirs))


def test_what_differs_on_each_example_is_kept_in_short():
    rng = np.random.default_rng(0)
    found = compare("other", rng.random(25_000) < 0.95, rng.random(25_000) < 0.94)
    assert len(found.pairs) < 8_000
    kept = dataclasses.replace(found, pairs="")
    for pairs in ("", "no base64!", "AAAA", found.pairs[:-8], compare("x", [True], [False]).pairs):
        assert signs_of(dataclasses.replace(kept, pairs=pairs)) is None


def runs_of(rng, runs, examples, deviation):
    """Comparisons of runs with one baseline, with the true difference: probits of seed, example and chance."""
    hard = rng.standard_normal(examples)
    theirs = hard + 1.5 + rng.standard_normal(examples) > 0
    seeds = deviation * rng.standard_normal((runs, 1))
    ours = hard + 1.5 + seeds + rng.standard_normal((runs, examples)) > 0
    truth = norm.cdf(1.5 / np.sqrt(2 + deviation**2)) - norm.cdf(1.5 / np.sqrt(2))
    return [compare("other", right, theirs) for right in ours], float(truth)


@pytest.mark.parametrize(("runs", "deviation"), [(3, 0.05), (3, 0.3), (5, 0.15)])
def test_intervals_over_runs_cover_the_truth_where_those_of_one_run_do_not(runs, deviation):
    rng = np.random.default_rng(7)
    held = alone = 0
    for _ in range(200):
        comparisons, truth = runs_of(rng, runs, 300, deviation)
        mean, low, high = over_runs(comparisons)
        assert mean == pytest.approx(np.mean([one.difference for one in comparisons]))
        held += low <= truth <= high
        alone += comparisons[0].low <= truth <= comparisons[0].high
    assert 0.91 * 200 <= held <= 0.99 * 200
    assert alone < held or deviation == 0.05


def test_over_runs_is_students_interval_where_all_examples_are_alike():
    """Whole runs that are right or wrong on everything vary between seeds alone."""
    ours = [np.full(1_000, right) for right in (True, False, True, True, False)]
    mean, low, high = over_runs([compare("none", right, np.zeros(1_000, bool)) for right in ours])
    expected = t.interval(0.95, 4, loc=0.6, scale=np.std([1, 0, 1, 1, 0], ddof=1) / np.sqrt(5))
    assert mean == pytest.approx(0.6)
    assert (low, high) == (pytest.approx(expected[0], abs=1e-3), 1.0)


def test_runs_that_cannot_be_put_together_have_no_interval():
    comparisons, _ = runs_of(np.random.default_rng(1), 3, 40, 0.1)
    assert over_runs(comparisons) is not None
    assert over_runs(comparisons[:2]) is None
    assert over_runs([*comparisons, dataclasses.replace(comparisons[0], baseline="another")]) is None
    right = np.ones(10, bool)
    assert over_runs([compare("itself", right, right)] * 3) is None


def test_records_that_do_not_hold_the_examples_have_a_wider_interval():
    comparisons, _ = runs_of(np.random.default_rng(1), 3, 400, 0.1)
    known = over_runs(comparisons)
    older = over_runs([dataclasses.replace(one, pairs="") for one in comparisons])
    assert older[0] == known[0]
    assert known[2] - known[0] < older[2] - older[0] < 2 * (known[2] - known[0])
