"""What the kernels of all cells share: buffers for rows, products with the input, the sums of weight gradients."""

import torch
from torch import Tensor

from rnnkit.plan import Chunk, Plan


class Buffer:
    """Rows of numbers for a whole batch, or, where nobody needs them afterwards, for one chunk at a time."""

    def __init__(self, like: Tensor, plan: Plan, *shape: int, keep: bool):
        self.all = like.new_empty((plan.geometry.rows if keep else plan.longest), *shape)
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


def add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """a + b, or None where there is neither."""
    return None if a is None else a + b


class WeightGradients:
    """Sums up, chunk by chunk, the gradients of a layer's weights and biases, and gives that of its input.

    `wanted` says for (input, w_ih, w_hh, b_ih, b_hh) whether anybody asks.
    """

    def __init__(self, x: Tensor, w_ih: Tensor, w_hh: Tensor, wanted: tuple[bool, ...]):
        self.x_source, self.w_ih_source = x, w_ih
        self.x = torch.empty_like(x) if wanted[0] else None
        self.w_ih = torch.zeros_like(w_ih) if wanted[1] else None
        self.w_hh = torch.zeros_like(w_hh) if wanted[2] else None
        self.b_ih = w_ih.new_zeros(len(w_ih)) if wanted[3] else None
        self.b_hh = w_hh.new_zeros(len(w_hh)) if wanted[4] else None

    def from_input(self, gates: Tensor, chunk: Chunk) -> None:
        """Take the gradient of a chunk's gates, of shape (rows, gates), as the input's part of them sees it."""
        if self.w_ih is not None:
            self.w_ih.addmm_(gates.t(), self.x_source[chunk.rows])
        if self.b_ih is not None:
            self.b_ih += gates.sum(0)
        if self.x is not None:
            torch.mm(gates, self.w_ih_source, out=self.x[chunk.rows])

    def from_state(self, gates: Tensor, previous: Tensor) -> None:
        """Take the gradient of a chunk's gates as the state's part of them sees it, and the states before them."""
        if self.w_hh is not None:
            self.w_hh.addmm_(gates.t(), previous)
        if self.b_hh is not None:
            self.b_hh += gates.sum(0)

    def all(self) -> tuple[Tensor | None, ...]:
        """The gradients of the weights and biases, in the order of the arguments."""
        return self.w_ih, self.w_hh, self.b_ih, self.b_hh
