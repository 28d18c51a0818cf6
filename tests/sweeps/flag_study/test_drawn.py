"""The drawn bank: a fair sample at any time, the same each time."""

from collections import Counter

import pytest

from rnnkit.core import config
from sweeps.flag_study import drawn


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return drawn.settings(tmp_path_factory.mktemp("runs"))


def test_any_part_holds_the_tasks_in_equal_shares(bank):
    for end in (18, 100, 647, 648):
        shares = Counter(task.name for task, _ in bank[:end])
        assert len(shares) == 18
        assert max(shares.values()) - min(shares.values()) <= 1


def test_runs_are_drawn_alike_each_time_and_none_twice(bank):
    folder = bank[0][1].runs_dir
    assert [one for _, one in drawn.settings(folder)] == [one for _, one in bank]
    assert len({config.run_name(one) for _, one in bank}) == len(bank) == 648


def test_cells_starts_sizes_and_rates_over_three_decades_are_all_drawn(bank):
    nets = [one for _, one in bank]
    starts = {(one.cell, one.init) for one in nets}
    assert starts == {(cell, init) for cell, inits in drawn.STARTS.items() for init in inits}
    assert {one.depth for one in nets} == set(drawn.DEPTHS)
    assert {one.seed for one in nets} == set(drawn.SEEDS)
    rates = [one.learning_rate for one in nets]
    assert min(rates) < 2e-4
    assert max(rates) > 5e-2
    below = sum(rate < 10**-2.5 for rate in rates) / len(rates)
    assert 0.45 < below < 0.55  # half of them below the middle of the logarithms
