"""Linear layers, losses and norms in an order of operations that no machine changes, and dropout.

torch leaves sums to libraries that choose their order by the processor. These come from the native kernel, in the order
that stands in its source, so that the same numbers give the same bits on any x86 machine, at any number of threads.
Signatures are torch.nn.functional's; what the kernel does not serve (other devices and types, torch.func, autocast)
goes there.
"""

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnkit.nn.kernels import dense, parameters
from rnnkit.nn.kernels.dropout import drawn
from rnnkit.nn.kernels.library import Kernel, kernel
from rnnkit.nn.kernels.memory import are_served, is_plain
from rnnkit.nn.modules import runs_plainly


Steps = parameters.Update  # what makes the steps of an optimizer

LEFT_OUT = dense.LEFT_OUT  # the target of rows that do not count in a loss

_REDUCTIONS = ("mean", "sum", "none")


class Linear(nn.Linear):
    """`torch.nn.Linear`: y = x W^T + b."""

    def forward(self, input: Tensor) -> Tensor:
        """Inputs of shape (..., inputs) -> (..., outputs)."""
        return linear(input, self.weight, self.bias)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Numbers of any shape -> those that are left, 1 / (1 - p) times as large."""
        return super().forward(input) if self.inplace else dropout(input, self.p, self.training)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b for inputs of shape (..., inputs), weights of shape (outputs, inputs) -> (..., outputs).

    An output is one chain of fused multiply-adds in the order of the inputs: a row has the same bits in any batch.
    """
    given = (input, weight) if bias is None else (input, weight, bias)
    native = _serving(*given)
    fits = weight.dim() == 2 and input.dim() > 0 and input.shape[-1] == weight.shape[1]
    fits = fits and input.numel() > 0 and len(weight) > 0
    if native is None or not fits or (bias is not None and bias.shape != weight.shape[:1]):
        return functional.linear(input, weight, bias)
    return dense.NativeLinear.apply(input, weight, bias, native)


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each number is 0 with a chance of p, else 1 / (1 - p) times as large, in training: torch's, bit for bit."""
    kept = drawn(input, p) if training else None
    return functional.dropout(input, p, training) if kept is None else input * kept


def cross_entropy(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """-log softmax(scores)[target] for scores of shape (rows, classes) and targets of shape (rows,), in nats.

    Rows whose target is LEFT_OUT count in no mean. Raises `IndexError` for another target that is no class.
    """
    native = _serving(input) if reduction in _REDUCTIONS else None
    fits = input.dim() == 2 and input.numel() > 0 and target.shape == input.shape[:1]
    if native is None or not fits or target.dtype != torch.int64 or not is_plain(target):
        return functional.cross_entropy(input, target, reduction=reduction)
    return dense.NativeCrossEntropy.apply(input, target, reduction, native)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """-t log sigmoid(s) - (1 - t) log(1 - sigmoid(s)) for scores s and targets t of one shape, in nats."""
    native = _serving(input, target) if reduction in _REDUCTIONS else None
    if native is None or input.shape != target.shape or not input.numel() or target.requires_grad:
        return functional.binary_cross_entropy_with_logits(input, target, reduction=reduction)
    losses = dense.NativeBinaryCrossEntropy.apply(input, target, native)
    return losses if reduction == "none" else dense.NativeTotal.apply(losses, reduction, native)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(x - t)^2 for numbers x and targets t of one shape."""
    native = _serving(input, target) if reduction in _REDUCTIONS else None
    if native is None or input.shape != target.shape or not input.numel():
        return functional.mse_loss(input, target, reduction=reduction)
    difference = input - target
    losses = difference * difference
    return losses if reduction == "none" else dense.NativeTotal.apply(losses, reduction, native)


def losses(bits: str) -> Any:
    """Where losses come from, by what a configuration says of bits: this module for "portable", else torch's."""
    return sys.modules[__name__] if bits == "portable" else functional


def total(numbers: Tensor) -> float:
    """The sum of all numbers, in double precision."""
    native = _serving(numbers)
    if native is None or not numbers.numel():
        return numbers.double().sum().item()
    return dense.NativeTotal.apply(numbers.detach().double(), "sum", native).item()


def norms(tensors: Sequence[Tensor], others: Sequence[Tensor] | None = None) -> list[float]:
    """The 2-norm of each tensor, or of its difference from another one, with squares added up in double precision."""
    tensors = [dense_of(tensor) for tensor in tensors]
    native = _serving(*tensors, *(others or ())) if tensors else None
    if native is not None:
        return parameters.norms(native, tensors, others)
    given = [tensor.detach() for tensor in tensors]
    if others is not None:
        given = [tensor - other for tensor, other in zip(given, others, strict=True)]
    return torch.stack([torch.linalg.vector_norm(tensor.double()) for tensor in given]).tolist() if given else []


def dense_of(tensor: Tensor) -> Tensor:
    """A tensor with a number for each place: the gradient of a sparse embedding has those of the rows it read alone."""
    return tensor if tensor.layout is torch.strided else tensor.to_dense()


def optimizer(name: str, values: Sequence[Tensor], means: Sequence[Tensor], squares: Sequence[Tensor]) -> Steps | None:
    """What makes an optimizer's steps on `values` in one pass, see there; None where the kernel does not serve them."""
    given = [tensor.detach() for tensor in values]
    ordered = all(tensor.is_contiguous() and not tensor.is_neg() for tensor in given)  # steps are made in place
    alike = {kept.dtype for kept in (*means, *squares)} <= {tensor.dtype for tensor in given}
    native = _serving(*given) if given and ordered and alike else None
    return None if native is None else parameters.Update(native, name, given, means, squares)


def _serving(*tensors: Tensor) -> Kernel | None:
    """The kernel, where it serves these tensors here and now: plain ones on the CPU, of one type."""
    return kernel() if are_served(*tensors) and runs_plainly() else None
