"""Whole recurrent stacks over packed rows: all layers, both directions, dropout between layers, on fast kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from rnnkit.nn.kernels import bptt, fused
from rnnkit.sequences import PackedLayout, Schedule


GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}
CHUNK_BYTES = 2**21  # of gates in a chunk: with what belongs to them, about what a core's second-level cache holds


@cache
def _keep_freed_memory() -> None:
    """Have freed blocks stay with the process, the first time that a layer runs.

    glibc gives freed memory back to the system above a threshold, which follows the largest block freed so far. A layer
    uses many middling blocks, so that without this each pass would fault all of its pages in again (a third of the time
    of a small LSTM). The block is never touched, and costs nothing; other C libraries take no notice.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8, device="cpu")


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


def run(
    stack: Stack,
    data: Tensor,
    layout: PackedLayout,
    initial: tuple[Tensor | None, ...],
    weights: Sequence[Sequence[Tensor | None]],
    watchers: Sequence[Callable[[Tensor, Tensor], None]] = (),
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run packed rows through all layers.

    `data` is of shape (rows, inputs), its rows as `layout` says. `initial` is (h_0,), or (h_0, c_0) for an LSTM,
    each of shape (layers x directions, batch, hidden) with the batch in packed order, or None for zeros. `weights`
    holds w_ih, w_hh, b_ih, b_hh for each layer and direction, layer by layer; biases may be None.
    Each of `watchers` is called with the input and the states of each of them, and may only read.

    Returns the top layer's states, of shape (rows, directions x hidden), and the final states in the form of `initial`.
    """
    _keep_freed_memory()
    row_bytes = GATES[stack.mode] * stack.hidden_size * data.element_size()
    chunk_rows = max(1, CHUNK_BYTES // row_bytes)
    schedules = [Schedule(layout, reverse, chunk_rows) for reverse in (False, True)[: stack.directions]]
    zeros = data.new_zeros(layout.batch, stack.hidden_size)
    finals: list[tuple[Tensor, ...]] = []
    segments = None
    for layer in range(stack.num_layers):
        outputs, padded = [], None
        for direction, schedule in enumerate(schedules):
            index = layer * stack.directions + direction
            states = [zeros if state is None else state[index] for state in initial]
            if stack.mode == "LSTM" and fused.serves(
                data, stack.hidden_size, backwards=schedule.reverse, from_zeros=None in initial
            ):
                segments = segments or fused.Segments(layout, fused.call_rows(data.shape[1], stack.hidden_size))
                padded = segments.padded(data) if padded is None else padded
                output, *final = fused.FusedLSTM.apply(data, *states, *weights[index], padded, segments, schedule)
            elif stack.mode == "LSTM":
                output, *final = bptt.LSTM.apply(data, *states, *weights[index], schedule)
            elif stack.mode == "GRU":
                output, *final = bptt.GRU.apply(data, *states, *weights[index], schedule)
            else:
                output, *final = bptt.RNN.apply(data, *states, *weights[index], schedule, stack.mode == "RNN_RELU")
            for watch in watchers:
                watch(data, output)
            outputs.append(output)
            finals.append(tuple(final))
        data = outputs[0] if stack.directions == 1 else torch.cat(outputs, dim=1)
        if stack.dropout and layer + 1 < stack.num_layers:
            data = functional.dropout(data, stack.dropout)
    if stack.directions == 1 and segments is None:
        data = data.clone()  # these kernels keep their states for the backward, and what is given out may be changed
    return data, tuple(s[0].unsqueeze(0) if len(s) == 1 else torch.stack(s) for s in zip(*finals, strict=True))
