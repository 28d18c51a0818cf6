"""Runs that are stopped, killed and damaged, and go on to the same bits. The long form is `make torture`."""

import dataclasses
import os
import signal

import pytest
import torch

from experiments import digits, resume
from rnnkit.core.config import run_name
from rnnkit.core.errors import UserError
from rnnkit.mirror import wandb_log
from rnnkit.runs import checkpoints, tracking
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from rnnkit.training import tasks
from tests.helpers import offline_log
from tests.rnnkit.training.interrupted import CONFIG, Killed, at, killed_at, let_go, stopped_after
from tests.torture import forks, kills


pytestmark = pytest.mark.usefixtures("quick_baseline")


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


@pytest.mark.parametrize("step", [7, 9])
def test_a_signal_costs_no_step(step, undisturbed, tmp_path, monkeypatch):
    folder = stopped_after(step, at(tmp_path), monkeypatch)
    assert Result.read(folder).status == "interrupted"
    assert checkpoints.latest(folder)[0]["record"]["step"] == step
    digits.run(at(tmp_path))
    assert forks.record(folder) == undisturbed


def test_a_signal_in_an_evaluation_does_not_wait_for_its_end_and_it_is_done_again(undisturbed, tmp_path, monkeypatch):
    of_batches, calls = tasks.of_batches, []

    def asks(*words):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("the evaluation went on")
        return of_batches(*words)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "of_batches", asks)
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


def test_the_mirror_of_a_run_that_went_on_holds_every_row_once(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = stopped_after(23, at(tmp_path, track="offline"), monkeypatch)
    offline_log(folder)
    (folder / "wandb" / "mirror.json").unlink()  # else the end of the first mirror counts as that of the second
    digits.run(at(tmp_path, track="offline"))
    assert wandb_log.rows(offline_log(folder)) == read_rows(folder)


def test_a_carried_state_is_part_of_what_is_saved(tmp_path):
    state = (torch.randn(2, 3, 4), torch.randn(2, 3, 4))
    checkpoints.save(tmp_path / "c.pt", {"carried": state})
    again = checkpoints.load(tmp_path / "c.pt")["carried"]
    assert all(torch.equal(one, other) for one, other in zip(state, again, strict=True))
