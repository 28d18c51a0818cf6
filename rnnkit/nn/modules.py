"""The recurrent modules of a model and their weights, and the model in evaluation mode."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rnnkit.nn import _torch_private


class Place(NamedTuple):
    """One direction of one layer of a recurrent module, written `l0.f`, `l0.b`, `l1.f` … wherever it is named.

    >>> str(Place(1, backward=True)), Place(1, backward=True).suffix
    ('l1.b', 'l1_reverse')
    """

    layer: int
    backward: bool

    def __str__(self) -> str:
        return f"l{self.layer}.{'b' if self.backward else 'f'}"

    @property
    def suffix(self) -> str:
        """What the names of its weights end in."""
        return f"l{self.layer}{'_reverse' if self.backward else ''}"


def all_names(module: nn.Module, name: str = "", above: tuple[nn.Module, ...] = ()) -> Iterator[tuple[str, nn.Module]]:
    """A model and all modules in it, each by every way to it; none is entered from inside of itself."""
    yield name, module
    for part, child in _torch_private.children(module):
        if child is not module and child not in above:
            yield from all_names(child, f"{name}.{part}".lstrip("."), (*above, module))


def layer_weights(module: nn.RNNBase) -> list[list[Tensor]]:
    """The weights of each layer and direction, layer by layer: w_ih, w_hh, b_ih and b_hh, if any, and a projection."""
    weights = _torch_private.flat_weights(module)
    each = len(weights) // (module.num_layers * (2 if module.bidirectional else 1))
    return [weights[i : i + each] for i in range(0, len(weights), each)]


def being_recorded() -> bool:
    """Whether what runs now is traced or compiled, so that whatever is done becomes part of what torch records."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()  # pyright: ignore[reportPrivateImportUsage]


def runs_plainly() -> bool:
    """Whether operations do here and now what they say and no more, so that a kernel may stand in for them.

    Not so while tangents are carried along, under `torch.func`, where somebody listens or records, and in autocast.
    """
    return not (
        _torch_private.in_forward_mode()
        or _torch_private.in_functional_transform()
        or _torch_private.in_dispatch_mode()
        or being_recorded()
        or torch.is_autocast_enabled("cpu")
    )


@contextmanager
def evaluating(model: nn.Module) -> Generator[None, None, None]:
    """The model in evaluation mode and without gradients; afterwards each of its modules has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:  # model.train() would set all alike: a part kept in evaluation mode stays so
            module.training = training
