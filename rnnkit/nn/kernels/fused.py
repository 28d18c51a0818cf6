"""An LSTM layer over packed rows on oneDNN's fused kernel, which knows equal lengths only.

Time is cut into segments; within one, sequences are padded to a rectangle, and a segment takes the states over from the
one before. A padded step must leave the cell as it is. It does so by its input: an additional feature, 1 on padding and
0 elsewhere, whose weights close the input gate and open the forget gate so far that they are 0 and 1 exactly. Thereby
the final cell states come out exactly, and no gradient reaches a weight through padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rnnkit.core import determinism
from rnnkit.nn.kernels import double_backward
from rnnkit.nn.kernels.buffers import Bias
from rnnkit.sequences import PackedLayout, Schedule


_forward = torch.ops.aten.mkldnn_rnn_layer.default
_backward = torch.ops.aten.mkldnn_rnn_layer_backward.default
LSTM_MODE = 2  # torch's number for the cell
WIDEST = 192
SHUT = 1e30  # far enough that a sigmoid is 0 or 1 exactly, whatever the other terms of its argument are


@dataclass(frozen=True)
class Segment:
    """Consecutive steps as one rectangle of `steps` x `batch`; `remaining` sequences go on after it, in time.

    Its valid rows are `packed` among the packed rows, its places `padded` among those of all rectangles.
    """

    steps: int
    batch: int
    remaining: int
    packed: slice
    padded: slice


class Segments:
    """A packed batch cut into rectangles, so that calls and padding together cost least.

    `call_rows` is what one call of the kernel costs, in rows of work.
    """

    def __init__(self, layout: PackedLayout, call_rows: float):
        self.layout = layout
        self.cuts = _cheapest_cuts(layout.sizes, call_rows)

    @cached_property
    def all(self) -> list[Segment]:
        """The segments in the order of time."""
        sizes, segments, packed, padded = self.layout.sizes, [], 0, 0
        for first, last in zip(self.cuts, self.cuts[1:], strict=False):
            count, area = sum(sizes[first:last]), (last - first) * sizes[first]
            remaining = sizes[last] if last < len(sizes) else 0
            slices = slice(packed, packed + count), slice(padded, padded + area)
            segments.append(Segment(last - first, sizes[first], remaining, *slices))
            packed, padded = packed + count, padded + area
        return segments

    @cached_property
    def places(self) -> Tensor:
        """Where each packed row stands among the places of all rectangles, of shape (rows,)."""
        numbers = torch.tensor([[segment.batch, segment.steps] for segment in self.all], device="cpu")
        widths = numbers[:, 0].repeat_interleave(numbers[:, 1])
        shift = widths.cumsum(0) - widths - self.layout.starts
        return torch.arange(self.layout.rows, device="cpu") + shift.repeat_interleave(self.layout.tensor)

    @cached_property
    def rows(self) -> Tensor:
        """The packed row in each place of the rectangles, of shape (places,); the number of rows for padding."""
        rows = torch.full((self.all[-1].padded.stop,), self.layout.rows, device="cpu")
        return rows.scatter_(0, self.places, torch.arange(self.layout.rows, device="cpu"))

    def padded(self, x: Tensor) -> Tensor:
        """The rows of `x` in the places of all rectangles, with the feature that marks padding, outside of any graph.

        Both directions of a layer read the same ones. They are not kept here: `x` is the output of the layer below,
        whose node in the graph keeps these segments, so that neither could ever be freed.
        """
        return _with_padding(x.detach()).index_select(0, self.rows)

    def in_order(self, backwards: bool) -> tuple[list[Segment], list[Tensor]]:
        """The segments and their `places_within`, in the order of time or against it."""
        return (self.all[::-1], self.places_within[::-1]) if backwards else (self.all, self.places_within)

    @cached_property
    def places_within(self) -> list[Tensor]:
        """For each segment, where its packed rows stand within its own rectangle."""
        return [self.places[segment.packed] - segment.padded.start for segment in self.all]


def _cheapest_cuts(batch_sizes: Sequence[int], call_rows: float, most: int = 64) -> list[int]:
    """Where to cut time, with both ends, where a call costs as much as `call_rows` rows of work.

    Only places where sequences end come into question, `most` of them at the most. Dynamic programming: the best way
    to a place is the best way to an earlier one and one rectangle from there. A step costs about a row by itself.
    """
    length = len(batch_sizes)
    places = [0, *(t for t in range(1, length) if batch_sizes[t] != batch_sizes[t - 1]), length]
    if len(places) > most:
        places = [places[i * (len(places) - 1) // (most - 1)] for i in range(most)]
    best, come_from = [0.0], [0]
    for j in range(1, len(places)):
        costs = [best[i] + call_rows + (places[j] - places[i]) * (1 + batch_sizes[places[i]]) for i in range(j)]
        best.append(min(costs))
        come_from.append(costs.index(best[-1]))
    cuts, at = [length], len(places) - 1
    while at:
        at = come_from[at]
        cuts.append(places[at])
    return cuts[::-1]


def kernel_at_hand(data: Tensor) -> bool:
    """Whether oneDNN's fused kernel is there and takes numbers of this type."""
    mkldnn = torch.backends.mkldnn
    return data.dtype == torch.float32 and mkldnn.is_available() and bool(mkldnn.enabled)


def serves(data: Tensor, hidden_size: int, *, backwards: bool, from_zeros: bool) -> bool:
    """Whether `FusedLSTM` can do this: 32-bit numbers, oneDNN at hand, and zero states where sequences begin late.

    Wide layers are left to `kernels.LSTM`, which is as fast there and keeps half as much for its backward.
    """
    return kernel_at_hand(data) and hidden_size <= WIDEST and (from_zeros or not backwards)


def call_rows(input_size: int, hidden_size: int) -> float:
    """What a call of the kernel costs beside its work, in rows: some 120 us and the weights' reordering (measured)."""
    weights = 4 * hidden_size * (input_size + hidden_size)
    return (120 + 1.5e-3 * weights) / (0.35 + 4.5e-5 * weights)


class FusedLSTM(torch.autograd.Function):
    """One LSTM layer in one direction; see the module. The backward direction starts from zero states only."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Bias,
        b_hh: Bias,
        padded: Tensor,
        segments: Segments,
        schedule: Schedule,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the states of all rows, the final ones, and the final cell states.

        `padded` is what `segments.padded` makes of `x`.
        """
        determinism.bound_primitives()
        size, biased, train = h_0.shape[1], b_ih is not None, any(ctx.needs_input_grad)
        # The kernel reads raw memory: what it gets must be laid out plainly.
        state, cell, w_x, w_h = (tensor.detach().contiguous() for tensor in (h_0, c_0, w_ih, w_hh))
        biases = [w_ih.new_zeros(4 * size) if b is None else b.detach().contiguous() for b in (b_ih, b_hh)]
        weights = (_with_shutter(w_x), w_h, *biases)
        output, final_cell = x.new_empty(len(x), size), torch.empty_like(c_0)
        options = (schedule.reverse, [], LSTM_MODE, size, 1, biased, False, False, train)
        parts, places = segments.in_order(schedule.reverse)
        h, c = state[: parts[0].batch], cell[: parts[0].batch]
        calls: list[tuple[Tensor, ...]] = []
        with torch.set_grad_enabled(train):  # the kernel keeps what its backward needs in this mode alone
            for part, within in zip(parts, places, strict=True):
                if part.batch > len(h):  # backwards in time, sequences begin, from zeros
                    h, c = (torch.cat([s, s.new_zeros(part.batch - len(s), size)]) for s in (h, c))
                rectangle = padded[part.padded].view(part.steps, part.batch, -1)
                y, h_after, c_after, workspace = _forward(rectangle, *weights, h, c, *options)
                torch.index_select(y.view(-1, size), 0, within, out=output[part.packed])
                calls.append((h, c, y, h_after, c_after, workspace))
                h, c = h_after, c_after
                if not schedule.reverse:
                    final_cell[part.remaining : part.batch] = c[part.remaining :]
                    h, c = h[: part.remaining], c[: part.remaining]
        if schedule.reverse:
            final_cell.copy_(c)
        kept = (tensor for call in calls for tensor in call) if train else ()
        ctx.save_for_backward(x, h_0, c_0, w_ih, w_hh, b_ih, b_hh, padded, *weights, *kept)
        ctx.segments, ctx.schedule, ctx.biased = segments, schedule, biased
        ctx.set_materialize_grads(False)
        return output, schedule.final(output), final_cell

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """The kernel's own backward, segment by segment, from the last that was worked to the first."""
        segments, schedule = ctx.segments, ctx.schedule
        if torch.is_grad_enabled():
            return *double_backward.gradients("LSTM", schedule, ctx.saved_tensors[:7], grad_outputs), None, None, None
        grad_output, grad_final, grad_final_cell = grad_outputs
        padded, *kept = ctx.saved_tensors[7:]
        weights, kept = kept[:4], kept[4:]
        calls = [kept[i : i + 6] for i in range(0, len(kept), 6)]
        size, biased = weights[1].shape[1], ctx.biased
        direct = padded.new_zeros(len(padded), size)
        if grad_output is not None:
            direct.index_copy_(0, segments.places, grad_output)
        if grad_final is not None:
            direct.index_add_(0, segments.places[schedule.all_ends], grad_final)
        options = (schedule.reverse, LSTM_MODE, size, 1, biased, True, False, [], False)
        grad_x = padded.new_empty(segments.layout.rows, padded.shape[1]) if ctx.needs_input_grad[0] else None
        parts, places = segments.in_order(not schedule.reverse)
        sums: list[Tensor] = []
        carry = carry_cell = None
        for part, within, call in zip(parts, places, reversed(calls), strict=True):
            h, c, y, h_after, c_after, workspace = call
            shape = part.steps, part.batch, -1
            grad_h, grad_c = _carried(carry, part, direct), _carried(carry_cell, part, direct)
            if grad_final_cell is not None and schedule.reverse and carry is None:
                grad_c += grad_final_cell
            elif grad_final_cell is not None and not schedule.reverse:
                grad_c[part.remaining :] += grad_final_cell[part.remaining : part.batch]
            rectangle, grad_y = padded[part.padded].view(shape), direct[part.padded].view(shape)
            grad_rectangle, *grad_weights, carry, carry_cell = _backward(
                rectangle, *weights, h, c, y, h_after, c_after, grad_y, grad_h, grad_c, *options, workspace
            )
            sums = [total.add_(grad) for total, grad in zip(sums, grad_weights, strict=True)] if sums else grad_weights
            if grad_x is not None:
                torch.index_select(grad_rectangle.view(-1, padded.shape[1]), 0, within, out=grad_x[part.packed])
        w_ih, w_hh, b_ih, b_hh = sums
        biases = (b_ih, b_hh) if biased else (None, None)
        grad_x = None if grad_x is None else grad_x[:, :-1]
        return grad_x, carry, carry_cell, w_ih[:, :-1], w_hh, *biases, None, None, None


def _carried(carry: Tensor | None, part: Segment, like: Tensor) -> Tensor:
    """The gradient that comes from the segment worked after this one, of shape (batch, hidden)."""
    if carry is None:
        return like.new_zeros(part.batch, like.shape[1])
    if len(carry) >= part.batch:  # the rest of it belongs to sequences that begin there, from zeros
        return carry[: part.batch].contiguous()
    return torch.cat([carry, carry.new_zeros(part.batch - len(carry), carry.shape[1])])


def _with_shutter(w_ih: Tensor) -> Tensor:
    """The input weights with a column for the feature that marks padding: it shuts gate i and opens f."""
    column = w_ih.new_zeros(4, len(w_ih) // 4)
    column[0], column[1] = -SHUT, SHUT
    return torch.cat([w_ih, column.view(-1, 1)], dim=1)


def _with_padding(x: Tensor) -> Tensor:
    """The rows with the feature that marks padding, 0 for all, and one row of padding at the end."""
    rows = x.new_zeros(len(x) + 1, x.shape[1] + 1)
    rows[:-1, :-1] = x
    rows[-1, -1] = 1
    return rows
