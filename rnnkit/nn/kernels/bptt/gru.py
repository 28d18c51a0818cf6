"""The gated recurrent unit; see the package."""

from typing import Any

import torch
from torch import Tensor

from rnnkit.nn.kernels import double_backward
from rnnkit.nn.kernels.buffers import Bias, Buffer, WeightGradients, add, direct_gradient, project, resized
from rnnkit.sequences import Schedule


class GRU(torch.autograd.Function):
    """h_t = n + z (h_{t-1} - n), with gates r, z and n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn))."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h_0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Bias, b_hh: Bias, schedule: Schedule
    ) -> tuple[Tensor, Tensor]:
        """Returns the states of all rows and the final ones."""
        size, keep = h_0.shape[1], any(ctx.needs_input_grad)
        output = x.new_empty(schedule.layout.rows, size)
        gates = Buffer(x, schedule, 2, size, keep=keep)  # r and z
        candidates = Buffer(x, schedule, size, keep=keep)  # n
        recurrents = Buffer(x, schedule, size, keep=keep)  # W_hn h + b_hn
        bias = add(b_ih, b_hh)
        bias_gates = None if bias is None else bias[: 2 * size]
        bias_candidate = None if b_ih is None else b_ih[2 * size :]
        w_gates, w_candidate = w_hh[: 2 * size].t().contiguous(), w_hh[2 * size :].t().contiguous()
        before = schedule.chunks[0].sizes[0]
        h = h_0[:before]
        lerp = torch.lerp
        for chunk in schedule.chunks:
            inputs = x[chunk.rows]
            two, n, recurrent = gates.rows(chunk), candidates.rows(chunk), recurrents.rows(chunk)
            flat = two.view(-1, 2 * size)
            project(inputs, w_ih[: 2 * size], bias_gates, out=flat)
            project(inputs, w_ih[2 * size :], bias_candidate, out=n)
            recurrent.copy_(b_hh[2 * size :].expand_as(recurrent)) if b_hh is not None else recurrent.zero_()
            parts = (flat, two[:, 0], two[:, 1], n, recurrent, output[chunk.rows])
            steps = (chunk.sizes, *(schedule.steps(part, chunk) for part in parts))
            for count, rz_t, r_t, z_t, n_t, recurrent_t, h_t in zip(*steps, strict=True):
                if count != before:
                    h, before = resized(h, h_0, count), count
                rz_t.addmm_(h, w_gates).sigmoid_()
                n_t.addcmul_(r_t, recurrent_t.addmm_(h, w_candidate)).tanh_()
                h = lerp(n_t, h, z_t, out=h_t)
        ctx.save_for_backward(x, h_0, w_ih, w_hh, b_ih, b_hh, output, gates.all, candidates.all, recurrents.all)
        ctx.schedule = schedule
        ctx.set_materialize_grads(False)
        return output, schedule.final(output)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """dn = delta (1-z) n', dz = delta (h-n) z', dr = dn (W_hn h+b_hn) r', each the gradient before activation."""
        schedule = ctx.schedule
        if double_backward.is_asked_for(grad_outputs):
            return *double_backward.of_layer("GRU", schedule, ctx.saved_tensors[:6], grad_outputs), None
        x, h_0, w_ih, w_hh, *_, output, gates, candidates, recurrents = ctx.saved_tensors
        grad_output, grad_final = grad_outputs
        needs, size = ctx.needs_input_grad, h_0.shape[1]
        sums = WeightGradients(x, w_ih, (needs[0], *needs[2:6]))
        grad_initial = torch.empty_like(h_0) if needs[1] else None
        flat = [Buffer(x, schedule, size, keep=False) for _ in range(4)]
        triple = [Buffer(x, schedule, 3, size, keep=False) for _ in range(2)]
        gates_after = delta_after = z_after = x  # nothing comes after the last step
        before = 0
        for chunk in reversed(schedule.chunks):
            rows = chunk.rows
            r, n, recurrent = gates[rows, 0], candidates[rows], recurrents[rows]
            delta, slope_n, z, previous = (buffer.rows(chunk) for buffer in flat)
            slopes, gradients = (buffer.rows(chunk) for buffer in triple)
            schedule.previous(output, h_0, chunk, out=previous)
            # slopes: what delta is multiplied with to give the gradients of the three gates before activation
            z.copy_(gates[rows, 1])
            torch.mul(n, n, out=slope_n).neg_().add_(1)
            slope_n.addcmul_(slope_n, z, value=-1)  # (1 - z) n'
            torch.mul(slope_n, r, out=slopes[:, 2])
            torch.sub(previous, n, out=slopes[:, 1]).mul_(z)
            slopes[:, 1].addcmul_(slopes[:, 1], z, value=-1)  # (h - n) z (1 - z)
            torch.mul(slopes[:, 2], recurrent, out=slopes[:, 0])
            slopes[:, 0].addcmul_(slopes[:, 0], r, value=-1)  # dn (W_hn h + b_hn) r (1 - r)
            direct_gradient(grad_output, grad_final, schedule, chunk, out=delta)
            through = gradients.view(-1, 3 * size)
            parts = (delta, delta.unsqueeze(1), z, slopes, gradients, through)
            steps = (chunk.sizes[::-1], *(schedule.steps_back(part, chunk) for part in parts))
            for count, delta_t, wide_t, z_t, slopes_t, gradients_t, gates_t in zip(*steps, strict=True):
                if count == before:
                    delta_t.addmm_(gates_after, w_hh).addcmul_(delta_after, z_after)
                elif count < before:  # the others begin in the step after this one
                    delta_t.addmm_(gates_after[:count], w_hh).addcmul_(delta_after[:count], z_after[:count])
                elif before:  # the others end here: nothing comes after them
                    delta_t[:before].addmm_(gates_after, w_hh).addcmul_(delta_after, z_after)
                torch.mul(wide_t, slopes_t, out=gradients_t)
                gates_after, delta_after, z_after, before = gates_t, delta_t, z_t, count
            # Their buffers are used again.
            gates_after, delta_after, z_after = gates_after.clone(), delta_after.clone(), z_after.clone()
            sums.from_state(through, previous, same=False)
            if grad_initial is not None and chunk.begins[0] < chunk.begins[1]:
                first = schedule.begins(chunk)
                grad_initial[slice(*chunk.begins)] = torch.addcmul(through[first] @ w_hh, delta[first], z[first])
            torch.mul(delta, slope_n, out=gradients[:, 2])  # the input's part of n is not multiplied by r
            sums.from_input(through, chunk)
        return sums.x, grad_initial, *sums.all(), None
