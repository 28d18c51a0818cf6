"""What is seen of networks whose insides are known, and that looking changes nothing."""

import dataclasses
import functools
import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_sequence

import rnnkit
from experiments import char_lm, digits
from rnnkit.core import files
from rnnkit.diagnostics import monitor, probe
from rnnkit.nn import models
from rnnkit.runs import checkpoints
from rnnkit.runs.rows import read_rows
from rnnkit.sequences import Examples
from tests.torture import forks


CPU = torch.device("cpu")
QUICK = {"view": "rows", "epochs": 2, "hidden_size": 6, "dropout": 0.2, "track": "off"}


def on(module, *inputs):
    """Watch a module alone, on packed sequences."""
    model = nn.Module()
    model.encoder = module
    packed = pack_sequence(list(inputs), enforce_sorted=False)
    return model, probe.ProbeBatch(lambda: module(packed), None, len(inputs[0]))


def constant():
    """A tanh layer whose state is tanh(2) for one unit and 0 for the other, whatever comes in."""
    module = rnnkit.RNN(1, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[0] = 2.0
    return module


def test_states_of_a_net_whose_states_are_known():
    model, watch = on(constant(), torch.randn(4, 1), torch.randn(2, 1))
    found = monitor.look(model, watch).numbers
    assert found["hidden/encoder.l0.f/rms"] == pytest.approx(math.tanh(2) / math.sqrt(2))
    assert found["hidden/encoder.l0.f/saturated"] == 0.5  # tanh(2) = 0.964
    assert found["hidden/encoder.l0.f/dead"] == 1
    assert found["hidden/encoder.l0.f/participation_ratio"] == 0
    assert found["memory/encoder.l0.f/rate"] == -math.inf  # W_hh is 0: nothing comes back
    assert found["memory/encoder.l0.f/reach"] == 0


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("layers", "steps"), [(1, 300), (2, 300), (2, 7)])
def test_gradients_fade_as_the_weights_say_in_each_layer_by_itself(layers, steps, bidirectional):
    """h_t = tanh(0.9 h_{t-1}) near 0, and 0.5 in the layer above: far below what float32 can hold after 300 steps."""
    module = rnnkit.RNN(3, 4, num_layers=layers, bidirectional=bidirectional)
    factors = [torch.tensor(0.9).item(), 0.5]  # as float32 holds them
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_()
            if "weight_hh" in name:
                parameter.copy_(torch.eye(4) * factors["l1" in name])
    model, watch = on(module, torch.zeros(steps, 3), torch.zeros(steps // 2, 3))
    inside = monitor.look(model, watch)
    for layer, direction in itertools.product(range(layers), "fb"[: 2 if bidirectional else 1]):
        where, factor = f"encoder.l{layer}.{direction}", factors[layer]
        assert inside.numbers[f"memory/{where}/rate"] == pytest.approx(math.log(factor))
        assert inside.numbers[f"memory/{where}/horizon"] == pytest.approx(-1 / math.log(factor))
        expected = factor ** torch.arange(steps, dtype=torch.float64)
        torch.testing.assert_close(inside.curves[f"lag/{where}"], expected, rtol=1e-6, atol=0)
        assert inside.numbers[f"memory/{where}/reach"] == min(math.floor(math.log(0.01, factor)), steps - 1)
        assert inside.numbers[f"memory/{where}/forgetting_rate"] == pytest.approx(math.log(factor), abs=1e-6)
        gone = inside.curves[f"forgetting/{where}"].diff()
        gone = torch.cat([gone[: steps // 2 - 1], gone[steps // 2 :]])  # between them the mean loses a sequence
        torch.testing.assert_close(gone, torch.full_like(gone, math.log(factor)), atol=1e-6, rtol=0)


def test_states_that_are_given_are_forgotten_as_those_at_zero_are():
    """Around h = 0.5 a step of tanh(0.9 h) multiplies small distances by 0.9 (1 - tanh(0.45)^2), then ever more."""
    module = rnnkit.RNN(1, 1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(0.9 if "weight_hh" in name else 0.0)
    model = nn.Module()
    model.encoder, h, found = module, 0.5, []
    for _ in range(3):
        h = math.tanh(0.9 * h)
        found.append(0.9 * (1 - h * h))
    for inputs, shape in ((torch.zeros(3, 1), (1, 1)), (torch.zeros(3, 1, 1), (1, 1, 1))):
        watch = probe.ProbeBatch(lambda i=inputs, s=shape: module(i, torch.full(s, 0.5)), None, 3)
        curve = monitor.look(model, watch).curves["forgetting/encoder.l0.f"]
        plain = dataclasses.replace(watch, run=lambda i=inputs: module(i, None))
        assert not torch.equal(monitor.look(model, plain).curves["forgetting/encoder.l0.f"], curve)
        assert curve.diff().tolist() == pytest.approx([math.log(factor) for factor in found[1:]], abs=2e-3)


def test_distance_from_the_initial_weights(tmp_path):
    model, watch = on(constant(), torch.randn(4, 1), torch.randn(2, 1))
    watch = dataclasses.replace(watch, costs=lambda context: torch.zeros(2))
    seeing = monitor.Monitor(model, digits.Config(observe="light"), watch, tmp_path)
    with torch.no_grad():
        model.encoder.weight_hh_l0.fill_(3.0)
        model.encoder.bias_ih_l0[0] = 1.0
    found = seeing.at_evaluation(7, last=False)
    assert found["distance/encoder.l0.f/hh"] == 6
    assert found["distance/encoder.l0.f/bias"] == 1
    assert found["distance/encoder.l0.f/ih"] == 0


def test_where_losses_are_by_step_and_by_length():
    inputs = [torch.randn(n, 3) for n in (7, 2, 9, 4)]
    cost = functools.partial(cross_entropy, reduction="none")
    labels = torch.tensor([0, 1, 2, 0])
    model = models.classifier(digits.Config(hidden_size=4), 3, 5, 9)
    found = monitor.where_losses_are(model, probe.examples(model, Examples(inputs, labels), CPU, cost))
    alone = [cost(model.eval()(pack_sequence([x])), y[None]).item() for x, y in zip(inputs, labels, strict=True)]
    assert found["loss/lengths"].tolist() == [2, 4, 8]
    assert found["loss/length"].tolist() == pytest.approx([alone[1], (alone[0] + alone[3]) / 2, alone[2]], rel=1e-5)
    assert "loss/position" not in found

    config = char_lm.Config(hidden_size=5, embedding_size=4)
    model, ids = models.language_model(config, 7, 4, 9), torch.randint(7, (3, 10))
    found = monitor.where_losses_are(model, probe.text(model, ids[:, :-1], ids[:, 1:]))
    scores = model.eval()(ids[:, :-1])[0]
    expected = [cross_entropy(scores[:, step], ids[:, step + 1]).item() for step in range(9)]
    assert found["loss/position"].tolist() == pytest.approx(expected, rel=1e-5)
    assert found["loss/lengths"].tolist() == [8]
    assert found["loss/length"].tolist() == pytest.approx([sum(expected) / 9], rel=1e-5)


@pytest.mark.parametrize(("cell", "gate", "bias"), [("LSTM", "f", 3.0), ("GRU", "z", 2.0)])
def test_timescales_and_shares_of_a_gate_that_is_known(cell, gate, bias):
    module = getattr(rnnkit, cell)(1, 5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[5:10] = bias  # f of i f g o, z of r z n
    model, watch = on(module, torch.randn(9, 1), torch.randn(4, 1))
    inside = monitor.look(model, watch)
    open_by = 1 / (1 + math.exp(-bias))
    where = f"gate/encoder.l0.f/{gate}"
    assert inside.numbers[f"{where}/timescale_median"] == pytest.approx(-1 / math.log(open_by))
    assert inside.numbers[f"{where}/sensitivity"] == pytest.approx(4 * open_by * (1 - open_by))
    assert inside.numbers[f"{where}/right"] == (1 if open_by > 0.9 else 0)
    assert inside.numbers[f"{where}/left"] == inside.numbers[f"{where}/std"] == 0
    assert inside.curves["timescale/encoder.l0.f"].shape == (5,)
    rate = inside.numbers["memory/encoder.l0.f/rate"]
    assert rate <= math.log(open_by) + 1e-9  # states fade at least as fast as the gate lets them


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_torchs_layers_are_looked_into_as_ours_are(cell):
    few = [torch.randn(n, 3) for n in (6, 2, 9)]
    found = []
    for whose in ("rnnkit", "torch"):
        config = digits.Config(cell=cell, hidden_size=5, layers=whose)
        model = models.classifier(config, 3, 4, longest=9)
        examples = Examples(few, torch.tensor([0, 1, 2]))
        found.append(monitor.look(model, probe.examples(model, examples, CPU, cross_entropy)).numbers)
    assert found[0].keys() == found[1].keys()
    assert found[0] == pytest.approx(found[1], rel=1e-5, abs=1e-7)


def test_looking_leaves_everything_as_it_is():
    model = models.classifier(digits.Config(hidden_size=5, dropout=0.5), 3, 4, longest=9).train()
    examples = Examples([torch.randn(n, 3) for n in (6, 2, 9)], torch.tensor([0, 1, 2]))
    watch = probe.examples(model, examples, CPU, lambda o, t: cross_entropy(o, t, reduction="none"))
    model(pack_sequence(examples.inputs, enforce_sorted=False)).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    before, random = checkpoints.weights_sha256(model), torch.get_rng_state()
    monitor.look(model, watch)
    monitor.truncation(model, watch)
    assert checkpoints.weights_sha256(model) == before
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert all(module.training for module in model.modules())
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())


def test_padding_that_is_poisoned_changes_no_number():
    module = rnnkit.LSTM(2, 4, bidirectional=True)
    few = [torch.randn(n, 2) for n in (5, 1, 8)]
    padded = torch.full((3, 8, 2), math.nan)
    for row, sequence in zip(padded, few, strict=True):
        row[: len(sequence)] = sequence
    lengths = torch.tensor([5, 1, 8])
    packed = nn.utils.rnn.pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    model, plain = on(module, *few)
    poisoned = dataclasses.replace(plain, run=lambda: module(packed))
    assert monitor.look(model, poisoned).numbers == monitor.look(model, plain).numbers


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_costs_are_those_of_the_last_inputs_alone_or_of_all_steps_in_pieces(per_step, bidirectional):
    config = digits.Config(hidden_size=4, bidirectional=bidirectional)
    make = models.tagger if per_step else models.classifier
    model = make(config, 3, 5, 9).eval()
    inputs = [torch.randn(n, 3) for n in (7, 2, 9, 4)]
    targets = [torch.randint(5, (len(x),)) for x in inputs] if per_step else torch.randint(5, (4,))
    watch = probe.examples(model, Examples(inputs, targets), CPU, lambda o, t: cross_entropy(o, t, reduction="none"))
    chosen = sorted(range(4), key=lambda i: len(inputs[i]))
    for context in (1, 3, 100):
        expected = []
        for i in chosen:
            if per_step:
                starts = range(0, len(inputs[i]), context)
                scores = torch.cat([model(pack_sequence([inputs[i][k : k + context]])).data for k in starts])
                expected.append(cross_entropy(scores, targets[i]).item())
            else:
                scores = model(pack_sequence([inputs[i][-context:]]))
                expected.append(cross_entropy(scores, targets[i : i + 1]).item())
        assert watch.costs(context).tolist() == pytest.approx(expected, rel=1e-5)
    assert watch.span == 7


def test_watched_examples_are_of_all_lengths():
    examples = Examples([torch.zeros(n, 1) for n in range(100, 0, -1)], torch.zeros(100))
    seen = []
    probe.examples(lambda packed: seen.append(packed), examples, CPU, None).run()
    assert seen[0].batch_sizes.shape == (100,)  # the longest, and seven more down to the shortest
    assert int(seen[0].batch_sizes[0]) == probe.FEW
    assert int(seen[0].batch_sizes[1]) == probe.FEW - 1


@pytest.mark.parametrize(("context", "whole"), [(1, 9), (3, 9), (4, 8), (100, 9)])
def test_costs_of_a_text_are_the_means_of_all_steps_in_pieces_cut_from_its_end(context, whole):
    config = char_lm.Config(hidden_size=5, embedding_size=4)
    model = models.language_model(config, 7, 4, 9).eval()
    ids = torch.randint(7, (3, 10))
    watch = probe.text(model, ids[:, :-1], ids[:, 1:])
    read, following = ids[:, -whole - 1 : -1], ids[:, -whole:]
    scores = torch.cat([model(read[:, k : k + context])[0] for k in range(0, whole, context)], dim=1)
    expected = cross_entropy(scores.flatten(0, 1), following.flatten(), reduction="none").view(3, whole).mean(dim=1)
    torch.testing.assert_close(watch.costs(context), expected)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """The same run with observe off, light and full: the folders."""
    with pytest.MonkeyPatch.context() as patch:
        right = digits.baseline(0)
        patch.setattr(digits, "baseline", lambda seed: right)
        runs = tmp_path_factory.mktemp("observed")
        return {
            how: digits.run(digits.Config(observe=how, observe_every=10, runs_dir=runs, **QUICK)).folder
            for how in ("off", "light", "full")
        }


def test_looking_more_or_less_changes_no_weight_and_no_metric(three):
    off, light, full = (forks.record(three[how]) for how in ("off", "light", "full"))
    assert off[1] == light[1] == full[1]
    for name, value in off[3].items():
        assert value == light[3][name] == full[3][name]
    assert not any(name.startswith(("hidden/", "gate/", "memory/", "update/")) for name in off[3])


def test_what_is_looked_at_when(three):
    light, full = (read_rows(three[how]) for how in ("light", "full"))
    assert {"memory/span", "memory/encoder.l1.b/initial_rate", "memory/encoder.l0.f/initial_horizon"} <= set(light[0])
    for rows in (light, full):
        for row in rows:
            assert ("update/encoder.l0.f/hh" in row) == (row["step"] % 10 == 0)
            assert ("grad_norm/encoder.l0.b/hh/z" in row) == (row["step"] % 10 == 0)
            assert ("hidden/encoder.l0.f/participation_ratio" in row) == ("metric/accuracy/valid" in row)
            assert ("gate/encoder.l0.f/z/timescale_max" in row) == ("metric/accuracy/valid" in row)
    assert ["memory/encoder.l0.f/rate" in row for row in light if "loss/valid" in row] == [False, True]
    assert ["memory/encoder.l0.f/rate" in row for row in full if "loss/valid" in row] == [True, True]
    assert {"memory/k95", "memory/loss_one", "memory/loss_quarter", "memory/loss_all"} <= set(light[-1])


def test_full_keeps_the_curves_in_files(three):
    assert not (three["light"] / "media").exists()
    written = sorted((three["full"] / "media").glob("curves-*.json"))
    assert [path.name for path in written] == ["curves-000000034.json", "curves-000000068.json"]
    curves = files.read_json(written[-1])
    assert curves["step"] == 68
    assert curves["lag/encoder.l1.f"][0] == 1
    assert len(curves["timescale/encoder.l0.b"]) == len(curves["left/encoder.l0.b/r"]) == 6
    assert curves["truncation/contexts"][:3] == [1, 2, 4]
    assert len(curves["loss/length"]) == len(curves["loss/lengths"]) == 1  # rows of digits are all 8 steps long
    assert len(curves["forgetting/encoder.l1.b"]) == 8


def test_the_same_run_looked_at_otherwise_has_the_same_name_and_a_folder_of_its_own(three):
    names = [three[how].name for how in ("off", "light", "full")]
    assert names[1:] == [f"{names[0]}-2", f"{names[0]}-3"]
