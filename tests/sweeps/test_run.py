"""The sweep as a command: what each trial ran with, that it goes on, and what it prints."""

import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from optuna.trial import TrialState

from rnnkit.core import files, locks
from rnnkit.runs import checkpoints, folders, printing
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from sweeps.study import study as studies
from tests import wandb_log
from tests.conftest import SETTINGS, SWEEP
from tests.helpers import ROOT, load, no_account, offline_log, refused, run_command


MANIFESTS, ROWS = "*/manifest.json", "*/metrics.jsonl"


def test_each_trial_ran_with_exactly_what_was_suggested(swept):
    """Judged by what the run did: the shapes of its weights, the learning rates of its steps, the batches it saw."""
    runs, _ = swept
    folder, study = load(runs)
    assert len(study.trials) == 14
    for trial in study.trials:
        run = runs / trial.user_attrs["run"]
        manifest = files.read_json(run / "manifest.json")
        assert {k: manifest["config"][k] for k in trial.params} == trial.params
        assert (manifest["study"], manifest["trial"]) == ("small", trial.number)
        rows = read_rows(run)
        if trial.state == TrialState.COMPLETE:
            weights = checkpoints.load(run / "checkpoint.pt")["weights"]
            layers = {name.split("_l")[1][0] for name in weights if name.startswith("encoder.weight_hh")}
            gates = {"rnn": 1, "gru": 3, "lstm": 4}[trial.params["cell"]]
            rows_hh, hidden_size = weights["encoder.weight_hh_l0"].shape
            assert len(layers) == trial.params["depth"]
            assert (hidden_size, rows_hh) == (trial.params["hidden_size"], gates * hidden_size)
            assert ("encoder.weight_hh_l0_reverse" in weights) == trial.params["bidirectional"]
            assert trial.value == Result.read(run).metrics["metric/accuracy/valid"]
        assert max(row["schedule/learning_rate"] for row in rows) == pytest.approx(
            trial.params["learning_rate"], rel=0.02
        )  # the cycle's peak lies between two steps
        assert manifest["config"]["dropout"] == trial.params.get("dropout", 0.0)
        assert (manifest["config"]["view"], manifest["config"]["batch_size"]) == ("rows", 64)
        assert len(rows) == 17  # one epoch of 1,077 in batches of 64


def test_the_plane_is_complete_and_every_trial_has_its_own_seed(swept):
    runs, _ = swept
    folder, study = load(runs)
    points = {t.number: t for t in study.trials}
    assert sorted(points) == list(range(14))
    plane = [(points[i].params["hidden_size"], points[i].params["depth"]) for i in range(12)]
    assert plane == [(size, depth) for size in (8, 16, 32, 64) for depth in (1, 2, 3)]
    assert {points[i].params["cell"] for i in range(12)} == {"gru"}
    seeds = [files.read_json(runs / t.user_attrs["run"] / "manifest.json")["seed"] for t in study.trials]
    assert len(set(seeds)) == 14
    assert all(t.state == TrialState.COMPLETE for i, t in points.items() if i < 12)  # the plane is never pruned


def test_two_workers_shared_the_work_with_one_thread_each(swept):
    runs, _ = swept
    folder, study = load(runs)
    threads = {files.read_json(runs / t.user_attrs["run"] / "manifest.json")["threads"] for t in study.trials}
    assert threads == {1}
    spans = sorted((t.datetime_start, t.datetime_complete) for t in study.trials)
    assert any(later[0] < earlier[1] for earlier, later in zip(spans, spans[1:], strict=False))


def test_every_trial_is_one_offline_run_in_the_studys_group(swept):
    runs, _ = swept
    folder, study = load(runs)
    for trial in study.trials:
        run = runs / trial.user_attrs["run"]
        log = offline_log(run)
        assert wandb_log.run(log).run_group == "small"
        assert wandb_log.rows(log) == read_rows(run)
        assert wandb_log.config(log)["hidden_size"] == trial.params["hidden_size"]


def test_the_summary_is_one_run_of_the_studys_group(swept):
    runs, _ = swept
    log = offline_log(runs / "studies" / "small")
    run, (row,) = wandb_log.run(log), wandb_log.rows(log)
    assert (run.run_group, run.job_type, run.display_name) == ("small", "study", "study small")
    assert {name.split(".")[0] for name in row} >= {"trials", "plane", "again", "figures/plane", "figures/search"}
    held = wandb_log.summary(log)
    facts = files.read_json(runs / "studies" / "small" / "summary.json")
    assert (held["best/trial"], held["trials/ended"]) == (facts["best"]["trial"], 14)
    assert held["not_supported"] == "\n".join(facts["not_supported"])


def test_it_prints_the_table_and_the_best_beside_the_baseline(swept):
    runs, printed = swept
    folder, study = load(runs)
    for trial in study.trials:
        if trial.number < 12:
            parameters = Result.read(runs / trial.user_attrs["run"]).parameters
            assert f"{trial.value:.4f} ({parameters:,})" in printed
    summary = files.read_json(runs / "studies" / "small" / "summary.json")
    again = studies.join(runs, "small", "journal", track="off").confirmations.trials
    ranked = sorted(study.trials, key=lambda trial: -trial.value)
    assert {row["trial"] for row in summary["confirmed"]} == {trial.number for trial in ranked[:2]}
    for row in summary["confirmed"]:
        results = [Result.read(runs / t.user_attrs["run"]) for t in again if t.user_attrs["confirms"] == row["trial"]]
        values = [result.metrics["metric/accuracy/valid"] for result in results]
        assert row["mean"] == pytest.approx(sum(values) / 2)
        manifests = [files.read_json(result.folder / "manifest.json") for result in results]
        assert [(m["study"], m["trial"], m["confirms"]) for m in manifests] == [("small", None, row["trial"])] * 2
        assert {m["seed"] for m in manifests} == {9_000, 9_001}
    best = summary["best"]
    assert best["trial"] == max(summary["confirmed"], key=lambda row: row["mean"])["trial"]
    mean = f"validation accuracy {best['value']:.4f} as the mean of 2 runs on fresh seeds"
    assert f"best: trial {best['trial']}'s settings, {mean} (2 seeds: too few for an interval)" in printed
    result = Result.read(runs / best["run"])
    fresh = [Result.read(runs / name) for name in best["runs"]]
    found = re.search(r"logistic regression .* beside the same 2 runs, .* 0.9694; difference (\S+); 2 runs", printed)
    mean = sum(one.comparison.difference for one in fresh) / 2
    assert float(found[1]) == pytest.approx(mean, abs=1e-4)
    assert [m for m in best["runs"] if m not in printed] == []
    assert {one.folder.name for one in fresh} == {
        t.user_attrs["run"] for t in again if t.user_attrs["confirms"] == best["trial"]
    }
    assert f"make show RUN={printing.shown(result.folder)}" in printed
    assert "make sync" in printed
    places = re.findall(r"^(?:trial|again) .* s  (\d+) of (\d+)  ", printed, flags=re.MULTILINE)
    assert [int(place) for place, _ in places] == list(range(1, 19))  # in a file too, where there is no bar
    assert places[-1][1] == "18"
    assert summary["trials"]["ended"] == 14
    page = (runs / "studies" / "small" / "summary.md").read_text()
    assert f"| {best['trial']} | {study.trials[best['trial']].value:.4f} |" in page


def test_the_printed_command_trains_the_best_again_to_the_same_bits(swept, tmp_path):
    runs, _ = swept
    best = files.read_json(runs / "studies" / "small" / "summary.json")["best"]
    words = best["command"].split()[2:]
    done = run_command(*words, "--runs-dir", tmp_path, "--track", "off")
    assert done.returncode == 0, done.stderr
    (run,) = tmp_path.iterdir()
    assert Result.read(run).weights_sha256 == Result.read(runs / best["run"]).weights_sha256


def test_the_same_command_adds_nothing_and_more_trials_add_the_rest(swept, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(swept[0], runs, symlinks=True)
    before = [(t.number, t.value, t.params) for t in load(runs)[1].trials]
    done = run_command(*SWEEP, "--runs-dir", runs, "--track", "off", "--", *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert "14 of 14 trials are done" in done.stdout
    assert [(t.number, t.value, t.params) for t in load(runs)[1].trials] == before

    more = [word if word != "14" else "15" for word in SWEEP]
    done = run_command(*more, "--runs-dir", runs, "--track", "off", "--", *SETTINGS)
    assert done.returncode == 0, done.stderr
    _, study = load(runs)
    assert [(t.number, t.value, t.params) for t in study.trials[:14]] == before
    assert study.trials[14].state == TrialState.COMPLETE


def stopped(words, runs, number):
    """Start a sweep, and send it a signal once two of its runs have begun."""
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=no_account(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        end = time.monotonic() + 60
        while sum(path.stat().st_size > 0 and folders.is_live(path.parent) for path in runs.glob(ROWS)) < 2:
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(number)
        printed, errors = process.communicate(timeout=30)
    return process.returncode, printed, errors


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path):
    runs = tmp_path / "runs"
    words = ["sweeps.run", "digits", "--study", "cut", "--trials", "3", "--workers", "2", "--runs-dir", str(runs)]
    words += ["--confirm", "0", "--track", "off", "--", "--view", "rows", "--epochs", "60", "--patience", "0"]
    code, printed, errors = stopped(words, runs, signal.SIGINT)
    assert code == 130
    assert "the same command goes on" in printed
    assert "Traceback" not in errors
    assert stopped(words, runs, signal.SIGKILL)[0] == -signal.SIGKILL

    done = run_command(*words)  # at once: workers may have yet to notice that their sweep is gone
    assert done.returncode == 0, done.stderr
    trials = load(runs, "cut")[1].trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert any(trial.user_attrs["result"]["resumed_after"] for trial in trials)
    found = sorted((files.read_json(path)["trial"], Result.read(path.parent).status) for path in runs.glob(MANIFESTS))
    assert found == [(0, "finished"), (1, "finished"), (2, "finished")]  # what was cut off was taken up in its folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "there is no experiment 'nothing': choose one of char_lm, digits"),
        (["building_blocks"], "there is no experiment 'building_blocks': choose one of char_lm"),
        ([], "a word is missing. Which experiment to sweep ("),
        (["digits", "--trials", "0"], "--trials must be between 1 and 9,000, not 0"),
        (["digits", "--workers", "two"], "--workers"),
        (["digits", "--study", "a/b"], "--study must be made of letters, digits and dashes, not 'a/b'"),
        (["digits", "--runs-dir", "/proc/none"], "cannot write the runs folder /proc/none"),
        (["digits", "--", "--hidden", "3"], "--hidden"),
        (["digits", "--", "--seed", "3"], "--seed is the sweep's own option"),
    ],
)
def test_a_users_mistake_ends_in_one_line(words, message, tmp_path):
    done = refused("sweeps.run", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_not_continued_with_other_settings(swept, tmp_path):
    runs, _ = swept
    done = refused(*SWEEP, "--runs-dir", runs, "--", "--view", "rows", "--epochs", "7", "--batch-size", "64")
    assert done.returncode == 2
    assert "study small was started with another config (" in done.stderr
    assert "epochs 1, not 7" in done.stderr
    assert "STUDY=NAME" in done.stderr


def test_a_study_is_swept_by_one_parent_at_a_time(swept):
    runs, _ = swept
    with locks.exclusive(runs / "studies" / "small" / "lock"):
        done = run_command(*SWEEP, "--runs-dir", runs, "--", *SETTINGS)
    assert done.returncode == 2
    assert done.stderr == "error: study small is being swept by another process\n"


def test_runs_that_fail_are_told_apart_and_stop_no_other(tmp_path):
    """A learning rate that diverges: every trial fails with its reason, and the sweep says so."""
    words = ["sweeps.run", "digits", "--trials", "2", "--workers", "1", "--runs-dir", str(tmp_path / "runs")]
    space = tmp_path / "sitecustomize.py"
    space.write_text(
        "import dataclasses\n"
        "from experiments import digits\n"
        "from rnnkit.training import tuned\n"
        "start = {'cell': 'rnn', 'bidirectional': False, 'learning_rate': 1e38, 'clip': 1e30}\n"
        "digits.SPACE = dataclasses.replace(digits.SPACE, start=start, tuned=tuned((1e-3, 1e39), (1.0, 1e39)))\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = run_command(*words, "--track", "off", "--", "--epochs", "1", env=environment)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("failed (diverged: loss") == 2
    assert "no trial finished, so there is no answer: 2 diverged\n" in done.stdout
    assert "\nthe last of them, trial 1: diverged: loss" in done.stdout
    assert "lower the learning rates in SPACE of experiments/digits.py" in done.stdout
    assert "0 finished, 0 pruned, 2 failed" in done.stdout
