"""Sequences to batches: examples of different lengths become packed sequences, in an order that a seed fixes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from rnnkit.core import require_counts, seeding
from rnnkit.sequences.examples import Examples, require_lengths, require_sequences, require_targets


@dataclass(frozen=True)
class Batch:
    """A packed batch. `targets` and `lengths` stand in the order in which the examples came."""

    inputs: PackedSequence  # packed over (steps, features)
    targets: Tensor  # of shape (batch,), or of all valid steps, as the rows of `inputs.data`
    lengths: Tensor  # of shape (batch,), int64 on the CPU

    @property
    def valid_steps(self) -> int:
        """The steps of all its sequences together, without any padding."""
        return int(self.lengths.sum())

    def to(self, device: torch.device) -> "Batch":
        """The same batch with inputs and targets on `device`; lengths stay on the CPU."""
        inputs = self.inputs.to(device)  # pyright: ignore[reportArgumentType] (torch's stub knows of types alone)
        return Batch(inputs, self.targets.to(device), self.lengths)


def collate(examples: Examples) -> Batch:
    """Pack the examples into one batch.

    Raises `UserError` for no examples, an empty sequence, sequences of unlike features or types, targets that do not
    fit or are themselves unlike, and for what is no tensor.
    """
    lengths = torch.tensor(require_sequences(examples, "a batch"))
    inputs = pack_sequence(examples.inputs, enforce_sorted=False)
    targets = examples.targets
    if isinstance(targets, list):
        targets = pack_sequence([targets[i] for i in cast(Tensor, inputs.sorted_indices).tolist()]).data
    return Batch(inputs, targets, lengths)


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` examples, of shape (count,): a pure function of seed and epoch."""
    return torch.randperm(count, generator=seeding.generator(seed, "order", epoch))


def bucketed_order(lengths: Tensor, batch_size: int, seed: int, epoch: int, buckets: int = 50) -> list[Tensor]:
    """The examples of each batch of an epoch, batches of like lengths: a pure function of lengths, seed and epoch.

    A permutation is cut into pieces of `buckets` batches; each is sorted by length and cut into batches, and all
    batches are put in random order: sequences of a batch have like lengths, and every epoch has other batches. Raises
    `UserError` for no lengths, and where `batch_size` or `buckets` is not at least 1.
    """
    require_counts(batch_size=batch_size, buckets=buckets)
    require_lengths(lengths, "an order of batches")
    generator = seeding.generator(seed, "order", epoch)
    batches = []
    for piece in torch.randperm(len(lengths), generator=generator).split(buckets * batch_size):
        batches += piece[lengths[piece].sort(stable=True).indices].split(batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def gathered(examples: Examples, order: Sequence[Tensor]) -> Iterator[Batch]:
    """The batches that an order names. Raises `UserError` as `collate` does."""
    require_targets(examples)
    for chosen in order:
        yield collate(examples.subset(chosen.tolist()))


def shuffled_batches(examples: Examples, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """All examples once, shuffled by seed and epoch, in batches. Raises `UserError` as `collate` does."""
    require_counts(batch_size=batch_size)
    return gathered(examples, epoch_order(len(examples), seed, epoch).split(batch_size))


def batches(examples: Examples, batch_size: int) -> Iterator[Batch]:
    """All examples once, in batches, in their own order. Raises `UserError` as `shuffled_batches` does."""
    require_counts(batch_size=batch_size)
    return gathered(examples, torch.arange(len(examples)).split(batch_size))
