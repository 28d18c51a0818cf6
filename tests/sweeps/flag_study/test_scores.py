"""Scores by hand: of looks at nets whose answer is known."""

import math

import numpy as np
import pytest
import torch

from experiments import memory
from rnnkit.diagnostics import monitor
from rnnkit.runs.foretelling import signs
from rnnkit.training import screening
from sweeps.flag_study import scores


def task_of(**settings):
    return memory.run.prepared(memory.Config(**{"length": 20, "hidden_size": 8, "track": "off"} | settings))


def seen_of(task):
    return screening.of_look(task.model, task.probe, monitor.look(task.model, task.probe).numbers)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "lru", "minlstm"])
def test_an_untrained_net_has_all_signs_that_its_cell_has(cell):
    task = task_of(cell=cell, depth=2)
    found = seen_of(task) | scores.of_untrained(task.model, task.probe.run, 0.01)
    absent = set(signs.LOOK + scores.UNTRAINED) - set(found)
    expected = {
        "rnn": {"insensitive gate", "timescale of gates"},
        "lru": {"insensitive gate", "timescale of gates", "saturated units"},
        "minlstm": {"insensitive gate", "saturated units"},  # its states have no bounds, and one gate is no sigmoid
    }
    assert absent == expected.get(cell, set())


def test_a_state_that_is_halved_at_each_step_is_seen_by_gradients_exponents_and_two_states_alike():
    """h_t = tanh(h / 2 + next to nothing): all that is carried through 20 steps is 20 ln 1/2."""
    task = task_of(cell="rnn", depth=1)
    with torch.no_grad():
        for name, weight in task.model.encoder.named_parameters():
            weight.zero_()
            if "weight_hh" in name:
                weight.copy_(torch.eye(8) / 2)
            if "weight_ih" in name:
                weight.fill_(1e-6)
    look = seen_of(task)
    expected = pytest.approx(20 * math.log(0.5), rel=1e-3)
    assert look["gradient through time"] == expected
    assert look["gradient through time, worst layer"] == expected
    assert look["forgetting"] == expected
    untrained = scores.of_untrained(task.model, task.probe.run, 0.01)
    assert untrained["largest Lyapunov exponent"] == expected
    assert untrained["mean of Lyapunov exponents"] == expected
    assert untrained["size of first update"] == pytest.approx(math.log(0.01 / math.sqrt(2 / 80)), rel=1e-3)


def test_hidden_covariance_is_that_of_correlations_and_low_where_sequences_are_alike():
    states = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    values = np.linalg.eigvalsh(np.corrcoef(states.double().numpy())) + scores.JITTER
    assert scores.hidden_covariance(states) == pytest.approx(-math.log((np.log(values) + 1 / values).mean()))
    assert scores.hidden_covariance(states[:1].repeat(5, 1)) < -10 < scores.hidden_covariance(states)
    assert math.isfinite(scores.hidden_covariance(torch.ones(5, 4)))


def test_flags_of_a_look_are_those_of_the_record_that_it_would_be():
    sound = {"gradient through time": -2.0, "saturated units": 0.9, "dead units": 0.0, "timescale of gates": 1.0}
    sound |= {"insensitive gate": 0.5, "gain by all inputs": 0.3, "gain by far inputs": 0.1}
    assert scores.raised(sound) == set()  # units of gated nets may be saturated
    ill = {"gradient through time": -9.3, "dead units": 0.2, "gain by all inputs": 0.0}
    assert scores.raised(sound | ill) == {"vanishing", "dead units", "unused memory"}
    assert scores.raised({"saturated units": 0.5, "gradient through time": 2.4}) == {"saturated", "exploding"}
    assert scores.raised(sound | {"gradient through time": -9.3, "gain by all inputs": 0.6}) == set()  # it learned
    assert scores.raised(sound | {"insensitive gate": 0.05}) == {"saturated"}
