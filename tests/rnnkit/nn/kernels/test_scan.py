"""The scan, by the native kernel and by torch's operations, beside a loop over single sequences."""

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit.nn.kernels import scan as scans
from rnnkit.nn.kernels.library import Kernel, kernel
from rnnkit.nn.kernels.scan import scan
from rnnkit.sequences import PackedLayout, Schedule


def parts(sizes, size, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = sum(sizes)
    shapes = (rows, size), (rows, size), (sizes[0], size)
    return [torch.randn(shape, dtype=dtype, generator=generator).requires_grad_() for shape in shapes]


def loop(a, b, initial, sizes, reverse):
    """Each sequence by itself, its rows picked one by one."""
    starts = [sum(sizes[:t]) for t in range(len(sizes))]
    states = [None] * sum(sizes)
    for sequence in range(sizes[0]):
        rows = [start + sequence for start, count in zip(starts, sizes, strict=True) if sequence < count]
        s = initial[sequence]
        for row in reversed(rows) if reverse else rows:
            s = states[row] = a[row] * s + b[row]
    return torch.stack(states)


def gradients(states, given):
    weights = torch.randn(states.shape, dtype=states.dtype, generator=torch.Generator().manual_seed(5))
    return torch.autograd.grad(
        (states * weights).real.sum() if states.is_complex() else (states * weights).sum(), given
    )


@pytest.fixture(params=["kernel", "torch"])
def path(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(scans, "kernel", lambda: None)
    return request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [[1], [4, 4, 3, 1, 1], [5] * 6, [3, 2]])
def test_states_and_gradients_are_those_of_a_loop(sizes, reverse, dtype, path):
    inputs = parts(sizes, 7, dtype)
    schedule = Schedule(PackedLayout(sizes), reverse, sum(sizes))
    found, expected = scan(*inputs, schedule), loop(*inputs, sizes, reverse)
    tolerance = 1e-12 if dtype in (torch.float64, torch.complex128) else 1e-4
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    for ours, theirs in zip(gradients(found, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    size=st.integers(1, 20),
    reverse=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.complex128]),
)
def test_any_lengths_and_sizes(lengths, size, reverse, dtype):
    sizes = [sum(n > t for n in lengths) for t in range(max(lengths))]
    inputs = parts(sizes, size, dtype)
    found = scan(*inputs, Schedule(PackedLayout(sizes), reverse, sum(sizes)))
    expected = loop(*inputs, sizes, reverse)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    for ours, theirs in zip(gradients(found, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_sequence_has_the_same_bits_in_any_batch(reverse):
    sizes = [6, 6, 4, 2, 1]
    a, b, initial = parts(sizes, 19, torch.float32)
    whole = scan(a, b, initial, Schedule(PackedLayout(sizes), reverse, sum(sizes)))
    rows = [0, 6, 12, 16, 18]  # the longest sequence, alone
    alone = scan(a[rows], b[rows], initial[:1], Schedule(PackedLayout([1] * 5), reverse, 5))
    assert torch.equal(whole[rows], alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_all_variants_of_the_kernel_give_the_same_bits(dtype, monkeypatch):
    native = kernel()
    if native is None:
        pytest.skip("there is no native kernel")
    sizes, found = [6, 6, 4, 2, 1], []
    for variant in {"avx512": ("avx2", "avx512h", "avx512")}.get(native.variant, (native.variant,)):
        monkeypatch.setattr(scans, "kernel", functools.partial(Kernel, native.library, variant))
        inputs = parts(sizes, 19, dtype)
        states = scan(*inputs, Schedule(PackedLayout(sizes), True, sum(sizes)))
        found.append([states, *gradients(states, inputs)])
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_views_that_torch_has_not_worked_out_yet(path):
    """Conjugates, expanded rows and columns of something wider."""
    sizes = [3, 3, 2]
    a, b, initial = (part.detach() for part in parts(sizes, 4, torch.complex128))
    schedule = Schedule(PackedLayout(sizes), False, 8)
    wide = torch.cat([b, b], dim=1)
    found = scan(a[:1].conj().expand(8, 4), wide[:, 4:], initial.conj(), schedule)
    expected = loop(a[:1].conj().expand(8, 4).clone(), b, initial.conj(), sizes, False)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(wide[:, 4:], b)  # nothing that is read is written


def test_many_gradients_at_once_are_each_of_them(path):
    sizes = [3, 2, 2]
    inputs = parts(sizes, 4, torch.float64)
    states = scan(*inputs, Schedule(PackedLayout(sizes), True, 7))
    many = torch.randn(5, 7, 4, dtype=torch.float64)
    together = torch.autograd.grad(states, inputs, many, is_grads_batched=True, retain_graph=True)
    for i, each in enumerate(many):
        for whole, alone in zip(together, torch.autograd.grad(states, inputs, each, retain_graph=True), strict=True):
            torch.testing.assert_close(whole[i], alone, rtol=1e-12, atol=1e-12)
