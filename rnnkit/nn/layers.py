"""RNN, GRU and LSTM: drop-in for torch.nn's, several times faster on packed sequences.

Each is a subclass of torch.nn's layer of the same name, with the same constructor, parameters, `state_dict`, input
forms, outputs and errors, and values that agree within rounding:

    lstm = rnnkit.LSTM(8, 16, num_layers=2, bidirectional=True)
    output, (h_n, c_n) = lstm(packed)

What the fast path does not serve takes torch's own path: other devices and types than float32 and float64 on the CPU,
`proj_size`, autocast, forward-mode differentiation, `torch.func`, tracing and compiling, and whatever is an error.
Which path is taken depends on the kind of what comes in, never on its shape.
"""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import UserError
from rnnkit.nn import _torch_private
from rnnkit.nn.kernels import stack
from rnnkit.nn.kernels.memory import are_served
from rnnkit.nn.modules import being_recorded, layer_weights, runs_plainly
from rnnkit.nn.watching import Told, random_state, tell, watches
from rnnkit.sequences import PackedLayout


States = tuple[Tensor | None, ...]  # (h_0,), or (h_0, c_0) for an LSTM; None for zeros


class _FastForward(nn.RNNBase):
    """Sends what the fast path serves to `kernels.stack`, and the rest to torch.nn's own `forward`."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """As torch.nn's; see there."""
        if isinstance(input, fx.Proxy):  # traced symbolically: one node, as torch.nn's are
            if not _is_ours(self):  # the node would run what came before this call once more
                raise TraceError(
                    f"{type(self).__name__} has a forward of its own and cannot be traced through: make it a leaf, in "
                    "a torch.fx.Tracer with an is_leaf_module that says so"
                )
            tracer: Any = input.tracer
            return tracer.create_proxy("call_module", tracer.path_of_module(self), (input, hx), {})
        # What is kept while somebody records would become part of the record.
        watching = [] if being_recorded() else watches(self)
        told: list[Told] = []
        random = random_state(self, input) if watching else None
        serve = self._packed if isinstance(input, PackedSequence) else self._padded
        result = serve(input, hx, told if watching else None) if _is_plain(self) else None
        if result is None:
            result = super().forward(input, hx)
        if watching:
            tell(watching, self, (input, hx, result), told[0] if told else None, random)
        return result

    def reset_parameters(self) -> None:
        """Draw the weights anew, as torch.nn's; on the device "meta", where none are, it costs nothing."""
        if not all(weight.is_meta for weight in self.parameters()):
            super().reset_parameters()

    def __prepare_scriptable__(self) -> nn.RNNBase:
        """torch.nn's own layer with the same weights, which `torch.jit.script` puts in the place of this one."""
        if type(self) not in KINDS:  # what a subclass adds is torch's to script or to refuse
            return self
        warnings.warn(
            f"torch.jit.script puts torch.nn.{type(self).__name__} in the place of rnnkit's, in the given model too: "
            "the same values, slower; script a copy.deepcopy of the model to keep it",
            stacklevel=2,
        )
        return _torchs(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "qconfig":  # what torch.ao.quantization gives each module, before it picks those of torch's types
            warnings.warn(
                f"torch.ao.quantization knows torch.nn's own types alone and leaves rnnkit's {type(self).__name__} as "
                "it is: give it rnnkit.nn.as_torch(model), a copy with torch.nn's layers",
                stacklevel=2,
            )
        super().__setattr__(name, value)

    def _packed(self, sequence: PackedSequence, hx: Any, told: list[Told] | None) -> tuple[PackedSequence, Any] | None:
        data, batch_sizes, sorted_indices, unsorted_indices = sequence
        layout = PackedLayout(batch_sizes)
        states = _initial(self, hx, layout.batch)
        if states is None or not _is_packed(data, layout) or not _serves(self, data, states):
            return None
        if sorted_indices is not None:
            states = tuple(s if s is None else s.index_select(1, sorted_indices) for s in states)
        output, final = self._run(data, layout, states, told)
        if unsorted_indices is not None:
            final = tuple(state.index_select(1, unsorted_indices) for state in final)
        return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), _as_state(final)

    def _padded(self, input: Any, hx: Any, told: list[Told] | None) -> tuple[Tensor, Any] | None:
        if not isinstance(input, Tensor) or input.dim() not in (2, 3):
            return None
        unbatched = input.dim() == 2
        if unbatched:
            state = tuple(hx) if isinstance(hx, (tuple, list)) else () if hx is None else (hx,)
            if any(not isinstance(s, Tensor) or s.dim() != 2 for s in state):
                return None
            hx = _as_state(tuple(s.unsqueeze(1) for s in state)) if state else None
            steps = input.unsqueeze(1)
        else:
            steps = input.transpose(0, 1) if self.batch_first else input
        length, batch, features = steps.shape
        states = _initial(self, hx, batch)
        if states is None or not length or not batch or not _serves(self, steps, states):
            return None
        rows, layout = steps.reshape(length * batch, features), PackedLayout([batch] * length)
        output, final = self._run(rows, layout, states, told)
        output = output.view(length, batch, -1)
        if unbatched:
            return output.squeeze(1), _as_state(tuple(state.squeeze(1) for state in final))
        return output.transpose(0, 1) if self.batch_first else output, _as_state(final)

    def _run(
        self, data: Tensor, layout: PackedLayout, states: States, told: list[Told] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        directions, dropout = 2 if self.bidirectional else 1, self.dropout if self.training else 0.0
        kind = stack.Stack(self.mode, self.hidden_size, self.num_layers, directions, dropout)
        weights = [[*group, None, None][:4] for group in layer_weights(self)]
        watchers = () if told is None else (lambda *known: told.append(known),)
        return stack.run(kind, data, layout, states, weights, watchers)


class RNN(_FastForward, nn.RNN):
    """`torch.nn.RNN`: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu.

    See `rnnkit.nn.cells.rnn`, and `LSTM` for an example.
    """


class GRU(_FastForward, nn.GRU):
    """`torch.nn.GRU`, with the equations of `rnnkit.nn.cells.gru`. See `LSTM` for an example."""


class LSTM(_FastForward, nn.LSTM):
    """`torch.nn.LSTM`, with the equations of `rnnkit.nn.cells.lstm`.

    >>> lstm = LSTM(8, 16, bidirectional=True)
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.ones(5, 8), torch.ones(3, 8)])    # 5 and 3 steps of 8 numbers
    >>> output, (h_n, c_n) = lstm(packed)
    >>> output.data.shape, h_n.shape    # (valid steps, both directions' units), (directions, sequences, units)
    (torch.Size([8, 32]), torch.Size([2, 2, 16]))
    """


FastLayer = RNN | GRU | LSTM
KINDS: dict[type[nn.RNNBase], type[nn.RNNBase]] = {RNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM}


def as_torch(model: nn.Module) -> nn.Module:
    """A copy of a model with torch.nn's layers in the place of ours: the same values, for tools that go by exact type.

    Raises `UserError` for a subclass of one of our layers, which torch.nn has nothing for.
    """
    copied = copy.deepcopy(model)
    ours = {module for module in copied.modules() if isinstance(module, FastLayer)}
    if strange := [type(module).__name__ for module in ours if type(module) not in KINDS]:
        raise UserError(f"{', '.join(strange)}: a changed layer has no counterpart in torch.nn; take the change away")
    theirs: dict[nn.Module, nn.Module] = {module: _torchs(module) for module in ours}
    for module in list(copied.modules()):
        for name, child in list(_torch_private.children(module)):
            if child in theirs:
                setattr(module, name, theirs[child])
    return theirs.get(copied, copied)


def _torchs(layer: nn.RNNBase) -> nn.RNNBase:
    """torch.nn's layer with all that one of ours has."""
    kind = KINDS[type(layer)]
    twin = kind.__new__(kind)
    twin.__dict__.update(layer.__dict__)
    return twin


def _is_ours(layer: nn.RNNBase) -> bool:
    """Whether a layer's `forward` is ours, not one of a subclass that calls it."""
    return type(layer).forward is _FastForward.forward


def _is_plain(module: nn.RNNBase) -> bool:
    """Whether the module computes what the fast path computes, here and now, whatever comes in."""
    return not module.proj_size and runs_plainly()


def _is_packed(data: Tensor, layout: PackedLayout) -> bool:
    """Whether the parts of a packed sequence fit together; torch has the error message for those that do not."""
    sizes = layout.sizes
    fits = data.dim() == 2 and layout.tensor.dtype == torch.int64 and layout.rows == len(data)
    return fits and sizes[-1] > 0 and sizes == sorted(sizes, reverse=True)


def _initial(module: nn.RNNBase, hx: Any, batch: int) -> States | None:
    """The initial states as a tuple (with None for zeros); None where they do not have the right form."""
    count = 2 if module.mode == "LSTM" else 1
    if hx is None:
        return (None,) * count
    pair = isinstance(hx, (tuple, list))
    states: States = tuple(hx) if pair else (hx,)
    shape = (module.num_layers * (2 if module.bidirectional else 1), batch, module.hidden_size)
    fits = pair == (count == 2) and len(states) == count
    return states if fits and all(isinstance(s, Tensor) and tuple(s.shape) == shape for s in states) else None


def _serves(module: nn.RNNBase, data: Tensor, states: States) -> bool:
    """Whether the fast path serves these inputs and this module's weights: plain CPU tensors of one type."""
    if data.shape[-1] != module.input_size or not are_served(data, *(s for s in states if s is not None)):
        return False
    # torch's own path does this too, so it comes last: a weight that is computed (a parametrization) is so once a call.
    _torch_private.update_flat_weights(module)
    return are_served(data, *_torch_private.flat_weights(module))


def _as_state(states: tuple[Tensor, ...]) -> Any:
    """h_n alone, or the pair (h_n, c_n)."""
    return states if len(states) == 2 else states[0]
