import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from experiments.digits import Config
from rnnkit.core import config as configuration
from rnnkit.core import files
from rnnkit.core.errors import OutOfMemory, UserError
from rnnkit.runs import checkpoints, folders, mirror_client, printing, tracking
from rnnkit.runs.folders import RunContext
from rnnkit.runs.manifest import Membership
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.helpers import run_command


@pytest.fixture
def config(tmp_path):
    return Config(runs_dir=tmp_path / "runs", track="off")


def test_a_run_leaves_its_whole_record(config):
    model = nn.Linear(2, 3)
    member = Membership(study="s", trial=4, point=2)
    with tracking.start(config, {"digits": "abc"}, RunContext(member)) as run:
        manifest = files.read_json(run.folder / "manifest.json")  # there before the first step
        assert folders.is_live(run.folder)
        run.log(1, {"loss/train": 0.1, "x": float("nan")})
        run.log(2, {"loss/train": 1 / 3})
        run.finish(model, {"metric/accuracy/test": 0.5})
    assert not folders.is_live(run.folder)
    assert run.folder == config.runs_dir / configuration.run_name(config)
    assert manifest["config"] == configuration.settings(config)
    assert manifest["data"] == {"digits": "abc"}
    assert (manifest["study"], manifest["trial"], manifest["point"]) == ("s", 4, 2)
    assert [row["step"] for row in read_rows(run.folder)] == [1, 2]
    assert read_rows(run.folder)[1]["loss/train"] == 1 / 3

    result = Result.read(run.folder)
    assert (result.status, result.step, result.parameters) == ("finished", 2, 9)
    assert result.metrics["loss/train"] == 1 / 3
    assert result.metrics["metric/accuracy/test"] == 0.5
    weights = checkpoints.load(run.folder / "checkpoint.pt")["weights"]
    other = nn.Linear(2, 3)
    other.load_state_dict(weights)
    assert checkpoints.weights_sha256(other) == result.weights_sha256
    assert torch.equal(other.weight, model.weight)


@pytest.mark.parametrize("how", ["a damaged row", "a rule that fails"])
def test_flags_that_cannot_be_raised_cost_no_result(config, how, monkeypatch, capsys):
    with tracking.start(config, {}) as run:
        run.log(1, {"loss/train": 0.1})
        if how == "a damaged row":
            (run.folder / "metrics.jsonl").write_text("garbage\n")
        else:
            monkeypatch.setattr(tracking.flags, "judge", lambda *_: 1 / 0)
        run.finish(metrics={"metric/accuracy/test": 0.5})
    result = Result.read(run.folder)
    assert (result.status, result.metrics["metric/accuracy/test"], result.flags) == ("finished", 0.5, None)
    said = capsys.readouterr().err
    assert said.startswith(f"no flags are raised on {run.name}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "raised"),
    [
        (tracking.Pruned(), "pruned", None),
        (tracking.Diverged("loss nan at step 1"), "diverged", None),
        (KeyboardInterrupt(), "interrupted", KeyboardInterrupt),
        (SystemExit(143), "interrupted", SystemExit),
        (ValueError("broken"), "failed", ValueError),
    ],
)
def test_every_end_is_recorded(config, error, status, raised):
    def body():
        with tracking.start(config, data={}) as run:
            run.log(1, {"a": 1.0})
            body.folder = run.folder
            raise error

    if raised:
        with pytest.raises(raised):
            body()
    else:
        body()
    result = Result.read(body.folder)
    assert (result.status, result.step, result.metrics) == (status, 1, {"a": 1.0})
    expected = {"diverged": "loss nan at step 1", "failed": "ValueError: broken"}
    assert result.reason == expected.get(status)
    assert not folders.is_live(body.folder)


def test_a_run_that_is_not_finished_has_failed(config):
    with pytest.raises(RuntimeError, match="not finished"), tracking.start(config, data={}) as run:
        pass
    assert Result.read(run.folder).status == "failed"


def finished(config):
    with tracking.start(config, data={}) as run:
        run.log(1, {"a": 1.0})
        run.finish()
    return run.folder


def test_repeats_get_a_number_and_live_runs_are_left_alone(config):
    name = configuration.run_name(config)
    assert finished(config).name == name
    assert finished(config).name == f"{name}-2"
    with tracking.start(config, data={}) as live:
        live.log(1, {"a": 2.0})
        assert finished(config).name == f"{name}-4"
        live.log(2, {"a": 2.0})
        live.finish()
    assert live.name == f"{name}-3"
    assert len(read_rows(live.folder)) == 2


@pytest.mark.parametrize("damage", ["", "{", "{}"])
def test_a_run_whose_result_is_damaged_has_ended(config, damage):
    folder = finished(config)
    (folder / "result.json").write_text(damage)
    assert finished(config).name == f"{folder.name}-2"


@pytest.mark.parametrize("content", ["[]", "null", "7", "{", ""])
def test_what_is_no_state_of_a_mirror_counts_as_none(tmp_path, content):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "mirror.json").write_text(content)
    assert mirror_client.state(tmp_path) == {}


def test_an_unfinished_run_is_taken_up_in_its_folder(config):
    with pytest.raises(KeyboardInterrupt), tracking.start(config, data={}) as run:
        run.log(1, {"a": 1.0})
        run.log(2, {"a": 1.0})
        raise KeyboardInterrupt
    folder = finished(config)
    assert folder == run.folder
    assert [row["step"] for row in read_rows(folder)] == [1]
    (folder / "result.json").unlink()  # as a kill leaves it
    assert finished(config) == folder


def test_who_stops_a_run_is_told_how_it_goes_on(config, capsys):
    for member, told in ((Membership(), True), (Membership(study="a", trial=1), False)):
        with pytest.raises(KeyboardInterrupt), tracking.start(config, {}, RunContext(member)) as run:
            run.log(3, {"loss/train": 1.0})
            run.save({})
            raise KeyboardInterrupt
        again = f"the same command goes on from there, and so does make resume RUN={printing.shown(run.folder)}"
        assert capsys.readouterr().err == (f"{run.name} is saved at step 3: {again}\n" if told else "")
    with pytest.raises(KeyboardInterrupt), tracking.start(config, {}, RunContext(Membership(study="b"))):
        raise KeyboardInterrupt  # with nothing to go on from
    assert capsys.readouterr().err == ""


def test_a_step_is_logged_once(config):
    with tracking.start(config, data={}) as run:
        run.log(3, {"a": 1.0})
        for step in (3, 2):
            with pytest.raises(ValueError, match=f"step {step} was logged after step 3"):
                run.log(step, {"a": 1.0})
        run.finish()


def test_a_runs_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", Path("/proc/nowhere")):
        with (
            pytest.raises(UserError, match=f"cannot write the runs folder {path} .*--runs-dir"),
            tracking.start(Config(runs_dir=path, track="off"), data={}),
        ):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_ends_the_run_with_a_clear_error(config):
    with (
        pytest.raises(UserError, match=r"cannot write .* \(No space left on device\): make room"),
        tracking.start(config, data={}) as run,
    ):
        run._rows.close()
        run._rows = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 (the run closes it)
        run.log(1, {"a": 1.0})
    assert Result.read(run.folder).status == "failed"


def test_a_mirror_that_cannot_be_started_costs_a_word(config, monkeypatch, capsys):
    def refused(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(mirror_client.processes, "start_beside", refused)
    with tracking.start(dataclasses.replace(config, track="offline"), data={}) as run:
        run.log(1, {"a": 1.0})
        run.log(2, {"a": 1.0})
        run.finish()
    assert run.result.status == "finished"
    said = "W&B: no mirror could be started (Resource temporarily unavailable); `make sync` does its work\n"
    assert capsys.readouterr().err == said


def test_waiting_for_a_mirror_that_does_not_stir_ends_at_once(tmp_path):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "mirror.json").write_text(json.dumps({"state": "following"}))
    os.utime(tmp_path / "wandb" / "mirror.json", (1, 1))
    assert mirror_client.wait(tmp_path, limit=60) == {"state": "following"}
    assert mirror_client.wait(tmp_path / "none", limit=60) == {}


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")]
)
def test_settings_that_the_memory_does_not_hold_are_named_and_a_run_that_had_not_begun_leaves_nothing(config, error):
    settings = "--hidden-size 64, --depth 2, --batch-size 32"
    with pytest.raises(OutOfMemory, match=f"out of memory with {settings}: lower"), tracking.start(config, data={}):
        raise error
    assert list(config.runs_dir.iterdir()) == []
    with pytest.raises(OutOfMemory), tracking.start(config, data={}) as run:
        run.log(1, {"a": 1.0})
        raise error
    assert Result.read(run.folder).status == "failed"


def test_more_than_the_machine_has_ends_in_one_line(tmp_path):
    done = run_command("experiments.digits", "--hidden-size", 10**6, "--track", "off", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: out of memory with --hidden-size 1000000, ")
    assert not (tmp_path / "runs").exists()
