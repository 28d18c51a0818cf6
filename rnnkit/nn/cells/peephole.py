"""An LSTM whose gates see its cell state (Gers & Schmidhuber, Recurrent Nets that Time and Count, 2000), i, f, g, o.

    i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi + p_i c_{t-1})
    f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf + p_f c_{t-1})
    g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
    c_t = f_t c_{t-1} + i_t g_t
    o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho + p_o c_t)
    h_t = o_t tanh(c_t)

Products of gates and states are elementwise.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Weights, gated


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Those of an LSTM, and `peephole`: p_i, p_f and p_o."""
    return {**gated(inputs, hidden, 4), "peephole": Parameter((3, hidden))}


def step(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """See the top of this file."""
    c, (p_i, p_f, p_o) = state[1], w["peephole"].unbind()
    i, f, g, o = (x + linear(read, w["weight_hh"], w["bias_hh"])).chunk(4, dim=-1)
    i, f, g = torch.sigmoid(i + p_i * c), torch.sigmoid(f + p_f * c), torch.tanh(g)
    c = f * c + i * g
    o = torch.sigmoid(o + p_o * c)
    return (o * torch.tanh(c), c), {"i": i, "f": f, "g": g, "o": o}


CELL = Cell(
    name="peephole",
    states="hc",
    gates="ifgo",
    keeps="f",
    writes="i",
    candidates="g",
    parameters=parameters,
    step=step,
)
