"""Limits of a net's size: what is measured, and that what is beyond is not trained."""

import pytest
from optuna.trial import TrialState

from experiments import digits
from experiments.digits import Config
from sweeps import worker
from sweeps.study import folders, limits, points
from sweeps.study import study as studies
from tests.helpers import WORKER


def test_parameters_are_those_of_the_equations():
    """A GRU of one direction on 3 features with h units: 3 gates of (3 + h + 2 biases) h, and a head of 10 (h + 1)."""
    for hidden in (1, 8, 50):
        config = Config(hidden_size=hidden, depth=1, bidirectional=False)
        assert limits.parameters(config) == 3 * hidden * (3 + hidden + 2) + 10 * (hidden + 1)


def test_a_larger_net_takes_longer():
    limited = limits.Limits(milliseconds=1.0)
    small, large = (limits.measured(Config(hidden_size=size, depth=2), limited) for size in (2, 128))
    assert 0 < small.milliseconds < large.milliseconds
    assert limits.measured(Config(), limits.Limits(parameters=5)).milliseconds is None


@pytest.mark.parametrize(
    ("most", "said"),
    [
        (limits.Limits(parameters=1_000), "too large: 1,034 parameters, more than 1,000"),
        (limits.Limits(milliseconds=1e-6), "ms a prediction, more than 1e-06"),
    ],
)
def test_what_is_beyond_is_not_trained(tmp_path, most, said):
    base = Config(runs_dir=tmp_path, track="off", view="rows")
    study = studies.create(folders.opened(folders.StudyFolder(tmp_path / "studies" / "small", base, 0, limits=most)))
    study.ask_for(1)
    points.plan(study)
    claim = points.claim(study, WORKER)

    def never(*_):
        raise AssertionError("it was trained")

    worker.run_trial(claim, never)
    (trial,) = study.trials.trials
    assert trial.state == TrialState.PRUNED
    assert said in trial.user_attrs["reason"]
    assert trial.user_attrs["result"]["parameters"] == limits.parameters(worker.prepare(claim)[0])
    assert studies.join(tmp_path, "small", "journal", track="off").folder.limits == most


def test_what_keeps_the_limits_is_trained_and_its_size_told(tmp_path):
    base = Config(runs_dir=tmp_path, track="off", view="rows", epochs=1, batch_size=256)
    most = limits.Limits(milliseconds=1_000.0)
    study = studies.create(folders.opened(folders.StudyFolder(tmp_path / "studies" / "small", base, 0, limits=most)))
    study.ask_for(1)
    points.plan(study)
    worker.run_trial(points.claim(study, WORKER), digits.run)
    (trial,) = study.trials.trials
    assert trial.state == TrialState.COMPLETE
    assert 0 < trial.user_attrs["result"]["milliseconds"] < 1_000
