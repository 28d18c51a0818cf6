"""Whether a cell does what it says: its parameters, and one step."""

import math
from functools import partial

import torch
from torch import Tensor

from rnnkit.core import error_in_words, is_out_of_memory
from rnnkit.nn.cells._cell import Cell, Parameter


ROWS = 2
LARGE = 10**7  # parameters; with more, shapes alone are followed, which costs nothing whatever they are


def check(cell: Cell, inputs: int, hidden: int) -> None:
    """Raise `ValueError`, in one line, where a cell of these sizes is not what it says.

    Its step is tried on zeros, so no random number is drawn.
    """
    try:
        parameters = cell.parameters(inputs, hidden)
        _check_parameters(cell, parameters, hidden)
        large = sum(math.prod(stated.shape) for stated in parameters.values()) > LARGE
        device = torch.device("meta" if large else "cpu")
        zeros = partial(torch.zeros, device=device, dtype=torch.float32)
        with torch.no_grad(), device:
            weights = {name: zeros(stated.shape) for name, stated in parameters.items()}
            start = tuple(zeros((ROWS, hidden)) for _ in cell.states)
            x = cell.inputs(weights, zeros((ROWS, inputs)))
            state, gates = cell.advance(weights, x, start[0], start)
        if not isinstance(state, tuple) or len(state) != len(cell.states) or set(gates) != set(cell.gates):
            what = f"({', '.join(cell.states)},)", f"{{{', '.join(cell.gates)}}}"
            raise ValueError(f"a step gives {what[0]}, a tuple, and its gates by letter, {what[1]}, and nothing else")
        parts = [*zip(cell.states, state, strict=True), *gates.items()]
        if cell.coefficients is not None:  # a scan spreads no smaller ones
            parts += zip("ab", cell.linear(weights, x)[:2], strict=True)
        for letter, part in parts:
            if not isinstance(part, Tensor) or part.shape != start[0].shape:
                form = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
                raise ValueError(f"{letter} of a step is of shape (rows, hidden), here {(ROWS, hidden)}, not {form}")
    except Exception as error:
        if is_out_of_memory(error):
            raise
        said = error if type(error) is ValueError else error_in_words(error)
        raise ValueError(f"the cell {cell.name}: {' '.join(str(said).split())}") from error


def _check_parameters(cell: Cell, parameters: dict[str, Parameter], hidden: int) -> None:
    """Raise `ValueError` where a name cannot be an attribute's, or one that all else knows is not as it must be."""
    if strange := [name for name in parameters if not name.isidentifier()]:
        raise ValueError(f"a parameter cannot be called {strange[0]!r}")
    if ("weight_hh" in parameters) != cell.recurrent:
        raise ValueError(f"recurrent={cell.recurrent} says whether there is a weight_hh, and it is the other way round")
    if cell.recurrent and parameters["weight_hh"].shape[1:] != (hidden,):
        raise ValueError(f"weight_hh is of shape (gates x hidden, hidden), not {parameters['weight_hh'].shape}")
    rows = (len(cell.gates) * hidden,)
    for kind in ("bias_ih", "bias_hh"):
        if cell.keeps and kind in parameters and parameters[kind].shape != rows:
            raise ValueError(f"{kind} is of shape {rows}, for the gates {cell.gates}, not {parameters[kind].shape}")
