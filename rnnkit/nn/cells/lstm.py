"""Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate: Gers et al., 2000), gates i, f, g, o.

    i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)        input
    f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)        forget; 1 keeps
    g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)           candidate
    o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)        output
    c_t = f_t c_{t-1} + i_t g_t
    h_t = o_t tanh(c_t)

Products of gates and states are elementwise.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Weights, gated


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Those of torch.nn.LSTM."""
    return gated(inputs, hidden, 4)


def step(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """See the top of this file."""
    i, f, g, o = (x + linear(read, w["weight_hh"], w["bias_hh"])).chunk(4, dim=-1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * state[1] + i * g
    return (o * torch.tanh(c), c), {"i": i, "f": f, "g": g, "o": o}


CELL = Cell(
    name="lstm",
    layer="LSTM",
    gates="ifgo",
    keeps="f",
    writes="i",
    candidates="g",
    states="hc",
    parameters=parameters,
    step=step,
)


def lstm_cell(
    x: Tensor, state: tuple[Tensor, Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """One step from plain inputs; `state` is the pair (h_{t-1}, c_{t-1}). Returns the pair (h_t, c_t)."""
    (h_t, c_t), _ = step({"weight_hh": w_hh, "bias_hh": b_hh}, linear(x, w_ih, b_ih), state[0], state)
    return h_t, c_t
