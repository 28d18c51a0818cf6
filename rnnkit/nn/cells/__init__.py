"""The recurrent cells as equations: the reference that all else is tested against. A file here is a cell.

Everywhere x_t is the step's input and h_{t-1}, of shape (batch, hidden), the state before it. Weights have torch.nn's
names, shapes and gate order: `weight_ih` of shape (gates x hidden, inputs), `weight_hh` of shape (gates x hidden,
hidden), `bias_ih` and `bias_hh` of shape (gates x hidden), the gates one below the other in the order that each cell
states. What a cell is, says `Cell`; docs/cells.md has them all side by side.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rnnkit.core import UserError, error_in_words
from rnnkit.core import cells as files
from rnnkit.nn.cells._cell import Cell, Gates, Parameter, State, Step, Weights, gated, weighted
from rnnkit.nn.cells._check import check
from rnnkit.nn.cells.gru import gru_cell
from rnnkit.nn.cells.lstm import lstm_cell
from rnnkit.nn.cells.rnn import Activation, rnn_cell


__all__ = ["Activation", "Cell", "Gates", "Parameter", "State", "Step", "Weights", "by_layer", "check", "gated"]
__all__ += ["gru_cell", "linear_cell", "lstm_cell", "named", "names", "rnn_cell", "unroll", "weighted"]

names = files.names


@functools.cache
def named(name: str) -> Cell:
    """The cell of a name. Raises `UserError` for no such cell, and for a file that is none."""
    said, taken, module = files.facts(name), globals().get(name), f"{__name__}.{name}"
    if taken is not None and getattr(taken, "__name__", "") != module:  # which the file would stand in the place of
        raise UserError(f"{name}.py: a cell cannot be called {name!r}, as something else in rnnkit.nn.cells is")
    try:
        cell = importlib.import_module(module).CELL
    except Exception as error:
        raise UserError(f"the cell in {name}.py: {error_in_words(error)}") from error
    if not isinstance(cell, Cell) or cell.name != name or any(getattr(cell, k) != v for k, v in vars(said).items()):
        raise UserError(f"the cell in {name}.py must be called {name!r}, and say what it is in plain values")
    return cell


@functools.cache  # the folder of cells is read for it, and a look into a net asks it many times
def by_layer(layer: str) -> Cell:
    """The cell of torch.nn's layer of that name. Raises `UserError` where there is none."""
    for name in names():
        if files.facts(name).layer == layer:
            return named(name)
    raise UserError(f"there is no cell of torch.nn's {layer}")


def linear_cell(x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor) -> Tensor:
    """The linear recurrence h_t = x_t w_x + h_{t-1} w_h: no bias, no squashing, so that h may grow without bound.

    `w_x` is of shape (inputs, hidden), `w_h` of shape (hidden, hidden); returns h_t, of shape (batch, hidden).
    """
    return x @ w_x + h @ w_h


def unroll(cell: Callable[..., Any], inputs: Tensor, state: Any, *weights: Tensor, **more: Any) -> tuple[Tensor, Any]:
    """Run a function of one step over a sequence of shape (steps, batch, inputs), one step after the other.

    Returns the hidden states of all steps, of shape (steps, batch, hidden), and the last state as the function gives
    it: h_T, or (h_T, c_T) for an LSTM.

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
