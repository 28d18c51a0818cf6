"""Batches as a `DataLoader` makes, pins and moves them."""

import pytest
import torch
from torch.nn.utils.rnn import unpack_sequence
from torch.utils.data._utils import pin_memory as pin_memory_of

from rnnkit.core.errors import UserError
from rnnkit.sequences import Examples, bptt_chunks, collate


PAIRS = [(torch.randn(n, 3), n % 2) for n in (4, 2, 7, 2, 1)]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
def test_collate_is_the_collate_fn_of_a_data_loader_over_pairs(workers):
    loader = torch.utils.data.DataLoader(PAIRS, batch_size=2, collate_fn=collate, num_workers=workers)
    found = list(loader)
    assert [batch.lengths.tolist() for batch in found] == [[4, 2], [7, 2], [1]]
    assert [batch.targets.tolist() for batch in found] == [[0, 0], [1, 0], [1]]
    rows = sum((unpack_sequence(batch.inputs) for batch in found), [])
    assert all(torch.equal(row, sequence) for row, (sequence, _) in zip(rows, PAIRS, strict=True))


@pytest.mark.parametrize(
    ("targets", "type_"),
    [([1.5, 2.5], torch.float32), ([torch.tensor(1), torch.tensor(0)], torch.int64), ([True, False], torch.bool)],
)
def test_pairs_give_the_batch_that_examples_give(targets, type_):
    sequences_ = [torch.randn(n, 3) for n in (2, 4)]
    batch = collate(list(zip(sequences_, targets, strict=True)))
    assert batch.targets.dtype == type_
    assert batch.targets.tolist() == [float(target) for target in targets]
    assert torch.equal(batch.inputs.data, collate(Examples(sequences_, batch.targets)).inputs.data)


def test_pairs_with_a_target_for_each_step():
    pairs = [(torch.arange(n), torch.arange(n) + 10) for n in (2, 4)]
    batch = collate(pairs)
    assert torch.equal(batch.targets, batch.inputs.data + 10)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "at least one example"),
        ([torch.ones(2, 3)], "example 0 .* must be a pair of a sequence and its target"),
        ([(torch.ones(2), 1), (torch.ones(2), 1, 2)], "example 1 .* must be a pair"),
        ([(torch.ones(2), "cat")], "example 0 .* something of type str for its target"),
        ([(torch.ones(2), 1), (torch.ones(2), torch.ones(2))], "some targets .* stand for a sequence and some"),
        ([(torch.ones(2), 1), (torch.ones(2), 1.5)], "example 1 .* torch.float32, example 0 torch.int64"),
        ([([1.0, 2.0], 1)], "something of type list for its features"),
    ],
)
def test_pairs_that_make_no_batch_are_named(pairs, message):
    with pytest.raises(UserError, match=message):
        collate(pairs)


@pytest.mark.parametrize("made", [collate(PAIRS), bptt_chunks.Chunk(torch.ones(2, 3), torch.ones(2, 3))])
def test_batches_are_pinned_and_moved_as_tensors_are(made, monkeypatch):
    """Without a GPU there is no memory to pin: what each part is asked for is what counts."""
    asked, to, pin_memory = [], torch.Tensor.to, lambda tensor: asked.append(("pin", len(tensor))) or tensor.clone()
    said = lambda tensor, *args, **kwargs: asked.append((*args, *kwargs.items())) or to(tensor, *args, **kwargs)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    pinned = pin_memory_of.pin_memory(made)  # as a DataLoader asks for it
    assert type(pinned) is type(made)
    assert len(asked) >= 2
    asked.clear()
    monkeypatch.setattr(torch.Tensor, "to", said)
    moved = pinned.to(torch.device("cpu"), non_blocking=True)
    assert asked
    assert set(asked) == {(torch.device("cpu"), ("non_blocking", True))}
    assert torch.equal(moved.targets, made.targets)
    assert moved.valid_steps == made.valid_steps


def test_a_pinned_batch_is_one_whose_inputs_and_targets_are(monkeypatch):
    batch = collate(PAIRS)
    assert not batch.is_pinned()
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda tensor: tensor is not batch.targets)
    assert not batch.is_pinned()
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda tensor: True)
    assert batch.is_pinned()
