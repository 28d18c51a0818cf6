"""How well signs foretell failure, counted by hand; and one small run from its settings to its line in the table."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from experiments import memory
from sweeps.flag_study import bank, tables


def pairs(values, failed):
    """The share of pairs in which the failed run looks worse, ties counted half."""
    found = [(v > w) + (v == w) / 2 for v, w in itertools.product(values[failed], values[~failed])]
    return sum(found) / len(found)


def test_areas_are_shares_of_pairs():
    generator = np.random.default_rng(0)
    values, failed = generator.integers(5, size=40).astype(float), generator.random(40) < 0.4
    groups = np.array(["one"] * 15 + ["two"] * 20 + ["all failed"] * 5)
    failed[35:] = True
    assert tables.area(values, failed) == pytest.approx(pairs(values, failed))
    assert tables.area(values, failed) == pytest.approx(roc_auc_score(failed, values))
    shares = {g: pairs(values[groups == g], failed[groups == g]) for g in ("one", "two")}
    counts = {g: failed[groups == g].sum() * (~failed[groups == g]).sum() for g in shares}
    expected = sum(shares[g] * counts[g] for g in shares) / sum(counts.values())
    assert tables.within(values, failed, groups) == pytest.approx(expected)
    assert math.isnan(tables.within(values[35:], failed[35:], groups[35:]))


def test_the_bank_is_large_and_has_no_run_twice(tmp_path):
    settings = bank.settings(tmp_path)
    assert len({bank.config.run_name(one) for one in settings}) == len(settings) >= 60


def test_a_run_becomes_a_line(tmp_path, monkeypatch):
    """A net with torch's initial weights over 60 steps: the gradient is lost on the way, and it does not learn."""
    monkeypatch.setattr("rnnkit.runs.plots.draw_beside", lambda folder: None)
    words = {"epochs": 5, "round": 2, "hidden_size": 8, "length": 60, "observe": "full", "track": "off"}
    nets = [memory.Config(runs_dir=tmp_path, init=init, **words) for init in ("default", "chrono")]
    folders = [bank.train(net) for net in nets]
    assert folders == [bank.train(net) for net in nets]  # what is done is not done again
    found = [bank.judged(net, folder) for net, folder in zip(nets, folders, strict=True)]
    lost = [run.signs["before: gradient lost over the span"] for run in found]
    assert lost[0] > 9.2 > lost[1] > 0
    assert [run.signs["before: any flag"] for run in found] == [1, 0]
    assert [run.signs["a fifth: flag vanishing"] for run in found] == [1, 0]
    assert not any(run.learned for run in found)
    norm = found[0].signs["before: gradient norm, small"]
    assert norm == -found[0].signs["before: gradient norm, large"] < 0
    learned = bank.Judged(**{**vars(found[1]), "loss": 0.01, "learned": True})
    page = tables.page([found[0], learned])
    assert "| before | any flag | 1.00 (1.00 to 1.00) | 1.00 | 1 of 1 | 0 of 1 |" in page
    assert "| LSTM, chrono | 0.004 | **0.060** |" in page
