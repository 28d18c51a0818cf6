"""Long short-term memory; see the package."""

from typing import Any

import torch
from torch import Tensor

from rnnkit.nn.kernels import double_backward
from rnnkit.nn.kernels.buffers import Bias, Buffer, WeightGradients, add, direct_gradient, project, resized
from rnnkit.sequences import Schedule


class LSTM(torch.autograd.Function):
    """i, f, o = sigmoid(W x_t + b + W h_{t-1} + b); g = tanh(likewise); c_t = f c_{t-1} + i g; h_t = o tanh(c_t)."""

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
        schedule: Schedule,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the states of all rows, the final ones, and the final cell states."""
        size, keep = h_0.shape[1], any(ctx.needs_input_grad)
        output = x.new_empty(schedule.layout.rows, size)
        gates = Buffer(x, schedule, 4, size, keep=keep)  # i, f, g, o
        cells = Buffer(x, schedule, size, keep=True)
        squashed = Buffer(x, schedule, size, keep=keep)  # tanh(c)
        bias, w_state = add(b_ih, b_hh), w_hh.t().contiguous()
        before = schedule.chunks[0].sizes[0]
        h, c = h_0[:before], c_0[:before]
        mul, tanh = torch.mul, torch.tanh
        for chunk in schedule.chunks:
            four = gates.rows(chunk)
            flat = four.view(-1, 4 * size)
            project(x[chunk.rows], w_ih, bias, out=flat)
            parts = (flat, four[:, :2], four[:, 0], four[:, 1], four[:, 2], four[:, 3])
            parts += (cells.rows(chunk), squashed.rows(chunk), output[chunk.rows])
            steps = (chunk.sizes, *(schedule.steps(part, chunk) for part in parts))
            for count, gates_t, if_t, i_t, f_t, g_t, o_t, c_t, squashed_t, h_t in zip(*steps, strict=True):
                if count != before:
                    h, c, before = resized(h, h_0, count), resized(c, c_0, count), count
                gates_t.addmm_(h, w_state)
                if_t.sigmoid_()
                g_t.tanh_()
                c = mul(i_t, g_t, out=c_t).addcmul_(f_t, c)
                h = mul(o_t.sigmoid_(), tanh(c, out=squashed_t), out=h_t)
        ctx.save_for_backward(x, h_0, c_0, w_ih, w_hh, b_ih, b_hh, output, gates.all, cells.all, squashed.all)
        ctx.schedule = schedule
        ctx.set_materialize_grads(False)
        return output, schedule.final(output), schedule.final(cells.all)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """gamma_t = delta o (1 - tanh(c)^2) + f gamma_{t+1} gives the gradients of i, f and g, delta that of o."""
        schedule = ctx.schedule
        if double_backward.is_asked_for(grad_outputs):
            return *double_backward.of_layer("LSTM", schedule, ctx.saved_tensors[:7], grad_outputs), None
        x, h_0, c_0, w_ih, w_hh, *_, output, gates, cells, squashed = ctx.saved_tensors
        grad_output, grad_final, grad_final_cell = grad_outputs
        needs, size = ctx.needs_input_grad, h_0.shape[1]
        sums = WeightGradients(x, w_ih, (needs[0], *needs[3:7]))
        grad_initial, grad_initial_cell = torch.zeros_like(h_0), torch.zeros_like(c_0)
        flat = [Buffer(x, schedule, size, keep=False) for _ in range(5)]
        four = [Buffer(x, schedule, 4, size, keep=False) for _ in range(2)]
        gates_after = gamma_after = f_after = x  # nothing comes after the last step
        before = 0
        for chunk in reversed(schedule.chunks):
            rows = chunk.rows
            i, _, g, o = gates[rows].unbind(1)
            delta, gamma, slope_c, f, previous = (buffer.rows(chunk) for buffer in flat)
            slopes, gradients = (buffer.rows(chunk) for buffer in four)
            # slopes: what gamma (i, f, g) or delta (o) is multiplied with to give the gates' before activation
            f.copy_(gates[rows, 1])
            schedule.previous(cells, c_0, chunk, out=previous)
            torch.mul(gates[rows], gates[rows], out=slopes)
            torch.sub(gates[rows], slopes, out=slopes)  # sigmoid' = s (1 - s), wrong for g alone
            slopes[:, 0].mul_(g)
            slopes[:, 1].mul_(previous)
            torch.mul(g, g, out=slopes[:, 2]).neg_().add_(1).mul_(i)
            torch.mul(squashed[rows], squashed[rows], out=slope_c).neg_().add_(1).mul_(o)
            slopes[:, 3].mul_(squashed[rows])
            direct_gradient(grad_output, grad_final, schedule, chunk, out=delta)
            direct_gradient(None, grad_final_cell, schedule, chunk, out=gamma)
            through = gradients.view(-1, 4 * size)
            parts = (delta, gamma, gamma.unsqueeze(1), slope_c, f, slopes[:, :3], slopes[:, 3])
            parts += (gradients[:, :3], gradients[:, 3], through)
            steps = (chunk.sizes[::-1], *(schedule.steps_back(part, chunk) for part in parts))
            for count, delta_t, gamma_t, wide_t, slope_t, f_t, slopes_t, slope_o, ifg_t, o_t, gates_t in zip(
                *steps, strict=True
            ):
                if count == before:
                    delta_t.addmm_(gates_after, w_hh)
                    gamma_t.addcmul_(gamma_after, f_after)
                elif count < before:  # the others begin in the step after this one
                    delta_t.addmm_(gates_after[:count], w_hh)
                    gamma_t.addcmul_(gamma_after[:count], f_after[:count])
                elif before:  # the others end here: nothing comes after them
                    delta_t[:before].addmm_(gates_after, w_hh)
                    gamma_t[:before].addcmul_(gamma_after, f_after)
                gamma_t.addcmul_(delta_t, slope_t)
                torch.mul(wide_t, slopes_t, out=ifg_t)
                torch.mul(delta_t, slope_o, out=o_t)
                gates_after, gamma_after, f_after, before = gates_t, gamma_t, f_t, count
            # Their buffers are used again.
            gates_after, gamma_after, f_after = gates_after.clone(), gamma_after.clone(), f_after.clone()
            sums.from_input(through, chunk)
            sums.from_state(through, schedule.previous(output, h_0, chunk, out=previous))
            if (needs[1] or needs[2]) and chunk.begins[0] < chunk.begins[1]:
                first = schedule.begins(chunk)
                grad_initial[slice(*chunk.begins)] = through[first] @ w_hh
                grad_initial_cell[slice(*chunk.begins)] = gamma[first] * f[first]
        return sums.x, grad_initial, grad_initial_cell, *sums.all(), None
