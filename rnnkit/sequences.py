"""Sequences to batches: examples of different lengths become packed sequences, in an order that a seed fixes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from rnnkit import seeding
from rnnkit.errors import UserError


@dataclass(frozen=True)
class Examples:
    """Sequences with one target each.

    `inputs` holds a tensor of shape (steps, features) for each example, `targets` is of shape (examples,).
    """

    inputs: list[Tensor]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def subset(self, indices: Sequence[int]) -> "Examples":
        """The examples at the given positions, in that order."""
        return Examples([self.inputs[i] for i in indices], self.targets[list(indices)])


@dataclass(frozen=True)
class Batch:
    """A packed batch. `targets` and `lengths` stand in the order in which the examples came.

    `inputs` is packed over (steps, features); `targets` is of shape (batch,); `lengths`, of shape (batch,), lies on
    the CPU as 64-bit integers.
    """

    inputs: PackedSequence
    targets: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch with inputs and targets on `device`; lengths stay on the CPU."""
        return Batch(self.inputs.to(device), self.targets.to(device), self.lengths)


def collate(examples: Examples) -> Batch:
    """Pack the examples into one batch.

    Raises `UserError` for no examples, an empty sequence, sequences of unlike features, or targets that do not fit.
    """
    if not len(examples):
        raise UserError("a batch needs at least one example, and got none")
    if len(examples.targets) != len(examples):
        raise UserError(f"{len(examples)} sequences came with {len(examples.targets)} targets")
    for i, sequence in enumerate(examples.inputs):
        if not len(sequence):
            raise UserError(f"example {i} of the batch is an empty sequence")
        if sequence.shape[1:] != examples.inputs[0].shape[1:]:
            raise UserError(
                f"example {i} of the batch has features of shape {tuple(sequence.shape[1:])}, "
                f"example 0 has {tuple(examples.inputs[0].shape[1:])}"
            )
    lengths = torch.tensor([len(sequence) for sequence in examples.inputs])
    return Batch(pack_sequence(examples.inputs, enforce_sorted=False), examples.targets, lengths)


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` examples, of shape (count,): a pure function of seed and epoch."""
    return torch.randperm(count, generator=seeding.generator(seed, "order", epoch))


def shuffled_batches(examples: Examples, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """All examples once, in batches, in the order that seed and epoch give. The last batch may be smaller."""
    for chosen in epoch_order(len(examples), seed, epoch).split(batch_size):
        yield collate(examples.subset(chosen.tolist()))


def batches(examples: Examples, batch_size: int) -> Iterator[Batch]:
    """All examples once, in batches, in their own order."""
    for start in range(0, len(examples), batch_size):
        yield collate(examples.subset(range(start, min(start + batch_size, len(examples)))))
