"""Sweeps that are told by early signs where to begin and what to end."""

import dataclasses

import pytest
from optuna.trial import TrialState

from experiments import memory
from rnnkit.core.errors import UserError
from rnnkit.runs import Result, foretelling, read_rows
from rnnkit.runs.foretelling import Foretold
from sweeps import options, worker
from sweeps.study import folders, points, suggestions
from sweeps.study import study as studies
from tests.helpers import WORKER


QUICK = {"length": 10, "epochs": 5, "round": 10, "evaluate_every": 5, "track": "off"}


def study_of(runs, order, **settings):
    base = memory.Config(**QUICK, runs_dir=runs)
    folder = folders.StudyFolder(runs / "studies" / "told", base, 0, foretell=order, **settings)
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


def chances_of(study):
    return [trial.user_attrs.get("chance") for trial in study.all_of()]


def run_all(study):
    while (claimed := points.claim(study, WORKER)) is not None:
        worker.run_trial(claimed, memory.run)


@pytest.mark.parametrize("order", [(), None])
def test_what_is_unlikely_beside_others_is_ended_with_the_reason_where_that_is_asked_for(tmp_path, monkeypatch, order):
    monkeypatch.setattr(suggestions, "LIKELY", 0.9)
    study = study_of(tmp_path, order, sampler="random", pruner="none")
    study.ask_for(9)
    points.plan(study)
    run_all(study)
    trials, chances = study.trials.trials, chances_of(study)
    if order is None:
        assert chances == [None] * 9
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        return
    for number, (trial, chance) in enumerate(zip(trials, chances, strict=True)):
        result = Result.of(tmp_path / trial.user_attrs["run"])
        rows = read_rows(result.folder)
        config = study.folder.config(number, trial.params)
        assert chance == foretelling.early(rows[:10], 50, config).chance  # the first evaluation after a fifth
        best = max(chances[: max(number - study.folder.reach + 1, 0)], default=0.0)
        assert (trial.state == TrialState.PRUNED) == (chance < 0.9 * best)
        if trial.state == TrialState.PRUNED:
            assert result.step == 10
            assert trial.user_attrs["reason"] == result.reason
            assert result.reason.startswith(
                "not half the chance that another trial had after as many steps: learns with "
            )
    assert len({trial.state for trial in trials}) == 2


def test_the_plane_and_the_best_once_more_on_fresh_seeds_are_never_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(suggestions, "LIKELY", 1e9)
    study = study_of(tmp_path, ())
    study.ask_for(2, (1, 2))
    points.plan(study)
    run_all(study)
    assert len(chances_of(study)) == 2
    assert {trial.state for trial in (*study.trials.trials, *study.confirmations.trials)} == {TrialState.COMPLETE}
    assert study.confirmations.trials[0].user_attrs["chance"] > 0


def test_a_trial_waits_for_those_whose_chances_it_is_compared_with(tmp_path):
    study = study_of(tmp_path, (), sampler="random", pruner="none")
    study.ask_for(6)
    points.plan(study)
    with study.storage.present(WORKER):
        in_hand = [points.claim(study, WORKER) for _ in range(study.folder.reach)]
        assert [claimed.number for claimed in in_hand] == [0, 1, 2, 3]
        assert points.claim(study, WORKER) is None  # trial 4 is to know of trial 0
        worker.run_trial(in_hand[0], memory.run)
        taken = points.claim(study, WORKER)
    assert (taken.number, taken.least_chance) == (4, pytest.approx(chances_of(study)[0] / 2))


def test_a_trial_that_another_worker_has_taken_says_nothing_of_its_chance(tmp_path):
    study = study_of(tmp_path, ())
    study.ask_for(1)
    points.plan(study)
    claimed = points.claim(study, WORKER)
    claimed.trial.set_user_attr("worker", "another")
    with pytest.raises(worker.Lost):
        worker.hear(claimed, Foretold(0.5, 0.2, ()))
    assert chances_of(study) == [None]
