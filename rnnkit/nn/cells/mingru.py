"""A GRU whose gates see the inputs alone (Feng et al., Were RNNs All We Needed?, 2024), gates z, n.

    z_t = sigmoid(W_z x_t + b_z)                 1 keeps the old state; in the paper 0 does
    n_t = W_n x_t + b_n
    h_t = (1 - z_t) n_t + z_t h_{t-1}

It is linear in the state: all steps are one scan.
"""

import torch
from torch import Tensor

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, Weights


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Weights and biases of the inputs: nothing reads the state."""
    return {"weight_ih": Parameter((2 * hidden, inputs)), "bias_ih": Parameter((2 * hidden,))}


def coefficients(w: Weights, x: Tensor) -> tuple[Tensor, Tensor, Gates]:
    """h_t = z_t h_{t-1} + (1 - z_t) n_t."""
    z, n = x.chunk(2, dim=-1)
    z = torch.sigmoid(z)
    return z, (1 - z) * n, {"z": z, "n": n}


CELL = Cell(
    name="mingru",
    gates="zn",
    keeps="z",
    candidates="n",
    recurrent=False,
    bounded=False,
    parameters=parameters,
    coefficients=coefficients,
)
