"""The native kernel's shared library, which the installation built; see `native/`."""

import ctypes
import dataclasses
import functools
import os
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import rnnkit


PATH = Path(__file__).parent / "native" / "kernel.so"

# Variants by what the processor can do, best last, with the bytes of a vector. AVX2 is the least that x86 needs.
_BY_LEVEL = {
    "x86_64": ("", "avx2", "avx512"),
    "AMD64": ("", "avx2", "avx512"),
    "aarch64": ("neon",),
    "arm64": ("neon",),
}
_BYTES = {"avx2": 32, "avx512h": 32, "avx512": 64, "neon": 16}

Function = Callable[[int], int]


@dataclass(frozen=True)
class Functions:
    """A variant of the kernel for one type of numbers: `lanes` of them in a vector.

    Each takes the address of the structure that its part of native/ describes; `_scratch` gives how many numbers that
    buffer must have room for, `kept` how many for each row.
    """

    lanes: int
    # native/stack.c
    forward: Function
    backward: Function
    forward_scratch: Function
    backward_scratch: Function
    kept: Function
    # native/linear.c
    linear: Function
    linear_backward: Function
    linear_scratch: Function
    linear_backward_scratch: Function
    # native/losses.c
    cross_entropy: Function
    cross_entropy_backward: Function
    cross_entropy_scratch: Function
    binary_cross_entropy: Function
    total: Callable[[int, int], float]
    # native/parameters.c
    norms: Function
    update: Function
    # native/scan.c
    scan: Function
    scan_backward: Function
    # native/dropout.c
    dropout: Function


class Kernel:
    """The kernel in a variant that the processor can run, for both types of numbers."""

    def __init__(self, library: ctypes.CDLL, variant: str):
        self.library, self.variant = library, variant
        library.rnnkit_source.restype = ctypes.c_char_p
        self.source: str = library.rnnkit_source().decode()
        types = (torch.float32, torch.float64)
        self._whole = {dtype: _functions(library, variant, dtype) for dtype in types}
        half = "avx512h" if variant == "avx512" else variant
        self._half = {dtype: _functions(library, half, dtype) for dtype in types}

    def functions(self, dtype: torch.dtype, size: int = 64) -> Functions:
        """The fastest for layers of a size: narrower vectors where half of the last one or more would be empty.

        All variants give the same bits.
        """
        functions = self._whole[dtype]
        left = size % functions.lanes
        return self._half[dtype] if size < 64 and 0 < left <= functions.lanes // 2 else functions


def _functions(library: ctypes.CDLL, variant: str, dtype: torch.dtype) -> Functions:
    bits = torch.finfo(dtype).bits

    def function(name: str) -> Any:
        function = getattr(library, f"rnnkit_{name}_{variant}_f{bits}")
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int64
        return function

    named = {field.name: function(field.name) for field in dataclasses.fields(Functions) if field.name != "lanes"}
    named["total"].argtypes, named["total"].restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_double
    return Functions(_BYTES[variant] * 8 // bits, **named)


@functools.cache
def kernel() -> Kernel | None:
    """The kernel, or None where there is none; the first time that is said, with what it costs.

    RNNKIT_KERNEL chooses a variant, `avx2` say, or `none`.
    """
    chosen = os.environ.get("RNNKIT_KERNEL", "")
    if chosen == "none":
        return None
    try:
        library = ctypes.CDLL(str(PATH))
    except OSError as error:
        broken = f"cannot be loaded ({error})"
        return _without(broken if PATH.exists() else "was not built: there was no C compiler, or it failed")
    library.rnnkit_level.restype = ctypes.c_int64
    known = _BY_LEVEL.get(platform.machine(), ("",))[: library.rnnkit_level() + 1]
    if chosen and chosen not in known:
        can = ", ".join(filter(None, known)) or "none"
        return _without(f"cannot run as RNNKIT_KERNEL={chosen} here, only as {can}", "unset RNNKIT_KERNEL")
    variant = chosen or known[-1]
    if not variant:
        return _without("needs a processor with AVX2")
    try:
        return Kernel(library, variant)
    except AttributeError:  # a function that this version calls is not in it
        return _without("was built from other sources than these")


def _without(why: str, cure: str = "install a C compiler (or `pip install ziglang`) and rnnkit again") -> None:
    warnings.warn(
        f"rnnkit's native kernel {why}. Its layers run on torch's operations, several times slower; {cure}",
        RuntimeWarning,
        stacklevel=2,
    )


def in_force() -> dict[str, str]:
    """The kernel's variant and the SHA-256 of its sources; `none` where layers run on torch's operations."""
    native = kernel()
    return {"variant": "none"} if native is None else {"variant": native.variant, "source": native.source}


def about() -> dict[str, str]:
    """What gives the numbers here: versions of rnnkit and torch, the kernel's variant, the SHA-256 of its sources."""
    native = in_force()
    versions = {"rnnkit": rnnkit.__version__, "torch": str(torch.__version__)}
    return {**versions, "kernel": native["variant"], "kernel_source": native.get("source", "")}
