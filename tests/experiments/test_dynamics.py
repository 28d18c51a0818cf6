"""The dynamics of networks that are known, and of a run by command."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from experiments import digits, dynamics, recorded
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.diagnostics.probe import ProbeBatch
from rnnkit.nn import models
from rnnkit.runs import checkpoints
from rnnkit.runs.result import Result
from rnnkit.training import Pruned


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small run."""
    runs = tmp_path_factory.mktemp("dynamics")
    config = digits.Config(view="rows", epochs=1, hidden_size=5, track="off", runs_dir=runs)
    return digits.run(config).folder


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_exponents_and_spectra_of_a_net_that_is_known(kind):
    """Near 0 a plain layer with W = 0.9 I shrinks states by this factor; a GRU that keeps 3/4, by its z."""
    module = kind(2, 2, bidirectional=True)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        if kind is nn.RNN:
            module.weight_hh_l0.copy_(0.9 * torch.eye(2))
        else:
            module.bias_ih_l0[2:4] = math.log(3)
    packed = pack_sequence([torch.zeros(9, 2), torch.zeros(6, 2), torch.zeros(1, 2)])
    model = nn.Module()
    model.encoder = module
    found = dynamics.of_layers(model, ProbeBatch(lambda: module(packed), None, 9), count=8)
    expected = [math.log(0.9)] * 2 if kind is nn.RNN else [math.log(0.75)] * 2
    assert found["encoder.l0.f"]["lyapunov"] == pytest.approx(expected, rel=1e-5)
    if kind is nn.RNN:
        assert found["encoder.l0.f"]["spectral_radius"] == pytest.approx(0.9)
        assert found["encoder.l0.f"]["henrici"] == pytest.approx(0, abs=1e-6)
        assert found["encoder.l0.f"]["singular_values"] == pytest.approx([0.9])
        assert found["encoder.l0.b"]["lyapunov"] == [-math.inf] * 2
    else:
        assert found["encoder.l0.b"]["lyapunov"] == pytest.approx([math.log(0.5)] * 2)


def test_the_model_of_a_run_is_that_which_was_trained(folder):
    task, kept = recorded.trained(folder, None)
    assert checkpoints.weights_sha256(task.model) == Result.read(folder).weights_sha256
    assert task.probe.costs(3).shape == (8,)
    assert sorted(kept) == ["net", "preprocessing", "weights"]


def test_a_prepared_model_has_its_initial_weights_and_leaves_nothing(tmp_path):
    config = digits.Config(view="rows", hidden_size=5, seed=3, runs_dir=tmp_path)
    model = digits.run.prepared(config).model
    assert checkpoints.weights_sha256(model) == checkpoints.weights_sha256(models.classifier(config, 8, 10, 8))
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_a_table_and_writes_the_rest(folder, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["dynamics", str(folder), "--count", "3"])
    dynamics.main()
    said = capsys.readouterr().out
    found = files.read_json(folder / "media" / "dynamics.json")
    assert list(found) == ["encoder.l0.f", "encoder.l0.b", "encoder.l1.f", "encoder.l1.b"]
    for where, of in found.items():
        assert len(of["lyapunov"]) == 3
        line = next(line for line in said.splitlines() if line.startswith(where))
        assert [float(number) for number in re.findall(r"[+-]\d\.\d{4}", line)] == pytest.approx(
            of["lyapunov"], abs=1e-4
        )
    names = {path.name for path in (folder / "media").glob("*.png")}
    assert names == {
        "eigenvalues.png",
        "forgetting.png",
        "gate_saturation.png",
        "gradient_by_lag.png",
        "timescales.png",
        "trajectories.png",
    }


def test_a_run_without_trained_weights_is_refused(folder, tmp_path, monkeypatch):
    config = digits.Config(view="rows", epochs=1, hidden_size=5, track="off", runs_dir=tmp_path)

    def report(evaluation, value):
        raise Pruned

    result = digits.run(config, report)
    monkeypatch.setattr("sys.argv", ["dynamics", str(result.folder)])
    with pytest.raises(UserError, match="has not finished: there are no trained weights"):
        dynamics.main()
