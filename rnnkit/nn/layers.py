"""RNN, GRU and LSTM: drop-in for torch.nn's, several times faster on packed sequences.

Each is a subclass of torch.nn's layer of the same name, with the same constructor, parameters, `state_dict`, input
forms, outputs and errors, and values that agree within rounding::

    lstm = rnnkit.LSTM(8, 16, num_layers=2, bidirectional=True)
    output, (h_n, c_n) = lstm(packed)

What the fast path does not serve takes torch's own path: other devices and types than float32 and float64 on the CPU,
`proj_size`, autocast, forward-mode differentiation, `torch.func`, tracing and compiling, fewer than 12 steps, equal
lengths where torch has a kernel for just that, and whatever is an error.
Which path is taken depends on the kind and shape of what comes in, on nothing else.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit.nn import _torch_private
from rnnkit.nn.kernels import fused, stack
from rnnkit.nn.modules import being_recorded, layer_weights
from rnnkit.sequences import PackedLayout


States = tuple[Tensor | None, ...]  # (h_0,), or (h_0, c_0) for an LSTM; None for zeros

FEWEST_STEPS = 12  # below, torch's path is the faster one (measured: training from 8 to 16, with no gradient 16 to 30)


class _FastForward(nn.RNNBase):
    """Sends what the fast path serves to `kernels.stack`, and the rest to torch.nn's own `forward`."""

    # Who wants to know what the kernels do with each layer: `rnnkit.observe`, while it observes.
    watchers: tuple[Callable[[Tensor, Tensor], None], ...] = ()

    def forward(self, input: Any, hx: Any = None) -> Any:
        """As torch.nn's; see there."""
        self._update_flat_weights()
        serve = self._packed if isinstance(input, PackedSequence) else self._padded
        result = serve(input, hx) if _is_plain(self) else None
        return super().forward(input, hx) if result is None else result

    def _packed(self, sequence: PackedSequence, hx: Any) -> tuple[PackedSequence, Any] | None:
        data, batch_sizes, sorted_indices, unsorted_indices = sequence
        layout = PackedLayout(batch_sizes)
        states = _initial(self, hx, layout.batch)
        served = states is not None and _is_packed(data, layout) and _serves(self, data, states)
        if states is None or not served or layout.steps < FEWEST_STEPS:
            return None
        if sorted_indices is not None:
            states = tuple(s if s is None else s.index_select(1, sorted_indices) for s in states)
        if layout.equal and _has_padded_kernel(self, data):
            output, final = self._torch_padded(data.view(layout.steps, layout.batch, -1), states)
            output = output.flatten(0, 1)
        else:
            output, final = self._run(data, layout, states)
        if unsorted_indices is not None:
            final = tuple(state.index_select(1, unsorted_indices) for state in final)
        return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), _as_state(final)

    def _padded(self, input: Any, hx: Any) -> tuple[Tensor, Any] | None:
        if not isinstance(input, Tensor) or input.dim() not in (2, 3) or _has_padded_kernel(self, input):
            return None
        unbatched = input.dim() == 2
        if unbatched:
            state = hx if isinstance(hx, tuple) else () if hx is None else (hx,)
            if any(not isinstance(s, Tensor) or s.dim() != 2 for s in state):
                return None
            hx = _as_state(tuple(s.unsqueeze(1) for s in state)) if state else None
            steps = input.unsqueeze(1)
        else:
            steps = input.transpose(0, 1) if self.batch_first else input
        length, batch, features = steps.shape
        states = _initial(self, hx, batch)
        if states is None or length < FEWEST_STEPS or not batch or not _serves(self, steps, states):
            return None
        output, final = self._run(steps.reshape(length * batch, features), PackedLayout([batch] * length), states)
        output = output.view(length, batch, -1)
        if unbatched:
            return output.squeeze(1), _as_state(tuple(state.squeeze(1) for state in final))
        return output.transpose(0, 1) if self.batch_first else output, _as_state(final)

    def _run(self, data: Tensor, layout: PackedLayout, states: States) -> tuple[Tensor, tuple[Tensor, ...]]:
        directions, dropout = 2 if self.bidirectional else 1, self.dropout if self.training else 0.0
        kind = stack.Stack(self.mode, self.hidden_size, self.num_layers, directions, dropout)
        weights = [[*group, None, None][:4] for group in layer_weights(self)]
        return stack.run(kind, data, layout, states, weights, self.watchers)

    def _torch_padded(self, padded: Tensor, states: States) -> tuple[Tensor, tuple[Tensor, ...]]:
        """torch's own fused LSTM, on a batch of shape (steps, batch, inputs); the final states as a tuple."""
        directions = 2 if self.bidirectional else 1
        zeros = padded.new_zeros(self.num_layers * directions, padded.shape[1], self.hidden_size)
        hx = [zeros if state is None else state for state in states]
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional, False)
        output, *final = torch.lstm(padded, hx, _torch_private.flat_weights(self), *options)
        return output, tuple(final)


class RNN(_FastForward, nn.RNN):
    """`torch.nn.RNN`: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu. See `rnnkit.nn.cells.rnn_cell`."""


class GRU(_FastForward, nn.GRU):
    """`torch.nn.GRU`, with the equations of `rnnkit.nn.cells.gru_cell`."""


class LSTM(_FastForward, nn.LSTM):
    """`torch.nn.LSTM`, with the equations of `rnnkit.nn.cells.lstm_cell`."""


FastLayer = RNN | GRU | LSTM


def _is_plain(module: nn.RNNBase) -> bool:
    """Whether the module computes what the fast path computes, here and now, whatever comes in."""
    return not (
        module.proj_size
        or _torch_private.in_forward_mode()
        or _torch_private.in_functional_transform()
        or _torch_private.in_dispatch_mode()
        or being_recorded()
        or torch.is_autocast_enabled("cpu")
    )


def _is_packed(data: Tensor, layout: PackedLayout) -> bool:
    """Whether the parts of a packed sequence fit together; torch has the error message for those that do not."""
    sizes = layout.sizes
    return data.dim() == 2 and layout.rows == len(data) and sizes[-1] > 0 and sizes == sorted(sizes, reverse=True)


def _has_padded_kernel(module: nn.RNNBase, data: Tensor) -> bool:
    """Whether torch has a fused kernel for equal lengths, which nothing here beats."""
    return module.mode == "LSTM" and fused.kernel_at_hand(data)


def _initial(module: nn.RNNBase, hx: Any, batch: int) -> States | None:
    """The initial states as a tuple (with None for zeros); None where they do not have the right form."""
    count = 2 if module.mode == "LSTM" else 1
    if hx is None:
        return (None,) * count
    states = hx if isinstance(hx, tuple) else (hx,)
    shape = (module.num_layers * (2 if module.bidirectional else 1), batch, module.hidden_size)
    fits = isinstance(hx, tuple) == (count == 2) and len(states) == count
    return states if fits and all(isinstance(s, Tensor) and tuple(s.shape) == shape for s in states) else None


def _serves(module: nn.RNNBase, data: Tensor, states: States) -> bool:
    """Whether the fast path serves these inputs and this module's weights: plain CPU tensors of one type."""
    if data.shape[-1] != module.input_size or data.dtype not in (torch.float32, torch.float64):
        return False
    tensors = [data, *_torch_private.flat_weights(module), *(s for s in states if s is not None)]
    return all(type(t) in (Tensor, nn.Parameter) and t.is_cpu and t.dtype == data.dtype for t in tensors)


def _as_state(states: tuple[Tensor, ...]) -> Any:
    """h_n alone, or the pair (h_n, c_n)."""
    return states if len(states) == 2 else states[0]
