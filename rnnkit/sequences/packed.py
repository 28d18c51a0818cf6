"""Packed sequences: functions of their rows, to which sequence and time each row belongs."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import UserError
from rnnkit.sequences._checks import kind_of, require_lengths
from rnnkit.sequences.layout import PackedLayout


def mask(lengths: Tensor, longest: int | None = None) -> Tensor:
    """True at valid steps: of shape (batch, steps) for `lengths` of shape (batch,), up to the longest or `longest`.

    Raises `UserError` for no lengths without `longest`.
    """
    if longest is None:
        require_lengths(lengths, "a mask")
    steps = int(lengths.max()) if longest is None else longest
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def map_packed(function: Callable[[Tensor], Tensor], packed: PackedSequence) -> PackedSequence:
    """A function of rows applied to the valid steps; the other three fields stay, and with them the examples' order.

    Raises `UserError` where the function does not give as many rows as it got.
    """
    data = cast(object, function(packed.data))
    if not isinstance(data, Tensor) or data.shape[:1] != packed.data.shape[:1]:
        given = f"a tensor of shape {tuple(data.shape)}" if isinstance(data, Tensor) else kind_of(data)
        raise UserError(f"a function gave {given} for {len(packed.data)} packed rows: it must give a row for each")
    return packed._replace(data=data)


def reverse(packed: PackedSequence) -> PackedSequence:
    """Each sequence from its last valid step to its first."""
    rows = PackedLayout(packed.batch_sizes).mirrored.to(packed.data.device)
    return map_packed(lambda data: data.index_select(0, rows), packed)


def owners(packed: PackedSequence) -> Tensor:
    """To which example each row of the packed data belongs, of shape (rows,), in the order the examples came in."""
    layout = PackedLayout(packed.batch_sizes)
    places = torch.arange(layout.rows) - layout.starts.repeat_interleave(layout.tensor)
    places = places.to(packed.data.device)
    return places if packed.sorted_indices is None else packed.sorted_indices[places]


def times(packed: PackedSequence, backward: bool = False) -> Tensor:
    """How many steps a direction has read before each row of the packed data, of shape (rows,): its own time.

    It counts from 0 at the sequence's first step, or, for the backward direction, at its last valid one. The time of
    the other direction is the lag to the last step that the direction reads.
    """
    layout = PackedLayout(packed.batch_sizes)
    steps = torch.arange(layout.steps).repeat_interleave(layout.tensor)
    return (steps[layout.mirrored] if backward else steps).to(packed.data.device)


def lengths_of_rows(packed: PackedSequence) -> Tensor:
    """The length of the sequence that each row of the packed data belongs to, of shape (rows,)."""
    return times(packed) + times(packed, backward=True) + 1
