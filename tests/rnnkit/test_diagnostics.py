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

    blocks = diagnostics.gate_blocks(model)
    gates = dict(zip(blocks, diagnostics.gate_gradient_norms(blocks), strict=True))
    names = {"rnn": "", "gru": "rzn", "lstm": "ifgo"}[cell]
    assert list(gates) == [f"encoder.l{i}.{d}/hh/{gate}" for i in (0, 1) for d in "fb" for gate in names]
    for i, gate in enumerate(names):
        expected = encoder.weight_hh_l1_reverse.grad.unflatten(0, (-1, 5))[i].norm()
        torch.testing.assert_close(gates[f"encoder.l1.b/hh/{gate}"], expected)
    for parameter in model.parameters():
        parameter.grad = None
    assert not diagnostics.gate_gradient_norms(blocks).any()


def test_clipping_over_a_window():
    found = diagnostics.clipping([float(n) for n in range(101)], threshold=80.0)
    assert (found.median, found.p95, found.largest, found.not_finite) == (50, pytest.approx(95), 100, 0)
    assert found.fraction == pytest.approx(20 / 101)  # 80 itself is not clipped
    found = diagnostics.clipping([1.0, math.inf, 3.0, math.nan], threshold=math.inf)
    assert found == diagnostics.Clipping(2.0, pytest.approx(2.9), 3.0, 0.0, not_finite=2)
    found = diagnostics.clipping([math.nan], threshold=1.0)
    assert found.not_finite == 1
    assert math.isnan(found.fraction)


def test_updates_and_distances_of_steps_that_are_known():
    model = models.classifier(Config(cell="lstm", hidden_size=5), 3, 4, longest=9)
    groups = diagnostics.parameter_groups(model)
    before = diagnostics.snapshot(groups)
    assert not diagnostics.update_ratios(groups, before).any()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name and "encoder" in name:
                parameter.add_(0.25)
            else:
                parameter.mul_(1.01)
    ratios = dict(zip(groups, diagnostics.update_ratios(groups, before).tolist(), strict=True))
    moved = dict(zip(groups, diagnostics.distances(groups, before).tolist(), strict=True))
    for name, group in before.items():
        size = torch.cat([w.flatten() for w in group]).norm().item()
        count = sum(w.numel() for w in group)
        assert ratios[name] == pytest.approx(0.25 if name.endswith("/bias") else 0.01, rel=1e-4)
        assert moved[name] == pytest.approx(0.25 * count**0.5 if name.endswith("/bias") else 0.01 * size, rel=1e-4)
    nothing = {name: [torch.zeros_like(w) for w in group] for name, group in before.items()}
    from_zero = diagnostics.update_ratios(groups, nothing)[list(groups).index("head")]
    assert from_zero == math.inf


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
