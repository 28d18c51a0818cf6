"""A study on disk: its journal, its locks, and when it is removed."""

import dataclasses
import errno
import fcntl
import os
import threading

import pytest
from optuna.trial import TrialState

from experiments import digits
from experiments.digits import Config
from rnnkit.core import files, locks
from rnnkit.core.errors import UserError
from sweeps import worker
from sweeps.study import folders, healing, points, storage
from sweeps.study import study as studies
from tests.helpers import WORKER, a_trial, new_study, tell


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole + b'{"op_code": 5, "work',  # a disk that was full
        lambda whole: whole[:-10],
        lambda whole: whole + b"\0\0\0\n",  # a file system after a crash
        lambda whole: whole + b'{"op_code": 5, "work{"op_code":4}\n{"op_code":4}\n',  # and others wrote on
    ],
)
def test_a_torn_journal_is_healed_with_a_word_and_written_again(tmp_path, damage, capsys):
    study = new_study(tmp_path, total=2)
    tell(a_trial(study), 0.5)
    journal = study.folder.path / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(damage(whole))
    again = studies.create(study.folder)
    healed = journal.read_bytes()
    assert healed == (whole if damage(whole).startswith(whole) else whole[: whole[:-1].rindex(b"\n") + 1])
    assert "which a full disk or a crash had torn" in capsys.readouterr().out
    tell(points.claim(again, WORKER), 0.25)
    assert again.trials.trials[-1].state.is_finished() or again.trials.trials[0].state.is_finished()

    studies.create(study.folder)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", [b"garbage\n", b'{"a": 1}\n', b'{"op_code": 99, "worker_id": "x"}\n', b"\0\n"])
def test_damage_in_the_midst_of_a_journal_is_named_and_nothing_is_cut(tmp_path, line):
    study = new_study(tmp_path, total=40)
    points.plan(study)
    journal = study.folder.path / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) > 44
    journal.write_bytes(b"".join([*lines[:4], line, *lines[5:]]))
    before = journal.read_bytes()
    with pytest.raises(UserError, match=r"journal\.log, line 5 is damaged, and \d+ good ones follow"):
        studies.create(study.folder)
    with pytest.raises(UserError, match=r"journal\.log is damaged: run the sweep again"):
        studies.join(tmp_path, "small", "journal", track="off")
    assert journal.read_bytes() == before


def test_a_torn_journal_is_not_cut_while_workers_write(tmp_path, capsys):
    study = new_study(tmp_path)
    with (study.folder.path / "journal.log").open("ab") as file:
        file.write(b'{"op')
    waiting = threading.Thread(target=healing.heal, args=(study.folder.path,))
    with study.storage.present("one"), study.storage.present("two"):
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join()
    assert "waiting for workers" in capsys.readouterr().out


def test_a_lock_that_a_killed_process_held_holds_up_nobody(tmp_path):
    """Optuna's own lock is a file that stays when its holder is killed: others wait half a minute."""
    study = new_study(tmp_path)
    lock = storage._FileLock(study.folder.path / "journal.lock")
    lock.acquire()
    with pytest.raises(BlockingIOError), locks.opened(study.folder.path / "journal.lock") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.release()  # as the system does for a process that is gone; the file is still there
    assert (study.folder.path / "journal.lock").exists()
    tell(a_trial(study), 0.5)


def test_what_killed_workers_left_is_cleared(tmp_path):
    study = new_study(tmp_path)
    with study.storage.present("alive"):
        (study.folder.path / "workers" / "dead").touch()
        study.storage.tidy()
        assert [path.name for path in (study.folder.path / "workers").iterdir()] == ["alive"]
    assert list((study.folder.path / "workers").iterdir()) == []


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_a_study_json_that_is_none_is_named_in_one_line(tmp_path, content):
    study = new_study(tmp_path)
    (study.folder.path / "study.json").write_text(content)
    with pytest.raises(UserError, match=r"^.*study\.json is damaged \(.*\): delete it, or its whole folder$"):
        new_study(tmp_path)


@pytest.mark.parametrize("config", [3, None, [], ["bits"], "bits", {"cell": []}])
def test_settings_of_a_study_that_are_none_are_others(tmp_path, config):
    path = new_study(tmp_path).folder.path / "study.json"
    files.write_json(path, files.read_json(path) | {"config": config})
    with pytest.raises(UserError, match=r"^study .* was started with another config .*$"):
        new_study(tmp_path)


def test_study_json_says_what_the_study_is(tmp_path):
    study = new_study(tmp_path, sampler="random", epochs=3)
    found = files.read_json(study.folder.path / "study.json")
    assert (found["study"], found["experiment"], found["seed"]) == ("small", "digits", 0)
    assert (found["sampler"], found["pruner"], found["storage"]) == ("random", "auto", "journal")
    assert found["config"]["epochs"] == 3
    assert found["space"]["tuned"]["learning_rate"]["low"] == 1e-3
    assert found["versions"]["optuna"]
    with pytest.raises(UserError, match=r"another sampler \(random, not tpe\)"):
        new_study(tmp_path, sampler="tpe", epochs=3)
    joined = studies.join(tmp_path, "small", "journal", track="off")
    assert (joined.folder.sampler, joined.folder.base.epochs, joined.total) == ("random", 3, 1)


@pytest.mark.parametrize("how", ["told", "reported", "failed"])
def test_a_new_study_with_a_trial_that_came_to_something_stays(tmp_path, how):
    study = new_study(tmp_path / "runs")
    made = tuple(tmp_path.joinpath("runs", *below) for below in (("studies", "small"), ("studies",), ()))
    assert study.folder.made == made
    with pytest.raises(UserError), folders.nothing_half_made(study.folder):
        claim = a_trial(study)
        if how == "told":
            tell(claim, 0.5)
        elif how == "reported":
            worker.report(claim, 1, 0.5)
        else:
            worker.tell(claim, TrialState.FAIL, reason="diverged")
        raise UserError("the disk is full")
    assert len(studies.join(tmp_path / "runs", "small", "journal", track="off").trials.trials) == 1


def test_a_changed_space_is_another_study_where_nobody_gave_a_name(tmp_path, monkeypatch):
    """Each space finds its own study again; where other settings differ too, it is no matter of the space."""
    base, spaces = Config(runs_dir=tmp_path), [digits.SPACE]
    spaces += [dataclasses.replace(digits.SPACE, depths=depths) for depths in ((1,), (2,))]

    def found(space, **changed):
        monkeypatch.setattr(digits, "SPACE", space)
        first = folders.StudyFolder(tmp_path / "studies" / "digits-s0", base.changed(**changed), 0)
        return folders.with_its_space(first).name

    for number, space in enumerate(spaces, start=1):
        name = "digits-s0" + (f"-{number}" if number > 1 else "")
        assert found(space) == name
        folders.open_folder(tmp_path, name, base, 0)
    assert [found(space) for space in spaces] == ["digits-s0", "digits-s0-2", "digits-s0-3"]
    assert found(spaces[1], epochs=3) == "digits-s0"
    with pytest.raises(UserError, match=r"another space \(depths \(1, 2, 3\), not \(1,\)\): it can be widened"):
        monkeypatch.setattr(digits, "SPACE", spaces[1])
        folders.open_folder(tmp_path, "digits-s0", base, 0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_study_that_was_stopped_or_met_a_bug_stays(tmp_path, error):
    study = new_study(tmp_path)
    with pytest.raises(error), folders.nothing_half_made(study.folder):
        raise error
    assert (study.folder.path / "study.json").exists()


def test_a_study_that_cannot_be_written_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_json", full)
    with pytest.raises(UserError, match="No space left on device"):
        new_study(tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_cannot_be_locked_leaves_nothing_open(tmp_path, monkeypatch):
    study = new_study(tmp_path)
    before = sorted(os.listdir("/proc/self/fd"))

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    for _ in range(3):
        with pytest.raises(locks.Unsupported, match=r"journal\.lock \(No locks available\)"):
            study.trials.set_user_attr("a", 1)
    assert sorted(os.listdir("/proc/self/fd")) == before
