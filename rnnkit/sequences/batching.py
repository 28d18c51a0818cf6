"""Sequences to batches: examples of different lengths become packed sequences, in an order that a seed fixes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import require_counts, seeding
from rnnkit.sequences.examples import Examples, from_pairs, require_lengths, require_sequences


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

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch with inputs and targets on `device`; lengths stay on the CPU.

        `non_blocking` lets a copy from pinned memory to a GPU go on beside what follows.
        """
        return self._moved(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The same batch in pinned memory, as a `DataLoader` with `pin_memory=True` asks for it."""
        return self._moved(Tensor.pin_memory)

    def is_pinned(self) -> bool:
        """Whether inputs and targets lie in pinned memory."""
        return self.inputs.data.is_pinned() and self.targets.is_pinned()

    def _moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        data, batch_sizes, *order = self.inputs
        inputs = PackedSequence(move(data), batch_sizes, *(part if part is None else move(part) for part in order))
        return Batch(inputs, move(self.targets), self.lengths)


Pair = tuple[Tensor, "Tensor | float"]  # a sequence with its target: a number, or a tensor with one for each step


def collate(examples: Examples | Sequence[Pair]) -> Batch:
    """Pack the examples into one batch; `collate_fn` of a `DataLoader` over pairs of a sequence and its target.

    A target is a number or a tensor of shape () for the sequence, or a tensor of shape (steps,) or (steps, ...).

    Raises `UserError` for no examples, an empty sequence, sequences of unlike features or types, targets that do not
    fit or are themselves unlike, and for what is no tensor.
    """
    examples = examples if isinstance(examples, Examples) else from_pairs(examples)
    lengths = require_sequences(examples, "a batch")
    return _packed(examples.inputs, torch.tensor(lengths, device="cpu"), examples.targets)


def _packed(sequences: list[Tensor], lengths: Tensor, targets: Tensor | list[Tensor]) -> Batch:
    """What `torch.nn.utils.rnn.pack_sequence` makes of them, in a tenth of the time: one copy and one gathering."""
    in_order, sorted_indices = torch.sort(lengths, descending=True)
    steps = torch.arange(int(in_order[0]), device="cpu").unsqueeze(1)
    present = steps < in_order  # of shape (steps, batch): whether a sequence has a step
    starts = (lengths.cumsum(0) - lengths)[sorted_indices]
    joined = torch.cat(sequences)
    rows, sorted_indices = (steps + starts)[present].to(joined.device), sorted_indices.to(joined.device)
    inputs = PackedSequence(joined.index_select(0, rows), present.sum(1), sorted_indices)
    if isinstance(targets, list):
        targets = torch.cat(targets).index_select(0, rows)
    return Batch(inputs, targets, lengths)


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` examples, of shape (count,): a pure function of seed and epoch."""
    return torch.randperm(count, generator=seeding.generator(seed, "order", epoch), device="cpu")


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
    for piece in torch.randperm(len(lengths), generator=generator, device="cpu").split(buckets * batch_size):
        batches += piece[lengths[piece].sort(stable=True).indices].split(batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator, device="cpu").tolist()]


def gathered(examples: Examples, order: Sequence[Tensor]) -> Iterator[Batch]:
    """The batches that an order names. Raises `UserError` as `collate` does."""
    lengths = torch.tensor(require_sequences(examples, "the data"), device="cpu")
    for chosen in order:
        part = examples.subset(chosen.tolist())
        yield _packed(part.inputs, lengths[chosen], part.targets)


def shuffled_batches(examples: Examples, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """All examples once, shuffled by seed and epoch, in batches. Raises `UserError` as `collate` does."""
    require_counts(batch_size=batch_size)
    return gathered(examples, epoch_order(len(examples), seed, epoch).split(batch_size))


def batches(examples: Examples, batch_size: int) -> Iterator[Batch]:
    """All examples once, in batches, in their own order. Raises `UserError` as `shuffled_batches` does."""
    require_counts(batch_size=batch_size)
    return gathered(examples, torch.arange(len(examples), device="cpu").split(batch_size))
