"""Batches from the shortest sequence to the longest, bounded by their steps."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnkit import sequences
from rnnkit.core import UserError


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 9), st.integers(1, 120))
def test_each_is_in_one_batch_and_batches_are_as_full_as_they_may_be(lengths, most, most_steps):
    found = sequences.by_length(torch.tensor(lengths, dtype=torch.long), most, most_steps)
    batches = [[lengths[i] for i in batch.tolist()] for batch in found]
    assert sorted(i for batch in found for i in batch.tolist()) == list(range(len(lengths)))
    assert list(itertools.chain(*batches)) == sorted(lengths)
    assert all(len(batch) <= most and (sum(batch) <= most_steps or len(batch) == 1) for batch in batches)
    for batch, after in itertools.pairwise(batches):
        assert len(batch) == most or sum(batch) + after[0] > most_steps


@pytest.mark.parametrize("given", [(0, 5), (5, 0)])
def test_batches_of_nothing_are_refused(given):
    with pytest.raises(UserError, match="must be at least 1, not 0"):
        sequences.by_length(torch.tensor([1, 2]), *given)
