"""Look inside recurrent layers while they run: states, gates, total gradients through time, of every layer.

    with rnnkit.observe(model) as trace:
        loss = criterion(model(batch), target)
        loss.backward()
    seen = trace["encoder"]["l0.f"]
    by_lag(seen.hidden_gradient)  # how much gradient reaches the states so many steps before the end

What is observed does not notice. While the model runs, the observer only copies: inputs, states and weights on the way
forward, on the way back the gradients that reach the states directly, where autograd hands them to the layer. The rest
follows when it is asked for (see `_replay`): gates from states, cell states from gates, total gradients by
backpropagation through time. That is the same work for all kernels, and none gives out more than it does anyway.

All layers run behind one call. Our kernels tell the observer the states of those below the top; torch's do not: there
they are run once more, one by one, with dropout drawn again from the random numbers that the call drew from. What
reaches a lower layer is computed from what reaches the layer above.
"""

from contextlib import AbstractContextManager, ExitStack

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import UserError
from rnnkit.nn import FastLayer, Layers, Recurrent, all_names, cell_of
from rnnkit.observation._recorder import Recorder
from rnnkit.observation.trace import LayerTrace
from rnnkit.sequences import means, times


class Trace:
    """What was seen. `calls` holds for each recurrent module, by its name in the model, every call in order.

    A call maps layer and direction, written `l0.f`, `l0.b`, `l1.f` …, to what was seen of them. A model that is itself
    a recurrent module goes by the name `model`; one that a model has under several names has all of them here.
    """

    def __init__(self, calls: dict[str, list[dict[str, LayerTrace]]]):
        self.calls = calls

    def __getitem__(self, name: str) -> dict[str, LayerTrace]:
        """The last call of a module."""
        if name not in self.calls:
            raise UserError(f"the model has no recurrent module {name!r}; it has {', '.join(self.calls)}")
        if not self.calls[name]:
            raise UserError(f"{name} has not run while it was observed")
        return self.calls[name][-1]


def by_time(packed: PackedSequence) -> Tensor:
    """The 2-norm of each step's row, averaged over the sequences that have this step, of shape (longest,)."""
    return means(torch.linalg.vector_norm(packed.data, dim=1), times(packed), len(packed.batch_sizes))


def by_lag(packed: PackedSequence) -> Tensor:
    """As `by_time`, counting steps back from each sequence's last, which stands first."""
    return means(torch.linalg.vector_norm(packed.data, dim=1), times(packed, backward=True), len(packed.batch_sizes))


class observe(AbstractContextManager["Trace"]):  # noqa: N801 (used like a function, as torch.no_grad is)
    """Observe all recurrent modules of a model; see the top of this file.

    Outputs, gradients, random numbers and weights are bit for bit what they are without it. Calls under `no_grad` are
    observed too, and have no gradients. What runs after the end of the `with` block is not observed, nor what another
    thread runs.

    Raises `UserError` for a model without recurrent modules, and for one with torch.nn's own, or with one of a class
    that was made from these or ours, whose equations nobody knows.
    """

    by_time = staticmethod(by_time)
    by_lag = staticmethod(by_lag)

    def __init__(self, model: nn.Module):
        self._model = model
        self._open: list[ExitStack] = []  # of the blocks that this object opened, the innermost last

    def __enter__(self) -> Trace:
        calls: dict[str, list[dict[str, LayerTrace]]] = {}
        with ExitStack() as opening:
            for module, names in _named(self._model).items():
                recorder = Recorder(names[0], module, [])
                opening.callback(recorder.leave)
                calls.update(dict.fromkeys(names, recorder.calls))
            self._open.append(opening.pop_all())
        return Trace(calls)

    def __exit__(self, *exception: object) -> None:
        self._open.pop().close()


def _named(model: nn.Module) -> dict[FastLayer | Recurrent, list[str]]:
    """The layers that can be observed with all their names in the model. Raises `UserError` as `observe` does."""
    named: dict[FastLayer | Recurrent, list[str]] = {}
    for name, module in all_names(model):
        if not isinstance(module, Layers):
            continue
        try:
            cell = cell_of(module)
        except UserError as error:
            raise UserError(f"{name or 'model'} cannot be observed: {error}") from None
        if not isinstance(module, FastLayer | Recurrent):
            raise UserError(
                f"{name or 'model'} is torch.nn's {cell.layer}, which cannot be observed: make it with "
                f"`from rnnkit import {cell.layer}`, which takes the same arguments and weights"
            )
        named.setdefault(module, []).append(name or "model")
    if not named:
        kinds = "RNN, GRU, LSTM or Recurrent"
        raise UserError(f"{type(model).__name__} has no recurrent module ({kinds}): there is nothing to observe")
    return named
