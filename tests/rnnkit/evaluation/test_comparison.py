import dataclasses

import numpy as np
import pytest

from rnnkit.evaluation import comparison
from rnnkit.evaluation.comparison import compare
from rnnkit.evaluation.metrics import classification


def test_accuracy_and_macro_f1_by_hand():
    found = classification([0, 0, 1, 1, 2], [0, 1, 1, 1, 0])
    # F1: class 0 one of (2 true, 2 said) = 1/2; class 1 two of (2 true, 3 said) = 4/5; class 2 none = 0.
    assert found == {"accuracy": pytest.approx(3 / 5), "macro_f1": pytest.approx((1 / 2 + 4 / 5 + 0) / 3)}


def test_the_interval_is_the_normal_one_where_there_are_many_examples():
    rng = np.random.default_rng(5)
    ours, theirs = rng.random(4_000) < 0.9, rng.random(4_000) < 0.85
    found = compare("other", ours, theirs)
    differences = ours.astype(float) - theirs
    half = 1.96 * differences.std() / np.sqrt(len(differences))
    assert found.difference == pytest.approx(differences.mean())
    assert found.low == pytest.approx(differences.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(differences.mean() + half, abs=0.1 * half)


def test_the_comparison_is_in_pairs():
    right = np.arange(100) % 2 == 0
    assert dataclasses.asdict(compare("itself", right, right)) == {
        "baseline": "itself",
        "ours": 0.5,
        "theirs": 0.5,
        "difference": 0.0,
        "low": 0.0,
        "high": 0.0,
        "examples": 100,
    }


def test_how_much_is_drawn_at_a_time_changes_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    ours, theirs = rng.random(101) < 0.9, rng.random(101) < 0.8
    at_once = compare("other", ours, theirs, resamples=500)
    monkeypatch.setattr(comparison, "_AT_ONCE", 700)
    assert compare("other", ours, theirs, resamples=500) == at_once
    monkeypatch.setattr(comparison, "_AT_ONCE", 7)  # less than one resample takes
    assert compare("other", ours, theirs, resamples=500) == at_once
