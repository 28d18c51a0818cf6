"""The native kernel by itself: the same bits in every variant and batch, what it costs nobody, and life without it."""

import ctypes
import dataclasses
import hashlib
import os
import subprocess
import sys

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

import build_kernel
import rnnkit
from rnnkit.nn.kernels import library, stack
from tests.helpers import ROOT
from tests.rnnkit.nn.pairs import KINDS


# SHA-256 of what `results` gives, on every machine. Another number means other bits for all runs: a change of the
# kernel that is meant says so in CHANGELOG.md, and `python -m tests.rnnkit.nn.test_native` prints the new ones.
GOLDEN = {
    torch.float32: "1f626abbc217d5d78795f716110303ebb3cc931ceb2286d0b196fd95d430d87c",
    torch.float64: "4f1b420e17eddceef76bc331c976450e4b48605c384b7abeb65f5ab262688b06",
}


def numbers(*shape, dtype):
    """Between -1 and 1. torch draws uniform numbers alike on every machine, and normal ones not."""
    return (torch.rand(shape, dtype=torch.float64) * 2 - 1).to(dtype)


def results(dtype):
    """Outputs and gradients of layers of all kinds and many shapes."""
    for number, kind in enumerate(KINDS):
        for inputs, hidden, layers, both, lengths in (
            *((3, 8, 1, True, (9, 3, 20, 1)), (7, 20, 2, True, (5, 5, 5)), (1, 1, 3, False, (1,))),
            *((33, 100, 1, True, range(1, 30)), (5, 130, 1, False, (3, 140, 2)), (140, 17, 2, True, [2] * 150)),
        ):
            torch.manual_seed(number)
            make, _, options = KINDS[kind]
            layer = make(inputs, hidden, num_layers=layers, bidirectional=both, dtype=dtype, dropout=0.0, **options)
            with torch.no_grad():
                for weight in layer.parameters():
                    weight.copy_(numbers(*weight.shape, dtype=dtype) / hidden**0.5)
            sequences = [numbers(n, inputs, dtype=dtype).requires_grad_() for n in lengths]
            output, final = layer(pack_sequence(sequences, enforce_sorted=False))
            outs = [output.data, *(final if isinstance(final, tuple) else (final,))]
            given = [numbers(*out.shape, dtype=dtype) for out in outs]
            yield from outs
            yield from torch.autograd.grad(outs, [*sequences, *layer.parameters()], given)


def digest(dtype):
    sha = hashlib.sha256()
    for tensor in results(dtype):
        sha.update(tensor.detach().numpy().tobytes())
    return sha.hexdigest()


def variants():
    """Those that this processor can run."""
    kernel = library.kernel()
    return [] if kernel is None else {"avx512": ["avx2", "avx512h", "avx512"]}.get(kernel.variant, [kernel.variant])


@pytest.mark.parametrize("dtype", GOLDEN)
@pytest.mark.parametrize("variant", variants())
def test_bits_are_the_same_in_every_variant_and_on_every_machine(variant, dtype, monkeypatch):
    kernel = library.Kernel(ctypes.CDLL(str(library.PATH)), variant)
    monkeypatch.setattr(stack, "kernel", lambda: kernel)
    assert digest(dtype) == GOLDEN[dtype]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_has_the_same_bits_in_any_batch_and_at_any_number_of_threads(kind):
    make, _, options = KINDS[kind]
    layer = make(5, 33, num_layers=2, bidirectional=True, **options)
    sequences = [torch.randn(n, 5).requires_grad_() for n in (1, 30, 7, 7, 12, 60)]
    given = [torch.randn(len(sequence), 66) for sequence in sequences]

    def run(chosen):
        output, _ = layer(pack_sequence([sequences[i] for i in chosen], enforce_sorted=False))
        outs = unpack_sequence(output)
        return outs, torch.autograd.grad(outs, [sequences[i] for i in chosen], [given[i] for i in chosen])

    together = run(range(6))
    for chosen in ([0], [1], [5], [2, 3], [4, 0, 1]):
        for both, alone in zip(together, run(chosen), strict=True):
            assert all(torch.equal(both[i], part) for i, part in zip(chosen, alone, strict=True))
    try:
        for threads in (2, 4):
            torch.set_num_threads(threads)
            for before, after in zip(together, run(range(6)), strict=True):
                assert all(map(torch.equal, before, after))
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_and_infinity_come_out_where_torch_has_them(kind):
    make, theirs, options = KINDS[kind]
    ours, torchs = make(3, 5, **options), theirs(3, 5, **options)
    torchs.load_state_dict(ours.state_dict())
    for special in (float("nan"), float("inf"), float("-inf"), 1e30):
        x = torch.randn(6, 4, 3)
        x[2, 1, 0] = special
        (a, _), (b, _) = ours(x), torchs(x)
        assert torch.equal(a.isnan(), b.isnan())
        torch.testing.assert_close(a.nan_to_num(), b.nan_to_num())


def test_without_gradients_nothing_is_kept_for_backward():
    """States alone: of 4 times the size are the gates of an LSTM, which backward needs."""
    layer = rnnkit.LSTM(4, 256)
    packed = pack_sequence([torch.randn(500, 4) for _ in range(16)])
    peaks = []
    for keep in (True, False):
        with torch.set_grad_enabled(keep), torch.profiler.profile(profile_memory=True) as seen:
            output = layer(packed)
        peaks.append(sum(max(0, event.self_cpu_memory_usage) for event in seen.key_averages()))
        del output
    assert peaks[1] < 0.3 * peaks[0]


WITHOUT = """
import warnings, torch, rnnkit
from torch.nn.utils.rnn import pack_sequence
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    layer = rnnkit.GRU(3, 4, bidirectional=True)
    for _ in range(2):
        layer(pack_sequence([torch.randn(n, 3) for n in (5, 2)]))[0].data.sum().backward()
print(rnnkit.about()["kernel"], [str(each.message) for each in told])
"""


def answer(**environment):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_variant_can_be_chosen_and_what_cannot_run_is_told_once():
    assert answer(RNNKIT_KERNEL="none") == "none []"
    for variant in variants():
        if variant != "avx512h":
            assert answer(RNNKIT_KERNEL=variant) == f"{variant} []"
    said = answer(RNNKIT_KERNEL="sse9")
    assert said.startswith("none [")
    assert said.count("cannot run as RNNKIT_KERNEL=sse9 here") == 1
    assert "unset RNNKIT_KERNEL" in said
    assert "several times slower" in said


@pytest.mark.skipif(library.kernel() is None, reason="the native kernel was not built")
def test_a_library_of_an_older_version_is_told(monkeypatch):
    newer = dataclasses.make_dataclass("Newer", [("newer", object)], bases=(library.Functions,), frozen=True)
    monkeypatch.setattr(library, "Functions", newer)
    with pytest.warns(RuntimeWarning, match="was built from other sources than these.*rnnkit again"):
        assert library.kernel.__wrapped__() is None


def test_a_library_that_was_not_built_is_told_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "PATH", tmp_path / "kernel.so")
    with pytest.warns(RuntimeWarning, match="there was no C compiler, or it failed.*install a C compiler"):
        assert library.kernel.__wrapped__() is None
    library.PATH.write_bytes(b"no library")
    with pytest.warns(RuntimeWarning, match="cannot be loaded .*kernel.so"):
        assert library.kernel.__wrapped__() is None


def test_what_is_in_force_is_what_the_sources_say():
    kernel = library.kernel()
    assert kernel.source == build_kernel.source_hash(), "the kernel is older than its sources: make setup"
    assert rnnkit.about()["kernel_source"] == kernel.source


if __name__ == "__main__":
    for numeric in GOLDEN:
        print(numeric, digest(numeric))
