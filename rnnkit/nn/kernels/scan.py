"""A recurrence that is linear in its state, elementwise, over packed rows: s_t = a_t s_{t-1} + b_t.

One pass over all rows forward and one backward, by the native kernel, or by a multiply-add of torch's a step.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from rnnkit.nn.kernels.buffers import resized
from rnnkit.nn.kernels.double_backward import is_asked_for
from rnnkit.nn.kernels.library import Kernel, kernel
from rnnkit.nn.kernels.memory import are_served, laid_out
from rnnkit.sequences import Schedule


def scan(a: Tensor, b: Tensor, initial: Tensor, schedule: Schedule) -> Tensor:
    """The states of all rows, of shape (rows, size), for `a` and `b` of that shape and `initial` of (batch, size).

    All are real, or all complex. `schedule` has one chunk.
    """
    if torch.is_grad_enabled() and any(part.requires_grad for part in (a, b, initial)):
        return _Scan.apply(a, b, initial, schedule)
    return _forward(_plain(a), b, _plain(initial), schedule)


class _Scan(torch.autograd.Function):
    """Its backward is a scan too, against working order, and can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, initial: Tensor, schedule: Schedule) -> Tensor:
        """See `scan`."""
        a, initial = _plain(a), _plain(initial)
        states = _forward(a, b, initial, schedule)
        ctx.save_for_backward(a, initial, states)
        ctx.schedule = schedule
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """delta_t = dL/ds_t + conj(a_{t+1}) delta_{t+1}; da_t = delta_t conj(s_{t-1}), db_t = delta_t."""
        a, initial, states = ctx.saved_tensors
        schedule: Schedule = ctx.schedule
        if is_asked_for(grads):
            back = Schedule(schedule.layout, not schedule.reverse, schedule.chunk_rows)
            nothing = torch.zeros_like(initial)
            following = torch.cat([a, nothing])[back.before.to(a.device)].conj()
            delta = _step_by_step(following, grads[0], nothing, back)
            grad_a = delta * torch.cat([states, initial])[schedule.before.to(a.device)].conj()
        else:
            delta, grad_a = _backward(a, states, initial, grads[0], schedule)
        begins = schedule.all_begins.to(a.device)
        return grad_a, delta, delta[begins] * a[begins].conj(), None


def _forward(a: Tensor, b: Tensor, initial: Tensor, schedule: Schedule) -> Tensor:
    states = _copy(b)
    if (native := _serving(a, states, initial)) is not None:
        call = _call(a, states, initial, schedule)
        _functions(native, a).scan(ctypes.addressof(call))
        return states
    (chunk,) = schedule.chunks
    s = initial[: chunk.sizes[0]]
    for s_t, a_t in zip(schedule.steps(states, chunk), schedule.steps(a, chunk), strict=True):
        count = len(s_t)
        if count > len(s):
            s = torch.cat([s, initial[len(s) : count]])
        s = s_t.addcmul_(a_t, s[:count])
    return states


def _backward(a: Tensor, states: Tensor, initial: Tensor, grad: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """The total gradients of the states, which are those of b too, and those of a."""
    delta, grad_a = _copy(grad), torch.empty_like(states)
    if (native := _serving(a, states, initial, delta)) is not None:
        call = _call(a, states, initial, schedule)
        call.d, call.grad_a = delta.data_ptr(), grad_a.data_ptr()
        _functions(native, a).scan_backward(ctypes.addressof(call))
        return delta, grad_a
    (chunk,) = schedule.chunks
    after, factor = delta[:0], a[:0]
    for d, a_t in zip(schedule.steps_back(delta, chunk), schedule.steps_back(a.conj_physical(), chunk), strict=True):
        shared = min(len(d), len(after))  # the others end here, or begin after it
        d[:shared].addcmul_(factor[:shared], after[:shared])
        after, factor = d, a_t
    schedule.previous(states, initial, chunk, out=grad_a)
    return delta, grad_a.conj_physical_().mul_(delta)


def _step_by_step(a: Tensor, b: Tensor, initial: Tensor, schedule: Schedule) -> Tensor:
    """The states by operations that autograd follows, also for many `b` at once."""
    way = -1 if schedule.reverse else 1
    s, states = initial[:0], list[Tensor]()
    for a_t, b_t in list(zip(*(part.split(schedule.layout.sizes) for part in (a, b)), strict=True))[::way]:
        s = torch.addcmul(b_t, a_t, resized(s, initial, len(a_t)))
        states.append(s)
    return torch.cat(states[::way])


class _Call(ctypes.Structure):
    """`scan` of native/scan.c."""

    _fields_ = [(name, ctypes.c_int64) for name in ("steps", "size", "complex", "reverse")] + [
        (name, ctypes.c_void_p) for name in ("batch_sizes", "a", "initial", "s", "d", "grad_a")
    ]


def _call(a: Tensor, states: Tensor, initial: Tensor, schedule: Schedule) -> _Call:
    layout, of_complex = schedule.layout, a.is_complex()
    sizes = layout.steps, a.shape[1] * (2 if of_complex else 1), int(of_complex), int(schedule.reverse)
    return _Call(*sizes, *(part.data_ptr() for part in (layout.tensor, a, initial, states)))


def _serving(*tensors: Tensor) -> Kernel | None:
    """The kernel, where it serves these tensors."""
    parts = [torch.view_as_real(part) if part.is_complex() else part for part in tensors]
    return kernel() if are_served(*parts) else None


def _functions(native: Kernel, like: Tensor) -> Any:
    return native.functions(like.real.dtype if like.is_complex() else like.dtype)


def _plain(tensor: Tensor) -> Tensor:
    """The same numbers one after the other."""
    return laid_out(tensor.resolve_conj())


def _copy(tensor: Tensor) -> Tensor:
    return tensor.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
