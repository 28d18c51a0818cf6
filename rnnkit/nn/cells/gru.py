"""The gated recurrent unit (Cho et al., Learning Phrase Representations, 2014), gates in the order r, z, n.

    r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)        reset
    z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)        update; 1 keeps the old state (some papers: 0 does)
    n_t = tanh(W_in x_t + b_in + r_t (W_hn h_{t-1} + b_hn))     candidate
    h_t = (1 - z_t) n_t + z_t h_{t-1}

Products of gates and states are elementwise.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Weights, gated


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Those of torch.nn.GRU."""
    return gated(inputs, hidden, 3)


def step(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """See the top of this file."""
    i_r, i_z, i_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = linear(read, w["weight_hh"], w["bias_hh"]).chunk(3, dim=-1)
    r = torch.sigmoid(i_r + h_r)
    z = torch.sigmoid(i_z + h_z)
    n = torch.tanh(i_n + r * h_n)
    return ((1 - z) * n + z * state[0],), {"r": r, "z": z, "n": n}


CELL = Cell(name="gru", layer="GRU", gates="rzn", keeps="z", candidates="n", parameters=parameters, step=step)


def gru_cell(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """One step from plain inputs; returns h_t, of shape (batch, hidden)."""
    (h_t,), _ = step({"weight_hh": w_hh, "bias_hh": b_hh}, linear(x, w_ih, b_ih), h, (h,))
    return h_t
