"""A look into a net before training, and the start of its weights that it is the reason for."""

import math

import pytest

from experiments import memory
from rnnkit.core import cells
from rnnkit.diagnostics import monitor
from rnnkit.runs import foretelling
from rnnkit.runs.foretelling import signs
from rnnkit.training import screening


SIZES = {"length": 10, "hidden_size": 8, "epochs": 1, "round": 3, "track": "off"}


def test_an_untrained_net_has_the_signs_that_the_first_model_asks_for():
    config = memory.Config(**SIZES, cell="gru", learning_rate=0.02)
    task = memory.run.prepared(config)
    found = screening.of_untrained(task.model, task.probe, config, monitor.look(task.model, task.probe).numbers)
    known = {sign.name for sign in foretelling.models()[0].signs}
    assert known - set(found) <= {"saturated units"}
    assert found["learning rate"] == pytest.approx(math.log(0.02), rel=1e-3)
    assert set(found) <= {*signs.LOOK, *signs.SETTINGS, "size of first update"}
    assert screening.screened(task, config).foretold == foretelling.untrained(found)


def test_the_start_that_is_likeliest_to_learn_is_taken_and_is_what_the_record_names(tmp_path):
    config = memory.Config(**SIZES, cell="lstm", init="auto", runs_dir=tmp_path)
    said = []
    chosen = memory.run.started(config, said.append)
    chances = {init: memory.run.screened(config.changed(init=init)).foretold.chance for init in cells.starts("lstm")}
    assert len(set(chances.values())) > 1
    assert chosen.init == max(chances, key=chances.get)
    assert all(f"{init} {chance:.2f}" in said[0] for init, chance in chances.items())
    result = memory.run(config)
    by_hand = memory.run(chosen)
    assert result.run.split("-")[-1] == by_hand.run.split("-")[-2]  # the second one of the same configuration
    assert result.weights_sha256 == by_hand.weights_sha256


def test_a_start_that_is_named_is_kept():
    config = memory.Config(**SIZES, init="orthogonal")
    assert memory.run.started(config) is config
