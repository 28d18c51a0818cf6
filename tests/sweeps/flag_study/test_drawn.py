"""The drawn bank: a fair sample at any time, the same each time."""

from collections import Counter

import pytest

from rnnkit.core import cells, config
from sweeps.flag_study import drawn


@pytest.fixture(scope="module")
def bank():
    return drawn.points()


def test_any_part_holds_the_tasks_in_equal_shares(bank):
    for end in (18, 100, 647, 648):
        shares = Counter(point.task.name for point in bank[:end])
        assert len(shares) == 18
        assert max(shares.values()) - min(shares.values()) <= 1


def test_runs_are_drawn_alike_each_time_and_none_twice(bank):
    assert drawn.points() == bank
    assert len({config.run_name(point.config) for point in bank}) == len(bank) == 648


def test_cells_starts_sizes_and_rates_over_three_decades_are_all_drawn(bank):
    nets = [point.config for point in bank]
    assert {(one.cell, one.init) for one in nets} == {
        (c, init) for c in drawn.drawn_cells() for init in cells.starts(c)
    }
    assert {"rnn", "gru", "lstm", "lru"} <= {one.cell for one in nets}
    assert {one.depth for one in nets} == set(drawn.DEPTHS)
    assert {one.seed for one in nets} == set(drawn.SEEDS)
    rates = [one.learning_rate for one in nets]
    assert min(rates) < 2e-4
    assert max(rates) > 5e-2
    below = sum(rate < 10**-2.5 for rate in rates) / len(rates)
    assert 0.45 < below < 0.55  # half of them below the middle of the logarithms


def test_all_tasks_are_trained_for_a_thousand_steps_or_a_few_more(bank):
    for point in bank[:18]:
        config, task = point.config, point.task
        per_epoch = getattr(config, "round", 0) or {"digits": 34, "music": 4}[task.family]
        assert 1_000 <= config.epochs * per_epoch <= 1_020
