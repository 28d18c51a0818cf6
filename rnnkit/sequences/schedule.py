"""How the rows of a packed batch lie, and in which order they are worked through, for one direction.

Packed data hold the rows of step 0 first, then those of step 1, and so on; step t has `batch_sizes[t]` rows, and row b
of every step belongs to sequence b. The forward direction takes the steps from the first, and sequences end on its
way; the backward direction takes them from the last, and sequences begin on its way. Nothing is flipped or padded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor


class PackedLayout:
    """What the rows of a packed batch are, from its `batch_sizes` (a list, or a tensor on the CPU).

    `batch` is the number of sequences, `steps` that of the longest, `rows` that of the valid steps of all of them.
    `sizes` and `tensor`, of shape (steps,), hold how many rows each step has.
    """

    def __init__(self, batch_sizes: Sequence[int] | Tensor):
        tensor = isinstance(batch_sizes, Tensor)
        # A slice of others has its numbers apart, and what reads them by their address reads those between.
        self.tensor = batch_sizes.contiguous() if tensor else torch.tensor(batch_sizes, device="cpu")
        self.sizes: list[int] = batch_sizes.tolist() if tensor else list(batch_sizes)
        self.batch, self.steps, self.rows = self.sizes[0], len(self.sizes), sum(self.sizes)
        self.equal = self.sizes[-1] == self.batch

    @cached_property
    def starts(self) -> Tensor:
        """The first row of each step, of shape (steps,)."""
        return self.tensor.cumsum(0) - self.tensor

    @cached_property
    def first(self) -> Tensor:
        """The row of each sequence's first step, of shape (batch,)."""
        return torch.arange(self.batch, device="cpu")

    @cached_property
    def last(self) -> Tensor:
        """The row of each sequence's last step, of shape (batch,)."""
        rows, stop, longer = [], self.rows, 0
        for size, count in reversed(Counter(self.sizes).items()):  # sizes never grow: equal ones stand together
            rows += range(stop - size + longer, stop)  # the sequences `longer`..`size` - 1 have no further step
            stop, longer = stop - size * count, size
        return torch.tensor(rows, device="cpu")

    @cached_property
    def mirrored(self) -> Tensor:
        """For each row the row of the same sequence as many steps from its end as this is from its start."""
        step = torch.arange(self.steps, device="cpu").repeat_interleave(self.tensor)
        sequence = torch.arange(self.rows, device="cpu") - self.starts[step]
        length = torch.bincount(sequence)
        return self.starts[length[sequence] - 1 - step] + sequence

    @cached_property
    def before(self) -> Tensor:
        """For each row that of the same sequence one step earlier; `rows` and the sequence's number where none is."""
        step = torch.arange(self.steps, device="cpu").repeat_interleave(self.tensor)
        sequence = torch.arange(self.rows, device="cpu") - self.starts[step]
        return torch.where(step > 0, self.starts[(step - 1).clamp(min=0)], self.rows) + sequence

    @cached_property
    def after(self) -> Tensor:
        """For each row that of the same sequence one step later; `rows` and the sequence's number where none is."""
        found = torch.arange(self.rows, device="cpu") - self.starts.repeat_interleave(self.tensor) + self.rows
        follows = self.before < self.rows
        found[self.before[follows]] = follows.nonzero().flatten()
        return found


@dataclass(frozen=True)
class Chunk:
    """Consecutive steps, small enough for the processor's cache."""

    start: int  # its rows are `start`..`stop` of the packed data
    stop: int
    sizes: Sequence[int]  # the rows of each step, in working order
    before: int  # the rows of the step worked before the first of them, or 0
    begins: tuple[int, int]  # the sequences `begins[0]`..`begins[1]` - 1 have their first worked row here
    ends: tuple[int, int]  # and `ends[0]`..`ends[1]` - 1 their last

    @property
    def rows(self) -> slice:
        """The chunk's rows of the packed data."""
        return slice(self.start, self.stop)


class Schedule:
    """The way through a packed batch in one direction, in chunks of about `chunk_rows` rows."""

    def __init__(self, layout: PackedLayout, reverse: bool, chunk_rows: int):
        self.layout, self.reverse, self.chunk_rows = layout, reverse, chunk_rows

    @cached_property
    def chunks(self) -> list[Chunk]:
        """The chunks in working order."""
        layout = self.layout
        if layout.rows <= self.chunk_rows:
            sizes, every = layout.sizes, (0, layout.batch)
            return [Chunk(0, layout.rows, sizes[::-1] if self.reverse else sizes, 0, begins=every, ends=every)]
        return _chunks(layout.sizes, self.reverse, self.chunk_rows)

    @cached_property
    def longest(self) -> int:
        """The rows of the largest chunk."""
        return max(chunk.stop - chunk.start for chunk in self.chunks)

    @property
    def all_begins(self) -> Tensor:
        """The row in which each sequence is worked first, of shape (batch,)."""
        return self.layout.last if self.reverse else self.layout.first

    @property
    def all_ends(self) -> Tensor:
        """The row in which each sequence is worked last, of shape (batch,)."""
        return self.layout.first if self.reverse else self.layout.last

    @property
    def before(self) -> Tensor:
        """For each row of all that which is worked before it in its sequence; see `PackedLayout.before`."""
        return self.layout.after if self.reverse else self.layout.before

    def steps(self, rows: Tensor, chunk: Chunk) -> Sequence[Tensor]:
        """A chunk's rows cut into its steps, in working order."""
        if self.reverse:
            return torch.unsafe_split_with_sizes(rows, chunk.sizes[::-1])[::-1]
        return torch.unsafe_split_with_sizes(rows, chunk.sizes)

    def steps_back(self, rows: Tensor, chunk: Chunk) -> Sequence[Tensor]:
        """A chunk's rows cut into its steps, against working order."""
        return self.steps(rows, chunk)[::-1]

    def begins(self, chunk: Chunk) -> Tensor:
        """The rows, counted from the chunk's first, in which the sequences `chunk.begins` are worked first."""
        return self.all_begins[slice(*chunk.begins)] - chunk.start

    def ends(self, chunk: Chunk) -> Tensor:
        """The rows, counted from the chunk's first, in which the sequences `chunk.ends` are worked last."""
        return self.all_ends[slice(*chunk.ends)] - chunk.start

    def final(self, states: Tensor) -> Tensor:
        """The last worked state of each sequence, of shape (batch, hidden), from those of all rows."""
        return states.index_select(0, self.all_ends)

    def previous(self, states: Tensor, initial: Tensor, chunk: Chunk, out: Tensor) -> Tensor:
        """For each row of a chunk the state before it: of the step worked before, or the initial one. Into `out`.

        `states` is of shape (rows, hidden), `initial` of shape (batch, hidden), the result of (chunk rows, hidden).
        """
        runs = [*Counter(chunk.sizes).items()]  # (rows, steps): how many steps have as many rows
        pieces = []  # few, since over steps of one size what comes before their rows stands together too
        if self.reverse:
            at, following = chunk.stop, chunk.before
            for size, count in runs:
                at -= size * count
                pieces += [initial[following:size], states[at + size : at + size * count + following]]
                following = size
            pieces.reverse()
        else:
            at, size = chunk.start, chunk.sizes[0]
            pieces.append(states[at - chunk.before : at - chunk.before + size] if chunk.before else initial[:size])
            for (size, count), (following, _) in pairwise([*runs, (0, 0)]):
                pieces.append(states[at : at + size * (count - 1) + following])
                at += size * count
        return torch.cat(pieces, out=out)


def _chunks(batch_sizes: Sequence[int], reverse: bool, chunk_rows: int) -> list[Chunk]:
    """Cut the steps into chunks of at most `chunk_rows` rows, but at least one step, in working order."""
    chunks, start, first = [], 0, 0
    while first < len(batch_sizes):
        last, stop = first, start
        while last < len(batch_sizes) and (last == first or stop - start + batch_sizes[last] <= chunk_rows):
            stop += batch_sizes[last]
            last += 1
        sizes = tuple(batch_sizes[first:last])
        opening = (0, batch_sizes[0]) if first == 0 else (0, 0)  # sequences whose first step is here, in time
        closing = (batch_sizes[last] if last < len(batch_sizes) else 0, sizes[0])  # and whose last step is
        if reverse:
            chunks.insert(0, Chunk(start, stop, sizes[::-1], closing[0], begins=closing, ends=opening))
        else:
            before = batch_sizes[first - 1] if first else 0
            chunks.append(Chunk(start, stop, sizes, before, begins=opening, ends=closing))
        first, start = last, stop
    return chunks
