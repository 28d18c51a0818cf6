import contextlib
import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import pack_sequence

from experiments.digits import Config
from rnnkit.diagnostics.norms import (
    distances,
    gate_blocks,
    gate_gradient_norms,
    gradient_norms,
    parameter_groups,
    snapshot,
    update_ratios,
)
from rnnkit.nn import models
from rnnkit.nn.modules import evaluating


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_gradient_norms_by_group_and_in_all(cell):
    model = models.classifier(Config(cell=cell, hidden_size=5, depth=2), 3, 4, longest=9)
    packed = pack_sequence([torch.randn(n, 3) for n in (4, 2, 6)], enforce_sorted=False)
    model(packed).square().sum().backward()
    groups = parameter_groups(model)
    expected = {f"encoder.l{i}.{d}/{part}" for i in (0, 1) for d in "fb" for part in ("ih", "hh", "bias")}
    assert set(groups) == expected | {"head"}

    norms, total = gradient_norms(groups)
    encoder = model.encoder
    by_hand = {
        "encoder.l1.b/hh": encoder.weight_hh_l1_reverse.grad.norm(),
        "encoder.l0.f/bias": torch.cat([encoder.bias_ih_l0.grad, encoder.bias_hh_l0.grad]).norm(),
        "head": torch.cat([model.head.weight.grad.flatten(), model.head.bias.grad]).norm(),
    }
    for name, norm in by_hand.items():
        assert norms[list(groups).index(name)] == pytest.approx(norm.item(), rel=1e-5)
    assert total == pytest.approx(nn.utils.clip_grad_norm_(model.parameters(), 1e9).item(), rel=1e-5)

    blocks = gate_blocks(model)
    gates = dict(zip(blocks, gate_gradient_norms(blocks), strict=True))
    names = {"rnn": "", "gru": "rzn", "lstm": "ifgo"}[cell]
    assert list(gates) == [f"encoder.l{i}.{d}/hh/{gate}" for i in (0, 1) for d in "fb" for gate in names]
    for i, gate in enumerate(names):
        expected = encoder.weight_hh_l1_reverse.grad.unflatten(0, (-1, 5))[i].norm()
        assert gates[f"encoder.l1.b/hh/{gate}"] == pytest.approx(expected.item(), rel=1e-5)
    for parameter in model.parameters():
        parameter.grad = None
    assert not any(gate_gradient_norms(blocks))


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
def test_what_a_weight_is_computed_from_is_of_its_group():
    model = nn.ModuleDict(
        {
            "parts": nn.ModuleList([nn.LSTM(3, 4, 2, bidirectional=True)]),
            "embedding": nn.Embedding(3, 3),
            "head": nn.Linear(8, 2),
        }
    )
    expected = {name: sum(p.numel() for p in group) for name, group in parameter_groups(model).items()}
    layer = model["parts"][0]
    prune.l1_unstructured(layer, "weight_hh_l0", 0.5)
    prune.l1_unstructured(layer, "bias_ih_l1_reverse", 0.5)
    parametrizations.orthogonal(layer, "weight_hh_l1")
    parametrizations.weight_norm(layer, "weight_hh_l0_reverse")
    nn.utils.weight_norm(layer, "weight_ih_l1")
    parametrizations.orthogonal(model["head"])
    prune.l1_unstructured(model["embedding"], "weight", 0.5)
    expected["parts.0.l0.b/hh"] += 16  # weight_norm's lengths beside its directions
    expected["parts.0.l1.f/ih"] += 16
    assert {name: sum(p.numel() for p in group) for name, group in parameter_groups(model).items()} == expected
    alone = nn.GRU(2, 3)
    prune.l1_unstructured(alone, "weight_hh_l0", 0.5)
    assert set(parameter_groups(alone)) == {".l0.f/ih", ".l0.f/hh", ".l0.f/bias"}


def test_updates_and_distances_of_steps_that_are_known():
    model = models.classifier(Config(cell="lstm", hidden_size=5), 3, 4, longest=9)
    groups = parameter_groups(model)
    before = snapshot(groups)
    assert not any(update_ratios(groups, before))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name and "encoder" in name:
                parameter.add_(0.25)
            else:
                parameter.mul_(1.01)
    ratios = dict(zip(groups, update_ratios(groups, before), strict=True))
    moved = dict(zip(groups, distances(groups, before), strict=True))
    for name, group in before.items():
        size = torch.cat([w.flatten() for w in group]).norm().item()
        count = sum(w.numel() for w in group)
        assert ratios[name] == pytest.approx(0.25 if name.endswith("/bias") else 0.01, rel=1e-4)
        assert moved[name] == pytest.approx(0.25 * count**0.5 if name.endswith("/bias") else 0.01 * size, rel=1e-4)
    nothing = {name: [torch.zeros_like(w) for w in group] for name, group in before.items()}
    from_zero = update_ratios(groups, nothing)[list(groups).index("head")]
    assert from_zero == math.inf


@pytest.mark.parametrize("fails", [False, True])
def test_each_module_has_its_own_mode_again(fails):
    part_kept_out = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), nn.Linear(1, 1)).eval())
    part_alone_in_training = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), nn.Linear(1, 1))).eval()
    part_alone_in_training[1].train()
    for model in (part_kept_out, part_alone_in_training):
        before = [module.training for module in model.modules()]
        assert len(set(before)) == 2  # unlike modes, so that setting all alike shows

        with pytest.raises(KeyError) if fails else contextlib.nullcontext(), evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not torch.is_grad_enabled()
            if fails:
                raise KeyError
        assert [module.training for module in model.modules()] == before
