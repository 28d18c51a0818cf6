"""Points: what they are, that each is run once, and that stopping changes none of them."""

import dataclasses
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from rnnkit.training import Pruned
from sweeps import worker
from sweeps.study import folders, points, storage, suggestions
from sweeps.study import study as studies
from tests.helpers import WORKER, a_trial, new_study, tell


def settled(study, total, better=1):
    """Carry the study to `total` trials in this process, with values by a formula, and return their settings."""
    study.ask_for(total)
    points.plan(study)
    while (claim := points.claim(study, WORKER)) is not None:
        params = claim.trial.params
        tell(
            claim, better * params["learning_rate"] * 10 - abs(params["hidden_size"] - 40) / 100 + params["depth"] / 30
        )
    trials = study.trials.get_trials(deepcopy=False)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * total
    return [trial.params for trial in trials]


def reopened(study):
    """The same study, as another process finds it."""
    return studies.join(study.folder.base.runs_dir, "small", "journal", track="off")


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_study_stopped_at_every_point_has_the_same_configurations(tmp_path, sampler):
    """In three ways at each of 19 points: between two trials, in a trial, and while TPE's settings are written down."""
    whole = settled(new_study(tmp_path / "whole", sampler=sampler), 20)
    assert len({str(params) for params in whole}) == 20
    study = new_study(tmp_path / "stopped", sampler=sampler)
    for total in range(1, 20):
        assert settled(study, total) == whole[:total]
        study = reopened(study)
        study.ask_for(total + 1)
        points.plan(study)
        half = study.trials.get_trials(deepcopy=False)[total]
        size = whole[total]["hidden_size"]
        source = suggestions.distribution(study.folder.space.studied["hidden_size"])
        study.storage.optuna.set_trial_param(storage.id_of(half), "hidden_size", size, source)  # and killed
        study = reopened(study)
        assert a_trial(study).trial.params == whole[total]  # and killed
        assert points.released(study, WORKER, "killed")[0].number == total
        study = reopened(study)
        points.claim(study, "another")
        points.released(study, "another", "stopped")
        study = reopened(study)
    assert settled(study, 20) == whole


def test_tpe_learns_from_what_came_before(tmp_path):
    one, other = (settled(new_study(tmp_path / str(way), sampler="tpe"), 20, way) for way in (1, -1))
    assert one[:10] == other[:10]  # drawn at random
    rates = [sum(params["learning_rate"] for params in found[12:]) / 8 for found in (one, other)]
    assert rates[0] > 2 * rates[1]


def test_other_seeds_have_other_points(tmp_path):
    one, other = (folders.open_folder(tmp_path, f"s{seed}", new_study(tmp_path).folder.base, seed) for seed in (0, 1))
    assert suggestions.values(dataclasses.replace(one, sampler="random"), 0) != suggestions.values(
        dataclasses.replace(other, sampler="random"), 0
    )
    seeds = {folders.trial_seed(study, number) for study in range(5) for number in range(10_000)}
    assert len(seeds) == 50_000


def test_a_grid_is_the_plane_again_and_again_with_a_seed_for_each_round(tmp_path):
    study = new_study(tmp_path, total=30, sampler="grid")
    points.plan(study)
    plane = study.folder.space.plane()
    found = [trial.system_attrs["fixed_params"] for trial in study.trials.get_trials(deepcopy=False)]
    assert found == (plane * 3)[:30]
    assert [study.folder.config(number, {}).seed for number in range(30)] == [number // 12 for number in range(30)]


def test_what_is_pruned(tmp_path):
    folder = new_study(tmp_path).folder
    replace = dataclasses.replace
    assert not suggestions.prunes(folder, 11)
    assert suggestions.prunes(folder, 12)
    assert not suggestions.prunes(replace(folder, pruner="none"), 12)
    assert not suggestions.prunes(replace(folder, sampler="random"), 12)
    assert suggestions.prunes(replace(folder, sampler="random", pruner="percentile"), 0)
    assert not suggestions.prunes(replace(folder, sampler="grid", pruner="percentile"), 50)
    assert suggestions.prunes(replace(folder, sampler="tpe"), 0)


def test_pruning_begins_at_the_fourth_evaluation(tmp_path):
    """Evaluations count from 1, and Optuna's warm-up ends at the step that it names."""
    study = new_study(tmp_path, total=13, sampler="tpe")
    points.plan(study)
    for _ in range(12):
        claimed = points.claim(study, WORKER)
        for evaluation in range(1, 6):
            claimed.trial.report(0.9, evaluation)
        tell(claimed, 0.9)
    claim = points.claim(study, WORKER)
    verdicts = []
    for evaluation in range(1, 6):
        try:
            worker.report(claim, evaluation, 0.1)
        except Pruned:
            verdicts.append(evaluation)
    assert verdicts == [4, 5]
    reported = {evaluation: 0.9 if evaluation == 5 else 0.1 for evaluation in range(1, 6)}
    assert suggestions.is_poor(reported, 4, claim.peers)  # what it reported later plays no role
    assert not suggestions.is_poor(reported, 5, claim.peers)


def test_a_point_waits_for_those_it_is_to_know_and_for_no_others(tmp_path):
    """With 4 it begins when all but the 3 before it have ended; what is drawn at random never waits."""
    study = new_study(tmp_path, total=9, sampler="tpe")
    points.plan(study)
    with study.storage.present(WORKER):
        claims = [points.claim(study, WORKER) for _ in range(4)]
        assert [claim.number for claim in claims] == [0, 1, 2, 3]
        assert points.claim(study, WORKER) is None
        for claim in claims[1:]:
            tell(claim, 0.5)
        assert points.claim(study, WORKER) is None  # 0 has not ended
        tell(claims[0], 0.5)
        assert [points.claim(study, WORKER).number for _ in range(4)] == [4, 5, 6, 7]
    assert points.left(study) == 5
    free = new_study(tmp_path / "random", total=9, sampler="random")
    points.plan(free)
    with free.storage.present(WORKER):
        assert [points.claim(free, WORKER).number for _ in range(9)] == list(range(9))


@given(order=st.randoms(use_true_random=False), lag=st.integers(1, 6))
@settings(max_examples=2)
def test_the_order_in_which_trials_end_changes_nothing(order, lag):
    """Any of those that are in hand ends next, some fail, some are pruned, some are given up and taken again."""

    def carried(pick):
        with tempfile.TemporaryDirectory() as place:
            study = new_study(Path(place), sampler="tpe", lag=lag)
            study.ask_for(16)
            points.plan(study)
            in_hand = []
            with study.storage.present(WORKER):
                while points.left(study):
                    while (claim := points.claim(study, WORKER)) is not None:
                        in_hand.append(claim)
                    claim = in_hand.pop(pick(len(in_hand)))
                    value = claim.trial.params["learning_rate"] * claim.trial.params["hidden_size"]
                    for evaluation in range(1, 5):
                        claim.trial.report(value + evaluation / 100, evaluation)
                    if claim.number % 5 == 3:
                        worker.tell(claim, TrialState.FAIL, reason="diverged")
                    elif suggestions.is_poor(claim.ours().intermediate_values, 4, claim.peers):
                        worker.tell(claim, TrialState.PRUNED)
                    else:
                        tell(claim, value)
            return [(trial.state, trial.params, trial.values) for trial in study.trials.get_trials()]

    assert carried(lambda count: order.randrange(count)) == carried(lambda count: 0)


def test_planning_again_adds_nothing_and_a_larger_total_adds_the_rest(tmp_path):
    study = new_study(tmp_path, total=3)
    for total, expected in ((3, 3), (3, 3), (5, 5), (2, 5)):
        study.ask_for(total)
        points.plan(study)
        assert len(study.trials.trials) == expected
    study = reopened(study)
    assert points.left(study) == 2
    with study.storage.present(WORKER):
        assert [points.claim(study, WORKER).number for _ in range(2)] == [0, 1]
        assert points.claim(study, WORKER) is None  # those above the total wait until it is raised again


def test_a_trial_of_a_dead_worker_goes_to_the_next_that_asks(tmp_path):
    study = new_study(tmp_path, total=2)
    with study.storage.present("a-worker-that-lives"):
        points.plan(study)
        points.claim(study, "a-worker-that-lives")
        assert points.claim(study, "a-dead-worker").number == 1
        taken = points.claim(study, "another")
        assert taken.number == 1
        assert points.claim(reopened(study), "a-third") is not None  # "another" is no living worker either
        assert {t.number for t in study.trials.trials if t.user_attrs["worker"] == "a-worker-that-lives"} == {0}
    trial = study.trials.trials[1]
    assert trial.user_attrs["cut_off"] == [["killed", 0]] * 2


@pytest.mark.parametrize(("end", "deaths"), [("crashed", points.CRASHES), ("killed", points.KILLS)])
def test_a_trial_that_costs_one_worker_after_the_other_is_given_up(tmp_path, end, deaths):
    study = new_study(tmp_path)
    points.plan(study)
    for death in range(deaths):
        claim = points.claim(study, f"worker-{death}")
        if death == 0:
            claim.trial.suggest_int("hidden_size", 8, 96, log=True)
        points.released(study, f"worker-{death}", end)
    (trial,) = study.trials.trials
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["reason"] == f"{deaths} workers died with it, one after the other"
    assert points.left(study) == 0


def test_a_trial_that_gets_further_each_time_is_not_given_up(tmp_path):
    study = new_study(tmp_path)
    points.plan(study)
    for death in range(2 * points.CRASHES):
        claim = points.claim(study, f"worker-{death}")
        worker.report(claim, death + 1, 0.5)
        points.released(study, f"worker-{death}", "crashed")
    (trial,) = study.trials.trials
    assert trial.state == TrialState.WAITING
    assert len(trial.intermediate_values) == 2 * points.CRASHES


def test_the_best_are_run_again_on_the_same_fresh_seeds_once_all_have_ended(tmp_path):
    study = new_study(tmp_path, total=4, sampler="random", confirm=(2, 3))
    points.plan(study)
    for value in (0.5, 0.9, 0.1, 0.7):
        claim = points.claim(study, WORKER)
        assert claim.repeat is None
        tell(claim, value)
    assert points.left(study) == 6
    seen = []
    while (claim := points.claim(study, WORKER)) is not None:
        config, member = worker.prepare(claim)
        assert (member.study, member.trial, member.confirms) == ("small", None, claim.confirms)
        original = study.folder.config(claim.confirms, study.trials.trials[claim.confirms].params)
        assert dataclasses.replace(config, seed=original.seed) == original
        seen.append((claim.repeat, claim.confirms, config.seed))
        tell(claim, 0.5)
    assert [(repeat, confirms) for repeat, confirms, _ in seen] == [(r, c) for r in range(3) for c in (1, 3)]
    assert [seed for *_, seed in seen] == [9_000, 9_000, 9_001, 9_001, 9_002, 9_002]
    assert points.left(study) == 0
    assert len(study.trials.trials) == 4  # TPE never sees what was run again

    study.ask_for(5, (2, 3))  # more points: what of the best is new is run again, the rest is there
    points.plan(study)
    tell(points.claim(study, WORKER), 0.8)
    assert points.left(study) == 3
    assert {points.claim(study, WORKER).confirms} == {4}


def test_in_a_grid_a_configuration_is_ranked_by_its_mean(tmp_path):
    study = new_study(tmp_path, total=24, sampler="grid")
    points.plan(study)
    for number in range(24):
        tell(points.claim(study, WORKER), {3: 0.9, 15: 0.1, 4: 0.6, 16: 0.6}.get(number, 0.2))
    assert [trial.number for trial in points.ranked(study)][:2] == [4, 3]
