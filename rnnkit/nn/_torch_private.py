"""What rnnkit.nn takes from torch's private interface, each with why there is no public way; nothing else uses it."""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad


def in_forward_mode() -> bool:
    """Whether tangents are carried along (`forward_ad.dual_level`), which autograd functions here have no rule for.

    torch tells the level of a tensor, but not, without looking at all of a module's, whether one is open.
    """
    return forward_ad._current_level >= 0  # pyright: ignore[reportPrivateUsage]


def in_functional_transform() -> bool:
    """Whether `torch.func` is at work: its wrapped tensors must not get into kernels that write into buffers.

    What it wraps looks like any tensor from outside, and no public function tells.
    """
    functorch = torch._C._functorch  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    return functorch.peek_interpreter_stack() is not None


def in_dispatch_mode() -> bool:
    """Whether a `TorchDispatchMode` listens: counters of operations, fake tensors. It expects torch's own operations.

    Modes are entered and left by a stack that has no public reader.
    """
    return torch._C._len_torch_dispatch_stack() > 0  # pyright: ignore[reportPrivateUsage]


def flat_weights(module: nn.RNNBase) -> list[Tensor]:
    """All weights of a recurrent module, as its own `forward` gives them to torch's kernels.

    They can be other tensors than its parameters (pruned, say); a look-up by name costs more than a small layer's run.
    """
    # torch has None in the place of a weight that was deleted; such a module cannot run.
    return module._flat_weights  # pyright: ignore[reportPrivateUsage, reportReturnType]
