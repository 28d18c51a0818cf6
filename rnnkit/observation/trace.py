"""What `rnnkit.observe` has seen of a recurrent layer, computed when it is asked for from what was kept of the call."""

import functools
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import UserError
from rnnkit.nn import Place
from rnnkit.observation._replay import Gradients, LayerReplay
from rnnkit.observation._steps import StepReplay


T = TypeVar("T")

Replay = LayerReplay | StepReplay


@dataclass
class Call:
    """What the layers of one call share."""

    form: PackedSequence | None = None  # how rows are packed; its data are None; None where nothing can be seen
    arrivals: int = 0  # how many gradients came
    closed: str = ""  # why nothing can be seen of this call


@dataclass(frozen=True)
class Carried:
    """Gradients through time in one layer, of each part of the state by its letter: h, c ..."""

    states: dict[str, PackedSequence]  # packed as the states are
    initial: dict[str, Tensor]  # what is left at the initial states, of shape (batch, hidden), in the examples' order


class Named(dict[str, T]):
    """By name; one that is not there is told which are."""

    def __missing__(self, name: str) -> T:
        raise KeyError(f"{name}: there is {', '.join(self) or 'none'}")


class LayerTrace:
    """One layer in one direction during one call, over valid steps.

    States, gates and gradients are `PackedSequence`s over (rows, hidden), at their input's position for both
    directions, packed as the module's input was. Padded input counts as sequences of one length, unbatched as one.

    Gradients are the sum over all `backward()`s while the model was observed. `place` is the layer and direction.
    """

    def __init__(self, module: str, place: Place, call: Call, layer: Replay | None = None):
        self.place, self.call, self._layer = place, call, layer
        self._where = f"{module} {place}"
        self._direct: list[Tensor | None] = []
        self._above: tuple[list[LayerTrace], Tensor, slice] | None = None
        self._total: tuple[int, Gradients] | None = None

    @property
    def hidden(self) -> PackedSequence:
        """The hidden states h_t."""
        return self._packed(self._opened().h)

    @property
    def states(self) -> dict[str, PackedSequence]:
        """All parts of the state by their letters: h, an LSTM's c, what else a cell has."""
        with _undisturbed():
            return Named({letter: self._packed(rows) for letter, rows in self._opened().states.items()})

    @property
    def cell(self) -> PackedSequence | None:
        """The cell states c_t; None for layers that have none."""
        return self.states.get("c")

    @property
    def gates(self) -> dict[str, PackedSequence]:
        """The gates after activation: i f g o (LSTM), r z n (GRU, where z = 1 keeps), a cell's own; none for an RNN."""
        with _undisturbed():
            return Named({name: self._packed(rows) for name, rows in self._opened().gates.items()})

    @property
    def hidden_gradient(self) -> PackedSequence:
        """The total dL/dh_t: along every way from h_t to the loss, those through later steps included."""
        return self._gradients().states["h"]

    @property
    def cell_gradient(self) -> PackedSequence | None:
        """The total dL/dc_t; None for layers that have no cell states."""
        return self._gradients().states.get("c")

    @property
    def state_gradients(self) -> dict[str, PackedSequence]:
        """The total gradients of all parts of the state by their letters."""
        return self._gradients().states

    @property
    def initial_gradient(self) -> Tensor:
        """The total gradient of the initial state, given or not, of shape (batch, hidden), in the examples' order."""
        return self._gradients().initial["h"]

    @property
    def initial_cell_gradient(self) -> Tensor | None:
        """The same of the initial cell state; None for layers that have none."""
        return self._gradients().initial.get("c")

    @property
    def starts(self) -> tuple[Tensor, ...]:
        """What each step starts from, row by row: its input, and the parts of the state before it, h first."""
        with _undisturbed():
            return self._opened().starts

    def carried_back(self, vectors: Tensor) -> Carried:
        """What becomes of gradients at the last states on their way back through this layer and direction alone.

        `vectors`, of shape (batch, hidden), stand at the last state that the direction reaches in each sequence, in the
        examples' order. Needs no `backward()`, and takes no notice of one.
        """
        order = self._form.sorted_indices
        with _undisturbed():
            vectors = vectors if order is None else vectors.index_select(0, order)
            return self._carried(self._opened().gradients(None, [vectors]))

    def arrived(self, gradients: Sequence[Tensor | None]) -> None:
        """Take gradients that reach the layer directly; None for those that do not come now.

        They are that of its outputs, of shape (rows, hidden), then those of the parts of its final state, of shape
        (batch, hidden) in packed order.
        """
        kept = torch.float32 if self._layer is None else self._layer.h.dtype
        self._direct += [None] * (len(gradients) - len(self._direct))
        for kind, gradient in enumerate(gradients):
            if gradient is not None:
                gradient = gradient.detach().to(kept, copy=True)
                before = self._direct[kind]
                self._direct[kind] = gradient if before is None else before + gradient
                self.call.arrivals += 1

    def follow(self, above: list["LayerTrace"], kept: Tensor, direction: int) -> None:
        """Take the gradient of the outputs from the layer above, all directions of it, where it cannot be heard.

        `kept`, of shape (rows, hidden), is what dropout multiplied these outputs, those of a `direction`, with.
        """
        size = kept.shape[1]
        self._above = above, kept, slice(direction * size, (direction + 1) * size)

    def _opened(self) -> Replay:
        if self.call.closed or self._layer is None:
            raise UserError(f"{self._where} cannot be shown: {self.call.closed}")
        return self._layer

    @property
    def _form(self) -> PackedSequence:
        if self.call.form is None:
            raise UserError(f"{self._where} cannot be shown: {self.call.closed}")
        return self.call.form

    def reached(self) -> bool:
        """Whether any gradient has come."""
        above = [] if self._above is None else self._above[0]
        return any(g is not None for g in self._direct) or any(trace.reached() for trace in above)

    def _of_rows(self) -> Gradients:
        layer = self._opened()
        if not self.reached():
            raise UserError(
                f"{self._where} has no gradients: no backward() ran through this call while it was observed, or "
                "nothing up to this layer is trainable"
            )
        if self._total is None or self._total[0] != self.call.arrivals:
            direct, *finals = self._direct or [None]
            with _undisturbed():
                if self._above is not None:
                    traces, kept, columns = self._above
                    above = [t._opened().to_input(t._of_rows(), columns) for t in traces if t.reached()]
                    if above:
                        direct = functools.reduce(operator.add, above) * kept
                self._total = self.call.arrivals, layer.gradients(direct, finals)
        return self._total[1]

    def _packed(self, rows: Tensor) -> PackedSequence:
        return self._form._replace(data=rows)

    def _gradients(self) -> Carried:
        return self._carried(self._of_rows())

    def _carried(self, of_rows: Gradients) -> Carried:
        """Gradients as they are given out: packed, and in the examples' order."""
        order = self._form.unsorted_indices
        initial = of_rows.initial
        if order is not None:
            initial = {letter: part.index_select(0, order) for letter, part in initial.items()}
        return Carried({letter: self._packed(rows) for letter, rows in of_rows.states.items()}, initial)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Compute in the types that are there and for nobody's gradient, wherever somebody asks."""
    plain = torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False)
    with torch.inference_mode(False), torch.no_grad(), plain[0], plain[1]:
        yield
