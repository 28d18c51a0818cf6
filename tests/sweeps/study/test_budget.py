"""Sweeps that are to end by a time: what is planned, what is run again, and when they stop."""

import time
from datetime import datetime, timedelta

import pytest

from sweeps.study import budget, points
from tests.helpers import WORKER, new_study, tell


def ended(study, values, seconds=10.0):
    """End the next trials with these values, each as if it had taken so many seconds."""
    points.plan(study)
    for value in values:
        tell(points.claim(study, WORKER), value)
    trials = study.storage.optuna._replay_result._trials  # no other way to have had time pass
    for trial in trials.values():
        trial.datetime_start = datetime(2026, 1, 1)
        trial.datetime_complete = datetime(2026, 1, 1) + timedelta(seconds=seconds)


def spent(left, workers=2, most=1000, again=(3, 3)):
    return budget.Budget(time.monotonic() + left + 5, workers, most, again, answer=5.0)


def test_time_is_kept_for_the_best_on_fresh_seeds(tmp_path):
    """Trials of 10 s: 9 of them on 2 workers take 5 rounds, so 50 s; one more point takes 11 s."""
    study = new_study(tmp_path, sampler="random")
    study.ask_for(6)
    ended(study, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert budget.expected(study.all_of()) == 10.0
    assert budget.time_again(study, (3, 3), 2) == pytest.approx(50.0, abs=2)
    assert budget.may_search(study, spent(65))
    assert not budget.may_search(study, spent(55))
    assert budget.may_search(study, spent(25, again=(1, 2)))
    assert budget.affordable(study, spent(60)) == (3, 3)
    assert budget.affordable(study, spent(45)) == (3, 2)
    assert budget.affordable(study, spent(25)) == (2, 2)
    assert budget.affordable(study, spent(15)) == (1, 2)
    assert budget.affordable(study, spent(5)) == (0, 0)
    assert budget.affordable(study, spent(60, again=(0, 3))) == (0, 0)


def test_before_any_trial_has_ended_one_may_begin(tmp_path):
    study = new_study(tmp_path)
    assert budget.may_search(study, spent(1))
    assert not budget.may_search(study, spent(-1))


def test_it_stops_where_nothing_is_left_to_gain(tmp_path):
    study = new_study(tmp_path, sampler="tpe")
    study.ask_for(40)
    ended(study, [0.5, 0.9])
    assert budget.nothing_to_gain(study) is None
    ended(study, [0.9] * (budget.IN_VAIN - 1))
    assert budget.nothing_to_gain(study) is None
    ended(study, [0.89])
    assert budget.nothing_to_gain(study) == f"the last {budget.IN_VAIN} points that TPE chose brought nothing better"
    ended(study, [0.91])
    assert budget.nothing_to_gain(study) is None
    ended(study, [1.0])
    assert budget.nothing_to_gain(study) == "trial 27 has the best validation accuracy that there can be"


def test_points_of_the_plane_and_random_ones_are_never_in_vain(tmp_path):
    for sampler in ("random", "plane-then-tpe"):
        study = new_study(tmp_path / sampler, sampler=sampler)
        study.ask_for(12 if sampler != "random" else 30)
        ended(study, [0.5] * study.total)
        assert budget.nothing_to_gain(study) is None


def test_a_study_is_closed_behind_what_has_begun_or_before_what_has_not_ended(tmp_path):
    study = new_study(tmp_path, sampler="random")
    study.ask_for(8)
    points.plan(study)
    with study.storage.present(WORKER):
        claims = [points.claim(study, WORKER) for _ in range(5)]
        for claim in (claims[0], claims[1], claims[3]):
            tell(claim, 0.5)
        points.close(study)
        assert study.total == 5
        assert points.claim(study, WORKER) is None
        points.close(study, put_by=True)
        assert study.total == 2
    assert points.left(study) == 0
    study.ask_for(8)  # and it goes on later, with what was put by
    assert points.claim(study, WORKER).number == 2


def test_search_plans_as_long_as_there_is_time_and_says_why_it_ends(tmp_path):
    study = new_study(tmp_path, sampler="random")
    clock = [0.0]

    def look(wanted):
        assert 1 <= wanted <= 4
        tell(points.claim(study, WORKER), 0.5)
        clock[0] += 1

    limit = spent(1000, most=5)
    assert budget.search(study, limit, look) == "all trials are done"
    assert study.total == 5 == clock[0]

    class Passing(budget.Budget):
        left = property(lambda self: 7.5 - (clock[0] - 5))

    timed = new_study(tmp_path / "timed", sampler="random")
    study = timed
    assert budget.search(timed, Passing(0.0, 2, 1000, (0, 3)), look) == "time is up"
    assert timed.total == clock[0] - 5 == 8  # those that were planned and had not begun by then are no part of it
