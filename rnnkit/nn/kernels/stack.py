"""Whole recurrent stacks over packed rows: all layers, both directions, dropout between layers, on fast kernels."""

import ctypes
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from rnnkit.nn.kernels import bptt, dropout
from rnnkit.nn.kernels.library import kernel
from rnnkit.nn.kernels.native_stack import NativeStack
from rnnkit.sequences import PackedLayout, Schedule


GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}
CHUNK_BYTES = 2**21  # of gates in a chunk: with what belongs to them, about what a core's second-level cache holds


@cache
def _keep_freed_memory() -> None:
    """Have freed memory stay with the process, up to 256 MiB, the first time that a layer runs.

    A layer uses many middling blocks. glibc would give most of them back to the system, and each pass would fault all
    of their pages in again: a third of the time of a small LSTM. Other C libraries have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(-3, 2**25)  # M_MMAP_THRESHOLD: the most that glibc takes
        mallopt(-1, 2**28)  # M_TRIM_THRESHOLD


@dataclass(frozen=True)
class Stack:
    """What a recurrent module computes: its kind (torch.nn's `mode`) and sizes.

    `dropout` is the share that is dropped between layers now, that is 0 outside of training.
    """

    mode: str
    hidden_size: int
    num_layers: int
    directions: int
    dropout: float


# What is told to those who watch: the states of each layer, of shape (rows, directions x hidden), and what dropout
# multiplied those of all but the top one with, or None.
Watcher = Callable[[list[Tensor], Tensor | None], None]


def run(
    stack: Stack,
    data: Tensor,
    layout: PackedLayout,
    initial: tuple[Tensor | None, ...],
    weights: Sequence[Sequence[Tensor | None]],
    watchers: Sequence[Watcher] = (),
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run packed rows through all layers.

    `data` is of shape (rows, inputs), its rows as `layout` says. `initial` is (h_0,), or (h_0, c_0) for an LSTM,
    each of shape (layers x directions, batch, hidden) with the batch in packed order, or None for zeros. `weights`
    holds w_ih, w_hh, b_ih, b_hh for each layer and direction, layer by layer; biases may be None.
    `watchers` may only read.

    Returns the top layer's states, of shape (rows, directions x hidden), and the final states in the form of `initial`.
    """
    _keep_freed_memory()
    if not torch.is_grad_enabled():  # an autograd function is not told, and would keep what backward needs
        data = data.detach()
        initial = tuple(state if state is None else state.detach() for state in initial)
        weights = [[weight if weight is None else weight.detach() for weight in group] for group in weights]
    wide = stack.directions * stack.hidden_size
    factors = None
    if stack.dropout and stack.num_layers > 1:
        # One draw for all layers takes the same random numbers as one for each, which torch.nn makes.
        factors = dropout.factors(data.new_empty(stack.num_layers - 1, layout.rows, wide), stack.dropout)
    native = kernel()
    if native is None:
        states, final = _run_plainly(stack, data, layout, initial, weights, factors)
    else:
        h_0, c_0 = (*initial, None)[:2]
        sizes = stack.num_layers, stack.directions, stack.hidden_size
        flat = [weight for group in weights for weight in group]
        output, *final, lower = NativeStack.apply(data, h_0, c_0, factors, native, stack.mode, sizes, layout, *flat)
        states = [*lower[:, 0], output] if watchers else [output]
    for watch in watchers:
        watch(states, factors)
    return states[-1], tuple(final)


def _run_plainly(
    stack: Stack,
    data: Tensor,
    layout: PackedLayout,
    initial: tuple[Tensor | None, ...],
    weights: Sequence[Sequence[Tensor | None]],
    factors: Tensor | None,
) -> tuple[list[Tensor], list[Tensor]]:
    """The same by torch's operations, without the native kernel: the states of each layer, and the final ones."""
    row_bytes = GATES[stack.mode] * stack.hidden_size * data.element_size()
    chunk_rows = max(1, CHUNK_BYTES // row_bytes)
    schedules = [Schedule(layout, reverse, chunk_rows) for reverse in (False, True)[: stack.directions]]
    zeros = data.new_zeros(layout.batch, stack.hidden_size)
    kind, *relu = {"RNN_TANH": (bptt.RNN, False), "RNN_RELU": (bptt.RNN, True)}.get(stack.mode) or (
        bptt.LSTM if stack.mode == "LSTM" else bptt.GRU,
    )
    states: list[Tensor] = []
    finals: list[Sequence[Tensor]] = []
    for layer in range(stack.num_layers):
        outputs: list[Tensor] = []
        for direction, schedule in enumerate(schedules):
            index = layer * stack.directions + direction
            first = [zeros if state is None else state[index] for state in initial]
            output, *final = kind.apply(data, *first, *weights[index], schedule, *relu)
            outputs.append(output)
            finals.append(final)
        # The kernels keep their states for the backward, and what is given out may be changed.
        data = outputs[0].clone() if stack.directions == 1 else torch.cat(outputs, dim=1)
        states.append(data)
        if factors is not None and layer + 1 < stack.num_layers:
            data = data * factors[layer]
    return states, [torch.stack(parts) for parts in zip(*finals, strict=True)]
