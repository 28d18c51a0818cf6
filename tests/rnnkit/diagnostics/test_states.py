"""Statistics of states and gates, on states and gates whose statistics are known."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence

from rnnkit import sequences
from rnnkit.diagnostics import states


def directions(count, hidden, steps=64):
    """States that vary alike in `count` orthogonal directions, and in no other."""
    waves = torch.arange(1, count + 1) * torch.arange(steps).unsqueeze(1) * 2 * math.pi / steps
    basis = torch.linalg.qr(torch.randn(hidden, hidden, dtype=torch.float64)).Q[:, :count]
    return torch.cos(waves).double() @ basis.T + torch.randn(hidden)


def test_magnitude_of_known_states():
    rms, rms_std, saturated = states.magnitude(torch.tensor([[1.0, -1.0], [0.5, -0.5], [0.0, 0.0], [0.5, 0.5]]))
    assert (rms, saturated) == (0.5, 0.25)
    assert rms_std == pytest.approx(math.sqrt(1 / 8))
    assert states.magnitude(torch.ones(1, 1)) == (1.0, 0.0, 1.0)


def test_units_that_move_a_hundred_times_less_than_the_median_are_dead():
    rows = torch.randn(50, 6)
    rows[:, 1] = 0.7
    rows[:, 4] = 1 + rows[:, 4] / 1000
    assert states.unit_std(rows)[1] == 0
    assert states.dead_units(rows).tolist() == [False, True, False, False, True, False]
    assert not states.dead_units(rows[:, [0, 2]] * 1e-6).any()  # small states are not dead ones
    rows[:, :5] = 0.7
    assert states.dead_units(rows).tolist() == [True] * 5 + [False]
    assert not states.dead_units(rows[:1]).any()


@pytest.mark.parametrize("count", [1, 3, 10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_independent_directions_are_as_many_dimensions(count, dtype):
    found = states.dimensions(directions(count, 12).to(dtype))
    assert found.participation_ratio == pytest.approx(count, rel=1e-5)
    assert found.effective_rank == pytest.approx(count, rel=1e-5)
    assert found.k90 == math.ceil(0.9 * count)
    assert found.steps == 64


def test_dimensions_of_unequal_variances_and_of_none():
    rows = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # shares 0.9 and 0.1
    found = states.dimensions(rows)
    assert states.participation_ratio(rows) == pytest.approx(found.participation_ratio)
    assert found.participation_ratio == pytest.approx(1 / (0.81 + 0.01))
    assert found.effective_rank == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)))
    assert found.k90 == 1
    for still in (torch.full((5, 3), 0.7), torch.randn(1, 3), torch.full((4, 1), 0.1)):
        assert states.dimensions(still) == states.Dimensions(0.0, 0.0, 0, len(still))
        assert states.participation_ratio(still) == 0


def test_principal_components_are_fixed_by_the_rows_they_were_fitted_on():
    rows = torch.tensor([[5.0, 1.0], [-1.0, 1.0], [2.0, 2.0], [2.0, 0.0]])
    found = states.principal_components(rows, 2)
    torch.testing.assert_close(found.explained, torch.tensor([0.9, 0.1], dtype=torch.float64))
    torch.testing.assert_close(found.basis, torch.eye(2, dtype=torch.float64))  # up to sign, which is fixed
    torch.testing.assert_close(
        states.project(torch.tensor([[2.0, 1.0], [3.0, -1.0]]), found),
        torch.tensor([[0.0, 0.0], [1.0, -2.0]], dtype=torch.float64),
    )
    still = states.principal_components(torch.full((3, 2), 0.7), 1)
    assert still.explained.tolist() == [0]
    assert still.basis.isfinite().all()


def growing(lengths, slope):
    """Sequences whose states' norms grow by `slope` a step, from a level that depends on the length."""
    return pack_sequence(
        [(10 + n + slope * torch.arange(n)).unsqueeze(1) * torch.tensor([[0.6, -0.8]]) for n in lengths],
        enforce_sorted=False,
    )


def test_drift_of_norms_that_grow_evenly():
    packed = growing([4, 1, 6], slope=0.5)
    assert states.norm_drift(packed) == pytest.approx(0.5, rel=1e-5)
    assert states.norm_drift(packed, backward=True) == pytest.approx(-0.5, rel=1e-5)
    steady = growing([4, 1, 6], slope=0.0)
    assert states.norm_drift(steady) == pytest.approx(0, abs=1e-6)
    single = growing([1, 1], slope=0.5)
    assert math.isnan(states.norm_drift(single))


def test_padding_poisoned_with_nan_is_not_seen():
    padded, lengths = torch.randn(3, 6, 4), torch.tensor([4, 1, 6])
    found = []
    for fill in (0.0, torch.nan):
        for i, length in enumerate(lengths):
            padded[i, length:] = fill
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        found.append([states.magnitude(packed.data), states.dimensions(packed.data), states.norm_drift(packed)])
    assert found[0] == found[1]


def test_own_times_of_rows():
    packed = pack_sequence([torch.zeros(n) for n in (2, 1, 3)], enforce_sorted=False)  # longest first: 3, 2, 1
    assert sequences.times(packed).tolist() == [0, 0, 0, 1, 1, 2]
    assert sequences.times(packed, backward=True).tolist() == [2, 1, 0, 1, 0, 0]
    assert sequences.lengths_of_rows(packed).tolist() == [3, 2, 1, 3, 2, 3]


def test_gates_that_are_known():
    gate = torch.tensor([[0.05, 0.95, 0.5], [0.05, 0.95, 0.5], [0.5, 0.95, 0.5], [0.5, 0.5, 0.5]])
    found = states.gate_statistics(gate)
    assert found["left"].tolist() == [0.5, 0, 0]
    assert found["right"].tolist() == [0, 0.75, 0]
    torch.testing.assert_close(found["sensitivity"], torch.tensor([0.595, 0.3925, 1]))
    torch.testing.assert_close(found["std"], torch.tensor([0.225, 0.45 * math.sqrt(3 / 16), 0], dtype=torch.float64))
    one = states.gate_statistics(gate[:1])
    assert one["std"].tolist() == [0, 0, 0]


def test_timescales_of_constant_gates():
    keeping = torch.tensor([0.5, 0.9, 0.999, 1.0, 0.0]).expand(7, 5)
    found = states.timescales(keeping).tolist()
    assert found[:3] == pytest.approx([-1 / math.log(f) for f in (0.5, 0.9, 0.999)], rel=1e-4)
    assert found[3:] == [math.inf, 0]
    mixed = states.timescales(torch.tensor([[0.5], [0.8]]))
    assert mixed.item() == pytest.approx(-2 / math.log(0.4), rel=1e-6)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_the_gate_named_as_keeping_is_the_one_that_keeps(kind):
    """A layer with W = 0 whose second gate (z of a GRU, f of an LSTM) is f throughout forgets by f a step."""
    module = kind(1, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[2:4] = torch.tensor([0.8, 0.6]).logit()
    start = torch.ones(1, 1, 2)
    state = (torch.zeros_like(start), start) if kind is nn.LSTM else start
    _, end = module(torch.zeros(3, 1, 1), state)
    kept = (end[1] if kind is nn.LSTM else end).flatten().double()
    tau = states.timescales(torch.tensor([0.8, 0.6]).expand(3, 2))
    torch.testing.assert_close(kept, torch.exp(-3 / tau), rtol=1e-5, atol=0)


def test_statistics_of_a_real_layer_are_finite():
    output, _ = nn.LSTM(3, 8, bidirectional=True)(pack_sequence([torch.randn(n, 3) for n in (5, 2, 1)]))
    for rows in output.data.detach().chunk(2, dim=1):
        assert states.dimensions(rows).participation_ratio > 0
        assert states.unit_std(rows).isfinite().all()
