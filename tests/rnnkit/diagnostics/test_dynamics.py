"""Jacobians against automatic differentiation, exponents and spectra of layers where they are known."""

import math

import pytest
import torch
from torch import nn

from rnnkit.diagnostics import dynamics
from rnnkit.nn import cells
from tests.rnnkit.diagnostics import closed_forms


def weights_of(module):
    return [p.detach().double() for p in module.parameters()]


@pytest.mark.parametrize(
    ("jacobian", "kind", "options", "more"),
    [
        (closed_forms.rnn_jacobian, nn.RNN, {}, {}),
        (closed_forms.rnn_jacobian, nn.RNN, {"nonlinearity": "relu"}, {"activation": torch.relu}),
        (closed_forms.gru_jacobian, nn.GRU, {}, {}),
        (closed_forms.lstm_jacobian, nn.LSTM, {}, {}),
    ],
)
@pytest.mark.parametrize("hidden", [1, 4])
def test_jacobians_are_those_in_closed_form(jacobian, kind, options, more, hidden):
    module = kind(2, hidden, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    parts = 2 if kind is nn.LSTM else 1
    x, state = torch.randn(40, 2, dtype=torch.float64), torch.randn(parts, 40, hidden, dtype=torch.float64)
    found = dynamics.jacobians(module, [x, *state])
    expected = jacobian(x, tuple(state) if parts == 2 else state[0], *weights_of(module), **more)
    assert found.shape == (40, parts * hidden, parts * hidden)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("backward", [False, True])
def test_all_exponents_add_up_to_the_mean_of_ln_det(kind, backward):
    torch.manual_seed(0)
    module = kind(2, 3, num_layers=2, bidirectional=True, bias=not backward)
    inputs = torch.randn(200, 6)
    size = 6 if kind is nn.LSTM else 3
    found = dynamics.lyapunov_exponents(module, inputs, size, layer=1, backward=backward, warm_up=5)
    assert found.tolist() == sorted(found.tolist(), reverse=True)

    step, jacobian = {
        nn.RNN: (cells.rnn_cell, closed_forms.rnn_jacobian),
        nn.GRU: (cells.gru_cell, closed_forms.gru_jacobian),
        nn.LSTM: (cells.lstm_cell, closed_forms.lstm_jacobian),
    }[kind]
    suffix = "_l1_reverse" if backward else "_l1"
    weights = [p.detach().double() for name, p in module.named_parameters() if name.endswith(suffix)]
    weights += [torch.zeros(len(weights[0]), dtype=torch.float64)] * (4 - len(weights))
    h = torch.zeros(1, 3, dtype=torch.float64)
    state = (h, h) if kind is nn.LSTM else h
    dets = []
    for x in inputs.double().unsqueeze(1):
        dets.append(torch.linalg.slogdet(jacobian(x, state, *weights)).logabsdet)
        state = step(x, state, *weights)
    assert found.sum().item() == pytest.approx(torch.cat(dets[5:]).mean().item(), rel=1e-9)

    leading = dynamics.lyapunov_exponents(module, inputs, 1, layer=1, backward=backward, warm_up=5)
    torch.testing.assert_close(leading, found[:1], rtol=0, atol=0.03)  # begun from another direction


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_a_linear_net_has_the_exponents_of_its_factor(steps):
    module = nn.RNN(1, 3, nonlinearity="relu", bias=False)
    with torch.no_grad():
        module.weight_ih_l0.fill_(1.0)
        module.weight_hh_l0.copy_(0.9 * torch.eye(3))
    found = dynamics.lyapunov_exponents(module, torch.ones(steps, 1), 3, state=torch.ones(3))
    assert found.tolist() == pytest.approx([math.log(0.9)] * 3, rel=1e-6)  # its weights are float32
    off = dynamics.lyapunov_exponents(module, -100 * torch.ones(steps, 1), 3)
    assert off.tolist() == [-math.inf] * 3


def test_exponents_of_a_diagonal_net_at_rest_come_in_order():
    module = nn.RNN(1, 3, bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.diag(torch.tensor([0.25, 0.75, 0.5])))
    random = torch.get_rng_state()
    found = dynamics.lyapunov_exponents(module, torch.zeros(200, 1), 2, warm_up=100)
    assert found.tolist() == pytest.approx([math.log(0.75), math.log(0.5)], rel=1e-6)
    assert torch.equal(torch.get_rng_state(), random)


def test_the_exponents_of_an_lstm_count_what_its_cell_keeps():
    """With W = 0, h depends on c alone and c fades by f: as many exponents ln f as units, the others -inf."""
    module = nn.LSTM(1, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[2:4] = torch.tensor([0.99, 0.5], dtype=torch.float64).logit().float()
    found = dynamics.lyapunov_exponents(module, torch.zeros(200, 1), 2, state=(torch.ones(2), torch.zeros(2)))
    assert found[0].item() == pytest.approx(math.log(0.99), rel=1e-4)
    assert found[1].item() == pytest.approx(math.log(0.5), rel=1e-4)


def test_a_projection_is_refused():
    with pytest.raises(ValueError, match="proj_size"):
        dynamics.lyapunov_exponents(nn.LSTM(1, 4, proj_size=2), torch.zeros(3, 1), 1)


def test_spectra_of_known_matrices():
    orthogonal = dynamics.spectrum(nn.init.orthogonal_(torch.empty(6, 6, dtype=torch.float64)))
    torch.testing.assert_close(orthogonal.eigenvalues.abs(), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(orthogonal.singular_values, torch.ones(6, dtype=torch.float64))
    assert orthogonal.henrici == pytest.approx(0, abs=1e-6)  # the root of a rounding
    shift = dynamics.spectrum(torch.eye(5).roll(1, dims=1).triu())  # passes on, keeps nothing
    assert shift.eigenvalues.abs().max() < 1e-3
    assert shift.singular_values.tolist() == pytest.approx([1, 1, 1, 1, 0], abs=1e-12)
    assert shift.henrici == pytest.approx(1)
    diagonal = dynamics.spectrum(torch.diag(torch.tensor([0.5, -2.0])))
    assert diagonal.eigenvalues.tolist() == [-2, 0.5]
    assert diagonal.henrici == 0
    assert dynamics.spectrum(torch.zeros(2, 2)).henrici == 0
    assert dynamics.spectrum(torch.full((1, 1), -0.5)).eigenvalues.tolist() == [-0.5]


def test_singular_values_of_the_gates():
    blocks = [scale * nn.init.orthogonal_(torch.empty(4, 4, dtype=torch.float64)) for scale in (1, 2, 3)]
    found = dynamics.gate_singular_values(torch.cat(blocks))
    torch.testing.assert_close(found, torch.tensor([[1.0], [2], [3]], dtype=torch.float64).expand(3, 4))
