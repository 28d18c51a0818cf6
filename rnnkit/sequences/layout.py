"""How the rows of a packed batch lie: those of step 0 first, then those of step 1, and so on."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor


class PackedLayout:
    """What the rows of a packed batch are, from its `batch_sizes` (a list, or a tensor on the CPU).

    `batch` is the number of sequences, `steps` that of the longest, `rows` that of the valid steps of all of them.
    `sizes` and `tensor`, of shape (steps,), hold how many rows each step has.
    """

    def __init__(self, batch_sizes: Sequence[int] | Tensor):
        tensor = isinstance(batch_sizes, Tensor)
        self.tensor = batch_sizes if tensor else torch.tensor(batch_sizes, device="cpu")
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
