"""Examples that are slices of one tensor: batches are gathered from it."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import unpack_sequence

from rnnkit import sequences
from rnnkit.sequences import Examples, collate
from tests.rnnkit.sequences.test_batching import examples_of


@given(st.lists(st.integers(1, 9), min_size=2, max_size=9), st.randoms(use_true_random=False))
def test_slices_of_one_tensor_are_gathered_from_it_and_give_the_same_batches(lengths, chance):
    copies = examples_of(lengths)
    whole = torch.cat([torch.full((2, 3), torch.nan), *copies.inputs])  # what is no one's slice is never read
    slices = Examples(list(whole[2:].split(lengths)), copies.targets)
    chosen = chance.sample(range(len(lengths)), k=chance.randint(1, len(lengths)))
    ours, theirs = (sequences.Joined(one.subset(chosen)) for one in (slices, copies))
    assert ours._inputs.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()  # nothing was copied
    order = list(torch.randperm(len(chosen)).split(3))
    for one, other in zip(ours.batches(order), theirs.batches(order), strict=True):
        assert torch.equal(one.inputs.data, other.inputs.data)
        assert torch.equal(one.inputs.batch_sizes, other.inputs.batch_sizes)
        assert torch.equal(one.targets, other.targets)


def test_views_that_are_no_slices_of_rows_are_copied_and_right():
    whole = torch.arange(24.0).reshape(8, 3)
    bits = whole.view(torch.int32)
    for views in ([whole[::2], whole[1::2]], [whole.T[:, :4], whole.T[:, 4:]], [bits[:3], bits[3:]]):
        batch = collate(Examples(views, torch.arange(2)))
        for one, found in zip(views, unpack_sequence(batch.inputs), strict=True):
            assert torch.equal(one, found)
