"""Layers of any cell, as a module with the interface of torch.nn's recurrent layers.

    layers = rnnkit.Recurrent("peephole", 8, 16, num_layers=2, bidirectional=True, recurrent_dropout=0.2)
    output, (h_n, c_n) = layers(packed)

A cell that stands in no file is given itself, as a `rnnkit.nn.cells.Cell`.
"""

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit.nn import cells, portable
from rnnkit.nn.cells import Cell, Parameter, State, Weights
from rnnkit.nn.kernels.dropout import factors
from rnnkit.nn.modules import Place, being_recorded
from rnnkit.nn.recurrence import Masks, Pass, states_of
from rnnkit.nn.watching import Passes, tell, watches
from rnnkit.sequences import PackedLayout, Schedule


class Recurrent(nn.Module):
    """Recurrent layers of a cell, which is one of `rnnkit.nn.cells` by its name, or a `Cell`.

    Inputs and outputs have torch.nn's forms: packed, padded (of shape (steps, batch, inputs), or (batch, steps, inputs)
    with `batch_first`) and unbatched (steps, inputs). The state is h alone, or a tuple of all parts of the cell's
    state, h first, each of shape (layers x directions, batch, hidden).

    Parameters are those of the cell, with torch.nn's endings: `weight_hh_l0`, `weight_hh_l0_reverse`, `weight_hh_l1`
    and so on.
    A `state_dict` of torch.nn's RNN, GRU or LSTM fits the cell of that name.

    In training, beside `dropout` between layers:

    - `recurrent_dropout` drops units of h_{t-1} where products read it, the same ones at all steps of a sequence (Gal &
      Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks, 2016);
    - `weight_drop` drops entries of W_hh, the same ones in all of a call (Merity, Keskar & Socher, Regularizing and
      Optimizing LSTM Language Models, 2018);
    - `zoneout` is the chance of each unit of each part of the state to stay at a step; in evaluation the mean of both
      is taken (Krueger et al., Zoneout, 2017).

    Raises `UserError` for a name that no cell has, `TypeError` for what is neither name nor cell and for sizes that are
    no whole numbers, and `ValueError` for sizes and shares that are none and for a cell that is not what it says.
    """

    def __init__(
        self,
        cell: Cell | str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        zoneout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if not isinstance(cell, Cell | str):
            raise TypeError(f"cell is the name of a cell, or a rnnkit.nn.cells.Cell, not {cell!r}")
        self.cell = cells.named(cell) if isinstance(cell, str) else _own(cell)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.bidirectional, self.dropout = batch_first, bidirectional, dropout
        self.recurrent_dropout, self.weight_drop, self.zoneout = recurrent_dropout, weight_drop, zoneout
        for name in ("input_size", "hidden_size", "num_layers"):
            if isinstance(size := getattr(self, name), bool) or not isinstance(size, int):
                raise TypeError(f"{name} is a whole number, not {size!r}")
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError("input_size, hidden_size and num_layers must be at least 1")
        for name in ("dropout", "recurrent_dropout", "weight_drop", "zoneout"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, Real) or not 0 <= float(share) <= 1:
                raise ValueError(f"{name} is a share, from 0 to 1, not {share!r}")
        if (recurrent_dropout or weight_drop) and not self.cell.recurrent:
            raise ValueError(f"the cell {self.cell.name} has no recurrent weights: nothing reads what would be dropped")
        if zoneout and self.cell.states not in ("h", "hc"):
            raise ValueError(f"zoneout keeps parts of a state one by one, and those of {self.cell.name} go together")
        cells.check(self.cell, input_size, hidden_size)
        for place in self.places:
            for name, stated in self.stated(place).items():
                made = torch.empty(stated.shape, device=device, dtype=dtype or torch.get_default_dtype())
                self.register_parameter(f"{name}_{place.suffix}", nn.Parameter(made))
        self.reset_parameters()

    @property
    def directions(self) -> int:
        """1, or 2 for both."""
        return 2 if self.bidirectional else 1

    @property
    def places(self) -> list[Place]:
        """Layers and directions, layer by layer."""
        return [Place(layer, bool(way)) for layer in range(self.num_layers) for way in range(self.directions)]

    def stated(self, place: Place) -> dict[str, Parameter]:
        """What the cell says of the parameters of a layer and direction."""
        width = self.input_size if place.layer == 0 else self.hidden_size * self.directions
        return self.cell.parameters(width, self.hidden_size)

    def reset_parameters(self) -> None:
        """Start all parameters as the cell says."""
        limit = 1 / math.sqrt(self.hidden_size)
        for place in self.places:
            for name, stated in self.stated(place).items():
                parameter, start = getattr(self, f"{name}_{place.suffix}"), stated.start
                if parameter.is_meta:
                    continue
                with torch.no_grad():
                    if start is None:
                        parameter.uniform_(-limit, limit)
                    elif callable(start):
                        start(parameter)
                    else:
                        parameter.fill_(start)

    def parameters_of(self, place: Place) -> dict[str, Tensor]:
        """The parameters of a layer and direction, by the names that the cell has for them."""
        return {name: getattr(self, f"{name}_{place.suffix}") for name in self.stated(place)}

    def extra_repr(self) -> str:
        """The cell, the sizes, and what is not as by default."""
        words = [self.cell.name, str(self.input_size), str(self.hidden_size)]
        usual = {"num_layers": 1, "batch_first": False, "bidirectional": False, "dropout": 0.0}
        usual |= {"recurrent_dropout": 0.0, "weight_drop": 0.0, "zoneout": 0.0}
        words += [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join(words)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run a batch from the initial states `hx`, zeros by default; returns the top layer's h, and the final states.

        Raises `ValueError` for what has another size or form.
        """
        watching = [] if being_recorded() else watches(self)
        rows, layout, order = self._rows(input)
        output, final, passes = self._run(rows, layout, self._initial(hx, rows, layout.batch, order))
        if isinstance(input, PackedSequence):
            result = input._replace(data=output)
            final = final if input.unsorted_indices is None else tuple(s[:, input.unsorted_indices] for s in final)
        elif input.dim() == 2:
            result, final = output, tuple(s.squeeze(1) for s in final)
        else:
            steps = output.view(layout.steps, layout.batch, -1)
            result = steps.transpose(0, 1) if self.batch_first else steps
        if watching:
            tell(watching, self, (input, hx, (result, final)), passes, None)
        return result, final[0] if len(final) == 1 else final

    def _rows(self, input: Any) -> tuple[Tensor, PackedLayout, Tensor | None]:
        """The input as packed rows, how they lie, and the order of the sequences in them."""
        order = None
        if isinstance(input, PackedSequence):
            rows, layout, order = input.data, PackedLayout(input.batch_sizes), input.sorted_indices
        elif isinstance(input, Tensor) and input.dim() in (2, 3) and input.numel():
            steps = input.unsqueeze(1) if input.dim() == 2 else input.transpose(0, 1) if self.batch_first else input
            length, batch, _ = steps.shape
            rows, layout = steps.flatten(0, 1), PackedLayout([batch] * length)
        else:
            form = tuple(input.shape) if isinstance(input, Tensor) else type(input).__name__
            raise ValueError(f"an input is packed, or of shape (steps, batch, inputs) or (steps, inputs), not {form}")
        if rows.dim() != 2 or rows.shape[1] != self.input_size or len(rows) != layout.rows:
            raise ValueError(f"the input has {rows.shape[-1]} features a step, not {self.input_size} as these layers")
        own = next(self.parameters(), rows).dtype
        if rows.dtype != own and not torch.is_autocast_enabled(rows.device.type):
            raise ValueError(f"the input is of {rows.dtype}, and these layers of {own}: give both one type")
        return rows, layout, order

    def _initial(self, hx: Any, rows: Tensor, batch: int, order: Tensor | None) -> State:
        """The initial states of all layers and directions, in packed order."""
        count, size = len(self.cell.states), (len(self.places), batch, self.hidden_size)
        if hx is None:
            return (rows.new_zeros(size),) * count
        given: State = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        if not all(isinstance(s, Tensor) for s in given):
            raise TypeError(f"the initial state is made of tensors, one for each of {', '.join(self.cell.states)}")
        given = tuple(s.unsqueeze(1) if s.dim() == 2 else s for s in given)
        if [tuple(s.shape) for s in given] != [size] * count:
            form = ", ".join(str(tuple(s.shape)) for s in given)
            raise ValueError(f"the initial state is {', '.join(self.cell.states)} of shape {size} each, not {form}")
        if any(s.dtype != rows.dtype for s in given) and not torch.is_autocast_enabled(rows.device.type):
            form = ", ".join(str(s.dtype) for s in given)
            raise ValueError(f"the input is of {rows.dtype}, and the initial state of {form}: give both one type")
        return given if order is None else tuple(s[:, order] for s in given)

    def _run(self, rows: Tensor, layout: PackedLayout, initial: State) -> tuple[Tensor, State, Passes]:
        """The top layer's h, the final states of all layers, in packed order, and what each layer did."""
        ways = [Schedule(layout, reverse, layout.rows) for reverse in (False, True)[: self.directions]]
        passes: list[Pass] = []
        finals: list[State] = []
        kept: list[Tensor] = []
        for index, place in enumerate(self.places):
            schedule = ways[place.backward]
            work = Pass(
                self.cell,
                rows,
                self._weights(place),
                tuple(s[index] for s in initial),
                schedule,
                self._masks(rows, layout),
            )
            passes.append(work := work.done(states_of(work)))
            ends = schedule.all_ends.to(rows.device)
            finals.append(tuple(s.index_select(0, ends) for s in work.states))
            if index % self.directions == self.directions - 1:
                rows = torch.cat([each.states[0] for each in passes[-self.directions :]], dim=1)
                if self.dropout and self.training and place.layer + 1 < self.num_layers:
                    kept.append(factors(rows, self.dropout))
                    rows = rows * kept[-1]
        return rows, tuple(torch.stack(parts) for parts in zip(*finals, strict=True)), Passes(passes, kept)

    def _weights(self, place: Place) -> Weights:
        """A layer's weights, as they are in force in this call."""
        weights = self.parameters_of(place)
        if self.weight_drop and self.training:
            weights["weight_hh"] = portable.dropout(weights["weight_hh"], self.weight_drop)
        return weights

    def _masks(self, rows: Tensor, layout: PackedLayout) -> Masks:
        """What recurrent dropout and zoneout do to a layer and direction in this call."""
        read, count = None, len(self.cell.states)
        if self.recurrent_dropout and self.training:
            read = factors(rows.new_empty(layout.batch, self.hidden_size), self.recurrent_dropout)
        if not self.zoneout:
            return Masks(read)
        if not self.training:
            return Masks(read, (float(self.zoneout),) * count)
        share = rows.new_full((layout.rows, self.hidden_size), self.zoneout)
        return Masks(read, tuple(torch.bernoulli(share) for _ in range(count)))


def _own(cell: Cell) -> Cell:
    """A cell that was given itself. Raises `ValueError` where it has the name of another, which it would pass for."""
    if cell.name in cells.names() and cell != cells.named(cell.name):
        raise ValueError(f"there is another cell {cell.name!r} in rnnkit/nn/cells: call yours by a name of its own")
    return cell
