"""The plain recurrent layer, with tanh or relu; see the package."""

from typing import Any

import torch
from torch import Tensor

from rnnkit.nn.kernels import double_backward
from rnnkit.nn.kernels.buffers import Bias, Buffer, WeightGradients, add, direct_gradient, project, resized
from rnnkit.sequences import Schedule


class RNN(torch.autograd.Function):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Bias,
        b_hh: Bias,
        schedule: Schedule,
        relu: bool,
    ) -> tuple[Tensor, Tensor]:
        """Returns the states of all rows and the final ones."""
        output = x.new_empty(schedule.layout.rows, h_0.shape[1])
        bias, w_state = add(b_ih, b_hh), w_hh.t().contiguous()
        activate = torch.relu_ if relu else torch.tanh_
        before = schedule.chunks[0].sizes[0]
        h = h_0[:before]
        for chunk in schedule.chunks:
            states = output[chunk.rows]
            project(x[chunk.rows], w_ih, bias, out=states)
            for count, h_t in zip(chunk.sizes, schedule.steps(states, chunk), strict=True):
                if count != before:
                    h, before = resized(h, h_0, count), count
                h = activate(h_t.addmm_(h, w_state))
        ctx.save_for_backward(x, h_0, w_ih, w_hh, b_ih, b_hh, output)
        ctx.schedule, ctx.relu = schedule, relu
        ctx.set_materialize_grads(False)
        return output, schedule.final(output)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradient before activation is delta_t x slope_t, and W_hh^T times it is part of delta_{t-1}."""
        schedule, relu = ctx.schedule, ctx.relu
        if double_backward.is_asked_for(grad_outputs):
            mode = "RNN_RELU" if relu else "RNN_TANH"
            return *double_backward.of_layer(mode, schedule, ctx.saved_tensors[:6], grad_outputs), None, None
        x, h_0, w_ih, w_hh, *_, output = ctx.saved_tensors
        grad_output, grad_final = grad_outputs
        needs = ctx.needs_input_grad
        sums = WeightGradients(x, w_ih, (needs[0], *needs[2:6]))
        grad_initial = torch.empty_like(h_0) if needs[1] else None
        buffers = [Buffer(output, schedule, h_0.shape[1], keep=False) for _ in range(2)]
        gates_after, before, unit = x, 0, x.new_ones(())  # nothing comes after the last step
        for chunk in reversed(schedule.chunks):
            states, (delta, slope) = output[chunk.rows], (buffer.rows(chunk) for buffer in buffers)
            if relu:
                slopes = states <= 0  # selected, not multiplied: an infinite gradient times 0 would be NaN
            else:
                slopes = torch.addcmul(unit, states, states, value=-1, out=slope)  # tanh' = 1 - tanh^2
            direct_gradient(grad_output, grad_final, schedule, chunk, out=delta)
            steps = (chunk.sizes[::-1], *(schedule.steps_back(part, chunk) for part in (delta, slopes)))
            for count, delta_t, slope_t in zip(*steps, strict=True):
                if count == before:
                    delta_t.addmm_(gates_after, w_hh)
                elif count < before:  # the others begin in the step after this one
                    delta_t.addmm_(gates_after[:count], w_hh)
                elif before:  # the others end here: nothing comes after them
                    delta_t[:before].addmm_(gates_after, w_hh)
                gates_after, before = delta_t.masked_fill_(slope_t, 0) if relu else delta_t.mul_(slope_t), count
            if chunk is not schedule.chunks[0]:
                gates_after = gates_after.clone()  # its buffer is used again
            sums.from_input(delta, chunk)
            sums.from_state(delta, schedule.previous(output, h_0, chunk, out=slope))
            if grad_initial is not None and chunk.begins[0] < chunk.begins[1]:
                grad_initial[slice(*chunk.begins)] = delta[schedule.begins(chunk)] @ w_hh
        return sums.x, grad_initial, *sums.all(), None, None
