"""Runs and a study that an earlier version recorded are read, shown, resumed, replayed and continued.

They lie in tests/fixtures/records, as version 0.1.0 wrote them: a run of each end, and a small study.
"""

import json
import shutil

import pytest

from experiments import digits, reproduce, resume
from experiments.recorded import changed
from rnnkit.core.config import restored, settings
from rnnkit.runs import checkpoints, folders
from rnnkit.runs.manifest import Manifest
from rnnkit.runs.result import Result, Status
from rnnkit.runs.rows import read_rows
from sweeps import show
from sweeps.reading.run_index import RunIndex
from sweeps.study import study as studies
from tests.helpers import ROOT, run_command, run_here


RECORDS = ROOT / "tests" / "fixtures" / "records"
FINISHED, DIVERGED, INTERRUPTED = "digits-s0-df750788", "digits-s1-084f88ea", "digits-s2-df750788"


@pytest.fixture
def records(tmp_path):
    """A copy of the records that may be changed."""
    return shutil.copytree(RECORDS, tmp_path / "runs")


def test_every_part_of_a_record_is_read():
    ends = {folder.name: Result.read(folder).status for folder in RECORDS.glob("digits-*")}
    assert ends[FINISHED] == Status.FINISHED
    assert ends[DIVERGED] == Status.DIVERGED
    assert ends[INTERRUPTED] == Status.INTERRUPTED
    result, manifest = Result.read(RECORDS / FINISHED), Manifest.read(RECORDS / FINISHED)
    assert result.comparison.baseline == "logistic regression on pixels"
    assert [flag.name for flag in Result.read(RECORDS / DIVERGED).flags] == ["diverged"]
    assert (manifest.experiment, manifest.seed, manifest.member.study) == ("digits", 0, None)
    assert [row["step"] for row in read_rows(RECORDS / FINISHED)] == list(range(1, 35))
    assert "head.weight" in checkpoints.load(RECORDS / FINISHED / "checkpoint.pt")["weights"]


def test_the_same_settings_still_make_the_same_name_and_command():
    manifest = Manifest.read(RECORDS / FINISHED)
    config = restored(digits.Config, manifest.config)
    new = Manifest.of(config, FINISHED, manifest.data, manifest.member)
    assert folders.candidates(config).__next__().name == FINISHED
    assert sorted(new.command.split()) == sorted([*manifest.command.split(), "--bits", "torch", "--ties", "first"])
    since = {"bits": "torch", "ties": "first", "recurrent_dropout": 0.0, "weight_drop": 0.0, "zoneout": 0.0}
    assert settings(config) == {**manifest.config, **since}
    assert changed(manifest) == []
    assert digits.Config(**settings(config)) == config


def test_runs_and_the_study_are_shown(monkeypatch, capsys):
    states = {card.name: card.state for card in RunIndex(RECORDS).runs()}
    assert (states[FINISHED], states[DIVERGED]) == ("finished", "diverged")
    for name, words in ((FINISHED, "accuracy (test): 0.3167"), ("old", "trial")):
        code, printed = run_here(show, monkeypatch, capsys, name, "--runs-dir", RECORDS)
        assert (code, words in printed) == (0, True)
    done = run_command("sweeps.runs", "--runs-dir", RECORDS)
    assert (done.returncode, INTERRUPTED in done.stdout) == (0, True)


def test_the_answer_of_an_older_study_is_made_anew_from_its_trials(monkeypatch, capsys):
    """That version put the difference of the run that was found (-0.2306) beside the mean of those on fresh seeds."""
    code, printed = run_here(show, monkeypatch, capsys, "old", "--runs-dir", RECORDS)
    said = [line.strip() for line in printed.splitlines()]
    assert code == 0
    assert said[1].startswith(
        "Best: trial 1's settings, validation accuracy 0.7903 as the mean of 2 runs on fresh seeds (2 seeds: too few "
    )
    assert said[2] == "Test accuracy 0.7819 as the mean of the same 2 runs (2 seeds: too few for an interval)."
    assert said[4] == (
        "Logistic regression on pixels beside the same 2 runs, on the same 360 test examples: 0.9694; difference "
        "-0.1875; 2 runs are too few for an interval over seeds."
    )
    assert said[5] == "Runs: digits-s9000-468cbcef, digits-s9001-468cbcef."


def test_an_interrupted_run_goes_on_to_what_it_would_have_become(records, tmp_path, monkeypatch, capsys):
    before = read_rows(records / INTERRUPTED)
    code, printed = run_here(resume, monkeypatch, capsys, records / INTERRUPTED)
    assert (code, "finished after 34 steps" in printed) == (0, True)
    result, manifest = Result.read(records / INTERRUPTED), Manifest.read(records / INTERRUPTED)
    assert result.resumed_after == [25]
    assert read_rows(records / INTERRUPTED)[:25] == before
    whole = digits.run(digits.Config(**manifest.config, track="off", runs_dir=tmp_path / "whole"))
    assert result.metrics["metric/accuracy/test"] == pytest.approx(whole.metrics["metric/accuracy/test"], abs=0.02)


def test_a_finished_run_is_replayed(records, monkeypatch, capsys):
    """To the bit where processor and versions are those of the record; elsewhere what differs is said."""
    code, printed = run_here(reproduce, monkeypatch, capsys, records / FINISHED)
    replay = Result.read(records / "reproduced" / FINISHED)
    assert "please report it" not in printed
    assert (code, printed.startswith("identical: ")) in ((0, True), (1, False))
    original = Result.read(records / FINISHED)
    assert replay.metrics["loss/train"] == pytest.approx(original.metrics["loss/train"], rel=1e-3)
    assert len(read_rows(replay.folder)) == len(read_rows(original.folder))


def test_a_study_goes_on_where_it_was(records):
    summary = json.loads((records / "studies" / "old" / "summary.json").read_text())
    words = ["--study", "old", "--sampler", "random", "--pruner", "percentile", "--workers", "1"]
    words += ["--trials", "4", "--confirm", "1", "--confirm-seeds", "2", "--track", "off", "--runs-dir", records]
    done = run_command("sweeps.run", "digits", *words, "--", "--epochs", "2", "--view", "rows", "--batch-size", "64")
    assert done.returncode == 0, done.stderr
    assert "Going on with study old: 3 of 4 trials are done" in done.stdout
    after = json.loads((records / "studies" / "old" / "summary.json").read_text())
    assert after["list"][:3] == summary["list"]
    assert after["trials"]["ended"] == 4
    joined = studies.join(records, "old", "journal")
    assert [trial.number for trial in joined.trials.trials] == [0, 1, 2, 3]
