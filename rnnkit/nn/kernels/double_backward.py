"""Gradients that can be differentiated again, for those who ask for them (`create_graph=True`).

The fast kernels write into buffers, so their own backward is the end of the line. This one runs the layer once more
with torch's kernels, slower, and lets autograd do the rest.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnnkit.sequences import Schedule


def gradients(
    mode: str, schedule: Schedule, inputs: Sequence[Tensor | None], grad_outputs: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """The gradients of one layer in one direction with respect to `inputs`, as part of the graph.

    `mode` is torch.nn's; `inputs` are x, h_0, c_0 for an LSTM, w_ih, w_hh, b_ih and b_hh; `grad_outputs` are those of
    the states, the final ones and, for an LSTM, the final cell states. All as the kernels take and give them.
    """
    # Aliases: where one input was computed from another, the gradient of the other must not run through it here too.
    aliases: list[Any] = [tensor if tensor is None else tensor.view_as(tensor) for tensor in inputs]
    x, *states, w_ih, w_hh, b_ih, b_hh = aliases
    mirrored = schedule.layout.mirrored if schedule.reverse else None
    rows = x if mirrored is None else x.index_select(0, mirrored)
    initial = [state.unsqueeze(0) for state in states]
    weights = [weight for weight in (w_ih, w_hh, b_ih, b_hh) if weight is not None]
    run = getattr(torch, mode.lower())
    hx = initial if mode == "LSTM" else initial[0]
    output, *final = run(rows, schedule.layout.tensor, hx, weights, b_ih is not None, 1, 0.0, False, False)
    if mirrored is not None:
        output = output.index_select(0, mirrored)
    outputs = [output, *(state.squeeze(0) for state in final)]
    asked = [(out, grad) for out, grad in zip(outputs, grad_outputs, strict=True) if grad is not None]
    wanted = [tensor for tensor in aliases if tensor is not None and tensor.requires_grad]
    outs, grads = zip(*asked, strict=True)
    computed = iter(torch.autograd.grad(outs, wanted, grads, create_graph=True, allow_unused=True))
    return tuple(next(computed) if tensor is not None and tensor.requires_grad else None for tensor in aliases)
