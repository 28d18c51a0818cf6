"""Packed sequences: functions of their rows, to which sequence and time each row belongs, what padding would cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_sequence

from rnnkit.core import UserError
from rnnkit.sequences.examples import kind_of, require_lengths, require_steps
from rnnkit.sequences.schedule import PackedLayout


def mask(lengths: Tensor, longest: int | None = None) -> Tensor:
    """True at valid steps: of shape (batch, steps) for `lengths` of shape (batch,), up to the longest or `longest`.

    Raises `UserError` for no lengths without `longest`.
    """
    if longest is None:
        require_lengths(lengths, "a mask")
    steps = int(lengths.max()) if longest is None else longest
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


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
    """What padding batches of the given examples would cost. It tells how much `sequences.bucketed_order` saves:

    >>> from rnnkit.sequences import bucketed_order
    >>> lengths = torch.tensor([1, 9, 2, 8])
    >>> padding(lengths, torch.arange(4).split(2)).share, padding(lengths, bucketed_order(lengths, 2, 0, 0)).share
    (0.4117647058823529, 0.09090909090909094)
    """
    chosen = [lengths[batch] for batch in order if len(batch)]
    return Padding(sum(int(c.sum()) for c in chosen), sum(int(c.max()) * len(c) for c in chosen))


def map_packed(function: Callable[[Tensor], Tensor], packed: PackedSequence) -> PackedSequence:
    """A function of rows applied to valid steps; all else stays. Raises `UserError` for another number of rows."""
    data = cast(object, function(packed.data))
    if not isinstance(data, Tensor) or data.shape[:1] != packed.data.shape[:1]:
        given = f"a tensor of shape {tuple(data.shape)}" if isinstance(data, Tensor) else kind_of(data)
        raise UserError(f"a function gave {given} for {len(packed.data)} packed rows: it must give a row for each")
    return packed._replace(data=data)


def pack(sequences: Sequence[Tensor]) -> PackedSequence:
    """Sequences of shape (steps, ...) each, packed, as `torch.nn.utils.rnn.pack_sequence` does in any order of them.

    Lengths are kept on the CPU, whatever the default device is. Raises `UserError` for none, for one without a step,
    and for such that do not fit together.
    """
    if not len(sequences):
        raise UserError("pack needs at least one sequence, and got none")
    lengths = torch.tensor(require_steps(sequences, "pack"), device="cpu")
    return pack_padded_sequence(pad_sequence(list(sequences)), lengths, enforce_sorted=False)


def reverse(packed: PackedSequence) -> PackedSequence:
    """Each sequence from its last valid step to its first."""
    rows = PackedLayout(packed.batch_sizes).mirrored.to(packed.data.device)
    return map_packed(lambda data: data.index_select(0, rows), packed)


def owners(packed: PackedSequence) -> Tensor:
    """To which example each row of the packed data belongs, of shape (rows,), in the order the examples came in."""
    layout = PackedLayout(packed.batch_sizes)
    places = torch.arange(layout.rows, device="cpu") - layout.starts.repeat_interleave(layout.tensor)
    places = places.to(packed.data.device)
    return places if packed.sorted_indices is None else packed.sorted_indices[places]


def times(packed: PackedSequence, backward: bool = False) -> Tensor:
    """How many steps a direction has read before each row of the packed data, of shape (rows,): its own time.

    It counts from 0 at the sequence's first step, or, for the backward direction, at its last valid one. The time of
    the other direction is the lag to the last step that the direction reads.
    """
    layout = PackedLayout(packed.batch_sizes)
    steps = torch.arange(layout.steps, device="cpu").repeat_interleave(layout.tensor)
    return (steps[layout.mirrored] if backward else steps).to(packed.data.device)


def means(rows: Tensor, places: Tensor, count: int) -> Tensor:
    """The means of `rows` by `places`, of shape (rows,), for each of `count` places; NaN where there is none."""
    sums = rows.new_zeros(count, *rows.shape[1:]).index_add(0, places, rows)
    counts = torch.bincount(places, minlength=count)
    return sums / (counts if rows.dim() == 1 else counts.unsqueeze(1))


def lengths_of_rows(packed: PackedSequence) -> Tensor:
    """The length of the sequence that each row of the packed data belongs to, of shape (rows,)."""
    return times(packed) + times(packed, backward=True) + 1
