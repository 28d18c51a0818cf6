"""What a cell is: names, shapes and starts of its parameters, and one step as equations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from rnnkit.core import CellFacts


Weights = Mapping[str, Tensor]  # a cell's parameters by name
State = tuple[Tensor, ...]  # h first, each of shape (rows, hidden)
Gates = dict[str, Tensor]  # after activation, each of shape (rows, hidden)


@dataclass(frozen=True)
class Parameter:
    """A parameter's shape, and how it starts: as one number, as a function sets it in place, or (None) uniformly.

    Uniform is between -1 and 1 over the square root of the hidden size, as in torch.nn.
    """

    shape: tuple[int, ...]
    start: float | Callable[[Tensor], object] | None = None


class Step(Protocol):
    """One step of a cell for some rows, each on its own: `step(w, x, read, state)` gives the new state and the gates.

    `w` are the parameters, `x` is what `inputs` made of the step's inputs, `state` the state before. `read` is h of
    that state as products are to read it: recurrent dropout may have zeroed some of its units.
    """

    def __call__(self, w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
        """See the class."""
        ...


def weighted(w: Weights, x: Tensor) -> Tensor:
    """W_ih x + b_ih (without b_ih where there is none), for rows of shape (rows, inputs)."""
    return functional.linear(x, w["weight_ih"], w.get("bias_ih"))


def gated(inputs: int, hidden: int, gates: int) -> dict[str, Parameter]:
    """The four parameters of torch.nn's layers for so many gates: weight_ih, weight_hh, bias_ih, bias_hh."""
    rows = gates * hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    return {name: Parameter(shape) for name, shape in shapes.items()}


@dataclass(frozen=True, kw_only=True)
class Cell(CellFacts):
    """A recurrent cell. Its equations are `step`, or, where they are linear in the state, `coefficients`.

    `parameters(inputs, hidden)` gives the parameters by name. Those that all else knows by name are `weight_ih` and
    `weight_hh`, with the gates' rows in the order of `gates`, and vectors `bias_...`; others may be there. `inputs` is
    what depends on the inputs alone: it is computed for all steps at once.
    """

    name: str  # that of its file
    parameters: Callable[[int, int], dict[str, Parameter]]
    step: Step | None = None
    inputs: Callable[[Weights, Tensor], Tensor] = weighted
    # (a, b) of s_t = a_t s_{t-1} + b_t, elementwise, with a and b from the inputs alone, and the gates. Then all steps
    # are one scan. s is h; with `output`, which makes h of it, s is the rest of the state, complex where that has two
    # parts.
    coefficients: Callable[[Weights, Tensor], tuple[Tensor, Tensor, Gates]] | None = None
    output: Callable[[Weights, Tensor, Tensor], Tensor] | None = None

    def __post_init__(self):
        super().__post_init__()
        if (self.step is None) == (self.coefficients is None):
            raise ValueError(f"the cell {self.name} needs a step, or coefficients, and not both")
        strange = {*self.keeps, *self.writes, *self.candidates, *self.unsaturated} - {*self.gates}
        if strange or self.states[:1] != "h":
            raise ValueError(
                f"the cell {self.name}: {', '.join(strange) or 'h, the first state,'} is not among its own"
            )
        if any(len(set(letters)) < len(letters) for letters in (self.states, self.gates)):
            raise ValueError(f"the cell {self.name}: each state and each gate has a letter of its own")
        if max(len(self.keeps), len(self.writes)) > 1:
            raise ValueError(f"the cell {self.name}: one gate keeps the state, and one writes")

    def advance(self, w: Weights, x: Tensor, read: Tensor, state: State) -> tuple[State, Gates]:
        """One step, as `Step` says, for cells that are linear in the state too."""
        if self.step is not None:
            return self.step(w, x, read, state)
        a, b, gates = self.linear(w, x)
        return self.states_of(w, x, a * self.scanned(state) + b), gates

    def linear(self, w: Weights, x: Tensor) -> tuple[Tensor, Tensor, Gates]:
        """The coefficients of a cell that is linear in its state."""
        assert self.coefficients is not None
        return self.coefficients(w, x)

    def scanned(self, state: State) -> Tensor:
        """The part of a state that is linear."""
        if self.output is None:
            return state[0]
        return torch.complex(*state[1:]) if len(state) == 3 else state[1]

    def states_of(self, w: Weights, x: Tensor, s: Tensor) -> State:
        """The state whose linear part is `s`."""
        if self.output is None:
            return (s,)
        if not s.is_complex():
            return self.output(w, x, s), s
        parts = s.real, s.imag  # from which h is made, so that it has their gradient
        return (self.output(w, x, torch.complex(*parts)), *parts)
