"""Macro F1 and errors of two models: scikit-learn's score, SciPy's bootstrap, and what clearly differs."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import f1_score

from rnnkit.evaluation import compare_errors, compare_f1, resampled


LABELS = st.lists(st.tuples(*[st.integers(-1, 3)] * 3), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(LABELS)
def test_macro_f1_is_scikit_learns(rows):
    truth, ours, theirs = map(np.array, zip(*rows, strict=True))
    found = compare_f1("x", truth, ours, theirs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn speaks of classes that one of the two lacks
        for value, answers in ((found.ours, ours), (found.theirs, theirs)):
            assert value == pytest.approx(f1_score(truth, answers, average="macro", zero_division=0))
    assert found.difference == pytest.approx(found.ours - found.theirs)
    assert found.examples == len(rows)


def test_of_each_resample_it_is_the_score_of_its_rows():
    chance = np.random.default_rng(0)
    truth, answers = chance.integers(0, 3, (2, 5, 12))
    expected = [f1_score(*pair, average="macro", zero_division=0) for pair in zip(truth, answers, strict=True)]
    np.testing.assert_allclose(resampled._macro_f1(truth, answers, 4), expected)


def test_who_finds_the_rare_class_is_better_though_no_more_answers_are_right():
    truth = np.repeat([0, 1], [190, 10])
    always = np.zeros(200, int)
    finder = truth.copy()
    finder[:10] = 1  # ten false alarms for ten finds: as many right answers as always 0 has
    found = compare_f1("majority", truth, finder, always)
    assert (finder == truth).mean() == (always == truth).mean()
    assert found.low > 0.1
    assert found.measure == "macro F1"


def test_errors_are_compared_as_scipy_does_it():
    chance = np.random.default_rng(1)
    theirs = chance.gamma(2.0, 1.0, 80)
    ours = theirs - chance.normal(0.3, 0.5, 80)
    found = compare_errors("x", ours, theirs, "mean absolute error")
    expected = bootstrap((theirs - ours,), np.mean, n_resamples=4_000, method="percentile", rng=chance)
    assert found.difference == pytest.approx(theirs.mean() - ours.mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), abs=0.02)


def test_the_same_pairs_give_the_same_interval_however_many_are_drawn_at_a_time(monkeypatch):
    errors = np.random.default_rng(2).gamma(2.0, 1.0, (2, 50))
    once = compare_errors("x", *errors, "error")
    monkeypatch.setattr(resampled, "_AT_ONCE", 5_000)
    assert compare_errors("x", *errors, "error") == once
