"""What rnnkit.nn takes from torch's private interface, each with why there is no public way; nothing else uses it."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad


def in_forward_mode() -> bool:
    """Whether tangents are carried along, which our functions have no rule for; torch tells a tensor's level alone."""
    return forward_ad._current_level >= 0  # pyright: ignore[reportPrivateUsage]


def in_functional_transform() -> bool:
    """Whether `torch.func` is at work, whose tensors must not get into our buffers: no public function tells."""
    functorch = torch._C._functorch  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    return functorch.peek_interpreter_stack() is not None


def are_batched(tensors: Iterable[Tensor | None]) -> bool:
    """Whether any of the tensors stands for many at once: `is_grads_batched` gives such to an autograd function.

    They have no storage that a kernel could read, and no public function tells them from others.
    """
    functorch = torch._C._functorch  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    batched = functorch.is_legacy_batchedtensor, functorch.is_batchedtensor
    return any(tensor is not None and any(kind(tensor) for kind in batched) for tensor in tensors)


def in_dispatch_mode() -> bool:
    """Whether a `TorchDispatchMode` listens, which expects torch's own operations: its stack has no public reader."""
    return torch._C._len_torch_dispatch_stack() > 0  # pyright: ignore[reportPrivateUsage]


def flat_weights(module: nn.RNNBase) -> list[Tensor]:
    """All weights of a recurrent module, as its own `forward` gives them to torch's kernels.

    They can be other tensors than its parameters (pruned, say); a look-up by name costs more than a small layer's run.
    """
    # torch has None in the place of a weight that was deleted; such a module cannot run.
    return module._flat_weights  # pyright: ignore[reportPrivateUsage, reportReturnType]


def update_flat_weights(module: nn.RNNBase) -> None:
    """Have `flat_weights` be what the module's attributes are now, as the beginning of its own `forward` does.

    Where all are plain parameters they are found in a fifth of the time that torch takes for it.
    """
    names, weights = module._flat_weights_names, module._flat_weights  # pyright: ignore[reportPrivateUsage]
    own = module._parameters.get  # pyright: ignore[reportPrivateUsage]
    if not all(own(name) is weight for name, weight in zip(names, weights, strict=False)):
        module._update_flat_weights()  # pyright: ignore[reportPrivateUsage]


def children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """A module's children by all their names in it; the public reader gives each by its first alone."""
    for name, child in module._modules.items():  # pyright: ignore[reportPrivateUsage]
        if child is not None:
            yield name, child
