"""What dropout multiplies numbers with, drawn as torch draws it: the same factors, and the same random state after."""

import ctypes
import functools
import math
import threading

import torch
from torch import Tensor
from torch.nn import functional

from rnnkit.nn.kernels.library import Kernel, kernel
from rnnkit.nn.kernels.memory import are_served
from rnnkit.nn.modules import runs_plainly


STATE_BYTES = 5056  # of a generator of torch's: `generator` of native/dropout.c, and what is kept for normal numbers

_TURN = threading.Lock()  # held while the state is outside of torch: two threads must not draw from the same one


class _Dropout(ctypes.Structure):
    """`dropout` of native/dropout.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("count", "below")),
        ("keep", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("state", "factors")),
    ]


def factors(like: Tensor, share: float) -> Tensor:
    """0 with a chance of `share`, else 1 / (1 - share), of the shape and type of `like`: torch's dropout of ones."""
    native = drawn(like, share)
    return functional.dropout(torch.ones_like(like), share) if native is None else native


def drawn(like: Tensor, share: float) -> Tensor | None:
    """`factors` by the kernel; None, with nothing drawn, where it does not serve.

    A thread that draws by torch at the same moment may be given numbers that come once more.
    """
    if not (0 < share < 1 and runs_plainly() and are_served(like)):
        return None
    native = kernel()
    if native is None or not _draws_as_torch(native):
        return None
    filled = torch.empty_like(like)  # without gaps, as torch's, which fills it in the order of memory
    with _TURN:
        state = torch.get_rng_state()
        if not _fill(native, filled, share, state):
            return None
        torch.set_rng_state(state)
    return filled


def _fill(native: Kernel, filled: Tensor, share: float, state: Tensor) -> bool:
    """Draw from a generator's state, and make it the one after; False, with nothing done, for one not understood."""
    call = _Dropout(filled.numel(), math.ceil((1 - share) * 2**53), 1 - share, state.data_ptr(), filled.data_ptr())
    return bool(native.functions(filled.dtype).dropout(ctypes.addressof(call)))


@functools.cache
def _draws_as_torch(native: Kernel) -> bool:
    """Whether this build of torch draws as the kernel does: tried once, on a generator of its own."""
    generator, share = torch.Generator().manual_seed(0), 0.3
    state = generator.get_state()
    if state.numel() != STATE_BYTES:
        return False
    for dtype in (torch.float32, torch.float64):
        ours, theirs = (torch.empty(1001, dtype=dtype, device="cpu") for _ in range(2))
        theirs.bernoulli_(1 - share, generator=generator).div_(1 - share)
        if not (_fill(native, ours, share, state) and torch.equal(ours, theirs)):
            return False
    return torch.equal(state, generator.get_state())
