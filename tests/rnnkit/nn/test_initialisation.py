import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import rnnkit
from rnnkit.core.errors import UserError
from rnnkit.nn import initialisation


def layer(kind=rnnkit.LSTM, **options):
    torch.manual_seed(0)
    return kind(3, 8, num_layers=2, bidirectional=True, **options)


def parts(module, prefix):
    """Each gate's part of every parameter of this kind, by layer and direction."""
    return {
        name: p.detach().split(module.hidden_size) for name, p in module.named_parameters() if name.startswith(prefix)
    }


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_orthogonal_gates_are_those_that_torch_draws(size):
    ours, theirs = nn.RNN(3, size), torch.empty(size, size)
    torch.manual_seed(1)
    initialisation.orthogonal_(ours)
    torch.manual_seed(1)
    nn.init.orthogonal_(theirs)
    torch.testing.assert_close(ours.weight_hh_l0.detach(), theirs, rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", [rnnkit.RNN, rnnkit.GRU, rnnkit.LSTM, nn.GRU])
def test_orthogonal_gates_keep_lengths(kind):
    module = layer(kind)
    inputs = {k: v.clone() for k, v in module.state_dict().items() if "hh" not in k}
    initialisation.orthogonal_(module)
    for gates in parts(module, "weight_hh").values():
        for gate in gates:
            torch.testing.assert_close(gate @ gate.T, torch.eye(8), rtol=0, atol=1e-5)
    assert all(torch.equal(module.state_dict()[k], v) for k, v in inputs.items())


def test_an_identity_rnn_adds_up_what_comes_in():
    module = rnnkit.RNN(3, 3, nonlinearity="relu")
    initialisation.identity_(module)
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.eye(3))
    x = torch.rand(7, 2, 3)
    torch.testing.assert_close(module(x)[0], x.cumsum(0))


@pytest.mark.parametrize(("kind", "gate"), [(rnnkit.LSTM, 1), (rnnkit.GRU, 1)])
def test_the_forget_bias_is_one_in_all_in_every_layer_and_direction(kind, gate):
    module = layer(kind)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    initialisation.forget_bias_(module)
    ih, hh = parts(module, "bias_ih"), parts(module, "bias_hh")
    assert len(ih) == 4
    for name, gates in ih.items():
        for i, (a, b) in enumerate(zip(gates, hh[name.replace("ih", "hh")], strict=True)):
            if i == gate:
                assert torch.equal(a + b, torch.ones(8))
            else:
                assert torch.equal(a, before[name].split(8)[i])


@pytest.mark.parametrize("kind", [rnnkit.LSTM, rnnkit.GRU])
def test_chrono_spreads_the_time_scales(kind):
    module = kind(3, 4_000)
    initialisation.chrono_(module, longest=101)
    b = [a + c for a, c in zip(*(parts(module, f"bias_{x}")[f"bias_{x}_l0"] for x in ("ih", "hh")), strict=True)]
    scales = b[1].exp()  # uniform on 1..100
    assert 1 <= scales.min() < 1.3
    assert 99.7 < scales.max() <= 100.001
    assert scales.mean().item() == pytest.approx(50.5, abs=2)
    assert scales.std().item() == pytest.approx(99 / math.sqrt(12), abs=1)
    if kind is rnnkit.LSTM:
        torch.testing.assert_close(b[0], -b[1])


def test_what_cannot_be_initialised_says_why():
    for function in (initialisation.forget_bias_, lambda m: initialisation.chrono_(m, 10)):
        with pytest.raises(UserError, match="a cell rnn has none that keeps its state"):
            function(layer(rnnkit.RNN))
        with pytest.raises(UserError, match="without biases"):
            function(layer(rnnkit.GRU, bias=False))
    with pytest.raises(UserError, match="3 steps or more, not 2"):
        initialisation.chrono_(layer(), 2)


WAYS = {
    "orthogonal": initialisation.orthogonal_,
    "identity": initialisation.identity_,
    "forget-bias": initialisation.forget_bias_,
    "chrono": lambda module: initialisation.chrono_(module, 10),
}


def pruned(module, name):
    return prune.l1_unstructured(module, name, 0.5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("changed", [parametrizations.weight_norm, parametrizations.orthogonal, pruned])
def test_a_weight_that_is_not_there_to_start_is_named_wherever_it_stands(way, changed):
    """The second layer's other direction alone: the rest must not be started without it in silence."""
    part = "weight_hh" if way in ("orthogonal", "identity") else "bias_hh"
    if part == "bias_hh" and changed is not pruned:
        pytest.skip("it is for matrices")
    module = layer()
    changed(module, f"{part}_l1_reverse")
    with pytest.raises(UserError, match=f"no parameter {part}_l1_reverse to start in this .*LSTM"):
        WAYS[way](module)


@pytest.mark.parametrize("way", WAYS)
def test_what_holds_no_recurrent_layer_itself_is_refused(way):
    for module in (nn.Sequential(layer()), nn.Linear(2, 2)):
        with pytest.raises(UserError, match=f"a {type(module).__name__} is not a recurrent layer"):
            WAYS[way](module)
    with pytest.raises(UserError, match="uniform_ found no parameter in this ReLU"):
        initialisation.uniform_(nn.ReLU(), 0.1)
