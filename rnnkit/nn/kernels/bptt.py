"""Recurrent layers over packed rows, forward and backward through time, written out with plain tensor operations.

Each class is one layer in one direction. The equations are those of `rnnkit.nn.cells`; what makes it fast:

- the input's part of all gates of many steps is one matrix product; a step adds the state's part to it in place, so
  that it costs one or two small products and a few pointwise operations on views that are cut once;
- backward, everything that does not depend on the gradient (the derivatives of the gates) is computed for many steps
  at once; a step is then a product with them and one matrix product; weights get theirs from one product a chunk;
- "many steps" are a chunk: as many as fit into the processor's cache, in buffers that are used again.

All functions take and give packed rows: `x` of shape (rows, inputs), states of shape (rows, hidden), initial and final
states of shape (batch, hidden). `schedule` says in which order the rows are worked through.
"""

import torch
from torch import Tensor

from rnnkit.nn.kernels import double_backward
from rnnkit.nn.kernels.buffers import Buffer, WeightGradients, add, project
from rnnkit.sequences.schedule import Chunk, Schedule


def _direct(
    grad_output: Tensor | None, grad_final: Tensor | None, schedule: Schedule, chunk: Chunk, out: Tensor
) -> Tensor:
    """The gradient that reaches a chunk's states directly: as outputs, and as final states. Into `out`."""
    if grad_output is None:
        out.zero_()
    else:
        out.copy_(grad_output[chunk.rows])
    if grad_final is not None and chunk.ends[0] < chunk.ends[1]:
        out.index_add_(0, schedule.ends(chunk), grad_final[slice(*chunk.ends)])
    return out


class RNN(torch.autograd.Function):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu."""

    @staticmethod
    def forward(ctx, x, h_0, w_ih, w_hh, b_ih, b_hh, schedule, relu):
        """Returns the states of all rows and the final ones."""
        output = x.new_empty(schedule.layout.rows, h_0.shape[1])
        bias, w_state = add(b_ih, b_hh), w_hh.t().contiguous()
        activate = torch.relu_ if relu else torch.tanh_
        size = schedule.chunks[0].sizes[0]
        h = h_0[:size]
        for chunk in schedule.chunks:
            rows = output[chunk.rows]
            project(x[chunk.rows], w_ih, bias, out=rows)
            for n, h_t in zip(chunk.sizes, schedule.steps(rows, chunk), strict=True):
                if n != size:
                    h, size = h[:n] if n < size else torch.cat([h, h_0[size:n]]), n
                h = activate(h_t.addmm_(h, w_state))
        ctx.save_for_backward(x, h_0, w_ih, w_hh, b_ih, b_hh, output)
        ctx.schedule, ctx.relu = schedule, relu
        ctx.set_materialize_grads(False)
        return output, schedule.final(output)

    @staticmethod
    def backward(ctx, grad_output, grad_final):
        """delta_t, the gradient before activation, is (direct gradient of h_t + W_hh^T delta_{t+1}) x slope_t."""
        if torch.is_grad_enabled():
            mode = "RNN_RELU" if ctx.relu else "RNN_TANH"
            return (
                *double_backward.gradients(mode, ctx.schedule, ctx.saved_tensors[:6], (grad_output, grad_final)),
                None,
                None,
            )
        x, h_0, w_ih, w_hh, b_ih, b_hh, output = ctx.saved_tensors
        schedule, needs = ctx.schedule, ctx.needs_input_grad
        sums = WeightGradients(x, w_ih, (needs[0], *needs[2:6]))
        grad_initial = torch.empty_like(h_0) if needs[1] else None
        buffers = [Buffer(output, schedule, h_0.shape[1], keep=False) for _ in range(2)]
        relu = ctx.relu
        after, size, one = x, 0, x.new_ones(())  # nothing comes after the last step
        for chunk in reversed(schedule.chunks):
            states, (delta, slope) = output[chunk.rows], (buffer.rows(chunk) for buffer in buffers)
            if relu:
                shut = states <= 0  # selected, not multiplied: an infinite gradient times 0 would be NaN
            else:
                torch.addcmul(one, states, states, value=-1, out=slope)  # tanh' = 1 - tanh^2
            _direct(grad_output, grad_final, schedule, chunk, out=delta)
            steps = (
                chunk.sizes[::-1],
                schedule.steps_back(delta, chunk),
                schedule.steps_back(shut if relu else slope, chunk),
            )
            for n, d, s in zip(*steps, strict=True):
                if n == size:
                    d.addmm_(after, w_hh)
                elif size < n:  # the others end here: nothing comes after them
                    if size:
                        d[:size].addmm_(after, w_hh)
                else:  # the others begin in the step after this one
                    d.addmm_(after[:n], w_hh)
                after, size = d.masked_fill_(s, 0) if relu else d.mul_(s), n
            if chunk is not schedule.chunks[0]:
                after = after.clone()  # its buffer is used again
            sums.from_input(delta, chunk)
            sums.from_state(delta, schedule.previous(output, h_0, chunk, out=slope))
            if needs[1] and chunk.begins[0] < chunk.begins[1]:
                grad_initial[slice(*chunk.begins)] = delta[schedule.begins(chunk)] @ w_hh
        return sums.x, grad_initial, *sums.all(), None, None


class GRU(torch.autograd.Function):
    """h_t = n + z (h_{t-1} - n), with gates r, z and n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn))."""

    @staticmethod
    def forward(ctx, x, h_0, w_ih, w_hh, b_ih, b_hh, schedule):
        """Returns the states of all rows and the final ones."""
        size = h_0.shape[1]
        keep = any(ctx.needs_input_grad)
        output = x.new_empty(schedule.layout.rows, size)
        gates = Buffer(x, schedule, 2, size, keep=keep)  # r and z
        candidates = Buffer(x, schedule, size, keep=keep)  # n
        recurrents = Buffer(x, schedule, size, keep=keep)  # W_hn h + b_hn
        bias = add(b_ih, b_hh)
        bias_gates, bias_candidate = (None, None) if bias is None else (bias[: 2 * size], b_ih[2 * size :])
        w_gates, w_candidate = w_hh[: 2 * size].t().contiguous(), w_hh[2 * size :].t().contiguous()
        rows = schedule.chunks[0].sizes[0]
        h = h_0[:rows]
        lerp = torch.lerp
        for chunk in schedule.chunks:
            inputs = x[chunk.rows]
            r_z, n, hn = gates.rows(chunk), candidates.rows(chunk), recurrents.rows(chunk)
            both = r_z.view(-1, 2 * size)
            project(inputs, w_ih[: 2 * size], bias_gates, out=both)
            project(inputs, w_ih[2 * size :], bias_candidate, out=n)
            hn.copy_(b_hh[2 * size :].expand_as(hn)) if b_hh is not None else hn.zero_()
            parts = (both, r_z[:, 0], r_z[:, 1], n, hn, output[chunk.rows])
            steps = (chunk.sizes, *(schedule.steps(part, chunk) for part in parts))
            for count, rz_t, r_t, z_t, n_t, hn_t, h_t in zip(*steps, strict=True):
                if count != rows:
                    h, rows = h[:count] if count < rows else torch.cat([h, h_0[rows:count]]), count
                rz_t.addmm_(h, w_gates).sigmoid_()
                n_t.addcmul_(r_t, hn_t.addmm_(h, w_candidate)).tanh_()
                h = lerp(n_t, h, z_t, out=h_t)
        ctx.save_for_backward(x, h_0, w_ih, w_hh, b_ih, b_hh, output, gates.all, candidates.all, recurrents.all)
        ctx.schedule = schedule
        ctx.set_materialize_grads(False)
        return output, schedule.final(output)

    @staticmethod
    def backward(ctx, grad_output, grad_final):
        """With delta the total gradient of h_t: dn = delta (1-z) n', dz = delta (h-n) z', dr = dn (W_hn h+b_hn) r'."""
        if torch.is_grad_enabled():
            return *double_backward.gradients(
                "GRU", ctx.schedule, ctx.saved_tensors[:6], (grad_output, grad_final)
            ), None
        x, h_0, w_ih, w_hh, b_ih, b_hh, output, gates, candidates, recurrents = ctx.saved_tensors
        schedule, needs, size = ctx.schedule, ctx.needs_input_grad, h_0.shape[1]
        sums = WeightGradients(x, w_ih, (needs[0], *needs[2:6]))
        grad_initial = torch.empty_like(h_0) if needs[1] else None
        flat = [Buffer(x, schedule, size, keep=False) for _ in range(4)]
        triple = [Buffer(x, schedule, 3, size, keep=False) for _ in range(2)]
        after = g_after = z_after = x  # nothing comes after the last step
        before = 0
        for chunk in reversed(schedule.chunks):
            rows = chunk.rows
            r, z, n, hn = gates[rows, 0], gates[rows, 1], candidates[rows], recurrents[rows]
            delta, slope_n, keep, previous = (buffer.rows(chunk) for buffer in flat)
            slopes, gradients = (buffer.rows(chunk) for buffer in triple)
            schedule.previous(output, h_0, chunk, out=previous)
            # slopes: what delta is multiplied with to give the gradients of the three gates before activation
            keep.copy_(z)
            torch.mul(n, n, out=slope_n).neg_().add_(1)
            slope_n.addcmul_(slope_n, keep, value=-1)  # (1 - z) n'
            torch.mul(slope_n, r, out=slopes[:, 2])
            torch.sub(previous, n, out=slopes[:, 1]).mul_(keep)
            slopes[:, 1].addcmul_(slopes[:, 1], keep, value=-1)  # (h - n) z (1 - z)
            torch.mul(slopes[:, 2], hn, out=slopes[:, 0])
            slopes[:, 0].addcmul_(slopes[:, 0], r, value=-1)  # dn hn r (1 - r)
            _direct(grad_output, grad_final, schedule, chunk, out=delta)
            parts = (delta, delta.unsqueeze(1), slopes, gradients, gradients.view(-1, 3 * size), keep)
            steps = (chunk.sizes[::-1], *(schedule.steps_back(part, chunk) for part in parts))
            for count, d, d3, s, g3, g, z_t in zip(*steps, strict=True):
                if count == before:
                    d.addmm_(g_after, w_hh).addcmul_(after, z_after)
                elif before < count:  # the others end here: nothing comes after them
                    if before:
                        d[:before].addmm_(g_after, w_hh).addcmul_(after, z_after)
                else:  # the others begin in the step after this one
                    d.addmm_(g_after[:count], w_hh).addcmul_(after[:count], z_after[:count])
                torch.mul(d3, s, out=g3)
                after, g_after, z_after, before = d, g, z_t, count
            after, g_after, z_after = after.clone(), g_after.clone(), z_after.clone()  # their buffers are used again
            through = gradients.view(-1, 3 * size)
            sums.from_state(through, previous, same=False)
            if needs[1] and chunk.begins[0] < chunk.begins[1]:
                first = schedule.begins(chunk)
                grad_initial[slice(*chunk.begins)] = torch.addcmul(through[first] @ w_hh, delta[first], keep[first])
            torch.mul(delta, slope_n, out=gradients[:, 2])  # the input's part of n is not multiplied by r
            sums.from_input(through, chunk)
        return sums.x, grad_initial, *sums.all(), None


class LSTM(torch.autograd.Function):
    """i, f, o = sigmoid(W x_t + b + W h_{t-1} + b); g = tanh(likewise); c_t = f c_{t-1} + i g; h_t = o tanh(c_t)."""

    @staticmethod
    def forward(ctx, x, h_0, c_0, w_ih, w_hh, b_ih, b_hh, schedule):
        """Returns the states of all rows, the final ones, and the final cell states."""
        size = h_0.shape[1]
        keep = any(ctx.needs_input_grad)
        output = x.new_empty(schedule.layout.rows, size)
        gates = Buffer(x, schedule, 4, size, keep=keep)  # i, f, g, o
        cells = Buffer(x, schedule, size, keep=True)
        squashed = Buffer(x, schedule, size, keep=keep)  # tanh(c)
        bias, w_state = add(b_ih, b_hh), w_hh.t().contiguous()
        rows = schedule.chunks[0].sizes[0]
        h, c = h_0[:rows], c_0[:rows]
        mul, tanh = torch.mul, torch.tanh
        for chunk in schedule.chunks:
            four = gates.rows(chunk)
            flat = four.view(-1, 4 * size)
            project(x[chunk.rows], w_ih, bias, out=flat)
            parts = (flat, four[:, :2], four[:, 0], four[:, 1], four[:, 2], four[:, 3])
            parts += (cells.rows(chunk), squashed.rows(chunk), output[chunk.rows])
            steps = (chunk.sizes, *(schedule.steps(part, chunk) for part in parts))
            for count, all_t, if_t, i_t, f_t, g_t, o_t, c_t, s_t, h_t in zip(*steps, strict=True):
                if count < rows:  # some have ended
                    h, c, rows = h[:count], c[:count], count
                elif count > rows:  # some begin
                    h, c, rows = torch.cat([h, h_0[rows:count]]), torch.cat([c, c_0[rows:count]]), count
                all_t.addmm_(h, w_state)
                if_t.sigmoid_()
                g_t.tanh_()
                c = mul(i_t, g_t, out=c_t).addcmul_(f_t, c)
                h = mul(o_t.sigmoid_(), tanh(c, out=s_t), out=h_t)
        ctx.save_for_backward(x, h_0, c_0, w_ih, w_hh, b_ih, b_hh, output, gates.all, cells.all, squashed.all)
        ctx.schedule = schedule
        ctx.set_materialize_grads(False)
        return output, schedule.final(output), schedule.final(cells.all)

    @staticmethod
    def backward(ctx, grad_output, grad_final, grad_final_cell):
        """With delta the total gradient of h_t, that of c_t is gamma_t = delta o (1 - tanh(c)^2) + f gamma_{t+1}."""
        if torch.is_grad_enabled():
            grads = grad_output, grad_final, grad_final_cell
            return *double_backward.gradients("LSTM", ctx.schedule, ctx.saved_tensors[:7], grads), None
        x, h_0, c_0, w_ih, w_hh, b_ih, b_hh, output, gates, cells, squashed = ctx.saved_tensors
        schedule, needs, size = ctx.schedule, ctx.needs_input_grad, h_0.shape[1]
        sums = WeightGradients(x, w_ih, (needs[0], *needs[3:7]))
        grad_initial, grad_initial_cell = torch.zeros_like(h_0), torch.zeros_like(c_0)
        flat = [Buffer(x, schedule, size, keep=False) for _ in range(5)]
        four = [Buffer(x, schedule, 4, size, keep=False) for _ in range(2)]
        after = c_after = f_after = x  # nothing comes after the last step
        before = 0
        for chunk in reversed(schedule.chunks):
            rows = chunk.rows
            i, f, g, o = gates[rows].unbind(1)
            delta, gamma, to_cell, forget, previous = (buffer.rows(chunk) for buffer in flat)
            slopes, gradients = (buffer.rows(chunk) for buffer in four)
            # slopes: what gamma (i, f, g) or delta (o) is multiplied with to give the gates' before activation
            forget.copy_(f)
            schedule.previous(cells, c_0, chunk, out=previous)
            torch.mul(gates[rows], gates[rows], out=slopes)
            torch.sub(gates[rows], slopes, out=slopes)  # sigmoid' = s (1 - s), wrong for g alone
            slopes[:, 0].mul_(g)
            slopes[:, 1].mul_(previous)
            torch.mul(g, g, out=slopes[:, 2]).neg_().add_(1).mul_(i)
            torch.mul(squashed[rows], squashed[rows], out=to_cell).neg_().add_(1).mul_(o)
            slopes[:, 3].mul_(squashed[rows])
            _direct(grad_output, grad_final, schedule, chunk, out=delta)
            _direct(None, grad_final_cell, schedule, chunk, out=gamma)
            parts = (delta, gamma, gamma.unsqueeze(1), to_cell, forget, slopes[:, :3], slopes[:, 3])
            parts += (gradients[:, :3], gradients[:, 3], gradients.view(-1, 4 * size))
            steps = (chunk.sizes[::-1], *(schedule.steps_back(part, chunk) for part in parts))
            for count, d, c, c3, k, f_t, s3, s_o, g3, g_o, g_all in zip(*steps, strict=True):
                if count == before:
                    d.addmm_(after, w_hh)
                    c.addcmul_(c_after, f_after)
                elif before < count:  # the others end here: nothing comes after them
                    if before:
                        d[:before].addmm_(after, w_hh)
                        c[:before].addcmul_(c_after, f_after)
                else:  # the others begin in the step after this one
                    d.addmm_(after[:count], w_hh)
                    c.addcmul_(c_after[:count], f_after[:count])
                c.addcmul_(d, k)
                torch.mul(c3, s3, out=g3)
                torch.mul(d, s_o, out=g_o)
                after, c_after, f_after, before = g_all, c, f_t, count
            after, c_after, f_after = after.clone(), c_after.clone(), f_after.clone()  # their buffers are used again
            through = gradients.view(-1, 4 * size)
            sums.from_input(through, chunk)
            sums.from_state(through, schedule.previous(output, h_0, chunk, out=previous))
            if (needs[1] or needs[2]) and chunk.begins[0] < chunk.begins[1]:
                first = schedule.begins(chunk)
                grad_initial[slice(*chunk.begins)] = through[first] @ w_hh
                grad_initial_cell[slice(*chunk.begins)] = gamma[first] * forget[first]
        return sums.x, grad_initial, grad_initial_cell, *sums.all(), None
