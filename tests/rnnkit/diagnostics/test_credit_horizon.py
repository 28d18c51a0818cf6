"""Gradients and losses by distance in time, on nets and tensors whose answers are known."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from rnnkit import sequences
from rnnkit.diagnostics import credit_horizon
from rnnkit.nn import cells


LENGTHS = (4, 1, 9)
LN = math.log(0.9)


def leaky(hidden=3):
    """A relu layer with W = 0.9 I and no bias: linear as long as its states are above 0."""
    module = nn.RNN(1, hidden, nonlinearity="relu", bias=False)
    with torch.no_grad():
        module.weight_ih_l0.fill_(1.0)
        module.weight_hh_l0.copy_(0.9 * torch.eye(hidden))
    return module


def gradients_of_leaky(scales, lengths=LENGTHS, dtype=torch.float64):
    """Total gradients of a linear net with W = 0.9 I, the loss of each sequence being its last state times a scale."""
    packed = []
    for length, scale in zip(lengths, scales, strict=True):
        h, states = torch.zeros(1, 2, dtype=dtype), []
        for _ in range(length):
            w = torch.eye(2, dtype=dtype, requires_grad=True)
            h = cells.linear_cell(torch.ones(1, 2, dtype=dtype), h, w, 0.9 * w)
            states.append(h)
        packed.append(torch.cat(torch.autograd.grad(scale * h.sum(), states)))
    return pack_sequence(packed, enforce_sorted=False)


def test_the_rate_of_a_linear_net_is_ln_of_its_factor():
    packed = pack_sequence([torch.rand(n, 1) for n in LENGTHS], enforce_sorted=False)
    initial = torch.ones(1, 3, 3, requires_grad=True)
    _, last = leaky()(packed, initial)
    at_start, at_end = torch.autograd.grad(last.square().sum(), (initial, last))
    found = credit_horizon.gradient_rate(at_start[0], at_end[0], torch.tensor(LENGTHS))
    assert found == pytest.approx(LN, rel=1e-5)
    assert credit_horizon.horizon(found) == pytest.approx(-1 / LN, rel=1e-5)


def test_rates_of_gradients_that_grow_vanish_or_are_not_there():
    one, lengths = torch.ones(2, 3), torch.tensor([2, 4])
    grows = credit_horizon.gradient_rate(one * 16, one, lengths)
    assert grows == pytest.approx((math.log(4) + math.log(2)) / 2)  # the median of two is their mean
    assert credit_horizon.horizon(grows) == math.inf
    assert credit_horizon.gradient_rate(0 * one, one, lengths) == -math.inf
    tiny = credit_horizon.gradient_rate(one * 1e-30, one, lengths)  # whose square is 0 in float32
    assert tiny == pytest.approx(math.log(1e-30) * 3 / 8, rel=1e-5)
    some = credit_horizon.gradient_rate(
        one, one * torch.tensor([[0.0], [1.0]]), lengths
    )  # the first one has no gradient
    assert (some, credit_horizon.horizon(some)) == (0.0, math.inf)
    assert credit_horizon.horizon(-math.inf) == 0
    none = credit_horizon.gradient_rate(one, 0 * one, lengths)
    assert math.isnan(none)
    assert math.isnan(credit_horizon.horizon(none))


def test_the_gradient_of_a_linear_net_fades_geometrically_with_the_lag():
    packed = gradients_of_leaky(scales=(1.0, 5.0, 0.01))
    expected = 0.9 ** torch.arange(9, dtype=torch.float64)
    torch.testing.assert_close(credit_horizon.gradient_by_lag(packed), expected)
    reverse = sequences.reverse(packed)  # what the backward direction of the same net would get
    torch.testing.assert_close(credit_horizon.gradient_by_lag(reverse, backward=True), expected)
    torch.testing.assert_close(credit_horizon.gradient_by_lag(packed, cell=packed), expected)
    farthest, mean_lag = credit_horizon.gradient_reach(expected, share=0.7)
    assert farthest == 3  # 0.9^3 = 0.729
    lags = torch.arange(9)
    assert mean_lag == pytest.approx(((lags * expected).sum() / expected.sum()).item())
    small = gradients_of_leaky((1e-30,) * 3, dtype=torch.float32)
    torch.testing.assert_close(credit_horizon.gradient_by_lag(small), expected, rtol=1e-5, atol=0)


def test_the_lag_of_a_cell_counts_what_bypasses_the_gates():
    hidden = pack_sequence([torch.tensor([[0.0], [3.0]])])
    cell = pack_sequence([torch.tensor([[2.5], [4.0]])])
    assert credit_horizon.gradient_by_lag(hidden).tolist() == [1, 0]
    assert credit_horizon.gradient_by_lag(hidden, cell).tolist() == [1, 0.5]


def test_sequences_without_a_gradient_are_left_out():
    some = credit_horizon.gradient_by_lag(gradients_of_leaky(scales=(1.0, 1.0, 0.0)))  # the longest has none
    torch.testing.assert_close(some[:4], 0.9 ** torch.arange(4, dtype=torch.float64))
    assert some[4:].isnan().all()
    assert credit_horizon.gradient_reach(some) == credit_horizon.gradient_reach(some[:4])
    none = credit_horizon.gradient_by_lag(gradients_of_leaky(scales=(0.0, 0.0, 0.0)))
    assert none.isnan().all()
    assert credit_horizon.gradient_reach(none) == (0, 0.0)
    assert credit_horizon.gradient_by_lag(gradients_of_leaky((2.0, 1.0), lengths=(1, 1))).tolist() == [1]


def truncation(loss, longest):
    contexts = credit_horizon.contexts_up_to(longest)
    losses = [loss(k) for k in contexts]
    return contexts, losses, credit_horizon.k95(contexts, losses)


def test_the_truncation_curve_of_a_net_that_reads_four_inputs():
    lengths = (10, 3, 7)
    contexts, _, enough = truncation(lambda k: sum(max(0, 4 - min(k, n)) for n in lengths) / 3, longest=10)
    assert contexts == [1, 2, 4, 8, 10]
    assert enough == 4
    assert truncation(lambda k: 3.0, 10)[2] == 1
    assert truncation(lambda k: -k, 10)[2] == 10
    assert truncation(lambda k: 2.0, 1) == ([1], [2.0], 1)
    assert truncation(lambda k: math.nan, 10)[2] == 10


def test_the_truncation_curve_of_a_linear_net():
    module = leaky(hidden=1)
    contexts, losses, enough = truncation(lambda k: -module(torch.ones(k, 1))[1].item(), longest=64)
    assert contexts == [1, 2, 4, 8, 16, 32, 64]
    assert losses == pytest.approx([-(1 - 0.9**k) / 0.1 for k in contexts], rel=1e-5)
    assert enough == 32  # 0.9^32 = 0.03 of what all inputs bring


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_net_forgets_by_its_factor(dtype):
    packed = pack_sequence([torch.rand(n, 1, dtype=dtype) for n in (200, 1, 30)], enforce_sorted=False)
    module = leaky().to(dtype)
    one, _ = module(packed, torch.ones(1, 3, 3, dtype=dtype))
    other, _ = module(packed, 2 * torch.ones(1, 3, 3, dtype=dtype))
    distances, slope = credit_horizon.forgetting_curve(one, other)
    assert slope == pytest.approx(LN, rel=1e-3)
    assert credit_horizon.horizon(slope) == pytest.approx(-1 / LN, rel=1e-3)
    expected = math.log(3) / 2 + LN * torch.arange(1, 51, dtype=torch.float64)
    torch.testing.assert_close(distances[:50], expected, rtol=0, atol=2e-2)
    _, swapped = credit_horizon.forgetting_curve(sequences.reverse(one), sequences.reverse(other), backward=True)
    assert swapped == pytest.approx(slope)


def distances_apart(*curves):
    """Two runs whose states of one unit are apart by the given distances."""
    ones = pack_sequence([torch.ones(len(curve), 1, dtype=torch.float64) for curve in curves], enforce_sorted=False)
    curves = [torch.as_tensor(curve, dtype=torch.float64).unsqueeze(1) for curve in curves]
    return ones, ones._replace(data=ones.data + pack_sequence(curves, enforce_sorted=False).data)


def test_the_slope_leaves_out_the_transient_and_the_end_of_precision():
    early = [5.0 - t for t in range(4)]
    late = [math.exp(-0.5 * t) for t in range(12)]
    one, other = distances_apart(early + late + [1e-16, 1e-3, 0.0], [1.0, 1.0])
    distances, slope = credit_horizon.forgetting_curve(one, other, transient=4)
    # of the short sequence one step is left, which tells no slope
    assert slope == pytest.approx(-0.5)
    assert distances[0] == pytest.approx(math.log(5) / 2)
    assert distances[-1] == -math.inf
    _, short = credit_horizon.forgetting_curve(*distances_apart([8.0, 4.0, 2.0, 1.0]), transient=10)
    assert short == pytest.approx(-math.log(2))  # of the last two of four steps


def test_runs_that_never_differ_or_last_one_step_have_no_slope():
    for curves in ([[0.0, 0.0, 0.0]], [[1.0], [1.0]], [[1.0, 0.0, 0.0]]):
        distances, slope = credit_horizon.forgetting_curve(*distances_apart(*curves))
        assert math.isnan(slope)
        assert not distances.isnan().any()


def test_losses_by_position_and_by_length():
    losses = pack_sequence([torch.arange(n) + 10.0 * n for n in (3, 1, 2, 5)], enforce_sorted=False)
    assert credit_horizon.loss_by_position(losses).tolist() == [27.5, 103 / 3, 42, 53, 54]
    assert credit_horizon.loss_by_position(losses, backward=True).tolist()[-1] == 50
    shortest, means, counts = credit_horizon.loss_by_length(losses.data, sequences.lengths_of_rows(losses))
    assert shortest == [1, 2, 4]
    assert means == pytest.approx([10, (30 + 31 + 32 + 20 + 21) / 5, 52])
    assert counts == [1, 5, 5]
    by_sequence = credit_horizon.loss_by_length(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([9, 1, 8]))
    assert by_sequence == ([1, 8], [2.0, 2.5], [1, 2])
