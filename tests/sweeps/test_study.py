"""A study on disk: its journal, its locks, and when it is removed."""

import threading

import pytest
from optuna.trial import TrialState

from rnnkit.errors import UserError
from sweeps import study as studies
from tests.helpers import a_trial, new_study


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole + b'{"op_code": 5, "work',  # a disk that was full
        lambda whole: whole[:-10],
        lambda whole: whole + b"\0\0\0\n",  # a file system after a crash
        lambda whole: whole + b'{"op_code": 5, "work{"op_code":4}\n{"op_code":4}\n',  # and others wrote on
    ],
)
def test_a_torn_journal_is_healed_and_written_again(tmp_path, damage, capsys):
    folder, study = new_study(tmp_path)
    study.tell(a_trial(folder, study)[0], 0.5)
    journal = folder.path / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(damage(whole))
    studies.heal(folder)
    healed = journal.read_bytes()
    assert healed == (whole if damage(whole).startswith(whole) else whole[: whole[:-1].rindex(b"\n") + 1])
    assert capsys.readouterr().out.count("\n") == 1
    again = studies.load(folder, create=True)
    studies.plan(folder, again, 2)
    again.tell(studies.claim(folder, again)[0], 0.25)
    assert len(studies.load(folder).trials) >= 2

    studies.heal(folder)
    assert capsys.readouterr().out == ""


def test_a_sweep_waits_for_the_workers_of_a_killed_one(tmp_path, capsys):
    folder, _ = new_study(tmp_path)
    studies.wait_for_workers(folder)
    assert capsys.readouterr().out == ""
    waiting = threading.Thread(target=studies.wait_for_workers, args=(folder,))
    with studies.present(folder), studies.present(folder):
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join()
    assert capsys.readouterr().out.startswith("Waiting for workers that a killed sweep of small left")


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_a_study_json_that_is_none_is_named_in_one_line(tmp_path, content):
    folder, _ = new_study(tmp_path)
    (folder.path / "study.json").write_text(content)
    with pytest.raises(UserError, match=r"^.*study\.json is damaged \(.*\): delete it, or its whole folder$"):
        new_study(tmp_path)


@pytest.mark.parametrize("how", ["told", "reported", "failed"])
def test_a_new_study_with_a_trial_that_came_to_something_stays(tmp_path, how):
    folder, study = new_study(tmp_path / "runs")
    assert folder.made == tuple(tmp_path.joinpath("runs", *below) for below in (("studies", "small"), ("studies",), ()))
    with pytest.raises(UserError), studies.nothing_half_made(folder):
        trial, _ = a_trial(folder, study)
        if how == "told":
            study.tell(trial, 0.5)
        elif how == "reported":
            trial.report(0.5, 1)
        else:
            trial.set_user_attr("reason", "diverged")
            study.tell(trial, state=TrialState.FAIL)
        raise UserError("the disk is full")
    assert len(studies.load(folder).trials) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_study_that_was_stopped_or_met_a_bug_stays(tmp_path, error):
    folder, _ = new_study(tmp_path)
    with pytest.raises(error), studies.nothing_half_made(folder):
        raise error
    assert (folder.path / "study.json").exists()


def test_a_study_that_cannot_be_written_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(studies.records, "write_json", full)
    with pytest.raises(UserError, match="No space left on device"):
        new_study(tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
