"""An LSTM with layer normalisation (Ba, Kiros & Hinton, Layer Normalization, 2016), gates i, f, g, o.

    a_t = LN(W_ih x_t) gain_ih + b_ih + LN(W_hh h_{t-1}) gain_hh      of all four gates at once
    i_t, f_t, o_t = sigmoid of a_t's parts, g_t = tanh of its own
    c_t = f_t c_{t-1} + i_t g_t
    h_t = o_t tanh(LN(c_t) gain_c + b_c)

LN(a) = (a - mean(a)) / sqrt(var(a) + 1e-5), over the units of a step.
"""

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Weights


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Matrices, gains that start at 1, and biases that start at 0."""
    rows = 4 * hidden
    return {
        "weight_ih": Parameter((rows, inputs)),
        "weight_hh": Parameter((rows, hidden)),
        "bias_ih": Parameter((rows,), 0.0),
        "gain_ih": Parameter((rows,), 1.0),
        "gain_hh": Parameter((rows,), 1.0),
        "gain_c": Parameter((hidden,), 1.0),
        "bias_c": Parameter((hidden,), 0.0),
    }


def inputs(w: Weights, x: Tensor) -> Tensor:
    """The inputs' part of a_t."""
    return layer_norm(linear(x, w["weight_ih"]), w["gain_ih"].shape, w["gain_ih"], w["bias_ih"])


def step(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """See the top of this file."""
    a = x + layer_norm(linear(read, w["weight_hh"]), w["gain_hh"].shape, w["gain_hh"])
    i, f, g, o = a.chunk(4, dim=-1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * state[1] + i * g
    h = o * torch.tanh(layer_norm(c, w["gain_c"].shape, w["gain_c"], w["bias_c"]))
    return (h, c), {"i": i, "f": f, "g": g, "o": o}


CELL = Cell(
    name="lnlstm",
    states="hc",
    gates="ifgo",
    keeps="f",
    writes="i",
    candidates="g",
    parameters=parameters,
    inputs=inputs,
    step=step,
)
