"""The linear recurrent unit (Orvieto et al., Resurrecting Recurrent Neural Networks for Long Sequences, 2023).

    s_t = lambda s_{t-1} + sqrt(1 - |lambda|^2) B x_t        elementwise, of complex numbers
    h_t = Re(C s_t) + D x_t
    lambda = exp(-exp(nu) + i exp(theta))

It is linear in the state: all steps are one scan. |lambda| starts spread over a ring from 0.4 to 0.99, its angle over
the whole circle. The factor before B is computed from lambda; the paper learns it from the same start. Layers of it
alone, one on the other, make a linear net.
"""

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, Weights


LEAST, MOST = 0.4, 0.99  # |lambda| at the start


def start_nu(nu: Tensor) -> None:
    """ln(-ln |lambda|), with |lambda|^2 uniform: lambda spread evenly over the ring."""
    nu.uniform_(LEAST**2, MOST**2).log_().mul_(-0.5).log_()


def start_theta(theta: Tensor) -> None:
    """The logarithm of an angle between 0 and 2 pi."""
    theta.uniform_(1e-4, 2 * math.pi).log_()


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """`weight_ih`: real and imaginary part of B, and D; `weight_out`: real and imaginary part of C."""
    return {
        "weight_ih": Parameter((3 * hidden, inputs), partial(Tensor.normal_, std=1 / math.sqrt(2 * inputs))),
        "weight_out": Parameter((hidden, 2 * hidden), partial(Tensor.normal_, std=1 / math.sqrt(hidden))),
        "nu": Parameter((hidden,), start_nu),
        "theta": Parameter((hidden,), start_theta),
    }


def coefficients(w: Weights, x: Tensor) -> tuple[Tensor, Tensor, Gates]:
    """lambda, and what comes in."""
    real, imaginary, _ = x.chunk(3, dim=-1)
    size = torch.exp(-torch.exp(w["nu"]))
    factor = torch.sqrt(1 - size * size)
    turning = torch.polar(size, torch.exp(w["theta"]))
    return turning.expand(real.shape), torch.complex(factor * real, factor * imaginary), {}


def output(w: Weights, x: Tensor, s: Tensor) -> Tensor:
    """Re(C s_t) + D x_t."""
    return linear(torch.cat([s.real, -s.imag], dim=-1), w["weight_out"]) + x.chunk(3, dim=-1)[2]


CELL = Cell(
    name="lru",
    states="hri",
    recurrent=False,
    bounded=False,
    parameters=parameters,
    coefficients=coefficients,
    output=output,
)
