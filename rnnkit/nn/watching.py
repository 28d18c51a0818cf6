"""Those who watch a layer at work, and what they are told of each call: how `rnnkit.observe` sees what it sees.

Who watches a layer holds a weak reference to it, of a kind of its own, and the layer asks its own object for these.
So nothing of them stands on the layer: no copy, pickle or `__dict__` has it, and where nobody watches it costs nothing.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit.nn import _torch_private
from rnnkit.nn.modules import layer_weights
from rnnkit.nn.recurrence import Pass


Told = tuple[list[Tensor], Tensor | None]  # as `kernels.stack.Watcher`
Random = tuple[Tensor, Tensor | None]  # the state of the random numbers of the CPU and of the GPU


@dataclass(frozen=True)
class Passes:
    """What the general path tells of a call: each layer and direction, and what dropout multiplied their states with.

    The latter are of shape (rows, directions x hidden), one for each layer but the top one; none without dropout.
    """

    work: list[Pass]
    kept: list[Tensor]


@dataclass(frozen=True)
class LayerCall:
    """One call of a recurrent module: what its `forward` got and gave, before any hook gets at it."""

    input: Tensor | PackedSequence
    hx: Any
    output: Tensor | PackedSequence
    final: tuple[Tensor, ...]  # h_n, or h_n and c_n
    told: Told | Passes | None  # what our own paths tell of all layers; None where torch's ran
    random: Random | None  # what dropout between layers was drawn from on torch's path; None where nothing was drawn
    closed: str  # why its numbers cannot be kept; "" where they can


class Watch(weakref.ref[nn.Module]):
    """A watch over one layer, until its `end`: each call is told to `receive`."""

    receive: Callable[[LayerCall], None] | None = None

    def end(self) -> None:
        """Watch no longer, whoever still holds this."""
        self.receive = None


def watch(layer: nn.Module, receive: Callable[[LayerCall], None]) -> Watch:
    """Have each call of a layer told to `receive`."""
    made = Watch(layer)
    made.receive = receive
    return made


def watches(layer: nn.Module) -> list[Watch]:
    """Those who watch a layer now."""
    if not weakref.getweakrefcount(layer):
        return []
    return [each for each in weakref.getweakrefs(layer) if isinstance(each, Watch)]


def random_state(layer: nn.RNNBase, given: Any) -> Random | None:
    """The state of the random numbers that a call draws its dropout between layers from, if it draws any."""
    rows = _rows(given)
    if not (layer.training and layer.dropout and layer.num_layers > 1 and isinstance(rows, Tensor)):
        return None
    return torch.get_rng_state(), torch.cuda.get_rng_state(rows.device) if rows.is_cuda else None


def tell(
    watching: list[Watch], layer: nn.Module, call: tuple[Any, Any, Any], told: Told | Passes | None, random: Any
) -> None:
    """Tell those who watch of a call: its input, initial states and result, and what is known of its inside."""
    given, hx, (output, final) = call
    finals = final if isinstance(final, tuple) else (final,)
    weights = sum(layer_weights(layer), []) if isinstance(layer, nn.RNNBase) else list(layer.parameters())
    closed = _closed([_rows(given), _rows(output), *finals, *weights])
    for each in watching:
        if (receive := each.receive) is not None:
            receive(LayerCall(given, hx, output, finals, told, None if told else random, closed))


def _rows(sequence: Tensor | PackedSequence) -> Tensor:
    return sequence.data if isinstance(sequence, PackedSequence) else sequence


def _closed(tensors: list[Tensor]) -> str:
    """Why what these tensors hold cannot be kept; "" where it can."""
    if _torch_private.in_functional_transform():
        return "it ran inside of a torch.func transform (vmap, grad, ...), whose tensors end with it"
    for tensor in tensors:
        if type(tensor) not in (Tensor, nn.Parameter):
            return f"it ran on tensors of type {type(tensor).__name__}, which hold no plain numbers"
        if tensor.is_meta:
            return "it ran on the meta device, where tensors hold no numbers"
    return ""
