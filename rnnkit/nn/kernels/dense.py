"""Linear layers and losses on the native kernel, each as one node of autograd's graph."""

import ctypes
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rnnkit.nn.kernels.double_backward import is_asked_for
from rnnkit.nn.kernels.library import Functions, Kernel
from rnnkit.nn.kernels.memory import address, laid_out


LEFT_OUT = -100  # the target of rows that do not count, as torch's `ignore_index` has it


class _Linear(ctypes.Structure):
    """`linear` of native/linear.c."""

    _fields_ = [(name, ctypes.c_int64) for name in ("rows", "inputs", "outputs")] + [
        (name, ctypes.c_void_p)
        for name in ("x", "weight", "bias", "y", "scratch", "grad_y", "grad_x", "grad_weight", "grad_bias")
    ]


class _CrossEntropy(ctypes.Structure):
    """`cross_entropy` of native/losses.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "classes", "counted")),
        *((name, ctypes.c_void_p) for name in ("scores", "targets", "losses", "chances", "scratch", "grad_losses")),
        *(("grad_step", ctypes.c_int64), ("factor", ctypes.c_double), ("grad_scores", ctypes.c_void_p)),
    ]


class _BinaryCrossEntropy(ctypes.Structure):
    """`binary_cross_entropy` of native/losses.c."""

    _fields_ = [("count", ctypes.c_int64)] + [
        (name, ctypes.c_void_p) for name in ("scores", "targets", "losses", "grad_scores")
    ]


class NativeLinear(torch.autograd.Function):
    """x W^T + b, for x of shape (..., inputs)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, kernel: Kernel) -> Tensor:
        """Of shape (..., outputs)."""
        x, weight = laid_out(x), laid_out(weight)
        outputs, inputs = weight.shape
        y = x.new_empty(*x.shape[:-1], outputs)
        functions = kernel.functions(x.dtype, outputs)
        call = _Linear(y.numel() // outputs, inputs, outputs, x.data_ptr(), weight.data_ptr())
        at = ctypes.addressof(call)
        scratch = x.new_empty(functions.linear_scratch(at))
        bias = None if bias is None else laid_out(bias)
        call.bias, call.y, call.scratch = address(bias), y.data_ptr(), scratch.data_ptr()
        functions.linear(at)
        ctx.save_for_backward(x, weight)
        ctx.kernel, ctx.biased = kernel, bias is not None
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, W and b; by torch's operations where they are to be differentiated again."""
        x, weight = ctx.saved_tensors
        grad_y = laid_out(grads[0])
        if is_asked_for(grads):
            rows, flat = x.reshape(-1, x.shape[-1]), grad_y.reshape(-1, grad_y.shape[-1])
            return grad_y @ weight, flat.t() @ rows, flat.sum(0) if ctx.biased else None, None
        outputs, inputs = weight.shape
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = torch.empty_like(x) if needs_x else None
        grad_weight = torch.empty_like(weight) if needs_weight else None
        grad_bias = weight.new_empty(outputs) if needs_bias else None
        functions: Functions = ctx.kernel.functions(x.dtype, inputs)
        call = _Linear(grad_y.numel() // outputs, inputs, outputs, x.data_ptr(), weight.data_ptr())
        at = ctypes.addressof(call)
        scratch = x.new_empty(functions.linear_backward_scratch(at))
        call.scratch, call.grad_y = scratch.data_ptr(), grad_y.data_ptr()
        call.grad_x, call.grad_weight, call.grad_bias = map(address, (grad_x, grad_weight, grad_bias))
        functions.linear_backward(at)
        return grad_x, grad_weight, grad_bias, None


class NativeCrossEntropy(torch.autograd.Function):
    """-log softmax(scores)[target] for each row of scores of shape (rows, classes), 0 where the target is LEFT_OUT."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, targets: Tensor, reduction: str, kernel: Kernel) -> Tensor:
        """Of shape (rows,), or their mean or sum. Raises `IndexError` for a target that is no class."""
        scores, targets = laid_out(scores), laid_out(targets)
        rows, classes = scores.shape
        functions = kernel.functions(scores.dtype)
        losses = scores.new_empty(rows)
        chances = torch.empty_like(scores) if ctx.needs_input_grad[0] else None
        pointers = scores.data_ptr(), targets.data_ptr(), losses.data_ptr(), address(chances)
        call = _CrossEntropy(rows, classes, 0, *pointers)
        at = ctypes.addressof(call)
        scratch = scores.new_empty(functions.cross_entropy_scratch(at))
        call.scratch = scratch.data_ptr()
        wrong = functions.cross_entropy(at)
        if wrong >= 0:
            raise IndexError(f"Target {targets[wrong].item()} is out of bounds.")
        ctx.save_for_backward(scores, chances, targets)
        ctx.of = functions, reduction, call.counted
        return losses if reduction == "none" else losses.new_tensor(_total(functions, losses, reduction, call.counted))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of the scores; by torch's operations where it is to be differentiated again."""
        scores, chances, targets = ctx.saved_tensors
        functions, reduction, counted = ctx.of
        rows, classes = scores.shape
        factor = 1 / counted if reduction == "mean" and counted else 1.0
        if is_asked_for(grads):
            each = (grads[0] * factor * (targets != LEFT_OUT)).unsqueeze(-1)
            return (scores.softmax(1) - functional.one_hot(targets.clamp(min=0), classes)) * each, None, None, None
        grad = laid_out(grads[0])
        grad_scores = torch.empty_like(chances)
        pointers = None, targets.data_ptr(), None, chances.data_ptr(), None, grad.data_ptr()
        call = _CrossEntropy(rows, classes, counted, *pointers)
        call.grad_step, call.factor, call.grad_scores = int(reduction == "none"), factor, grad_scores.data_ptr()
        functions.cross_entropy_backward(ctypes.addressof(call))
        return grad_scores, None, None, None


class NativeBinaryCrossEntropy(torch.autograd.Function):
    """-t log sigmoid(s) - (1 - t) log(1 - sigmoid(s)) for each score s and target t."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, targets: Tensor, kernel: Kernel) -> Tensor:
        """Of the shape of the scores."""
        scores, targets = laid_out(scores), laid_out(targets)
        losses = torch.empty_like(scores)
        slopes = torch.empty_like(scores) if ctx.needs_input_grad[0] else None
        pointers = map(address, (scores, targets, losses, slopes))
        call = _BinaryCrossEntropy(scores.numel(), *pointers)
        kernel.functions(scores.dtype).binary_cross_entropy(ctypes.addressof(call))
        ctx.save_for_backward(scores, targets, slopes)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of the scores."""
        scores, targets, slopes = ctx.saved_tensors
        return grads[0] * (scores.sigmoid() - targets if is_asked_for(grads) else slopes), None, None


class NativeTotal(torch.autograd.Function):
    """The sum or the mean of all numbers."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, reduction: str, kernel: Kernel) -> Tensor:
        """A scalar."""
        ctx.of = numbers.shape, 1 / numbers.numel() if reduction == "mean" else 1.0
        total = _total(kernel.functions(numbers.dtype), laid_out(numbers), reduction, numbers.numel())
        return numbers.new_tensor(total)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The same for each of them."""
        shape, factor = ctx.of
        return (grads[0] * factor).expand(shape), None, None


def _total(functions: Functions, numbers: Tensor, reduction: str, counted: int) -> float:
    """Their sum or mean; the mean of nothing is NaN, as torch's."""
    total = functions.total(numbers.data_ptr(), numbers.numel())
    if reduction != "mean":
        return total
    return total / counted if counted else math.nan
