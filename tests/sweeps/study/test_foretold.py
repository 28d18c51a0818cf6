"""Sweeps that are told by early signs where to begin and what to end."""

import dataclasses

import pytest
from optuna.trial import TrialState

from experiments import memory
from rnnkit.core.errors import UserError
from rnnkit.runs import Result
from rnnkit.runs.foretelling import chances
from sweeps import options, worker
from sweeps.study import folders, points
from sweeps.study import study as studies
from tests.helpers import WORKER


QUICK = {"length": 10, "epochs": 5, "round": 10, "evaluate_every": 5, "track": "off"}


def study_of(runs, order, **settings):
    base = memory.Config(**QUICK | settings, runs_dir=runs)
    folder = folders.StudyFolder(runs / "studies" / "told", base, 0, foretell=order)
    return studies.create(folders.opened(folder))


def test_the_likeliest_points_of_the_plane_come_first():
    base = memory.Config(**QUICK)
    space = dataclasses.replace(memory.SPACE, hidden_sizes=(4, 16), depths=(1, 2))
    order = options.likeliest_first(base, space)
    likely = [memory.run.screened(base.changed(**point)).foretold.chance for point in space.plane()]
    assert sorted(order) == [0, 1, 2, 3]
    assert [likely[place] for place in order] == sorted(likely, reverse=True)


def test_a_study_keeps_its_order_and_is_not_gone_on_with_without_it(tmp_path):
    count = len(memory.SPACE.plane())
    order = (2, 0, 1, *range(3, count))
    study = study_of(tmp_path, order)
    study.ask_for(4)
    points.plan(study)
    planned = [trial.system_attrs["fixed_params"] for trial in study.trials.trials]
    assert planned == [memory.SPACE.plane()[place] for place in order[:4]]
    assert study_of(tmp_path, ()).folder.foretell == order  # as the command line asks for it
    assert studies.join(tmp_path, "told", "journal", track="off").folder.foretell == order
    with pytest.raises(UserError, match="another foretell"):
        study_of(tmp_path, None)


@pytest.mark.parametrize("order", [(), None])
def test_what_is_hopeless_is_ended_with_the_reason_where_that_is_asked_for(tmp_path, monkeypatch, order):
    monkeypatch.setattr(chances, "HOPELESS", 1.0)
    study = study_of(tmp_path, order)
    study.ask_for(1, (1, 2))
    points.plan(study)
    worker.run_trial(points.claim(study, WORKER), memory.run)
    (trial,) = study.trials.trials
    result = Result.of(tmp_path / trial.user_attrs["result"]["run"])
    if order is None:
        assert trial.state == TrialState.COMPLETE
        return
    assert trial.state == TrialState.PRUNED
    assert result.step == 10  # at the first evaluation after a fifth of 50 steps, and not before
    assert trial.user_attrs["reason"] == result.reason
    assert result.reason.startswith("hopeless after 20% of the steps: learns with probability ")


def test_the_best_once_more_on_fresh_seeds_are_never_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(chances, "HOPELESS", 0.0)
    study = study_of(tmp_path, ())
    study.ask_for(1, (1, 2))
    points.plan(study)
    worker.run_trial(points.claim(study, WORKER), memory.run)
    monkeypatch.setattr(chances, "HOPELESS", 1.0)
    worker.run_trial(points.claim(study, WORKER), memory.run)
    assert study.confirmations.trials[0].state == TrialState.COMPLETE
