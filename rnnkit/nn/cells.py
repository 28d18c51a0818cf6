"""One time step of the recurrent cells as equations: the reference that all else is tested against.

Everywhere x_t, of shape (batch, inputs), is the step's input and h_{t-1}, of shape (batch, hidden), the state before
it. Weights have torch.nn's names, shapes and gate order: `w_ih` of shape (gates x hidden, inputs), `w_hh` of shape
(gates x hidden, hidden), `b_ih` and `b_hh` of shape (gates x hidden), the gates one below the other in the order that
each function states.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Gates:
    """A cell's gates: letters in the weights' order, the one that keeps the state, the candidate (in -1..1)."""

    names: str
    keeps: str
    candidate: str


GATES = {"GRU": Gates("rzn", keeps="z", candidate="n"), "LSTM": Gates("ifgo", keeps="f", candidate="g")}  # by mode


def rnn_cell(
    x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, activation: Activation = torch.tanh
) -> Tensor:
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh) (Elman, Finding Structure in Time, 1990).

    `activation` may be `torch.relu` (Le, Jaitly & Hinton, A Simple Way to Initialize Recurrent Networks of Rectified
    Linear Units, 2015). Returns h_t, of shape (batch, hidden).
    """
    return activation(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)


def gru_cell(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """The gated recurrent unit (Cho et al., Learning Phrase Representations, 2014), gates in the order r, z, n.

    r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)        reset
    z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)        update; 1 keeps the old state (some papers: 0 does)
    n_t = tanh(W_in x_t + b_in + r_t (W_hn h_{t-1} + b_hn))     candidate
    h_t = (1 - z_t) n_t + z_t h_{t-1}

    Returns h_t, of shape (batch, hidden).
    """
    i_r, i_z, i_n = (x @ w_ih.T + b_ih).chunk(3, dim=-1)
    h_r, h_z, h_n = (h @ w_hh.T + b_hh).chunk(3, dim=-1)
    r = torch.sigmoid(i_r + h_r)
    z = torch.sigmoid(i_z + h_z)
    n = torch.tanh(i_n + r * h_n)
    return (1 - z) * n + z * h


def lstm_cell(
    x: Tensor, state: tuple[Tensor, Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate: Gers et al., 2000), gates i, f, g, o.

    i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)        input
    f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)        forget; 1 keeps
    g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)           candidate
    o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)        output
    c_t = f_t c_{t-1} + i_t g_t
    h_t = o_t tanh(c_t)

    `state` is the pair (h_{t-1}, c_{t-1}). Returns the pair (h_t, c_t).
    """
    h, c = state
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return h, c


def linear_cell(x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor) -> Tensor:
    """The linear recurrence h_t = x_t w_x + h_{t-1} w_h: no bias, no squashing, so that h may grow without bound.

    `w_x` is of shape (inputs, hidden), `w_h` of shape (hidden, hidden); returns h_t, of shape (batch, hidden).
    """
    return x @ w_x + h @ w_h


def unroll(cell: Callable[..., Any], inputs: Tensor, state: Any, *weights: Tensor, **more: Any) -> tuple[Tensor, Any]:
    """Run a cell over a sequence of shape (steps, batch, inputs), one step after the other.

    Returns the hidden states of all steps, of shape (steps, batch, hidden), and the last state as the cell gives it:
    h_T, or (h_T, c_T) for an LSTM.

    >>> layer = torch.nn.RNN(5, 2)
    >>> x = torch.ones(3, 1, 5)
    >>> states, last = unroll(rnn_cell, x, torch.zeros(1, 2), *layer.parameters())
    >>> torch.allclose(states, layer(x)[0], atol=1e-6)
    True
    """
    states: list[Tensor] = []
    for x_t in inputs:
        state = cell(x_t, state, *weights, **more)
        states.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(states), state
