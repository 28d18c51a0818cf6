"""What the kernels of all cells share: buffers for rows, products with the input, the sums of weight gradients."""

import torch
from torch import Tensor

from rnnkit.sequences import Chunk, Schedule


Bias = Tensor | None


class Buffer:
    """Rows of numbers for a whole batch, or, where nobody needs them afterwards, for one chunk at a time."""

    def __init__(self, like: Tensor, schedule: Schedule, *shape: int, keep: bool):
        self.all = like.new_empty((schedule.layout.rows if keep else schedule.longest), *shape)
        self.keep = keep

    def rows(self, chunk: Chunk) -> Tensor:
        """The buffer's rows of a chunk."""
        if self.keep:
            return self.all[chunk.rows]
        return self.all[: chunk.stop - chunk.start]


def project(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """Write x weight^T + bias into `out`."""
    if bias is None:
        torch.mm(x, weight.t(), out=out)
    else:
        torch.addmm(bias, x, weight.t(), out=out)


def add(a: Bias, b: Bias) -> Bias:
    """a + b, or None where there is neither."""
    return None if a is None or b is None else a + b


def resized(state: Tensor, initial: Tensor, count: int) -> Tensor:
    """The states for a step of `count` sequences: without those that have ended, with those that begin."""
    return state[:count] if count < len(state) else torch.cat([state, initial[len(state) : count]])


def direct_gradient(
    grad_output: Tensor | None, grad_final: Tensor | None, schedule: Schedule, chunk: Chunk, out: Tensor
) -> Tensor:
    """The gradient that reaches a chunk's states directly: as outputs, and as final states. Into `out`."""
    if grad_output is None:
        out.zero_()
    else:
        out.copy_(grad_output[chunk.rows])
    if grad_final is not None and chunk.ends[0] < chunk.ends[1]:
        out.index_add_(0, schedule.ends(chunk), grad_final[slice(*chunk.ends)])
    return out


class WeightGradients:
    """Sums up, chunk by chunk, the gradients of a layer's weights and biases, and gives that of its input.

    `wanted` says for (input, w_ih, w_hh, b_ih, b_hh) whether anybody asks.
    """

    def __init__(self, x: Tensor, w_ih: Tensor, wanted: tuple[bool, ...]):
        self._x, self._w_ih, self._wanted = x, w_ih, wanted
        self.x = torch.empty_like(x) if wanted[0] else None
        self._sums: list[Tensor | None] = [None] * 4
        self._same = False

    def from_input(self, gates: Tensor, chunk: Chunk) -> None:
        """Take the gradient of a chunk's gates, of shape (rows, gates), as the input's part of them sees it."""
        self._product(0, gates, self._x[chunk.rows])
        self._rows(2, gates)
        if self.x is not None:
            torch.mm(gates, self._w_ih, out=self.x[chunk.rows])

    def from_state(self, gates: Tensor, previous: Tensor, same: bool = True) -> None:
        """Take the gradient of a chunk's gates as the state's part of them sees it, and the states before them.

        `same` says that it is the one that the input's part sees, so that both biases have one gradient.
        """
        self._product(1, gates, previous)
        self._same = same and self._wanted[3]
        if not self._same:
            self._rows(3, gates)

    def all(self) -> tuple[Tensor | None, ...]:
        """The gradients of w_ih, w_hh, b_ih and b_hh; None for those that nobody asked for."""
        if self._same and self._wanted[4] and (total := self._sums[2]) is not None:
            self._sums[3] = total.clone()
        return tuple(self._sums)

    def _product(self, index: int, gates: Tensor, rows: Tensor) -> None:
        if self._wanted[1 + index]:
            total = self._sums[index]
            self._sums[index] = gates.t() @ rows if total is None else total.addmm_(gates.t(), rows)

    def _rows(self, index: int, gates: Tensor) -> None:
        if self._wanted[1 + index]:
            total = self._sums[index]
            self._sums[index] = gates.sum(0) if total is None else total.add_(gates.sum(0))
