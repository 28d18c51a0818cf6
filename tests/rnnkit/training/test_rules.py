"""Settings by the data, at the ends of what they may be."""

import pytest

from rnnkit.training import rules


@pytest.mark.parametrize(
    ("train", "unit", "length", "batch"),
    [
        (40, "values", 10, 16),
        (512, "values", 10, 32),
        (100_000, "values", 10, 64),
        (100_000, "values", 64, 64),  # 4,096 steps
        (100_000, "values", 128, 32),
        (100_000, "values", 5_000, 16),
        (100_000, "words", 10, 16),
        (0, "values", 0, 16),
    ],
)
def test_a_batch_is_a_sixteenth_of_the_data_and_smaller_where_sequences_are_long(train, unit, length, batch):
    assert rules.batch_of(train, unit, length) == batch
