"""Watching a recurrent module at work for `rnnkit.observe`: what is kept of a call, and how its gradients are heard.

Nothing here touches what it watches. What comes by is copied, random numbers are drawn on a copy of their state, and
gradients are read by hooks of autograd's nodes, which see them as the node will, whatever other hooks did to them.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

from rnnkit.nn import FastLayer, LayerCall, Layers, Masks, Pass, Passes, Recurrent, layer_weights, places, watch
from rnnkit.observation._replay import LayerReplay, Weights
from rnnkit.observation._steps import StepReplay
from rnnkit.observation.trace import Call, LayerTrace, Named
from rnnkit.sequences import PackedLayout, Schedule


Rows = tuple[Tensor, Tensor]  # what one layer in one direction reads, and its states


class Recorder:
    """Watches one module: what it has seen of a call, by layer and direction, it appends to `calls`.

    It sees what its own thread calls: others may run the same module meanwhile, for themselves.
    """

    def __init__(self, name: str, module: FastLayer | Recurrent, calls: list[dict[str, LayerTrace]]):
        self.name, self.module, self.calls = name, module, calls
        self.directions = 2 if module.bidirectional else 1
        self.places = places(module)
        self.weights: list[list[Tensor]] = []
        self.thread = threading.get_ident()
        self.handles: list[RemovableHandle] = []
        self.watch = watch(module, self.receive)

    def leave(self) -> None:
        """Watch and listen no longer."""
        self.watch.end()
        for handle in self.handles:
            handle.remove()

    def receive(self, call: LayerCall) -> None:
        """A call has ended: keep what is needed of it, and listen for its gradients."""
        if threading.get_ident() != self.thread:
            return
        if call.closed:
            closed = Call(closed=call.closed)
            traces = [LayerTrace(self.name, place, closed) for place in self.places]
        else:
            gradients = torch.is_grad_enabled()
            with torch.inference_mode(False), torch.no_grad():
                traces = self._seen(call, gradients)
        self.calls.append(Named({str(trace.place): trace for trace in traces}))

    def _seen(self, call: LayerCall, gradients: bool) -> list[LayerTrace]:
        """What the layers did. Gradients are heard at what the module gave out.

        Our kernels tell the states of lower layers; where torch's ran, these follow once more, one by one.
        """
        module, directions, output = self.module, self.directions, call.output
        packed = _packed(module, call.input)
        if isinstance(call.told, Passes):
            ones = [packed.data.new_ones(1, 1)] * (module.num_layers - 1)
            states, kept = [work.states[0] for work in call.told.work], call.told.kept or ones
            states = [torch.cat(states[i : i + directions], dim=1) for i in range(0, len(states), directions)]
            traces = self._traces_of(packed, call.told.work)
        else:
            assert isinstance(module, nn.RNNBase)
            initial = _initial(module, packed, call.hx)
            if call.told is not None:
                (*states, _), factors = call.told
                kept = [packed.data.new_ones(1, 1)] * len(states) if factors is None else list(factors)
            else:
                kept = _dropout_between(module, packed, call.random)
                with torch.set_grad_enabled(gradients):  # without it, some kernels round in another way
                    states = _lower_states(module, packed, initial, kept)
            states.append(_packed(module, output).data)
            inputs = [packed.data, *(h * k for h, k in zip(states, kept, strict=False))]
            pairs = zip(inputs, states, strict=True)
            passes = [(x, h) for x, both in pairs for h in both.chunk(directions, dim=1)]
            traces = self._traces(module, packed, initial, passes)
        if call.random is not None and torch.backends.cudnn.is_acceptable(packed.data):
            traces[0].call.closed = (
                "cuDNN does not tell what its dropout between layers drops; observe on the CPU, without dropout, or "
                "under torch.backends.cudnn.flags(enabled=False)"
            )
        for i, trace in enumerate(traces[:-directions]):
            layer, direction = divmod(i, directions)
            above = traces[(layer + 1) * directions : (layer + 2) * directions]
            factors = kept[layer].expand_as(states[layer]).chunk(directions, dim=1)
            trace.follow(above, _copy(factors[direction]), direction)

        def output_arrived(gradient: Tensor) -> None:
            rows = gradient if isinstance(output, PackedSequence) else _packed(module, gradient).data
            for trace, part in zip(traces[-directions:], rows.chunk(directions, dim=1), strict=True):
                trace.arrived((part,))

        def final_arrived(before: list[None], gradient: Tensor) -> None:
            for trace, part in zip(traces, _in_packed_order(gradient, packed), strict=True):
                trace.arrived((*before, part))

        self._listen(output.data if isinstance(output, PackedSequence) else output, output_arrived)
        for kind, state in enumerate(call.final, start=1):
            self._listen(state, functools.partial(final_arrived, [None] * kind))
        return traces

    def _traces_of(self, packed: PackedSequence, passes: Sequence[Pass]) -> list[LayerTrace]:
        """What is kept of each layer and direction of any cell."""
        call, flat = Call(packed._replace(data=None)), [_copy(w) for work in passes for w in work.weights.values()]
        if not _are_same(sum(self.weights, []), flat):
            self.weights = [flat]
        copies = {id(work.x): work.x for work in passes}  # both directions read the same
        copies, weights = {key: _copy(x) for key, x in copies.items()}, iter(self.weights[0])
        traces: list[LayerTrace] = []
        for place, work in zip(self.places, passes, strict=True):
            read, stays = work.masks.read, work.masks.stays
            own = replace(
                work,
                x=copies[id(work.x)],
                weights={name: next(weights) for name in work.weights},
                initial=tuple(map(_copy, work.initial)),
                states=tuple(map(_copy, work.states)),
                masks=Masks(
                    None if read is None else _copy(read),
                    tuple(_copy(part) if isinstance(part, Tensor) else part for part in stays),
                ),
            )
            traces.append(LayerTrace(self.name, place, call, StepReplay(own)))
        return traces

    def _traces(
        self, module: nn.RNNBase, packed: PackedSequence, initial: list[Tensor], passes: Sequence[Rows]
    ) -> list[LayerTrace]:
        """What is kept of each layer and direction, from its input and states."""
        call, layout = Call(packed._replace(data=None)), PackedLayout(packed.batch_sizes)
        schedules = [Schedule(layout, reverse, chunk_rows=layout.rows) for reverse in (False, True)]
        copies = {id(x): x for x, _ in passes}  # both directions read the same
        copies = {key: _copy(x) for key, x in copies.items()}
        traces: list[LayerTrace] = []
        for i, (place, (x, h), weights) in enumerate(zip(self.places, passes, self._weights(module), strict=True)):
            states = tuple(_copy(state[i]) for state in initial)
            schedule = schedules[place.backward]
            replay = LayerReplay(module.mode, copies[id(x)], _copy(h), states, weights, schedule)
            traces.append(LayerTrace(self.name, place, call, replay))
        return traces

    def _weights(self, module: nn.RNNBase) -> list[Weights]:
        """A copy of the module's weights, one for all calls between two changes of them."""
        groups = [[_copy(weight) for weight in group] for group in layer_weights(module)]
        if not _are_same(sum(self.weights, []), sum(groups, [])):
            self.weights = groups
        if module.bias:
            return [Weights(*group) for group in self.weights]
        return [Weights(w_ih, w_hh, w_hr=w_hr[0] if w_hr else None) for w_ih, w_hh, *w_hr in self.weights]

    def _listen(self, tensor: Tensor, receive: Callable[[Tensor], None]) -> None:
        """Have `receive` called with the gradient that reaches `tensor` as the module gave it out.

        A view that is changed in place afterwards loses its own node, so it is heard through its base.
        """
        base = tensor if tensor._base is None else tensor._base
        if base.grad_fn is None:
            return
        number, place, offset = base.output_nr, (tensor.shape, tensor.stride()), tensor.storage_offset()
        whole = None if base is tensor else (base.shape, base.stride(), base.storage_offset())

        def arrived(gradients: tuple[Tensor | None, ...]) -> None:
            gradient = gradients[number]
            if gradient is None:
                return
            if whole is not None:
                shape, stride, start = whole
                like = gradient.new_empty_strided(shape, stride).copy_(gradient.detach())
                gradient = like.as_strided(*place, offset - start)
            receive(gradient.detach())

        self.handles.append(base.grad_fn.register_prehook(arrived))


def _are_same(before: list[Tensor], now: list[Tensor]) -> bool:
    """Whether copies of weights still hold. Of another type or on another device they do not, whatever the numbers."""
    return len(before) == len(now) and all(
        a.dtype == b.dtype and a.device == b.device and torch.equal(a, b) for a, b in zip(before, now, strict=True)
    )


def _copy(tensor: Tensor) -> Tensor:
    """A copy that nobody else changes, in float32 where the type is shorter."""
    tensor = tensor.detach().clone(memory_format=torch.contiguous_format)
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _packed(module: Layers, sequence: Tensor | PackedSequence) -> PackedSequence:
    """A module's input or output as packed rows; all steps of a plain tensor are valid."""
    if isinstance(sequence, PackedSequence):
        return sequence
    if sequence.dim() == 2:
        steps = sequence.unsqueeze(1)
    else:
        steps = sequence.transpose(0, 1) if module.batch_first else sequence
    length, batch, _ = steps.shape
    return PackedSequence(steps.flatten(0, 1), torch.full((length,), batch, device="cpu"))


def _initial(module: nn.RNNBase, packed: PackedSequence, hx: Any) -> list[Tensor]:
    """h_0, or h_0 and c_0 for an LSTM, of shape (layers x directions, batch, hidden) with the batch in packed order."""
    if hx is not None:  # torch takes an LSTM's pair as a list too, or as one tensor of both
        return [_in_packed_order(state, packed) for state in (hx if module.mode == "LSTM" else (hx,))]
    count, batch = module.num_layers * (2 if module.bidirectional else 1), int(packed.batch_sizes[0])
    sizes = [module.proj_size or module.hidden_size, module.hidden_size][: 2 if module.mode == "LSTM" else 1]
    return [packed.data.new_zeros(count, batch, size) for size in sizes]


def _in_packed_order(state: Tensor, packed: PackedSequence) -> Tensor:
    """A state as users give and get it, with its batch, of one where it has none, in packed order."""
    state = state.unsqueeze(1) if state.dim() == 2 else state
    return state if packed.sorted_indices is None else state.index_select(1, packed.sorted_indices)


def _dropout_between(
    module: nn.RNNBase, packed: PackedSequence, random: tuple[Tensor, Tensor | None] | None
) -> list[Tensor]:
    """What dropout between layers multiplied with, of shape (rows, directions x hidden); 1 where `random` is None."""
    data, between = packed.data, module.num_layers - 1
    if random is None:
        return [data.new_ones(1, 1)] * between
    size = (module.proj_size or module.hidden_size) * (2 if module.bidirectional else 1)
    with torch.random.fork_rng([data.device] if random[1] is not None else []):
        torch.set_rng_state(random[0])
        if random[1] is not None:
            torch.cuda.set_rng_state(random[1], data.device)
        return [torch.dropout(data.new_ones(len(data), size), module.dropout, True) for _ in range(between)]


def _lower_states(
    module: nn.RNNBase, packed: PackedSequence, initial: list[Tensor], kept: list[Tensor]
) -> list[Tensor]:
    """The states of all layers but the top one, of shape (rows, directions x hidden), run one by one as torch does."""
    data, sizes = packed.data, packed.batch_sizes
    run = getattr(torch, module.mode.lower())
    options = (module.bias, 1, 0.0, module.training, module.bidirectional)
    groups = layer_weights(module)
    directions, states = 2 if module.bidirectional else 1, []
    for layer, factor in enumerate(kept):
        weights = sum(groups[layer * directions : (layer + 1) * directions], [])
        hx = [state[layer * directions : (layer + 1) * directions] for state in initial]
        hx = hx if module.mode == "LSTM" else hx[0]
        if sizes[0] == sizes[-1]:
            rectangle = data.view(len(sizes), int(sizes[0]), -1)
            data = run(rectangle, hx, weights, *options, False)[0].flatten(0, 1)
        else:
            data = run(data, sizes, hx, weights, *options)[0]
        states.append(data)
        data = data * factor
    return [state.detach() for state in states]
