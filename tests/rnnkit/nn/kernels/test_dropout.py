"""Factors of dropout from the kernel beside torch's own: each of them, all later draws, and the whole random state."""

import functools
import threading
import time

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from rnnkit.nn.kernels import dropout
from rnnkit.nn.kernels.library import Kernel, kernel


BLOCK = 624  # words that torch's generator makes at once; a factor takes two

needs_kernel = pytest.mark.skipif(kernel() is None, reason="there is no native kernel")


def begun(seed, words, normal):
    """A generator that has given so many words, and keeps a normal number for later, if asked."""
    torch.manual_seed(seed)
    torch.randint(2**31, (words,))
    if normal:
        torch.randn(1, dtype=torch.float64)


def both(like, share, begin):
    """The kernel's factors and torch's, each with the state after it."""
    results = []
    for draw in (dropout.drawn, lambda like, share: functional.dropout(torch.ones_like(like), share)):
        begin()
        results.append((draw(like, share), torch.get_rng_state()))
    return results


def assert_same(ours, theirs):
    assert ours[0] is not None
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])


@needs_kernel
@settings(max_examples=150, deadline=None)
@example(shape=[1], share=0.5, dtype=torch.float32, seed=0, words=BLOCK - 1, normal=False)  # a pair across two blocks
@example(shape=[BLOCK], share=0.5, dtype=torch.float32, seed=0, words=1, normal=True)
@example(shape=[BLOCK // 2], share=0.5, dtype=torch.float64, seed=0, words=BLOCK, normal=False)
@example(shape=[15], share=2.0**-60, dtype=torch.float32, seed=0, words=0, normal=False)  # 1 - share is 1
@example(shape=[2000], share=1 - 2.0**-53, dtype=torch.float64, seed=0, words=0, normal=False)
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True) | st.sampled_from([0.1, 0.2, 0.3, 0.5]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**63 - 1),
    words=st.integers(0, 2 * BLOCK + 2),
    normal=st.booleans(),
)
def test_factors_and_random_state_are_torchs(shape, share, dtype, seed, words, normal):
    begin = functools.partial(begun, seed, words, normal)
    assert_same(*both(torch.empty(shape, dtype=dtype), share, begin))


@needs_kernel
def test_a_number_that_lies_on_the_bound_is_dropped_as_torch_drops_it():
    """1 - share is just the number that is drawn at some place, or the next one above it."""
    torch.manual_seed(11)
    numbers = torch.rand(400, dtype=torch.float64)
    for place in (0, 7, 399):
        for keep in (numbers[place], torch.nextafter(numbers[place], torch.tensor(1.0, dtype=torch.float64))):
            share = 1 - keep.item()
            ours, theirs = both(numbers, share, lambda: torch.manual_seed(11))
            assert_same(ours, theirs)
            assert (ours[0][place] > 0) == (numbers[place] < 1 - share)


@needs_kernel
def test_many_draws_in_turn_with_torchs():
    after = []
    for draw in (dropout.factors, lambda like, share: functional.dropout(torch.ones_like(like), share)):
        torch.manual_seed(3)
        sizes = torch.randint(1, 700, (40,)).tolist()
        parts = []
        for size in sizes:
            parts += [draw(torch.empty(size), 0.3), torch.randn(1), torch.rand(3), torch.randperm(5).float()]
        after.append(torch.cat(parts))
    assert torch.equal(*after)


@needs_kernel
@pytest.mark.parametrize(
    "like",
    [
        torch.empty(30, 7).t(),
        torch.empty(4, 6, 5).permute(2, 0, 1),
        torch.empty(9, 8)[:, ::2],
        torch.empty(1, 6).expand(5, 6),
        torch.empty(5, 1, 3).transpose(0, 1),
        torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.empty(()),
        torch.empty(0, 3),
        torch.nn.Parameter(torch.empty(6, 5)),
    ],
)
def test_numbers_that_lie_in_another_order(like):
    (ours, state), theirs = both(like, 0.4, lambda: torch.manual_seed(2))
    assert_same((ours, state), theirs)
    assert not ours.requires_grad


@needs_kernel
def test_all_variants_of_the_kernel_draw_the_same(monkeypatch):
    native = kernel()
    for variant in {"avx512": ("avx2", "avx512h", "avx512")}.get(native.variant, (native.variant,)):
        monkeypatch.setattr(dropout, "kernel", functools.partial(Kernel, native.library, variant))
        for dtype in (torch.float32, torch.float64):
            assert_same(*both(torch.empty(1500, dtype=dtype), 0.2, lambda: begun(5, 77, True)))


@pytest.mark.parametrize("share", [0, 0.0, 1, 1.0])
def test_shares_of_which_nothing_is_drawn(share):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert torch.equal(dropout.factors(torch.empty(50), share), torch.full((50,), 1.0 - share))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_gives_torchs_error(share):
    with pytest.raises((ValueError, RuntimeError), match="dropout probability has to be between 0 and 1"):
        dropout.factors(torch.empty(5), share)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_what_the_kernel_does_not_serve_is_left_to_torch(dtype):
    like = torch.empty(9, dtype=dtype)
    assert dropout.drawn(like, 0.5) is None
    assert dropout.factors(like, 0.5).dtype == dtype


def test_under_torch_func_torch_draws():
    def draw(row):
        return dropout.factors(row, 0.5)

    torch.manual_seed(4)
    ours = torch.func.vmap(draw, randomness="different")(torch.ones(3, 40))
    torch.manual_seed(4)
    theirs = torch.func.vmap(lambda row: functional.dropout(row, 0.5), randomness="different")(torch.ones(3, 40))
    assert torch.equal(ours, theirs)
    with pytest.raises(RuntimeError, match="randomness"):
        torch.func.vmap(draw)(torch.ones(3, 40))


@needs_kernel
def test_a_torch_that_draws_otherwise_is_found_out(monkeypatch):
    """One that takes other words, one whose numbers differ in their last bit, one whose state has another form."""
    native = kernel()
    dropout._draws_as_torch.cache_clear()
    try:
        assert dropout._draws_as_torch(native)
        for name in ("STATE_BYTES", "_fill"):
            with monkeypatch.context() as changed:
                changed.setattr(dropout, name, 5048 if name == "STATE_BYTES" else lambda *given: True)
                dropout._draws_as_torch.cache_clear()
                assert not dropout._draws_as_torch(native)
                assert dropout.drawn(torch.empty(5), 0.5) is None
    finally:
        dropout._draws_as_torch.cache_clear()


@needs_kernel
@pytest.mark.parametrize("left", [0, -1, 625, 400])
def test_a_state_that_points_out_of_its_words_is_not_read(left):
    state = torch.Generator().manual_seed(0).get_state()
    state[8:12] = torch.tensor([left], dtype=torch.int32).view(torch.uint8)
    state[16:24] = torch.tensor([300]).view(torch.uint8)
    before, filled = state.clone(), torch.full((4,), 7.0)
    assert not dropout._fill(kernel(), filled, 0.5, state)
    assert torch.equal(state, before)
    assert torch.equal(filled, torch.full((4,), 7.0))


@needs_kernel
def test_threads_draw_one_after_the_other(monkeypatch):
    """Four of them get, together, what one gets, also where each dawdles while it holds the state."""
    fill, found = dropout._fill, []
    torch.manual_seed(6)
    expected = sorted(tuple(dropout.drawn(torch.empty(50), 0.5).tolist()) for _ in range(20))
    monkeypatch.setattr(dropout, "_fill", lambda *given: time.sleep(1e-3) or fill(*given))
    torch.manual_seed(6)

    def work():
        for _ in range(5):
            found.append(tuple(dropout.drawn(torch.empty(50), 0.5).tolist()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == expected
