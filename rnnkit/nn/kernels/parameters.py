"""What happens to all parameters at once, on the native kernel: norms, and steps of optimizers."""

import ctypes
from array import array
from collections.abc import Sequence

from torch import Tensor

from rnnkit.nn.kernels.library import Kernel
from rnnkit.nn.kernels.memory import addresses, laid_out


OPTIMIZERS = {"sgd": 0, "rmsprop": 1, "adam": 2}


class _Norms(ctypes.Structure):
    """`norms` of native/parameters.c."""

    _fields_ = [("count", ctypes.c_int64)] + [
        (name, ctypes.c_void_p) for name in ("sizes", "tensors", "others", "squares")
    ]


class _Update(ctypes.Structure):
    """`update` of native/parameters.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("optimizer", "step", "count")),
        *((name, ctypes.c_void_p) for name in ("sizes", "values", "gradients", "means", "squares")),
        *((name, ctypes.c_double) for name in ("scale", "rate", "beta1", "beta2", "epsilon")),
    ]


def norms(kernel: Kernel, tensors: Sequence[Tensor], others: Sequence[Tensor] | None) -> list[float]:
    """The 2-norm of each tensor, or of its difference from another one; all on the CPU and of one type."""
    tensors = [laid_out(tensor) for tensor in tensors]
    others = None if others is None else [laid_out(tensor) for tensor in others]
    squares = array("d", bytes(8 * len(tensors)))
    sizes, pointers = array("q", [tensor.numel() for tensor in tensors]), addresses(tensors)
    taken = None if others is None else addresses(others)
    call = _Norms(len(tensors), _at(sizes), _at(pointers), None if taken is None else _at(taken), _at(squares))
    kernel.functions(tensors[0].dtype).norms(ctypes.addressof(call))
    return [square**0.5 for square in squares]


def _at(numbers: "array[int] | array[float]") -> int:
    return numbers.buffer_info()[0]


class Update:
    """Steps of an optimizer (sgd, rmsprop, adam) on `values`, contiguous tensors on the CPU of one type.

    `means` and `squares` are what it keeps of gradients, a tensor of the same shape for each value; empty where it
    keeps none.
    """

    def __init__(
        self, kernel: Kernel, name: str, values: Sequence[Tensor], means: Sequence[Tensor], squares: Sequence[Tensor]
    ):
        self._kept = values, means, squares  # whose addresses are taken
        self._arrays = [array("q", [value.numel() for value in values]), *map(addresses, (values, means, squares))]
        self._function = kernel.functions(values[0].dtype).update
        sizes, pointers, of_means, of_squares = map(_at, self._arrays)
        self._call = _Update(OPTIMIZERS[name], 0, len(values), sizes, pointers, None, of_means, of_squares)

    def is_of(self, values: Sequence[Tensor]) -> bool:
        """Whether these, of the same shapes, are the values still, which assigning to a parameter's `data` changes."""
        return addresses(values) == self._arrays[1] and all(value.is_contiguous() for value in values)

    def __call__(
        self,
        gradients: Sequence[Tensor | None],
        step: int,
        rate: float,
        scale: float,
        betas: tuple[float, float],
        epsilon: float,
    ) -> None:
        """Make step number `step`, from 1, along the gradients times `scale`; a value without a gradient stays."""
        gradients = [None if gradient is None else laid_out(gradient) for gradient in gradients]
        pointers, call = addresses(gradients), self._call
        call.step, call.gradients, call.rate, call.scale, call.epsilon = step, _at(pointers), rate, scale, epsilon
        call.beta1, call.beta2 = betas
        self._function(ctypes.addressof(call))
