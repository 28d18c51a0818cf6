"""From the name of a cell to layers of it, and from layers to their cell: torch.nn's, ours, and `Recurrent`."""

import functools
from typing import Any

from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

from rnnkit.core import BaseConfig, UserError, cells
from rnnkit.nn import layers
from rnnkit.nn.cells import Cell, by_layer, named, rnn
from rnnkit.nn.modules import Place
from rnnkit.nn.recurrent import Recurrent


Layers = nn.RNNBase | Recurrent
IN_TIME = ("recurrent_dropout", "weight_drop", "zoneout")


def recurrent_modules(model: nn.Module) -> dict[str, Layers]:
    """The recurrent modules of a model by their name in it."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Layers)}


def places(module: Layers) -> list[Place]:
    """The layers and directions of a module, layer by layer."""
    ways = (False, True)[: 2 if module.bidirectional else 1]
    return [Place(layer, way) for layer in range(module.num_layers) for way in ways]


def bias_kinds(module: Layers) -> list[str]:
    """The names of a module's bias vectors for all gates, without what says of which layer they are."""
    if isinstance(module, Recurrent):
        known = module.stated(Place(0, False))
        return [kind for kind in ("bias_ih", "bias_hh") if kind in known]
    return ["bias_ih", "bias_hh"] if module.bias else []


def made(config: BaseConfig, input_size: int, hidden_size: int, **options: Any) -> Layers:
    """New recurrent layers of the cell that `config` names; `options` are those of torch.nn's and ours.

    Raises `UserError` for a cell that is not what its file says.
    """
    cell, in_time = named(config.cell), {name: getattr(config, name) for name in IN_TIME}
    if config.layers == "torch":
        return getattr(nn, cell.layer)(input_size, hidden_size, **options)
    if cell.layer and not any(in_time.values()):
        return getattr(layers, cell.layer)(input_size, hidden_size, **options)
    try:
        return Recurrent(cell, input_size, hidden_size, **options, **in_time)
    except ValueError as error:  # a file in rnnkit/nn/cells that is not what it says
        raise UserError(str(error)) from error


def cell_of(module: nn.Module, exact: bool = True) -> Cell:
    """The cell whose equations a module computes.

    Raises `UserError` for what is no recurrent module, and, with `exact`, for one of a class that was made from one:
    what it computes is not known. (Parametrised modules are of their own class.)
    """
    kind = type_before_parametrizations(module)
    if isinstance(module, Recurrent) and (kind is Recurrent or not exact):
        return module.cell
    if isinstance(module, nn.RNNBase):
        name = next(each.__name__ for each in kind.__mro__ if each in _known())
        if kind in _known() or not exact:
            return rnn.RELU if getattr(module, "nonlinearity", "tanh") == "relu" else by_layer(name)
    if isinstance(module, Layers):
        raise UserError(
            f"{kind.__name__} is a class of its own, made from {kind.__mro__[1].__name__}, and its equations are not "
            "known: state them as a cell (see CONTRIBUTING.md), or make it a module that has the layers inside"
        )
    raise UserError(f"a {kind.__name__} is not a recurrent layer")


@functools.cache  # the folder of cells is read for it, and a look into a net asks it many times
def _known() -> frozenset[type]:
    """The classes of torch.nn's layers, and of ours of the same names."""
    names = {cells.facts(name).layer for name in cells.names()} - {""}
    return frozenset(getattr(place, name) for name in names for place in (nn, layers))
