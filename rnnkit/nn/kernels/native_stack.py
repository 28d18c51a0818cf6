"""A stack of layers on the native kernel, as one node of autograd's graph."""

import ctypes
from array import array
from typing import Any

import torch
from torch import Tensor

from rnnkit.nn.kernels import double_backward
from rnnkit.nn.kernels.library import Kernel
from rnnkit.nn.kernels.memory import address, addresses, laid_out
from rnnkit.sequences import PackedLayout


MODES = {"RNN_TANH": 0, "RNN_RELU": 1, "GRU": 2, "LSTM": 3}

_SIZES = ("cell", "layers", "directions", "steps", "batch", "rows", "inputs", "hidden", "keep", "kept_rows", "pieces")
_POINTERS = (
    *("batch_sizes", "x", "h_0", "c_0", "weights", "factors", "lower"),
    *("h", "h_n", "c_n", "kept", "cells", "scratch"),
    *("grad_h", "grad_h_n", "grad_c_n", "grad_x", "grad_h_0", "grad_c_0", "grad_weights", "total_h", "total_c"),
)

# Of what is kept for backward. glibc takes blocks of 32 MiB and more from the system each time, which then makes each
# page of them anew: a fifth of the time of a large net.
PIECE_BYTES = 2**24


class _Stack(ctypes.Structure):
    """`stack` of native/stack.c."""

    _fields_ = [(name, ctypes.c_int64) for name in _SIZES] + [(name, ctypes.c_void_p) for name in _POINTERS]


class NativeStack(torch.autograd.Function):
    """All layers and directions over packed rows; shapes are those of `kernels.stack.run`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor | None,
        c_0: Tensor | None,
        factors: Tensor | None,
        kernel: Kernel,
        mode: str,
        sizes: tuple[int, int, int],
        layout: PackedLayout,
        *weights: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """Returns the states of the top layer, the final ones, an LSTM's final cell states, and the lower layers'.

        `sizes` are layers, directions and hidden size; `factors`, of shape (layers - 1, rows, directions x hidden),
        what dropout multiplies the states between layers with. The lower layers' states, and what dropout left of
        them, come in one piece, of shape (layers - 1, 1 or 2, rows, directions x hidden).
        """
        layers, directions, hidden = sizes
        keep = any(ctx.needs_input_grad)
        count, lstm = layers * directions, mode == "LSTM"
        x = laid_out(x)
        h_0, c_0, *flat = (None if t is None else laid_out(t) for t in (h_0, c_0, *weights))
        pointers = addresses(flat)
        lower = x.new_empty(layers - 1, 1 if factors is None else 2, layout.rows, directions * hidden)
        h, h_n = x.new_empty(layout.rows, directions * hidden), x.new_empty(count, layout.batch, hidden)
        c_n = torch.empty_like(h_n) if lstm else None
        call = _call(x, mode, sizes, layout, h_0, c_0, pointers, factors, lower)
        functions = kernel.functions(x.dtype, hidden)
        at = ctypes.addressof(call)
        call.keep = keep
        kept = _kept(call, x, functions.kept(at)) if keep else []
        kept_pointers = addresses(kept)
        scratch = x.new_empty(functions.forward_scratch(at))
        call.h, call.h_n, call.c_n = h.data_ptr(), h_n.data_ptr(), address(c_n)
        call.kept, call.scratch = kept_pointers.buffer_info()[0], scratch.data_ptr()
        functions.forward(at)
        ctx.save_for_backward(x, h_0, c_0, factors, lower, *flat, *kept)
        ctx.of = kernel, mode, sizes, layout, call.kept_rows
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(lower)
        return (h, h_n, c_n, lower) if c_n is not None else (h, h_n, lower)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """Backpropagation through time in one call."""
        kernel, mode, sizes, layout, kept_rows = ctx.of
        x, h_0, c_0, factors, lower, *rest = ctx.saved_tensors
        count = sizes[0] * sizes[1]
        weights, kept = rest[: 4 * count], rest[4 * count :]
        grad_h, grad_h_n, *grad_c_n, _ = grad_outputs
        if double_backward.is_asked_for(grad_outputs):
            inputs = x, h_0, c_0, *weights
            gradients = double_backward.gradients(mode, sizes, layout, factors, inputs, (grad_h, grad_h_n, *grad_c_n))
            return *gradients[:3], *(None,) * 5, *gradients[3:]
        needs, hidden = ctx.needs_input_grad, sizes[2]
        grad_x, grad_h_0, grad_c_0 = (
            torch.empty_like(t) if need and t is not None else None
            for t, need in zip((x, h_0, c_0), needs, strict=False)
        )
        grad_weights = [None if weight is None else torch.empty_like(weight) for weight in weights]
        pointers, grad_pointers, kept_pointers = addresses(weights), addresses(grad_weights), addresses(kept)
        call = _call(x, mode, sizes, layout, h_0, c_0, pointers, factors, lower)
        functions = kernel.functions(x.dtype, hidden)
        at = ctypes.addressof(call)
        scratch = x.new_empty(functions.backward_scratch(at))
        given = [None if grad is None else laid_out(grad) for grad in (grad_h, grad_h_n, *grad_c_n)]
        call.grad_h, call.grad_h_n, call.grad_c_n = map(address, (*given, None)[:3])
        call.grad_x, call.grad_h_0, call.grad_c_0 = map(address, (grad_x, grad_h_0, grad_c_0))
        call.grad_weights = grad_pointers.buffer_info()[0]
        call.kept_rows, call.pieces = kept_rows, len(kept) // count
        call.kept, call.scratch = kept_pointers.buffer_info()[0], scratch.data_ptr()
        functions.backward(at)
        wanted = (grad if need else None for grad, need in zip(grad_weights, needs[8:], strict=True))
        return grad_x, grad_h_0, grad_c_0, None, None, None, None, None, *wanted


def _kept(call: _Stack, x: Tensor, row: int) -> list[Tensor]:
    """Room for what backward needs, `row` numbers a row: in pieces, for each layer and direction."""
    call.kept_rows = max(1, PIECE_BYTES // (row * x.element_size()))
    starts = range(0, call.rows, call.kept_rows)
    call.pieces = len(starts)
    sizes = [min(call.kept_rows + call.batch, call.rows - start) * row for start in starts]
    return [x.new_empty(size) for _ in range(call.layers * call.directions) for size in sizes]


def _call(
    x: Tensor,
    mode: str,
    sizes: tuple[int, int, int],
    layout: PackedLayout,
    h_0: Tensor | None,
    c_0: Tensor | None,
    weights: "array[int]",
    factors: Tensor | None,
    lower: Tensor,
) -> _Stack:
    """What forward and backward have in common."""
    layers, directions, hidden = sizes
    return _Stack(
        *(MODES[mode], layers, directions, layout.steps, layout.batch, layout.rows, x.shape[1], hidden, 1, 0, 0),
        *(layout.tensor.data_ptr(), x.data_ptr(), address(h_0), address(c_0), weights.buffer_info()[0]),
        *(address(factors), lower.data_ptr()),
    )
