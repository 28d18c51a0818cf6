import dataclasses

import numpy as np
import pytest

from rnnkit.evaluation import comparison
from rnnkit.evaluation.comparison import compare


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
    assert dataclasses.asdict(compare("itself", right, right)) == {
        "baseline": "itself",
        "ours": 0.5,
        "theirs": 0.5,
        "difference": 0.0,
        "low": 0.0,
        "high": 0.0,
        "examples": 100,
        "measure": None,
    }


def test_how_much_is_drawn_at_a_time_changes_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    ours, theirs = rng.random(101) < 0.9, rng.random(101) < 0.8
    at_once = compare("other", ours, theirs, resamples=500)
    monkeypatch.setattr(comparison, "_AT_ONCE", 700)
    assert compare("other", ours, theirs, resamples=500) == at_once
    monkeypatch.setattr(comparison, "_AT_ONCE", 7)  # less than one resample takes
    assert compare("other", ours, theirs, resamples=500) == at_once
