import contextlib
import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from experiments.digits import Config
from rnnkit import diagnostics, models


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_gradient_norms_by_group_and_in_all(cell):
    model = models.classifier(Config(cell=cell, hidden_size=5, depth=2), 3, 4, longest=9)
    packed = pack_sequence([torch.randn(n, 3) for n in (4, 2, 6)], enforce_sorted=False)
    model(packed).square().sum().backward()
    groups = diagnostics.parameter_groups(model)
    expected = {f"encoder.l{i}.{d}/{part}" for i in (0, 1) for d in "fb" for part in ("ih", "hh", "bias")}
    assert set(groups) == expected | {"head"}

    norms, total = diagnostics.gradient_norms(groups)
    encoder = model.encoder
    by_hand = {
        "encoder.l1.b/hh": encoder.weight_hh_l1_reverse.grad.norm(),
        "encoder.l0.f/bias": torch.cat([encoder.bias_ih_l0.grad, encoder.bias_hh_l0.grad]).norm(),
        "head": torch.cat([model.head.weight.grad.flatten(), model.head.bias.grad]).norm(),
    }
    for name, norm in by_hand.items():
        torch.testing.assert_close(norms[list(groups).index(name)], norm)
    assert total == nn.utils.clip_grad_norm_(model.parameters(), 1e9)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_layer_states_end_in_the_output_of_the_whole_module(kind, bidirectional):
    module = kind(3, 5, num_layers=3, bidirectional=bidirectional)
    packed = pack_sequence([torch.randn(n, 3) for n in (4, 1, 6)], enforce_sorted=False)
    directions = 2 if bidirectional else 1
    h_0, c_0 = torch.randn(2, 3 * directions, 3, 5)
    for initial in (None, (h_0, c_0) if kind is nn.LSTM else h_0):
        output, state = module(packed, initial)
        layers = diagnostics.layer_states(module, packed, initial)
        assert len(layers) == 3
        assert torch.equal(layers[-1].data, output.data)
        h_n = state[0] if kind is nn.LSTM else state
        for layer, states in enumerate(layers):  # the forward direction of every layer ends in h_n
            padded, lengths = pad_packed_sequence(states)
            ends = padded[lengths - 1, torch.arange(3), :5]
            assert torch.equal(ends, h_n[layer * directions])


class Constant(nn.Module):
    """A tanh layer whose state is tanh(2) for one unit and 0 for the other, whatever comes in."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.RNN(1, 2)
        with torch.no_grad():
            for parameter in self.encoder.parameters():
                parameter.zero_()
            self.encoder.bias_ih_l0[0] = 2.0

    def forward(self, inputs):
        return self.encoder(inputs)


def test_hidden_statistics_of_a_net_whose_states_are_known():
    model = Constant().train()
    packed = pack_sequence([torch.randn(n, 1) for n in (4, 2)])
    state = torch.get_rng_state()
    statistics = diagnostics.hidden_statistics(model, lambda: model(packed))
    assert statistics == {
        "encoder.l0.f/rms": pytest.approx(math.tanh(2) / math.sqrt(2)),
        "encoder.l0.f/saturated": 0.5,  # tanh(2) = 0.964
    }
    assert model.training
    assert not model.encoder._forward_pre_hooks
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("fails", [False, True])
def test_each_module_has_its_own_mode_again(fails):
    part_kept_out = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), Constant()).eval())
    part_alone_in_training = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), Constant())).eval()
    part_alone_in_training[1].train()
    for model in (part_kept_out, part_alone_in_training):
        before = [module.training for module in model.modules()]
        assert len(set(before)) == 2  # unlike modes, so that setting all alike shows

        def forward(model=model):
            assert not any(module.training for module in model.modules())
            if fails:
                raise KeyError

        with pytest.raises(KeyError) if fails else contextlib.nullcontext():
            diagnostics.hidden_statistics(model, forward)
        assert [module.training for module in model.modules()] == before


def test_hidden_statistics_are_of_evaluation_mode_and_both_directions():
    config = Config(hidden_size=4, depth=2, dropout=0.9)
    model = models.classifier(config, 3, 2, longest=9).train()
    packed = pack_sequence([torch.randn(n, 3) for n in (5, 2)])
    first, second = (diagnostics.hidden_statistics(model, lambda: model(packed)) for _ in range(2))
    assert first == second
    model.eval()
    output, _ = model.encoder(packed)
    for direction, h in zip("fb", output.data.split(4, dim=1), strict=True):
        rms = (h.norm(dim=1) / 2).mean().item()
        assert first[f"encoder.l1.{direction}/rms"] == pytest.approx(rms, rel=1e-6)
