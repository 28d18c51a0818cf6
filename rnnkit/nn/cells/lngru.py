"""A GRU with layer normalisation (Ba, Kiros & Hinton, Layer Normalization, 2016), gates r, z, n.

    r_t, z_t = sigmoid(LN(W_ih x_t) gain_ih + b_ih + LN(W_hh h_{t-1}) gain_hh + b_hh)    of both gates at once
    n_t = tanh(LN(W_in x_t) gain_in + b_in + r_t (LN(W_hn h_{t-1}) gain_hn + b_hn))
    h_t = (1 - z_t) n_t + z_t h_{t-1}                                                   z = 1 keeps; in the paper 0 does

LN(a) = (a - mean(a)) / sqrt(var(a) + 1e-5), over the units of a step.
"""

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Weights


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Matrices, gains that start at 1, and biases that start at 0."""
    rows = 3 * hidden
    gains = {f"gain_{part}": Parameter((rows,), 1.0) for part in ("ih", "hh")}
    biases = {f"bias_{part}": Parameter((rows,), 0.0) for part in ("ih", "hh")}
    return {"weight_ih": Parameter((rows, inputs)), "weight_hh": Parameter((rows, hidden)), **biases, **gains}


def normalised(a: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """The gates r and z normalised together, and n by itself."""
    size = len(gain) // 3
    both = [layer_norm(part, part.shape[-1:]) for part in a.split((2 * size, size), dim=-1)]
    return torch.addcmul(bias, torch.cat(both, dim=-1), gain)


def inputs(w: Weights, x: Tensor) -> Tensor:
    """The inputs' part of all three."""
    return normalised(linear(x, w["weight_ih"]), w["gain_ih"], w["bias_ih"])


def step(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """See the top of this file."""
    i_r, i_z, i_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = normalised(linear(read, w["weight_hh"]), w["gain_hh"], w["bias_hh"]).chunk(3, dim=-1)
    r, z = torch.sigmoid(i_r + h_r), torch.sigmoid(i_z + h_z)
    n = torch.tanh(i_n + r * h_n)
    return ((1 - z) * n + z * state[0],), {"r": r, "z": z, "n": n}


CELL = Cell(name="lngru", gates="rzn", keeps="z", candidates="n", parameters=parameters, inputs=inputs, step=step)
