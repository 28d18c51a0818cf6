"""Gradients by torch's own kernels, for those who differentiate them again (`create_graph=True`) or ask for many.

The native kernel writes into buffers, so its own backward is the end of the line. This one runs the stack once more,
layer by layer, slower, and lets autograd do the rest.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnnkit.nn import _torch_private
from rnnkit.sequences import PackedLayout, Schedule


def is_asked_for(grads: Sequence[Tensor | None]) -> bool:
    """Whether what a backward makes of these gradients is differentiated again, or each of them stands for many."""
    return torch.is_grad_enabled() or _torch_private.are_batched(grads)


def gradients(
    mode: str,
    sizes: tuple[int, int, int],
    layout: PackedLayout,
    factors: Tensor | None,
    inputs: Sequence[Tensor | None],
    grad_outputs: Sequence[Tensor | None],
    reverse: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of a stack with respect to `inputs`, as part of the graph where one is being made.

    `mode` is torch.nn's; `sizes` are layers, directions and hidden size. `inputs` are x, h_0, c_0 and the weights
    (w_ih, w_hh, b_ih and b_hh of each layer and direction), `grad_outputs` those of the states, the final ones and, for
    an LSTM, the final cell states. `reverse` is for one layer that works from the last step to the first alone.
    """
    with torch.enable_grad():
        # Aliases: where one input was computed from another, the other's gradient must not run through it here too.
        aliases: list[Any] = [tensor if tensor is None else tensor.view_as(tensor) for tensor in inputs]
        mirrored = layout.mirrored if reverse else None
        x, *others = aliases
        rows = x if mirrored is None else x.index_select(0, mirrored)
        outputs = _run(mode, sizes, layout, factors, rows, *others)
        if mirrored is not None:
            outputs[0] = outputs[0].index_select(0, mirrored)
    asked = [(out, grad) for out, grad in zip(outputs, grad_outputs, strict=True) if grad is not None]
    wanted = [tensor for tensor in aliases if tensor is not None and tensor.requires_grad]
    outs, grads = zip(*asked, strict=True)
    graph = torch.is_grad_enabled()
    computed = iter(torch.autograd.grad(outs, wanted, grads, create_graph=graph, allow_unused=True))
    return tuple(next(computed) if tensor is not None and tensor.requires_grad else None for tensor in aliases)


def of_layer(
    mode: str, schedule: Schedule, inputs: Sequence[Tensor | None], grad_outputs: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """The same for one layer in one direction: x, h_0, c_0 for an LSTM, and the weights; states have no first axis."""
    lstm = mode == "LSTM"
    x, *states = inputs[: 3 if lstm else 2]
    h_0, c_0 = (*(state if state is None else state.unsqueeze(0) for state in states), None)[:2]
    weights, hidden = inputs[len(states) + 1 :], next(state for state in states if state is not None).shape[1]
    grad_h, *finals = grad_outputs
    given = (grad_h, *(grad if grad is None else grad.unsqueeze(0) for grad in finals))
    asked = x, h_0, c_0, *weights
    computed = gradients(mode, (1, 1, hidden), schedule.layout, None, asked, given, schedule.reverse)
    of_states = (grad if grad is None else grad.squeeze(0) for grad in computed[1 : 1 + len(states)])
    return computed[0], *of_states, *computed[3:]


def _run(
    mode: str,
    sizes: tuple[int, int, int],
    layout: PackedLayout,
    factors: Tensor | None,
    x: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    *weights: Tensor | None,
) -> list[Tensor]:
    """The states of the top layer, and the final ones of all, by torch's kernels for packed rows."""
    layers, directions, hidden = sizes
    zeros = x.new_zeros(layers * directions, layout.batch, hidden)
    initial = [zeros if state is None else state for state in ((h_0, c_0) if mode == "LSTM" else (h_0,))]
    finals: list[Sequence[Tensor]] = []
    for layer in range(layers):
        first, last = layer * directions, (layer + 1) * directions
        hx = [state[first:last] for state in initial]
        flat = [weight for weight in weights[4 * first : 4 * last] if weight is not None]
        run, biased = getattr(torch, mode.lower()), len(flat) == 4 * directions
        options = (flat, biased, 1, 0.0, False, directions == 2)
        x, *final = run(x, layout.tensor, hx if mode == "LSTM" else hx[0], *options)
        finals.append(final)
        if factors is not None and layer + 1 < layers:
            x = x * factors[layer]
    return [x, *(torch.cat(states) for states in zip(*finals, strict=True))]
