import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pad_packed_sequence

from rnnkit.errors import UserError
from rnnkit.sequences import Examples, batches, collate, epoch_order, shuffled_batches


def examples_of(lengths, features=3):
    inputs = [torch.randn(length, features) for length in lengths]
    return Examples(inputs, torch.arange(len(lengths)))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7))
def test_collate_keeps_every_step_and_the_order_of_the_examples(lengths):
    examples = examples_of(lengths)
    batch = collate(examples)
    padded, packed_lengths = pad_packed_sequence(batch.inputs, batch_first=True)
    assert packed_lengths.tolist() == batch.lengths.tolist() == lengths
    assert batch.lengths.dtype == torch.int64
    assert batch.targets.tolist() == list(range(len(lengths)))
    for sequence, row, length in zip(examples.inputs, padded, lengths, strict=True):
        assert torch.equal(row[:length], sequence)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5), st.integers(0, 5))
def test_shuffled_batches_hold_each_example_once_and_depend_on_seed_and_epoch_alone(count, size, seed, epoch):
    examples = examples_of([1] * count)
    first = [batch.targets.tolist() for batch in shuffled_batches(examples, size, seed, epoch)]
    torch.manual_seed(epoch)  # the global random state plays no part
    again = [batch.targets.tolist() for batch in shuffled_batches(examples, size, seed, epoch)]
    assert first == again
    assert sorted(sum(first, [])) == list(range(count))
    assert [len(chosen) for chosen in first[:-1]] == [size] * (len(first) - 1)


def test_order_differs_between_epochs_and_seeds():
    orders = [epoch_order(50, seed, epoch).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9


def test_batches_keep_the_order():
    examples = examples_of([2] * 7)
    assert [batch.targets.tolist() for batch in batches(examples, 3)] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (examples_of([]), "at least one example"),
        (Examples([torch.ones(2, 3), torch.ones(0, 3)], torch.zeros(2)), "example 1 .* empty"),
        (Examples([torch.ones(2, 3), torch.ones(2, 4)], torch.zeros(2)), "example 1 .* features"),
        (Examples([torch.ones(2, 3)], torch.zeros(2)), "1 sequences came with 2 targets"),
    ],
)
def test_collate_names_what_does_not_fit(examples, message):
    with pytest.raises(UserError, match=message):
        collate(examples)
