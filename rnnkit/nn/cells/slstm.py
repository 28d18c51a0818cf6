"""An LSTM with an exponential input gate and its stabiliser (Beck et al., xLSTM, 2024), gates i, f, g, o.

    a_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, in parts a_i, a_f, a_g, a_o
    m_t = max(ln sigmoid(a_f) + m_{t-1}, a_i)              stabiliser
    i_t = exp(a_i - m_t)                                   input
    f_t = exp(ln sigmoid(a_f) + m_{t-1} - m_t)             forget
    g_t = tanh(a_g), o_t = sigmoid(a_o)                    candidate (z in the paper), output
    c_t = f_t c_{t-1} + i_t g_t
    n_t = f_t n_{t-1} + i_t
    h_t = o_t c_t / n_t

m_t changes no h_t, and has no gradient: it keeps the exponentials from overflowing. Where n_{t-1} is 0, as at the
start, there is nothing to keep, and m_t = a_i. One head: W_hh is a whole matrix.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import linear, logsigmoid

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Weights, gated


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Those of an LSTM."""
    return gated(inputs, hidden, 4)


def step(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """See the top of this file."""
    _, c, n, m = state
    a_i, a_f, a_g, a_o = (x + linear(read, w["weight_hh"], w["bias_hh"])).chunk(4, dim=-1)
    kept = logsigmoid(a_f) + m.detach().masked_fill(n == 0, -math.inf)
    m = torch.maximum(kept, a_i).detach()
    i, f, g, o = torch.exp(a_i - m), torch.exp(kept - m), torch.tanh(a_g), torch.sigmoid(a_o)
    c, n = f * c + i * g, f * n + i
    return (o * c / n, c, n, m), {"i": i, "f": f, "g": g, "o": o}


CELL = Cell(
    name="slstm",
    states="hcnm",
    gates="ifgo",
    keeps="f",
    writes="i",
    candidates="g",
    unsaturated="if",
    parameters=parameters,
    step=step,
)
