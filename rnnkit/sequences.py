"""Sequences to batches: examples of different lengths become packed sequences, in an order that a seed fixes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from rnnkit import seeding
from rnnkit.errors import UserError, require_counts
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

    Raises `UserError` for no examples, an empty sequence, sequences of unlike features or types, targets that do not
    fit or are themselves unlike, and for what is no tensor.
    """
    lengths = torch.tensor(_require_sequences(examples, "a batch"))
    inputs = pack_sequence(examples.inputs, enforce_sorted=False)
    targets = examples.targets
    if isinstance(targets, list):
        targets = pack_sequence([targets[i] for i in inputs.sorted_indices.tolist()]).data
    return Batch(inputs, targets, lengths)


def check(examples: Examples, *, vocabulary: int | None = None, classes: int | None = None) -> None:
    """Raise `UserError`, with the example and the step, for what no batch could be made of or no model could read.

    That is all that `collate` refuses, and a number that is not finite. With a `vocabulary`, inputs must be ids, of
    shape (steps,), whole numbers in 0..`vocabulary` - 1; with `classes`, targets must be whole numbers in
    0..`classes` - 1, one for each example, or one for each step where they are a list.
    """
    _require_sequences(examples, "the data")
    for i, sequence in enumerate(examples.inputs):
        if sequence.is_floating_point() and not (finite := sequence.isfinite()).all():
            step, *feature = (~finite).nonzero()[0].tolist()
            field = f", feature {feature[0]}" if feature else ""
            raise UserError(f"example {i}, step {step}{field} is {sequence[(step, *feature)].item()}, no finite number")
    if vocabulary is not None:
        require_counts(vocabulary=vocabulary)
        _require_whole(examples.inputs, "id", vocabulary, 1, (torch.long, torch.int))
    if classes is not None:
        require_counts(classes=classes)
        # torch's losses take no other type of integers.
        _require_whole(examples.targets, "target", classes, int(isinstance(examples.targets, list)), (torch.long,))


def _require_whole(rows: Iterable[Tensor], name: str, count: int, dimensions: int, types: tuple) -> None:
    """Raise `UserError` unless each example's row has so many dimensions and whole numbers in 0..`count` - 1."""
    # A fraction is named before the type, which is that of whole numbers elsewhere too: it is what is to be found.
    for i, row in enumerate(rows):
        if row.dim() != dimensions:
            each = "step" if dimensions else "example"
            raise UserError(f"example {i} has {name}s of shape {tuple(row.shape)}: give one for each {each}")
        if row.is_floating_point() and (broken := row != row.round()).any():
            raise UserError(f"example {i}{_found(row, broken, name)} is no whole number in 0..{count - 1}")
    for i, row in enumerate(rows):
        if row.dtype not in types:
            raise UserError(f"example {i} has {name}s of type {row.dtype}: make them whole numbers, of {types[0]}")
        if (outside := (row < 0) | (row >= count)).any():
            raise UserError(f"example {i}{_found(row, outside, name)} is outside 0..{count - 1}")


def _found(row: Tensor, wrong: Tensor, name: str) -> str:
    """Where `wrong` is first true in an example's row, and the number there."""
    place = wrong.nonzero()[0].tolist()
    step = f", step {place[0]}" if place else ""
    return f"{step}: {name} {row[tuple(place)].item()}"


def _require_targets(examples: Examples) -> None:
    """Raise `UserError` unless the targets are what examples can be chosen from, as many as there are sequences."""
    targets = examples.targets
    if not isinstance(targets, (Tensor, list)) or (isinstance(targets, Tensor) and not targets.dim()):
        raise UserError(
            "targets must be a tensor of shape (examples,) or a list of tensors of shape (steps,), "
            f"not {_kind(targets)}"
        )
    if len(targets) != len(examples):
        raise UserError(f"{len(examples)} sequences came with {len(targets)} targets")


def _require_sequences(examples: Examples, what: str) -> list[int]:
    """The lengths; raises `UserError` unless `what` holds examples whose sequences fit together, with a target each."""
    if not len(examples):
        raise UserError(f"{what} needs at least one example, and got none")
    _require_targets(examples)
    lengths = _require_alike(examples.inputs, what, "features", "give a tensor of shape (steps,) or (steps, features)")
    for i, length in enumerate(lengths):
        if not length:
            raise UserError(f"example {i} of {what} is an empty sequence")
    if isinstance(examples.targets, list):
        hint = "give a tensor with one for each step, or a single tensor, of shape (examples,), for all examples"
        counts = _require_alike(examples.targets, what, "targets", hint)
        for i, (length, count) in enumerate(zip(lengths, counts, strict=True)):
            if count != length:
                raise UserError(f"example {i} of {what} has {length} steps and {count} targets")
    return lengths


def _require_alike(rows: Sequence[Tensor], what: str, name: str, hint: str) -> list[int]:
    """The first sizes of tensors; raises `UserError` unless they are of one type, and of one shape but for these.

    Joined all the same, they would silently be cut down to the type of the first.
    """
    lengths = []
    dtype = shape = None
    for i, row in enumerate(rows):
        if not isinstance(row, Tensor) or not row.dim():
            raise UserError(f"example {i} of {what} has {_kind(row)} for its {name}: {hint}")
        length, *rest = row.shape
        lengths.append(length)
        if i == 0:
            dtype, shape = row.dtype, rest
        elif rest != shape:
            raise UserError(f"example {i} of {what} has {name} of shape {tuple(rest)}, example 0 has {tuple(shape)}")
        elif row.dtype != dtype:
            raise UserError(
                f"example {i} of {what} has {name} of type {row.dtype}, example 0 has {dtype}: convert them to one type"
            )
    return lengths


def _kind(thing) -> str:
    """What something is that should have been a tensor with a row for each step."""
    if isinstance(thing, Tensor):
        return "a tensor of shape ()"
    return "None" if thing is None else f"something of type {type(thing).__name__}"


def mask(lengths: Tensor, longest: int | None = None) -> Tensor:
    """True at valid steps: of shape (batch, steps) for `lengths` of shape (batch,), up to the longest or `longest`.

    Raises `UserError` for no lengths without `longest`.
    """
    if longest is None:
        _require_lengths(lengths, "a mask")
    steps = int(lengths.max()) if longest is None else longest
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def _require_lengths(lengths: Tensor, what: str) -> None:
    if lengths.dim() != 1 or not len(lengths):
        raise UserError(f"{what} needs lengths of shape (examples,), at least one, not of shape {tuple(lengths.shape)}")


def map_packed(function: Callable[[Tensor], Tensor], packed: PackedSequence) -> PackedSequence:
    """A function of rows applied to the valid steps; the other three fields stay, and with them the examples' order.

    Raises `UserError` where the function does not give as many rows as it got.
    """
    data = function(packed.data)
    if not isinstance(data, Tensor) or data.shape[:1] != packed.data.shape[:1]:
        found = f"a tensor of shape {tuple(data.shape)}" if isinstance(data, Tensor) else _kind(data)
        raise UserError(f"a function gave {found} for {len(packed.data)} packed rows: it must give a row for each")
    return packed._replace(data=data)


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
    batches are put in random order: sequences of a batch have like lengths, and every epoch has other batches. Raises
    `UserError` for no lengths, and where `batch_size` or `buckets` is not at least 1.
    """
    require_counts(batch_size=batch_size, buckets=buckets)
    _require_lengths(lengths, "an order of batches")
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
        """The share of places that would be padding. Raises `UserError` where there are no places."""
        if not self.places:
            raise UserError("batches without a step have no share of padding: give at least one sequence")
        return 1 - self.valid / self.places


def padding(lengths: Tensor, order: Sequence[Tensor]) -> Padding:
    """What padding batches of the given examples would cost. It tells how much `bucketed_order` saves:

    >>> lengths = torch.tensor([1, 9, 2, 8])
    >>> padding(lengths, torch.arange(4).split(2)).share, padding(lengths, bucketed_order(lengths, 2, 0, 0)).share
    (0.4117647058823529, 0.09090909090909094)
    """
    chosen = [lengths[batch] for batch in order if len(batch)]
    return Padding(sum(int(c.sum()) for c in chosen), sum(int(c.max()) * len(c) for c in chosen))


def gathered(examples: Examples, order: Sequence[Tensor]) -> Iterator[Batch]:
    """The batches that an order names. Raises `UserError` as `collate` does."""
    _require_targets(examples)
    for chosen in order:
        yield collate(examples.subset(chosen.tolist()))


def shuffled_batches(examples: Examples, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """All examples once, in batches, in the order that seed and epoch give. The last batch may be smaller.

    Raises `UserError` for a `batch_size` below 1, and as `collate` does.
    """
    require_counts(batch_size=batch_size)
    return gathered(examples, epoch_order(len(examples), seed, epoch).split(batch_size))


def batches(examples: Examples, batch_size: int) -> Iterator[Batch]:
    """All examples once, in batches, in their own order. Raises `UserError` as `shuffled_batches` does."""
    require_counts(batch_size=batch_size)
    return gathered(examples, torch.arange(len(examples)).split(batch_size))
