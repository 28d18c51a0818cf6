import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import rnnkit
from rnnkit.core import seeding
from rnnkit.core.errors import UserError
from rnnkit.sequences import bptt_chunks


@given(st.integers(2, 200), st.integers(1, 7), st.integers(1, 9))
def test_streams_read_the_text_once_in_order_and_what_is_left_out_is_counted(length, count, steps):
    ids = torch.arange(length)
    if length - 1 < count:
        with pytest.raises(UserError, match=f"{length} symbols cannot be read as {count} streams"):
            next(bptt_chunks.contiguous(ids, count, steps))
        return
    chunks = list(bptt_chunks.contiguous(ids, count, steps))
    inputs = torch.cat([chunk.inputs for chunk in chunks], dim=1)
    targets = torch.cat([chunk.targets for chunk in chunks], dim=1)
    assert torch.equal(targets, inputs + 1)
    assert inputs.flatten().tolist() == list(range(length - 1 - bptt_chunks.left_out(ids, count)))
    assert all(chunk.inputs.shape == (count, steps) for chunk in chunks[:-1])
    assert sum(chunk.valid_steps for chunk in chunks) + bptt_chunks.left_out(ids, count) == length - 1


@given(st.integers(10, 60), st.integers(1, 5), st.integers(1, 9), st.integers(1, 8), st.integers(0, 3))
def test_chunks_at_random_depend_on_seed_and_epoch_alone_and_repeat_no_start_too_soon(
    length, batch, steps, count, seed
):
    ids = torch.arange(length)
    first = list(bptt_chunks.chunks_at_random(ids, batch, steps, count, seed, 1))
    torch.manual_seed(seed)  # the global random state plays no part
    again = list(bptt_chunks.chunks_at_random(ids, batch, steps, count, seed, 1))
    assert all(torch.equal(one.inputs, other.inputs) for one, other in zip(first, again, strict=True))
    assert len(first) == count
    starts = torch.cat([chunk.inputs[:, 0] for chunk in first])
    assert torch.bincount(starts).max() <= -(-count * batch // (length - steps))
    for chunk in first:
        assert torch.equal(chunk.inputs, chunk.inputs[:, :1] + torch.arange(steps))
        assert torch.equal(chunk.targets, chunk.inputs + 1)


def test_chunks_start_at_every_place_and_differ_between_epochs():
    ids = torch.arange(14)
    starts = [
        [c.inputs[0, 0].item() for c in bptt_chunks.chunks_at_random(ids, 1, 4, 10, 0, epoch)] for epoch in (0, 1)
    ]
    assert sorted(starts[0]) == sorted(starts[1]) == list(range(10))
    assert starts[0] != starts[1]
    with pytest.raises(UserError, match="4 symbols has no chunk of 4 steps"):
        next(bptt_chunks.chunks_at_random(ids[:4], 1, 4, 1, 0, 0))


@pytest.mark.parametrize("layer", [nn.RNN(3, 4), nn.LSTM(3, 4), rnnkit.Recurrent("lru", 3, 4)])
def test_a_detached_state_has_its_values_and_no_past(layer):
    _, state = layer(torch.randn(5, 2, 3))
    cut = bptt_chunks.mapped(torch.Tensor.detach, state)
    for one, other in zip(*((s if isinstance(s, tuple) else (s,)) for s in (state, cut)), strict=True):
        assert torch.equal(one, other)
        assert one.requires_grad
        assert not other.requires_grad
    assert bptt_chunks.mapped(torch.Tensor.detach, None) is None


@pytest.mark.parametrize(("length", "batch_size", "count"), [(50, 4, 3), (12, 4, 9), (9, 20, 3), (7, 3, 1)])
def test_random_chunks_are_those_of_whole_permutations_one_after_the_other(length, batch_size, count):
    ids, steps = torch.arange(length), 5
    generator = seeding.generator(3, "order", 2)
    rounds = -(-count * batch_size // (length - steps))
    starts = torch.cat([torch.randperm(length - steps, generator=generator) for _ in range(rounds)])
    found = [chunk.inputs[:, 0] for chunk in bptt_chunks.chunks_at_random(ids, batch_size, steps, count, 3, 2)]
    assert torch.equal(torch.cat(found), starts[: count * batch_size])


def test_random_chunks_are_drawn_when_they_are_needed():
    chunks = bptt_chunks.chunks_at_random(torch.arange(1_000), 64, 40, 10**12, seed=0, epoch=0)
    assert next(chunks).inputs.shape == (64, 40)


@pytest.mark.parametrize("name", ["batch_size", "steps", "count"])
def test_no_chunks_are_no_chunks_to_ask_for(name):
    words = {"batch_size": 2, "steps": 3, "count": 1, name: 0}
    with pytest.raises(UserError, match=f"{name} must be at least 1, not 0"):
        next(bptt_chunks.chunks_at_random(torch.arange(9), **words, seed=0, epoch=0))


@pytest.mark.parametrize(("count", "steps"), [(0, 3), (3, 0)])
def test_streams_and_steps_are_at_least_one(count, steps):
    with pytest.raises(UserError, match="must be at least 1, not 0"):
        next(bptt_chunks.contiguous(torch.arange(9), count, steps))
