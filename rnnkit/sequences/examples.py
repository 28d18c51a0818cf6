"""Sequences with their targets, and what no batch could be made of or no model could read, named with the example."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from rnnkit.core import UserError, require_counts, wording


@dataclass(frozen=True)
class Examples:
    """Sequences with one target each, or with one for each step."""

    inputs: list[Tensor]  # of shape (steps, features), or (steps,) for numbers of words or symbols
    targets: Tensor | list[Tensor]  # of shape (examples,), or a tensor for each example, a row a step

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def joined_targets(self) -> Tensor:
        """The targets of all examples, or of all steps, one after the other."""
        return torch.cat(self.targets) if isinstance(self.targets, list) else self.targets

    @property
    def lengths(self) -> Tensor:
        """How many steps each example has, of shape (examples,)."""
        return torch.tensor([len(sequence) for sequence in self.inputs], device="cpu")

    def subset(self, indices: Sequence[int]) -> "Examples":
        """The examples at the given positions, in that order."""
        inputs = [self.inputs[i] for i in indices]
        if isinstance(self.targets, list):
            return Examples(inputs, [self.targets[i] for i in indices])
        return Examples(inputs, self.targets[list(indices)])


def from_pairs(pairs: Iterable[object]) -> Examples:
    """Examples from pairs of a sequence and its target, as a `Dataset` gives them.

    Raises `UserError` for what is no pair, and for targets that belong to sequences here and to steps there.
    """
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    for i, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(cast("Sequence[object]", pair)) != 2:
            raise UserError(f"example {i} of a batch must be a pair of a sequence and its target, not {kind_of(pair)}")
        sequence, target = cast("Sequence[object]", pair)
        if not isinstance(target, (Tensor, bool, int, float)):
            raise UserError(f"example {i} of a batch has {kind_of(target)} for its target: give a number or a tensor")
        inputs.append(cast(Tensor, sequence))
        # Those of whole batches have the default type, as torch's own collate_fn has it.
        targets.append(target if isinstance(target, Tensor) else torch.tensor(target, device="cpu"))
    dimensions = {target.dim() == 0 for target in targets}
    if len(dimensions) > 1:
        raise UserError("some targets of a batch stand for a sequence and some for its steps: give the same for all")
    if dimensions != {True}:
        return Examples(inputs, targets)
    for i, target in enumerate(targets):
        if target.dtype != targets[0].dtype:
            raise UserError(f"example {i} of a batch has a target of type {target.dtype}, example 0 {targets[0].dtype}")
    return Examples(inputs, torch.stack(targets))


def check(examples: Examples, *, vocabulary: int | None = None, classes: int | None = None) -> None:
    """Raise `UserError`, with the example and the step, for what no batch could be made of or no model could read.

    That is all that `collate` refuses, and a number that is not finite. With a `vocabulary`, inputs must be ids, of
    shape (steps,), whole numbers in 0..`vocabulary` - 1; with `classes`, targets must be whole numbers in
    0..`classes` - 1, one for each example, or one for each step where they are a list.
    """
    require_sequences(examples, "the data")
    for i, sequence in enumerate(examples.inputs):
        if sequence.is_floating_point() and not (finite := sequence.isfinite()).all():
            step, *feature = (~finite).nonzero()[0].tolist()
            field = f", feature {feature[0]}" if feature else ""
            raise UserError(
                f"example {i}, step {step}{field} is {sequence[(step, *feature)].item()}, not a finite number"
            )
    if vocabulary is not None:
        require_counts(vocabulary=vocabulary)
        _require_whole(examples.inputs, "id", vocabulary, 1, (torch.long, torch.int))
    if classes is not None:
        require_counts(classes=classes)
        # torch's losses take no other type of integers.
        _require_whole(examples.targets, "target", classes, int(isinstance(examples.targets, list)), (torch.long,))


def require_targets(examples: Examples) -> None:
    """Raise `UserError` unless the targets are what examples can be chosen from, as many as there are sequences."""
    targets = cast(object, examples.targets)
    if not isinstance(targets, (Tensor, list)) or (isinstance(targets, Tensor) and not targets.dim()):
        raise UserError(
            "targets must be a tensor of shape (examples,) or a list of tensors of shape (steps,), "
            f"not {kind_of(targets)}"
        )
    if len(examples.targets) != len(examples):
        raise UserError(
            f"{wording.count(len(examples), 'sequence')} came with {wording.count(len(examples.targets), 'target')}"
        )


def require_sequences(examples: Examples, what: str) -> list[int]:
    """The lengths; raises `UserError` unless `what` holds examples whose sequences fit together, with a target each."""
    if not len(examples):
        raise UserError(f"{what} needs at least one example, and got none")
    require_targets(examples)
    lengths = require_steps(examples.inputs, what)
    if isinstance(examples.targets, list):
        hint = "give a tensor with one for each step, or a single tensor, of shape (examples,), for all examples"
        counts = _require_alike(examples.targets, what, "targets", hint)
        for i, (length, count) in enumerate(zip(lengths, counts, strict=True)):
            if count != length:
                raise UserError(
                    f"example {i} of {what} has {wording.count(length, 'step')} and {wording.count(count, 'target')}"
                )
    return lengths


def require_steps(sequences: Sequence[object], what: str) -> list[int]:
    """The lengths; raises `UserError` unless `what` holds sequences with a step at least, and of one type and size."""
    lengths = _require_alike(sequences, what, "features", "give a tensor of shape (steps,) or (steps, features)")
    for i, length in enumerate(lengths):
        if not length:
            raise UserError(f"example {i} of {what} is an empty sequence")
    return lengths


def kind_of(thing: object) -> str:
    """What something is that should have been a tensor with a row for each step."""
    if isinstance(thing, Tensor):
        return "a tensor of shape ()"
    return "None" if thing is None else f"something of type {type(thing).__name__}"


def _require_whole(
    rows: Iterable[Tensor], name: str, count: int, dimensions: int, types: tuple[torch.dtype, ...]
) -> None:
    """Raise `UserError` unless each example's row has so many dimensions and whole numbers in 0..`count` - 1."""
    # A fraction is named before the type, which is that of whole numbers elsewhere too: it is what is to be found.
    for i, row in enumerate(rows):
        if row.dim() != dimensions:
            each = "step" if dimensions else "example"
            raise UserError(f"example {i} has {name}s of shape {tuple(row.shape)}: give one for each {each}")
        if row.is_floating_point() and (broken := row != row.round()).any():
            raise UserError(f"example {i}{_place_of(row, broken, name)} is not a whole number in 0..{count - 1}")
    for i, row in enumerate(rows):
        if row.dtype not in types:
            raise UserError(f"example {i} has {name}s of type {row.dtype}: make them whole numbers, of {types[0]}")
        if (outside := (row < 0) | (row >= count)).any():
            raise UserError(f"example {i}{_place_of(row, outside, name)} is outside 0..{count - 1}")


def _place_of(row: Tensor, wrong: Tensor, name: str) -> str:
    """Where `wrong` is first true in an example's row, and the number there."""
    place = wrong.nonzero()[0].tolist()
    step = f", step {place[0]}" if place else ""
    return f"{step}: {name} {row[tuple(place)].item()}"


def _require_alike(rows: Sequence[object], what: str, name: str, hint: str) -> list[int]:
    """The first sizes of tensors. Raises `UserError` unless types and other sizes are alike: joining would cut them."""
    lengths: list[int] = []
    first: list[int] = []
    dtype: torch.dtype | None = None
    for i, row in enumerate(rows):
        if not isinstance(row, Tensor) or not row.dim():
            raise UserError(f"example {i} of {what} has {kind_of(row)} for its {name}: {hint}")
        length, *sizes = row.shape
        lengths.append(length)
        if not i:
            first, dtype = sizes, row.dtype
        if sizes != first:
            raise UserError(f"example {i} of {what} has {name} of shape {tuple(sizes)}, example 0 has {tuple(first)}")
        if row.dtype != dtype:
            raise UserError(
                f"example {i} of {what} has {name} of type {row.dtype}, example 0 has {dtype}: convert them to one type"
            )
    return lengths


def require_lengths(lengths: Tensor, what: str) -> None:
    """Raise `UserError` unless `what` is given lengths of shape (examples,), at least one."""
    if lengths.dim() != 1 or not len(lengths):
        raise UserError(f"{what} needs lengths of shape (examples,), at least one, not of shape {tuple(lengths.shape)}")
