"""Ways to start a recurrent layer's weights, as functions that change a layer in place, each with its paper.

All but `uniform_` work on every layer and direction of torch.nn's recurrent modules and ours, and leave all else. What
they do not find to start is a `UserError`, never left as it is.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rnnkit.core import UserError
from rnnkit.nn import portable
from rnnkit.nn.cells import Cell
from rnnkit.nn.recurrent import Recurrent
from rnnkit.nn.registry import Layers, bias_kinds, cell_of, places


def uniform_(module: nn.Module, limit: float) -> None:
    """Draw all of a module's parameters, biases too, between -`limit` and `limit`. `UserError` where it has none.

    Zaremba, Sutskever & Vinyals, Recurrent Neural Network Regularization, 2014, for a whole language model.
    """
    parameters = list(module.parameters())
    if not parameters:
        raise UserError(f"uniform_ found no parameter in this {type(module).__name__}")
    for parameter in parameters:
        nn.init.uniform_(parameter, -limit, limit)


def orthogonal_(module: Layers) -> None:
    """Make each gate's recurrent matrix orthogonal: it keeps the length of the states and of the gradients.

    Saxe, McClelland & Ganguli, Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Networks, 2014;
    Henaff, Szlam & LeCun, Recurrent Orthogonal Networks and Long-Memory Tasks, 2016.
    """
    for gate in _recurrent_gates(module):
        _make_orthogonal(gate)


def _make_orthogonal(gate: Tensor) -> None:
    """What torch.nn.init.orthogonal_ draws, with the same bits on any machine: Gram and Schmidt, twice is enough.

    Giraud, Langou & Rozloznik, The Loss of Orthogonality in the Gram-Schmidt Orthogonalization Process, 2005.
    """
    columns = torch.empty_like(gate).normal_().double().t()
    found = torch.zeros_like(columns)
    for i, column in enumerate(columns):
        before = found[:i]
        for _ in range(2 if i else 0):
            column = column - portable.linear(portable.linear(column, before), before.t())
        found[i] = column / portable.norms([column])[0]
    gate.copy_(found.t())


def identity_(module: Layers) -> None:
    """Make each gate's recurrent matrix the identity and all biases 0: the state stays unless something comes in.

    Le, Jaitly & Hinton, A Simple Way to Initialize Recurrent Networks of Rectified Linear Units, 2015 (with relu).
    """
    for gate in _recurrent_gates(module):
        gate.zero_().fill_diagonal_(1)  # torch's eye_ takes no notice of the gate's device
    for kind in bias_kinds(module):
        for parameter in _parameters(module, kind):
            nn.init.zeros_(parameter)


def forget_bias_(module: Layers, value: float = 1.0) -> None:
    """Give the gate that keeps the state a bias of `value` in all, held in one of the bias vectors.

    It is gate f of an LSTM and gate z of a GRU (whose z keeps where it is 1). Gers, Schmidhuber & Cummins, Learning to
    Forget, 2000; Jozefowicz, Zaremba & Sutskever, An Empirical Exploration of Recurrent Network Architectures, 2015.
    Raises `UserError` for a layer without such a gate or without biases.
    """
    cell = _gated(module, "forget_bias_")
    for biases in _biases(module, cell, "forget_bias_"):
        for i, bias in enumerate(biases):
            bias[cell.gates.index(cell.keeps)].fill_(0.0 if i else value)


def chrono_(module: Layers, longest: int) -> None:
    """Let units forget on time scales spread from 1 to `longest` steps: b_f = log U(1, longest - 1), b_i = -b_f.

    For a GRU b_z = log U(1, longest - 1). Tallec & Ollivier, Can Recurrent Neural Networks Warp Time?, 2018. Raises
    `UserError` for a layer without gates or biases, or for `longest` below 3.
    """
    if longest < 3:
        raise UserError(f"chrono initialisation needs sequences of 3 steps or more, not {longest}")
    cell = _gated(module, "chrono_")
    for biases in _biases(module, cell, "chrono_"):
        for i, bias in enumerate(biases):
            keeps = bias[cell.gates.index(cell.keeps)]
            if i == 0:
                steps = torch.empty_like(keeps).uniform_(1, longest - 1)
                keeps.copy_(scales := steps.new_tensor([math.log(step) for step in steps.tolist()]))  # see portable
                if cell.writes:
                    bias[cell.gates.index(cell.writes)].copy_(-scales)
            else:
                for gate in cell.keeps + cell.writes:
                    bias[cell.gates.index(gate)].zero_()


def initialise_(module: Layers, name: str, longest: int) -> None:
    """Apply the initialisation that `--init` calls `name`; `default` leaves torch.nn's."""
    ways = {"orthogonal": orthogonal_, "identity": identity_, "forget-bias": forget_bias_}
    if name in ways:
        ways[name](module)
    elif name == "chrono":
        chrono_(module, longest)
    elif name != "default":
        raise UserError(f"there is no initialisation {name!r}")


def _recurrent_gates(module: Layers) -> Iterator[Tensor]:
    for parameter in _parameters(module, "weight_hh"):
        yield from parameter.detach().split(module.hidden_size)


def _parameters(module: Layers, kind: str) -> list[nn.Parameter]:
    """The parameters of a kind (weight_hh, bias_ih ...), one for each layer and direction; `UserError` for one missing.

    One that is parametrised, normalised or pruned is computed from others: to start it is to start those.
    """
    _require_layers(module)
    names = [f"{kind}_{place.suffix}" for place in places(module)]
    own = dict(module.named_parameters(recurse=False))
    if missing := [name for name in names if name not in own]:
        if isinstance(module, Recurrent) and not module.cell.recurrent:
            raise UserError(f"the cell {module.cell.name} has no recurrent weights to start: choose another way")
        raise UserError(
            f"there is no parameter {missing[0]} to start in this {type(module).__name__}: initialise it before it is "
            "parametrised, normalised or pruned"
        )
    return [own[name] for name in names]


def _require_layers(module: object) -> None:
    if not isinstance(module, Layers):
        raise UserError(f"a {type(module).__name__} is not a recurrent layer: give the layers inside of it")


def _gated(module: Layers, asked: str) -> Cell:
    """The cell of a module, which has a gate that keeps its state."""
    _require_layers(module)
    cell = cell_of(module, exact=False)
    if not cell.keeps:
        raise UserError(f"{asked} sets the bias of a gate, and a cell {cell.name} has none that keeps its state")
    return cell


def _biases(module: Layers, cell: Cell, asked: str) -> Iterator[tuple[Tensor, ...]]:
    """Of each layer and direction the gates' biases, of shape (gates, hidden) each."""
    kinds = bias_kinds(module)
    if not kinds:
        raise UserError(f"{asked} sets the bias of a gate, and this layer was made without biases")
    for each in zip(*(_parameters(module, kind) for kind in kinds), strict=True):
        yield tuple(bias.detach().unflatten(0, (len(cell.gates), -1)) for bias in each)
