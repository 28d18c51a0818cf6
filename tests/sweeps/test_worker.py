"""One worker, in this process: what it makes of a trial, and how it ends one."""

import pytest
from optuna.trial import TrialState

from experiments import digits
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs import folders, tracking
from rnnkit.runs.folders import RunContext
from rnnkit.runs.manifest import Membership
from rnnkit.runs.result import Result
from sweeps import worker
from sweeps.study import points
from tests.helpers import WORKER, a_trial, new_study


QUICK = {"epochs": 2, "view": "rows", "batch_size": 64}


def trial_of(study, number=0):
    return study.trials.get_trials(deepcopy=False)[number]


@pytest.mark.parametrize("error", [UserError("no room"), OSError(28, "No space left"), KeyboardInterrupt(), SystemExit])
def test_what_is_no_fault_of_the_trial_has_it_wait_for_another_try(tmp_path, error):
    study = new_study(tmp_path)

    def run(config, report, context):
        report(1, 0.5)
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        worker.run_trial(a_trial(study), run)
    trial = trial_of(study)
    assert trial.state == TrialState.WAITING
    assert trial.intermediate_values == {1: 0.5}
    again = points.claim(study, "another")
    assert again.number == 0
    assert study.folder.config(0, again.trial.params).hidden_size == 8


def test_a_trial_that_a_full_disk_ended_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    """Its result.json may say by then that the run failed: that is no end of the trial."""
    quick = {**QUICK, "save_every": 5}
    whole, study = new_study(tmp_path / "whole", **quick), new_study(tmp_path / "runs", **quick)
    worker.run_trial(a_trial(whole), digits.run)
    log = tracking.Run.log

    def full(run, step, row):
        if step == 12:
            raise OSError(28, "No space left on device")
        log(run, step, row)

    with monkeypatch.context() as patch, pytest.raises((UserError, OSError)):
        patch.setattr(tracking.Run, "log", full)
        worker.run_trial(a_trial(study), digits.run)
    (folder,) = (tmp_path / "runs").glob("digits-*")
    assert Result.read(folder).status == "failed"
    assert trial_of(study).state == TrialState.WAITING

    worker.run_trial(points.claim(study, "another"), digits.run)
    found, expected = (trial_of(s).user_attrs["result"] for s in (study, whole))
    assert trial_of(study).state == TrialState.COMPLETE
    assert found["resumed_after"] == [10]
    assert found["weights_sha256"] == expected["weights_sha256"]
    assert [path.name for path in (tmp_path / "runs").glob("digits-*")] == [folder.name]


def test_a_trial_that_fails_by_itself_keeps_its_reason_and_has_ended(tmp_path):
    study = new_study(tmp_path)

    def run(config, report, context):
        raise ValueError("broken")

    worker.run_trial(a_trial(study), run)
    trial = trial_of(study)
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["reason"] == "ValueError: broken"
    assert points.left(study) == 0


def fake_run(value):
    """A run without training that reports and ends with the same value."""

    def run(config, report, context):
        with tracking.start(config, {}, context) as started:
            started.log(1, {"metric/accuracy/valid": value})
            report(1, value)
            started.finish(metrics={"metric/accuracy/valid": value, "metric/accuracy/test": 0.25})
        return started.result

    return run


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_never_wins(tmp_path, value):
    study = new_study(tmp_path, total=2)
    worker.run_trial(a_trial(study), fake_run(value))
    worker.run_trial(points.claim(study, WORKER), fake_run(0.5))
    assert trial_of(study).state == TrialState.FAIL
    assert trial_of(study).user_attrs["reason"] == f"diverged: metric/accuracy/valid is {value}"
    assert [trial.number for trial in points.ranked(study)] == [1]
    assert study.trials.best_trial.number == 1


def test_a_trial_that_was_taken_away_is_left_to_the_other_worker(tmp_path):
    """A worker that stood still for so long that its trial went to another: it stops at its next evaluation."""
    study = new_study(tmp_path, **QUICK)
    claim = a_trial(study)

    def run(config, report, context):
        def late(step, value):
            points.give_back(study, trial_of(study), "killed")
            assert points.claim(study, "another").number == 0
            report(step, value)

        return digits.run(config, late)

    worker.run_trial(claim, run)
    trial = trial_of(study)
    assert (trial.state, trial.user_attrs["worker"]) == (TrialState.RUNNING, "another")
    assert trial.intermediate_values == {}
    (result,) = (Result.read(path.parent) for path in tmp_path.glob("*/result.json"))
    assert result.status == "interrupted"


def test_a_run_that_had_ended_when_its_worker_was_killed_is_not_run_again(tmp_path):
    study = new_study(tmp_path, **QUICK)

    def killed(config, report, context):
        fake_run(0.5)(config, report, context)
        raise KeyboardInterrupt  # as if just before the study was told

    with pytest.raises(KeyboardInterrupt):
        worker.run_trial(a_trial(study), killed)
    assert trial_of(study).state == TrialState.WAITING

    def never(config, report, context):
        raise AssertionError("it ran again")

    worker.run_trial(points.claim(study, "another"), never)
    assert (trial_of(study).state, trial_of(study).value) == (TrialState.COMPLETE, 0.5)
    assert len(list(tmp_path.glob("*/manifest.json"))) == 1


def test_a_trial_goes_on_as_the_same_run_and_comes_out_the_same(tmp_path):
    """Stopped after its second epoch; in one folder, its trial named in the manifest, the same bits in the end."""
    studies = [new_study(tmp_path / name, **QUICK) for name in ("stopped", "whole")]

    def stopped(config, report, context):
        def once(step, value):
            report(step, value)
            if step == 2:
                raise KeyboardInterrupt

        return digits.run(config, once, context)

    with pytest.raises(KeyboardInterrupt):
        worker.run_trial(a_trial(studies[0]), stopped)
    worker.run_trial(points.claim(studies[0], "another"), digits.run)
    worker.run_trial(a_trial(studies[1]), digits.run)
    one, other = (trial_of(study) for study in studies)
    assert one.value == other.value
    assert one.intermediate_values == other.intermediate_values
    assert one.user_attrs["result"]["weights_sha256"] == other.user_attrs["result"]["weights_sha256"]
    assert [t.user_attrs["result"]["resumed_after"] for t in (one, other)] == [[17], []]
    (manifest,) = (tmp_path / "stopped").glob("*/manifest.json")
    assert (files.read_json(manifest)["study"], files.read_json(manifest)["trial"]) == ("small", 0)


def test_runs_of_other_studies_and_of_nobody_are_not_taken_up(tmp_path):
    study = new_study(tmp_path, **QUICK)
    config, member = worker.prepare(a_trial(study))
    for owner in (Membership(), Membership(study="other", trial=0, point=0)):
        with pytest.raises(KeyboardInterrupt), tracking.start(config, {}, RunContext(owner)) as run:
            run.log(1, {"a": 1.0})
            raise KeyboardInterrupt
    with tracking.start(config, {}, RunContext(member)) as run:
        run.finish()
    assert run.folder.name.endswith("-3")
    assert folders.ended(config, member).folder == run.folder
    assert folders.ended(config, Membership()) is None


def test_a_worker_that_cannot_write_ends_in_one_line(tmp_path, monkeypatch):
    new_study(tmp_path)
    monkeypatch.setattr("sys.argv", ["worker", "--study", "small", "--runs-dir", str(tmp_path)])

    def full(*_):
        raise OSError(28, "No space left on device", "journal.log")

    monkeypatch.setattr(worker, "work", full)
    with pytest.raises(UserError, match="No space left on device: 'journal.log'"):
        worker.main()


def test_a_study_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["worker", "--study", "none", "--runs-dir", str(tmp_path)])
    with pytest.raises(UserError, match="there is no study none in .*: start it with python -m sweeps.run"):
        worker.main()
    assert list(tmp_path.iterdir()) == []
