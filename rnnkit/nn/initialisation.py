"""Ways to start a recurrent layer's weights, as functions that change a layer in place, each with its paper.

All but `uniform_` work on every layer and direction of torch.nn's recurrent modules and ours, and leave all else. What
they do not find to start is a `UserError`, never left as it is.
"""

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from rnnkit.core import UserError
from rnnkit.nn import portable
from rnnkit.nn.cells import GATES
from rnnkit.nn.modules import Place


def uniform_(module: nn.Module, limit: float) -> None:
    """Draw all of a module's parameters, biases too, between -`limit` and `limit`. `UserError` where it has none.

    Zaremba, Sutskever & Vinyals, Recurrent Neural Network Regularization, 2014, for a whole language model.
    """
    parameters = list(module.parameters())
    if not parameters:
        raise UserError(f"uniform_ found no parameter in this {type(module).__name__}")
    for parameter in parameters:
        nn.init.uniform_(parameter, -limit, limit)


def orthogonal_(module: nn.RNNBase) -> None:
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


def identity_(module: nn.RNNBase) -> None:
    """Make each gate's recurrent matrix the identity and all biases 0: the state stays unless something comes in.

    Le, Jaitly & Hinton, A Simple Way to Initialize Recurrent Networks of Rectified Linear Units, 2015 (with relu).
    """
    for gate in _recurrent_gates(module):
        gate.zero_().fill_diagonal_(1)  # torch's eye_ takes no notice of the gate's device
    for kind in ("bias_ih", "bias_hh") if module.bias else ():
        for parameter in _parameters(module, kind):
            nn.init.zeros_(parameter)


def forget_bias_(module: nn.RNNBase, value: float = 1.0) -> None:
    """Give the gate that keeps the state a bias of `value` in all, held in one of the two bias vectors.

    It is gate f of an LSTM and gate z of a GRU (whose z keeps where it is 1). Gers, Schmidhuber & Cummins, Learning to
    Forget, 2000; Jozefowicz, Zaremba & Sutskever, An Empirical Exploration of Recurrent Network Architectures, 2015.
    Raises `UserError` for a layer without such a gate or without biases.
    """
    for keeps, b_ih, b_hh in _biases(module, "forget_bias_"):
        b_ih[keeps].fill_(value)
        b_hh[keeps].zero_()


def chrono_(module: nn.RNNBase, longest: int) -> None:
    """Let units forget on time scales spread from 1 to `longest` steps: b_f = log U(1, longest - 1), b_i = -b_f.

    For a GRU b_z = log U(1, longest - 1). Tallec & Ollivier, Can Recurrent Neural Networks Warp Time?, 2018. Raises
    `UserError` for a layer without gates or biases, or for `longest` below 3.
    """
    if longest < 3:
        raise UserError(f"chrono initialisation needs sequences of 3 steps or more, not {longest}")
    for keeps, b_ih, b_hh in _biases(module, "chrono_"):
        steps = torch.empty_like(b_ih[keeps]).uniform_(1, longest - 1)
        scales = steps.new_tensor([math.log(step) for step in steps.tolist()])  # not torch's log: see portable
        b_ih[keeps].copy_(scales)
        b_hh[keeps].zero_()
        if isinstance(module, nn.LSTM):  # whose gate i comes first
            b_ih[0].copy_(-scales)
            b_hh[0].zero_()


def initialise_(module: nn.RNNBase, name: str, longest: int) -> None:
    """Apply the initialisation that `--init` calls `name`; `default` leaves torch.nn's."""
    ways = {"orthogonal": orthogonal_, "identity": identity_, "forget-bias": forget_bias_}
    if name in ways:
        ways[name](module)
    elif name == "chrono":
        chrono_(module, longest)
    elif name != "default":
        raise UserError(f"there is no initialisation {name!r}")


def _recurrent_gates(module: nn.RNNBase) -> Iterator[Tensor]:
    for parameter in _parameters(module, "weight_hh"):
        yield from parameter.detach().split(module.hidden_size)


def _parameters(module: nn.RNNBase, kind: str) -> list[nn.Parameter]:
    """The parameters of a kind (weight_hh, bias_ih ...), one for each layer and direction; `UserError` for one missing.

    One that is parametrised, normalised or pruned is computed from others: to start it is to start those.
    """
    if not isinstance(cast(object, module), nn.RNNBase):
        raise UserError(f"a {type(module).__name__} is no recurrent layer: give the RNN, GRU or LSTM inside of it")
    ways = (False, True)[: 2 if module.bidirectional else 1]
    names = [f"{kind}_{Place(layer, backward).suffix}" for layer in range(module.num_layers) for backward in ways]
    own = dict(module.named_parameters(recurse=False))
    if missing := [name for name in names if name not in own]:
        raise UserError(
            f"there is no parameter {missing[0]} to start in this {type(module).__name__}: initialise it before it is "
            "parametrised, normalised or pruned"
        )
    return [own[name] for name in names]


def _biases(module: nn.RNNBase, asked: str) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Of each layer and direction the number of the gate that keeps the state, and both biases, (gates, hidden)."""
    if not isinstance(cast(object, module), nn.RNNBase):
        raise UserError(f"a {type(module).__name__} is no recurrent layer: give the GRU or LSTM inside of it")
    if isinstance(module, nn.RNN):
        raise UserError(f"{asked} sets the bias of a gate, and an RNN has no gates: take a GRU or an LSTM")
    if not module.bias:
        raise UserError(f"{asked} sets the bias of a gate, and this layer was made without biases")
    gates = GATES[module.mode]
    for both in zip(_parameters(module, "bias_ih"), _parameters(module, "bias_hh"), strict=True):
        b_ih, b_hh = (bias.detach().unflatten(0, (len(gates.names), -1)) for bias in both)
        yield gates.names.index(gates.keeps), b_ih, b_hh
