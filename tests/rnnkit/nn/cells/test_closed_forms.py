"""Each cell where its recurrence is solved by hand: constant gates make it a geometric series, a mean, a rotation."""

import math

import pytest
import torch

import rnnkit
from rnnkit.nn import cells


STEPS, SIZE = 12, 3
T = torch.arange(1, STEPS + 1, dtype=torch.float64).unsqueeze(1)  # of shape (steps, 1)


def plain(name, **options):
    """A layer of one input in float64 with weights of 0."""
    module = rnnkit.Recurrent(name, 1, SIZE, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def states(module, x=None, first=None):
    """All parts of the state at each step, of shape (steps, hidden) each, by letter."""
    x = torch.ones(STEPS, 1, dtype=torch.float64) if x is None else x
    with torch.no_grad(), rnnkit.observe(module) as trace:
        module(x, first)
    return {letter: packed.data for letter, packed in trace["model"]["l0.f"].states.items()}


def close(found, expected):
    torch.testing.assert_close(found, expected.expand_as(found), rtol=1e-12, atol=1e-12)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@torch.no_grad()
def test_peephole():
    """Without inputs c halves at each step, and the output gate sees what is left of it."""
    module = plain("peephole")
    module.peephole_l0[2] = 2.0
    c_0 = torch.full((1, SIZE), 3.0, dtype=torch.float64)
    seen = states(module, first=(torch.zeros_like(c_0), c_0))
    c = 3.0 * 0.5**T
    close(seen["c"], c)
    close(seen["h"], torch.sigmoid(2.0 * c) * torch.tanh(c))


@torch.no_grad()
def test_layer_normalised_lstm():
    """Gains of 0 leave the biases; c is the same in all units, which its normalisation takes away."""
    module = plain("lnlstm")
    module.bias_ih_l0[2 * SIZE : 3 * SIZE] = 0.7
    module.bias_c_l0.fill_(0.3)
    seen = states(module)
    close(seen["c"], math.tanh(0.7) * (1 - 0.5**T))
    close(seen["h"], torch.tensor(0.5 * math.tanh(0.3), dtype=torch.float64))


@torch.no_grad()
def test_layer_normalised_gru():
    module = plain("lngru")
    module.bias_ih_l0[SIZE : 2 * SIZE] = 1.2
    module.bias_ih_l0[2 * SIZE :] = 0.4
    module.bias_hh_l0[2 * SIZE :] = 0.6
    close(states(module)["h"], math.tanh(0.4 + 0.5 * 0.6) * (1 - sigmoid(1.2) ** T))


@pytest.mark.parametrize("name", ["lnlstm", "lngru"])
@torch.no_grad()
def test_layer_normalisation_takes_no_notice_of_the_scale_of_weights(name):
    torch.manual_seed(0)
    module = rnnkit.Recurrent(name, 4, 50, dtype=torch.float64)
    x = torch.randn(6, 4, dtype=torch.float64)
    module.weight_ih_l0.mul_(1e4)  # so that the small number below the root counts for nothing
    module.weight_hh_l0.mul_(1e4)
    before, _ = module(x)
    module.weight_ih_l0.mul_(7)
    module.weight_hh_l0.mul_(3)
    torch.testing.assert_close(module(x)[0][:1], before[:1], rtol=1e-6, atol=1e-7)
    assert (module(x)[0] - before).abs().max() < 1e-4


@torch.no_grad()
def test_mingru():
    module = plain("mingru")
    module.bias_ih_l0[:SIZE] = 0.8
    module.bias_ih_l0[SIZE:] = -5.0
    close(states(module)["h"], -5.0 * (1 - sigmoid(0.8) ** T))


@pytest.mark.parametrize(("i", "f"), [(0.3, 1.1), (-800.0, -800.0), (900.0, -900.0), (-1000.0, 1000.0)])
@torch.no_grad()
def test_minlstm(i, f):
    """Its two gates add up to 1, also where both are so far shut that each of them is 0 in double precision."""
    module = plain("minlstm")
    module.bias_ih_l0[:SIZE], module.bias_ih_l0[SIZE : 2 * SIZE], module.bias_ih_l0[2 * SIZE :] = i, f, 5.0
    share = sigmoid(f) / (sigmoid(f) + sigmoid(i)) if abs(i) < 100 else {-800.0: 0.5, 900.0: 0.0, -1000.0: 1.0}[i]
    close(states(module)["h"], 5.0 * (1 - share**T))


@pytest.mark.parametrize("a_i", [0.0, 5.0, 2000.0, -2000.0])
@torch.no_grad()
def test_slstm(a_i):
    """With its forget gate open it is the mean of all candidates so far, also where its input gate overflows."""
    module = plain("slstm")
    module.bias_ih_l0[:SIZE] = a_i
    module.bias_ih_l0[SIZE : 2 * SIZE] = 50.0
    module.weight_ih_l0[2 * SIZE : 3 * SIZE] = 1.0
    x = torch.linspace(-2, 2, STEPS, dtype=torch.float64).unsqueeze(1)
    close(states(module, x)["h"], 0.5 * torch.tanh(x).cumsum(0) / T)


@torch.no_grad()
def test_lru():
    """An impulse turns and fades: h_t = Re(C lambda^t sqrt(1 - |lambda|^2) B) after it, and D passes it on at once."""
    module = plain("lru")
    size, angle, b, d = 0.9, 0.5, complex(1.5, -0.5), 0.25
    module.nu_l0.fill_(math.log(-math.log(size)))
    module.theta_l0.fill_(math.log(angle))
    for part, value in enumerate((b.real, b.imag, d)):
        module.weight_ih_l0[part * SIZE : (part + 1) * SIZE] = value
    module.weight_out_l0[:, :SIZE], module.weight_out_l0[:, SIZE:] = torch.eye(SIZE), 2 * torch.eye(SIZE)
    x = torch.zeros(STEPS, 1, dtype=torch.float64)
    x[0] = 1.0
    turned = [(size * complex(math.cos(angle), math.sin(angle))) ** t for t in range(STEPS)]
    after = [(complex(1, 2) * math.sqrt(1 - size**2) * b * turn).real for turn in turned]
    close(states(module, x)["h"], torch.tensor(after, dtype=torch.float64).unsqueeze(1) + d * x)


@torch.no_grad()
def test_zoneout():
    """In evaluation a share of each state stays, so that a constant is neared as a geometric series."""
    module = plain("rnn", zoneout=0.25).eval()
    module.bias_ih_l0.fill_(0.6)
    close(states(module)["h"], math.tanh(0.6) * (1 - 0.25**T))


def test_each_cell_of_ours_is_solved_here():
    solved = {name.removeprefix("test_") for name in globals()}
    names = {"lnlstm": "layer_normalised_lstm", "lngru": "layer_normalised_gru"}
    for name in cells.names():
        assert cells.named(name).layer or names.get(name, name) in solved
