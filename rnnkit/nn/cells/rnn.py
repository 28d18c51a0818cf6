"""The plain recurrent net: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh).

Elman, Finding Structure in Time, 1990. With relu in place of tanh: Le, Jaitly & Hinton, A Simple Way to Initialize
Recurrent Networks of Rectified Linear Units, 2015.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Weights, gated


Activation = Callable[[Tensor], Tensor]


def parameters(inputs: int, hidden: int) -> dict[str, Parameter]:
    """Those of torch.nn.RNN."""
    return gated(inputs, hidden, 1)


def step(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """See the top of this file."""
    return (torch.tanh(x + linear(read, w["weight_hh"], w["bias_hh"])),), {}


def step_with_relu(w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
    """The same with relu."""
    return (torch.relu(x + linear(read, w["weight_hh"], w["bias_hh"])),), {}


CELL = Cell(name="rnn", layer="RNN", parameters=parameters, step=step)
RELU = replace(CELL, step=step_with_relu, bounded=False)


def rnn_cell(
    x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, activation: Activation = torch.tanh
) -> Tensor:
    """One step from plain inputs: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), of shape (batch, hidden).

    `activation` may be `torch.relu`.
    """
    return activation(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
