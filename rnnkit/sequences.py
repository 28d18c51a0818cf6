"""Sequences to batches: examples of different lengths become packed sequences, in an order that a seed fixes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from rnnkit import seeding
from rnnkit.errors import UserError
from rnnkit.plan import Geometry


@dataclass(frozen=True)
class Examples:
    """Sequences with one target each, or with one for each step.

    `inputs` holds a tensor for each example, of shape (steps, features), or of shape (steps,) for numbers of words or
    symbols. `targets` is of shape (examples,), or a list with a tensor for each example whose first size is its steps.
    """

    inputs: list[Tensor]
    targets: Tensor | list[Tensor]

    def __len__(self) -> int:
        return len(self.inputs)

    def subset(self, indices: Sequence[int]) -> "Examples":
        """The examples at the given positions, in that order."""
        inputs = [self.inputs[i] for i in indices]
        if isinstance(self.targets, list):
            return Examples(inputs, [self.targets[i] for i in indices])
        return Examples(inputs, self.targets[list(indices)])


@dataclass(frozen=True)
class Batch:
    """A packed batch. `targets` and `lengths` stand in the order in which the examples came.

    `inputs` is packed over (steps, features); `targets` is of shape (batch,), or, where each step has one, holds those
    of all valid steps in the order of the rows of `inputs.data`; `lengths`, of shape (batch,), lies on the CPU as
    64-bit integers.
    """

    inputs: PackedSequence
    targets: Tensor
    lengths: Tensor

    @property
    def valid_steps(self) -> int:
        """The steps of all its sequences together, without any padding."""
        return int(self.lengths.sum())

    def to(self, device: torch.device) -> "Batch":
        """The same batch with inputs and targets on `device`; lengths stay on the CPU."""
        return Batch(self.inputs.to(device), self.targets.to(device), self.lengths)


def collate(examples: Examples) -> Batch:
    """Pack the examples into one batch.

    Raises `UserError` for no examples, an empty sequence, sequences of unlike features, or targets that do not fit.
    """
    _require_sequences(examples, "a batch")
    lengths = torch.tensor([len(sequence) for sequence in examples.inputs])
    inputs = pack_sequence(examples.inputs, enforce_sorted=False)
    targets = examples.targets
    if isinstance(targets, list):
        targets = pack_sequence([targets[i] for i in inputs.sorted_indices]).data
    return Batch(inputs, targets, lengths)


def check(examples: Examples, *, vocabulary: int | None = None, classes: int | None = None) -> None:
    """Raise `UserError`, with the example and the step, for what no batch could be made of or no model could read.

    That is: no examples, an empty sequence, sequences of unlike features, a number that is not finite, an id outside
    0..`vocabulary` - 1, as many targets as there are examples, each in 0..`classes` - 1.
    """
    _require_sequences(examples, "the data")
    for i, sequence in enumerate(examples.inputs):
        if sequence.is_floating_point() and not (finite := sequence.isfinite()).all():
            step, *feature = (~finite).nonzero()[0].tolist()
            field = f", feature {feature[0]}" if feature else ""
            raise UserError(f"example {i}, step {step}{field} is {sequence[(step, *feature)].item()}, no finite number")
        if vocabulary is not None and (outside := (sequence < 0) | (sequence >= vocabulary)).any():
            step = outside.nonzero()[0, 0].item()
            raise UserError(f"example {i}, step {step}: id {sequence[step].item()} is outside 0..{vocabulary - 1}")
        if classes is not None and (outside := (examples.targets[i] < 0) | (examples.targets[i] >= classes)).any():
            place = outside.nonzero()[0].tolist()
            where = f", step {place[0]}" if place else ""
            found = examples.targets[i][tuple(place)].item()
            raise UserError(f"example {i}{where}: target {found} is outside 0..{classes - 1}")


def _require_sequences(examples: Examples, what: str) -> None:
    """Raise `UserError` unless `what` holds examples whose sequences fit together, with a target each."""
    if not len(examples):
        raise UserError(f"{what} needs at least one example, and got none")
    if len(examples.targets) != len(examples):
        raise UserError(f"{len(examples)} sequences came with {len(examples.targets)} targets")
    for i, sequence in enumerate(examples.inputs):
        if not len(sequence):
            raise UserError(f"example {i} of {what} is an empty sequence")
        if sequence.shape[1:] != examples.inputs[0].shape[1:]:
            raise UserError(
                f"example {i} of {what} has features of shape {tuple(sequence.shape[1:])}, "
                f"example 0 has {tuple(examples.inputs[0].shape[1:])}"
            )
        if isinstance(examples.targets, list) and len(examples.targets[i]) != len(sequence):
            raise UserError(f"example {i} of {what} has {len(sequence)} steps and {len(examples.targets[i])} targets")


def mask(lengths: Tensor, longest: int | None = None) -> Tensor:
    """True at valid steps: of shape (batch, steps) for `lengths` of shape (batch,), up to the longest or `longest`."""
    steps = int(lengths.max()) if longest is None else longest
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def map_packed(function: Callable[[Tensor], Tensor], packed: PackedSequence) -> PackedSequence:
    """A function of rows applied to the valid steps; the other three fields stay, and with them the examples' order."""
    return packed._replace(data=function(packed.data))


def reverse(packed: PackedSequence) -> PackedSequence:
    """Each sequence from its last valid step to its first."""
    rows = Geometry(packed.batch_sizes).mirrored.to(packed.data.device)
    return map_packed(lambda data: data.index_select(0, rows), packed)


def owners(packed: PackedSequence) -> Tensor:
    """To which example each row of the packed data belongs, of shape (rows,), in the order the examples came in."""
    geometry = Geometry(packed.batch_sizes)
    places = torch.arange(geometry.rows) - geometry.starts.repeat_interleave(geometry.tensor)
    places = places.to(packed.data.device)
    return places if packed.sorted_indices is None else packed.sorted_indices[places]


def times(packed: PackedSequence, backward: bool = False) -> Tensor:
    """How many steps a direction has read before each row of the packed data, of shape (rows,): its own time.

    It counts from 0 at the sequence's first step, or, for the backward direction, at its last valid one. The time of
    the other direction is the lag to the last step that the direction reads.
    """
    geometry = Geometry(packed.batch_sizes)
    steps = torch.arange(geometry.steps).repeat_interleave(geometry.tensor)
    return (steps[geometry.mirrored] if backward else steps).to(packed.data.device)


def lengths_of_rows(packed: PackedSequence) -> Tensor:
    """The length of the sequence that each row of the packed data belongs to, of shape (rows,)."""
    return times(packed) + times(packed, backward=True) + 1


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` examples, of shape (count,): a pure function of seed and epoch."""
    return torch.randperm(count, generator=seeding.generator(seed, "order", epoch))


def bucketed_order(lengths: Tensor, batch_size: int, seed: int, epoch: int, buckets: int = 50) -> list[Tensor]:
    """The examples of each batch of an epoch, batches of like lengths: a pure function of lengths, seed and epoch.

    A permutation is cut into pieces of `buckets` batches; each is sorted by length and cut into batches, and all
    batches are put in random order: sequences of a batch have like lengths, and every epoch has other batches.
    """
    generator = seeding.generator(seed, "order", epoch)
    batches = []
    for piece in torch.randperm(len(lengths), generator=generator).split(buckets * batch_size):
        batches += piece[lengths[piece].sort(stable=True).indices].split(batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


@dataclass(frozen=True)
class Padding:
    """How many steps batches have: `valid` ones, and the places of their rectangles if they were padded."""

    valid: int
    places: int

    @property
    def share(self) -> float:
        """The share of places that would be padding."""
        return 1 - self.valid / self.places


def padding(lengths: Tensor, order: Sequence[Tensor]) -> Padding:
    """What padding batches of the given examples would cost. It tells how much `bucketed_order` saves:

    >>> lengths = torch.tensor([1, 9, 2, 8])
    >>> padding(lengths, torch.arange(4).split(2)).share, padding(lengths, bucketed_order(lengths, 2, 0, 0)).share
    (0.4117647058823529, 0.09090909090909094)
    """
    chosen = [lengths[batch] for batch in order]
    return Padding(sum(int(c.sum()) for c in chosen), sum(int(c.max()) * len(c) for c in chosen))


def gathered(examples: Examples, order: Sequence[Tensor]) -> Iterator[Batch]:
    """The batches that an order names."""
    for chosen in order:
        yield collate(examples.subset(chosen.tolist()))


def shuffled_batches(examples: Examples, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """All examples once, in batches, in the order that seed and epoch give. The last batch may be smaller."""
    return gathered(examples, epoch_order(len(examples), seed, epoch).split(batch_size))


def batches(examples: Examples, batch_size: int) -> Iterator[Batch]:
    """All examples once, in batches, in their own order."""
    return gathered(examples, torch.arange(len(examples)).split(batch_size))
