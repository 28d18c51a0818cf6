"""A layer of torch.nn's cells in one direction, taken apart: gates, cell states, total gradients through time.

Nothing here runs while a network is trained; `rnnkit.observe` does when it is asked what a layer did. All of it is
plain tensor operations on packed rows, after the equations of `rnnkit.nn.cells`, on any device.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnkit.sequences import Schedule


@dataclass(frozen=True)
class Weights:
    """The weights of one layer in one direction, as in `rnnkit.nn.cells`; what the layer does not have is None."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    # Of shape (projected, hidden), it makes an LSTM's states smaller (`proj_size`; Sak et al., Long Short-Term Memory
    # Based Recurrent Neural Network Architectures, 2014).
    w_hr: Tensor | None = None


@dataclass(frozen=True)
class Gradients:
    """Total gradients: through time, and through everything that comes after in the network."""

    states: dict[str, Tensor]  # of h_t, and c_t where there is one ..., of shape (rows, hidden) each
    initial: dict[str, Tensor]  # of h_0, c_0 ..., of shape (batch, hidden) each
    gates: Tensor  # of the inputs' part of the gates before activation, of shape (rows, gates x hidden)


class LayerReplay:
    """What one layer did in one direction over packed rows, from what went in and what came out.

    `mode` is torch.nn's; `x`, of shape (rows, inputs), is what the layer read, `h`, of shape (rows, hidden), are its
    states; `initial` is (h_0,) or (h_0, c_0), each of shape (batch, hidden) with the batch in packed order.
    `schedule` works through all rows in one chunk.
    """

    def __init__(
        self, mode: str, x: Tensor, h: Tensor, initial: tuple[Tensor, ...], weights: Weights, schedule: Schedule
    ):
        self.mode, self.x, self.h, self.initial, self.weights, self.schedule = mode, x, h, initial, weights, schedule

    @cached_property
    def gates(self) -> dict[str, Tensor]:
        """The gates after activation, of shape (rows, hidden) each: i f g o, or r z n; none for a plain RNN.

        They follow from a layer's states: it takes one product for the input and one for the states before.
        """
        w = self.weights
        if self.mode == "LSTM":
            i, f, g, o = (linear(self.x, w.w_ih, w.b_ih) + self._from_state).chunk(4, dim=1)
            return {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
        if self.mode == "GRU":
            i_r, i_z, i_n = linear(self.x, w.w_ih, w.b_ih).chunk(3, dim=1)
            h_r, h_z, h_n = self._from_state.chunk(3, dim=1)
            r = torch.sigmoid(i_r + h_r)
            return {"r": r, "z": torch.sigmoid(i_z + h_z), "n": torch.tanh(i_n + r * h_n)}
        return {}

    @cached_property
    def cells(self) -> Tensor:
        """An LSTM's cell states, of shape (rows, hidden), by their own recurrence: c_t = f c_{t-1} + i g."""
        cell = self.gates["i"] * self.gates["g"]
        c, c_0 = self.initial[1], self.initial[1]
        chunk = self.schedule.chunks[0]
        for c_t, f_t in zip(self.schedule.steps(cell, chunk), self.schedule.steps(self.gates["f"], chunk), strict=True):
            if len(c_t) > len(c):  # backwards in time, sequences begin
                c = torch.cat([c, c_0[len(c) : len(c_t)]])
            c = c_t.addcmul_(f_t, c[: len(c_t)])
        return cell

    @property
    def states(self) -> dict[str, Tensor]:
        """All parts of the state by their letters: h, and an LSTM's c."""
        return {"h": self.h, **({"c": self.cells} if self.mode == "LSTM" else {})}

    @property
    def starts(self) -> tuple[Tensor, ...]:
        """What each step starts from: x_t, h_{t-1} and, for an LSTM, c_{t-1}."""
        cells = [self._previous(self.cells, self.initial[1])] if self.mode == "LSTM" else []
        return self.x, self._before, *cells

    def gradients(self, direct: Tensor | None, finals: Sequence[Tensor | None]) -> Gradients:
        """Backpropagation through time (Werbos, 1990), from the gradients that reach the states directly.

        These are `direct`, of shape (rows, hidden), for the outputs, and `finals`, of shape (batch, hidden), for the
        final h and c; None for zeros.
        """
        final, final_cell = (*finals, None, None)[:2]
        total = torch.zeros_like(self.h) if direct is None else direct.clone()
        if final is not None:
            total.index_add_(0, self._ends, final)
        run = {"LSTM": self._lstm, "GRU": self._gru}.get(self.mode, self._rnn)
        return run(total, final_cell)

    def _rnn(self, total: Tensor, _: Tensor | None) -> Gradients:
        """delta_t, the gradient before activation, is total_t x slope_t; total_{t-1} += W_hh^T delta_t."""
        before, w_hh = torch.empty_like(total), self.weights.w_hh
        shut, slope = self.h <= 0, 1 - self.h * self.h
        after = total[:0]
        for d, a, off, s in self._back(total, before, shut, slope):
            carry(after, d, lambda rows, out: out.addmm_(rows, w_hh))
            after = a.copy_(d.masked_fill(off, 0) if self.mode == "RNN_RELU" else d * s)
        return Gradients({"h": total}, {"h": before[self._begins] @ w_hh}, before)

    def _gru(self, total: Tensor, _: Tensor | None) -> Gradients:
        """dn = total (1-z) n', dz = total (h-n) z', dr = dn (W_hn h + b_hn) r'; total_{t-1} += z total + W^T (...)."""
        r, z, n = (self.gates[name] for name in "rzn")
        w_hh, recurrent = self.weights.w_hh, self._from_state.chunk(3, dim=1)[2]
        slope_n = (1 - z) * (1 - n * n)
        slope_z = (self._before - n) * z * (1 - z)
        slopes = torch.stack([slope_n * recurrent * r * (1 - r), slope_z, slope_n * r], dim=1)
        gates = torch.empty_like(slopes)  # as the states' part of them sees it
        after, g_after, z_after = total[:0], gates[:0].flatten(1), total[:0]
        for d, s, g, z_t in self._back(total, slopes, gates, z):
            carry(g_after, d, lambda rows, out: out.addmm_(rows, w_hh))
            carry(after * z_after, d, lambda rows, out: out.add_(rows))
            torch.mul(d.unsqueeze(1), s, out=g)
            after, g_after, z_after = d, g.flatten(1), z_t
        first = self._begins
        initial = gates[first].flatten(1) @ w_hh + total[first] * z[first]
        gates[:, 2] = total * slope_n  # the input's part of n is not multiplied by r
        return Gradients({"h": total}, {"h": initial}, gates.flatten(1))

    def _lstm(self, total: Tensor, final_cell: Tensor | None) -> Gradients:
        """gamma_t = total_t o (1 - tanh(c)^2) + f gamma_{t+1}, the total gradient of c_t, gives those of i, f and g."""
        i, f, g, o = (self.gates[name] for name in "ifgo")
        w_hh, w_hr = self.weights.w_hh, self.weights.w_hr
        squashed, cell_before = self.cells.tanh(), self._previous(self.cells, self.initial[1])
        to_cell = o * (1 - squashed * squashed)
        slopes = torch.stack([g * i * (1 - i), cell_before * f * (1 - f), i * (1 - g * g)], dim=1)
        slope_o = squashed * o * (1 - o)
        gamma = torch.zeros_like(self.cells)
        if final_cell is not None:
            gamma.index_add_(0, self._ends, final_cell)
        gates = gamma.new_empty(len(gamma), 4, gamma.shape[1])
        g_after, c_after = gates[:0].flatten(1), gamma[:0]
        for d, c, k, s, s_o, f_t, a in self._back(total, gamma, to_cell, slopes, slope_o, f, gates):
            carry(g_after, d, lambda rows, out: out.addmm_(rows, w_hh))
            carry(c_after, c, lambda rows, out: out.add_(rows))
            e = d if w_hr is None else d @ w_hr  # the gradient of o tanh(c), before it is projected
            c.addcmul_(e, k)
            torch.mul(c.unsqueeze(1), s, out=a[:, :3])
            torch.mul(e, s_o, out=a[:, 3])
            g_after, c_after = a.flatten(1), c * f_t
        first, gates = self._begins, gates.flatten(1)
        initial = {"h": gates[first] @ w_hh, "c": gamma[first] * f[first]}
        return Gradients({"h": total, "c": gamma}, initial, gates)

    def to_input(self, gradients: Gradients, columns: slice) -> Tensor:
        """The gradient of some columns of what the layer read, of shape (rows, columns)."""
        return gradients.gates @ self.weights.w_ih[:, columns]

    @cached_property
    def _before(self) -> Tensor:
        """For each row the state before it."""
        return self._previous(self.h, self.initial[0])

    @cached_property
    def _from_state(self) -> Tensor:
        """The states' part of all gates before activation."""
        return linear(self._before, self.weights.w_hh, self.weights.b_hh)

    @property
    def _begins(self) -> Tensor:
        return self.schedule.all_begins.to(self.h.device)

    @property
    def _ends(self) -> Tensor:
        return self.schedule.all_ends.to(self.h.device)

    def _previous(self, states: Tensor, initial: Tensor) -> Tensor:
        return self.schedule.previous(states, initial, self.schedule.chunks[0], out=torch.empty_like(states))

    def _back(self, *rows: Tensor) -> Iterable[tuple[Tensor, ...]]:
        """All of `rows` cut into steps, against working order."""
        return zip(*(self.schedule.steps_back(part, self.schedule.chunks[0]) for part in rows), strict=True)


def carry(after: Tensor, into: Tensor, add: Callable[[Tensor, Tensor], object]) -> None:
    """Add what comes from the step worked after, for the sequences that both have: others end here, or begin there."""
    count = min(len(after), len(into))
    if count:
        add(after[:count], into[:count])
