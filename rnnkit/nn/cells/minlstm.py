"""An LSTM whose gates see the inputs alone (Feng et al., Were RNNs All We Needed?, 2024), gates i, f, n.

    i'_t = sigmoid(W_i x_t + b_i),  i_t = i'_t / (i'_t + f'_t)
    f'_t = sigmoid(W_f x_t + b_f),  f_t = f'_t / (i'_t + f'_t)
    n_t = W_n x_t + b_n
    h_t = f_t h_{t-1} + i_t n_t

It is linear in the state: all steps are one scan. i_t and f_t, which add up to 1, are computed as sigmoids of the
difference of ln i'_t and ln f'_t, which neither overflows nor divides by 0.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, Weights


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Weights and biases of the inputs: nothing reads the state."""
    return {"weight_ih": Parameter((3 * hidden, inputs)), "bias_ih": Parameter((3 * hidden,))}


def coefficients(w: Weights, x: Tensor) -> tuple[Tensor, Tensor, Gates]:
    """h_t = f_t h_{t-1} + i_t n_t."""
    i, f, n = x.chunk(3, dim=-1)
    apart = logsigmoid(f) - logsigmoid(i)
    i, f = torch.sigmoid(-apart), torch.sigmoid(apart)
    return f, i * n, {"i": i, "f": f, "n": n}


CELL = Cell(
    name="minlstm",
    gates="ifn",
    keeps="f",
    writes="i",
    candidates="n",
    unsaturated="i",
    recurrent=False,
    bounded=False,
    parameters=parameters,
    coefficients=coefficients,
)
