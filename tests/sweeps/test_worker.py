"""One worker, in this process: how it ends a trial."""

import os

import pytest
from optuna.trial import TrialState

from experiments import digits
from rnnkit.errors import UserError
from rnnkit.records import Result
from sweeps import study as studies
from sweeps import worker
from tests.helpers import a_trial, new_study


@pytest.mark.parametrize("error", [UserError("no room"), OSError(28, "No space left on device")])
def test_an_error_of_the_machine_leaves_the_point_open(tmp_path, error):
    folder, study = new_study(tmp_path)

    def run(config, report):
        raise error

    with pytest.raises(type(error)):
        worker.run_point(folder, study, run, *a_trial(folder, study), os.getppid())
    (trial,) = study.trials
    assert trial.state == TrialState.FAIL
    assert "reason" not in trial.user_attrs
    studies.plan(folder, study, 1)  # the next time
    assert study.trials[1].state == TrialState.WAITING
    assert study.trials[1].user_attrs["retry_of"] == trial.number


def test_a_trial_that_fails_by_itself_keeps_its_reason_and_has_ended(tmp_path):
    folder, study = new_study(tmp_path)

    def run(config, report):
        raise ValueError("broken")

    worker.run_point(folder, study, run, *a_trial(folder, study), os.getppid())
    (trial,) = study.trials
    assert trial.user_attrs["reason"] == "ValueError: broken"
    assert studies.has_ended([trial])


def test_a_worker_whose_sweep_is_gone_ends_its_run_as_interrupted(tmp_path):
    folder, study = new_study(tmp_path, epochs=2, view="rows", batch_size=64)
    trial, point = a_trial(folder, study)

    def run(config, report):
        def late(epoch, value):
            study.tell(trial.number, state=TrialState.FAIL)  # as a sweep does that has begun meanwhile
            report(epoch, value)

        return digits.run(config, late)

    with pytest.raises(SystemExit, match="the sweep is gone"):
        worker.run_point(folder, study, run, trial, point, parent=-1)
    (result,) = (Result.read(path.parent) for path in tmp_path.glob("*/result.json"))
    assert result.status == "interrupted"


def test_a_worker_that_cannot_write_ends_in_one_line(tmp_path, monkeypatch):
    new_study(tmp_path)
    place = str(tmp_path / "studies" / "small")
    monkeypatch.setattr("sys.argv", ["worker", place, "--runs-dir", str(tmp_path)])

    def full(*_):
        raise OSError(28, "No space left on device", "journal.log")

    monkeypatch.setattr(worker, "work", full)
    with pytest.raises(UserError, match="No space left on device: 'journal.log'"):
        worker.main()
