"""Runs that are stopped, killed and damaged, and go on to the same bits. The long form is `make torture`."""

import dataclasses
import os
import shutil
import signal

import pytest
import torch

from experiments import digits, resume
from rnnkit.core import files
from rnnkit.core.config import run_name
from rnnkit.core.errors import UserError
from rnnkit.mirror import wandb_log
from rnnkit.runs import checkpoints, tracking
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from rnnkit.training import loop
from tests.helpers import offline_log
from tests.torture import damage, forks, kills


CONFIG = digits.Config(
    view="rows", epochs=3, hidden_size=6, dropout=0.2, evaluate_every=9, save_every=5, patience=9, track="off"
)


class Killed(BaseException):
    """Stands for kill -9: nothing is written after it."""


@pytest.fixture(scope="module", autouse=True)
def quick_baseline():
    """The comparison with scikit-learn takes longer than these runs, and is no part of what is compared."""
    with pytest.MonkeyPatch.context() as patch:
        right = digits.baseline(0)
        patch.setattr(digits, "baseline", lambda seed: right)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run gives that nobody disturbs."""
    return forks.record(digits.run(at(tmp_path_factory.mktemp("undisturbed"))).folder)


def at(runs, **changes):
    return dataclasses.replace(CONFIG, runs_dir=runs, **changes)


def let_go(run, *_, **__):
    """What the system does with the files of a process that was killed."""
    run._rows.close()
    run._claim.release()


def killed_at(step, config, monkeypatch):
    """Run until this step is logged, end as kill -9 would, and return the run's folder."""
    log = tracking.Run.log

    def dies(run, at_step, row):
        log(run, at_step, row)
        if at_step == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(tracking.Run, "log", dies)
        patch.setattr(tracking.Run, "end", let_go)
        with pytest.raises(Killed):
            digits.run(config)
    return config.runs_dir / run_name(config)


@pytest.mark.parametrize("step", [1, 5, 6, 9, 34, 102])
def test_a_run_that_is_killed_goes_on_to_the_same_bits(step, undisturbed, tmp_path, monkeypatch):
    folder = killed_at(step, at(tmp_path), monkeypatch)
    assert Result.read(folder) is None
    checkpoint, _ = checkpoints.latest(folder)
    saved = 0 if checkpoint is None else checkpoint["record"]["step"]
    assert saved == 5 * ((step - 1) // 5)  # it lost no more than the steps since it was saved
    assert digits.run(at(tmp_path)).folder == folder
    assert forks.record(folder) == undisturbed
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.pt",
        "lock",
        "manifest.json",
        "metrics.jsonl",
        "result.json",
    ]


def test_saving_and_showing_more_or_less_often_changes_nothing(undisturbed, tmp_path):
    assert forks.record(digits.run(at(tmp_path / "1", save_every=1)).folder) == undisturbed
    assert forks.record(digits.run(at(tmp_path / "0", save_every=0)).folder) == undisturbed


@pytest.fixture(scope="module")
def kind(tmp_path_factory):
    """The run as the torture wants it."""
    folder = tmp_path_factory.mktemp("kind")
    return kills.undisturbed(kills.Kind(digits, at(folder, epochs=2)), folder)


@pytest.mark.parametrize(("name", "number"), [("KILL", 4), ("TERM", 2), ("INT", 2)])
def test_signals_at_random_and_at_chosen_moments(name, number, kind, tmp_path):
    assert "runs, all equal to undisturbed ones" in kills.torture(number, name, seed=1, runs=tmp_path, of=[kind])


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_a_second_signal_ends_a_run_at_once(name, kind, tmp_path):
    assert "1 runs ended at once" in kills.twice(1, name, seed=0, runs=tmp_path, kind=kind)


def stopped_after(step, config, monkeypatch):
    """Run until a Ctrl-C in this step, and return the run's folder."""
    log = tracking.Run.log

    def asks(run, at_step, row):
        log(run, at_step, row)
        if at_step == step:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(tracking.Run, "log", asks)
        with pytest.raises(KeyboardInterrupt):
            digits.run(config)
    return config.runs_dir / run_name(config)


@pytest.mark.parametrize("step", [7, 9])
def test_a_signal_costs_no_step(step, undisturbed, tmp_path, monkeypatch):
    folder = stopped_after(step, at(tmp_path), monkeypatch)
    assert Result.read(folder).status == "interrupted"
    assert checkpoints.latest(folder)[0]["record"]["step"] == step
    digits.run(at(tmp_path))
    assert forks.record(folder) == undisturbed


def test_a_signal_in_an_evaluation_does_not_wait_for_its_end_and_it_is_done_again(undisturbed, tmp_path, monkeypatch):
    scores, calls = loop.scores, []

    def asks(*words):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("the evaluation went on")
        return scores(*words)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "scores", asks)
        with pytest.raises(SystemExit) as stop:
            digits.run(at(tmp_path))
    assert stop.value.code == 143
    folder = tmp_path / run_name(CONFIG)
    place = checkpoints.latest(folder)[0]["place"]
    assert (place["step"], place["evaluations"]) == (27, 2)
    assert place["pending"]["loss/train"] > 0
    digits.run(at(tmp_path))
    assert forks.record(folder) == undisturbed


def test_a_run_that_patience_ended_is_not_trained_on(tmp_path, monkeypatch):
    config = at(tmp_path, patience=1, learning_rate=0.3, save_every=0)
    whole = forks.record(digits.run(dataclasses.replace(config, runs_dir=tmp_path / "whole")).folder)
    with monkeypatch.context() as patch:
        patch.setattr(tracking.Run, "finish", lambda *_, **__: (_ for _ in ()).throw(Killed))
        patch.setattr(tracking.Run, "end", let_go)
        with pytest.raises(Killed):
            digits.run(config)
    folder = config.runs_dir / run_name(config)
    assert checkpoints.latest(folder)[0]["place"]["ended"]
    digits.run(config)
    assert forks.record(folder) == whole


PIECES = [(part, name) for part, names in checkpoints.PARTS.items() for name in (None, *names)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run that was killed in step 23."""
    with pytest.MonkeyPatch.context() as patch:
        return killed_at(23, at(tmp_path_factory.mktemp("killed")), patch)


@pytest.mark.parametrize(("part", "name"), PIECES)
def test_a_state_that_lacks_a_part_is_noticed(part, name, killed, tmp_path):
    folder = tmp_path / killed.name
    shutil.copytree(killed, folder)
    state = checkpoints.load(folder / checkpoints.LATEST)
    if name is None:
        del state[part]
    else:
        del state[part][name]
    checkpoints.save(folder / checkpoints.LATEST, state)
    found, wrong = checkpoints.latest(folder)
    assert wrong == [f"{folder / checkpoints.LATEST} lacks {part if name is None else f'{part} {name}'}"]
    assert found["record"]["step"] == 15


@pytest.mark.parametrize("damage", ["flip", "cut", "zeros", "code"])
def test_a_damaged_state_is_named_and_the_one_before_it_used(damage, undisturbed, tmp_path, monkeypatch, capsys):
    folder = killed_at(23, at(tmp_path), monkeypatch)
    path = folder / checkpoints.LATEST
    whole = path.read_bytes()
    marker = tmp_path / "ran"
    if damage == "flip":
        path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    elif damage == "cut":
        path.write_bytes(whole[:-100])
    elif damage == "zeros":
        path.write_bytes(whole[:-512] + bytes(512))
    else:
        checkpoints.save(path, {"weights": RunsCode(marker)})
    digits.run(at(tmp_path))
    said = capsys.readouterr().err
    assert f"{path} " in said
    assert "the one before it is used" in said
    assert "goes on after step 15" in said
    assert forks.record(folder) == undisturbed
    assert not marker.exists()


def test_a_kill_in_the_first_save_after_a_damaged_state_leaves_the_good_one(undisturbed, tmp_path, monkeypatch):
    """The damaged state must not take the place of the one that the run went on from."""
    folder = killed_at(23, at(tmp_path), monkeypatch)
    path = folder / checkpoints.LATEST
    path.write_bytes(path.read_bytes()[:-1])

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", dies)
        patch.setattr(tracking.Run, "end", let_go)
        with pytest.raises(Killed):
            digits.run(at(tmp_path))
    state, wrong = checkpoints.latest(folder)
    assert (state["record"]["step"], wrong) == (15, [])
    digits.run(at(tmp_path))
    assert forks.record(folder) == undisturbed


def test_a_run_that_a_full_disk_ended_goes_on_where_it_is_named(undisturbed, tmp_path, monkeypatch):
    """Its command, repeated, starts another."""
    keep = checkpoints.keep

    def full(folder, state):
        if state["record"]["step"] == 20:
            raise OSError(28, "No space left on device")
        keep(folder, state)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "keep", full)
        with pytest.raises(UserError, match=r"cannot write .* \(No space left on device\)"):
            digits.run(at(tmp_path))
    folder = tmp_path / run_name(CONFIG)
    assert Result.read(folder).status == "failed"
    assert digits.run(at(tmp_path)).folder.name == f"{folder.name}-2"
    monkeypatch.setattr("sys.argv", ["resume", str(folder)])
    resume.main()
    assert Result.read(folder).resumed_after == [15]
    assert forks.record(folder) == undisturbed


def test_no_damage_to_a_state_is_passed_over(killed, tmp_path):
    folder = tmp_path / killed.name
    shutil.copytree(killed, folder)
    assert "30 flipped bits, 9 cuts, 3 zeroed tails, none loaded" in damage.torture(folder, 30, seed=1)


class RunsCode:
    """What an attacker would put into a checkpoint."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_a_record_that_was_cut_behind_its_checkpoint_is_not_gone_on_from(undisturbed, tmp_path, monkeypatch, capsys):
    folder = killed_at(23, at(tmp_path), monkeypatch)
    rows = (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_bytes(b"".join(rows[:17]))
    digits.run(at(tmp_path))
    said = capsys.readouterr().err
    assert f"{folder / checkpoints.LATEST} does not fit metrics.jsonl, which holds less than when it was saved" in said
    assert "goes on after step 15" in said
    assert forks.record(folder) == undisturbed


def test_other_data_than_it_began_with_are_refused(tmp_path, monkeypatch):
    folder = killed_at(23, at(tmp_path), monkeypatch)
    manifest = files.read_json(folder / "manifest.json")
    files.write_json(folder / "manifest.json", {**manifest, "data": {"digits": "other"}})
    with pytest.raises(UserError, match="the data have changed since"):
        digits.run(at(tmp_path))
    assert checkpoints.latest(folder)[0] is not None


def test_the_mirror_of_a_run_that_went_on_holds_every_row_once(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = stopped_after(23, at(tmp_path, track="offline"), monkeypatch)
    offline_log(folder)
    digits.run(at(tmp_path, track="offline"))
    assert wandb_log.rows(offline_log(folder)) == read_rows(folder)


def test_a_carried_state_is_part_of_what_is_saved(tmp_path):
    state = (torch.randn(2, 3, 4), torch.randn(2, 3, 4))
    checkpoints.save(tmp_path / "c.pt", {"carried": state})
    again = checkpoints.load(tmp_path / "c.pt")["carried"]
    assert all(torch.equal(one, other) for one, other in zip(state, again, strict=True))


def test_a_state_of_other_weights_is_refused(killed, tmp_path):
    folder = tmp_path / killed.name
    shutil.copytree(killed, folder)
    state = checkpoints.load(folder / checkpoints.LATEST)
    del state["weights"]["head.bias"]
    checkpoints.save(folder / checkpoints.LATEST, state)
    with pytest.raises(UserError, match=r"of another training .*: delete its folder"):
        digits.run(at(tmp_path))
