import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from experiments import digits
from rnnkit.core import determinism, files
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from rnnkit.training import Pruned
from tests import wandb_log
from tests.helpers import ROOT, agreeing_threads, offline_log, refused, run_command


QUICK = ["--view", "rows", "--epochs", "2", "--hidden-size", "8", "--batch-size", "64"]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """The same command twice, with other hash seeds and numbers of threads: folders and printed texts.

    On a processor where the bits depend on the number of threads, both runs have 1.
    """
    runs = tmp_path_factory.mktemp("digits") / "runs"
    found = []
    for threads in ("1", str(agreeing_threads())):
        words = [*QUICK, "--threads", threads, "--runs-dir", runs]
        # Passive: threads that wait for each other on a busy machine would take many times as long.
        environment = {"PYTHONHASHSEED": str(len(found)), "OMP_WAIT_POLICY": "passive"}
        done = run_command("experiments.digits", *words, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""  # no bar where there is no terminal
        found.append((max(runs.iterdir(), key=lambda path: path.name), done.stdout))
    return found


def test_the_same_seed_gives_the_same_bits_in_two_processes(two_processes):
    (one, _), (two, _) = two_processes
    assert one != two
    assert Result.read(one).weights_sha256 == Result.read(two).weights_sha256
    threads = [files.read_json(folder / "manifest.json")["threads"] for folder in (one, two)]
    assert threads == [1, agreeing_threads()]
    rows = [
        [{k: v for k, v in row.items() if not k.startswith("speed/")} for row in read_rows(folder)]
        for folder in (one, two)
    ]
    assert rows[0] == rows[1]


def test_a_processor_on_which_results_depend_on_threads_is_named(tmp_path, monkeypatch, capsys):
    words = {"view": "rows", "epochs": 1, "hidden_size": 4, "depth": 1, "track": "off", "runs_dir": tmp_path}
    monkeypatch.setattr(determinism, "depend_on_threads", lambda threads, products_on_one=False: threads == 2)
    digits.run(digits.Config(threads=2, **words))
    assert "depend on the number of threads: they are the same again with --threads 2" in capsys.readouterr().err
    digits.run(digits.Config(threads=1, **words))
    assert capsys.readouterr().err == ""


def test_another_seed_gives_other_weights(two_processes, tmp_path):
    config = digits.Config(view="rows", epochs=2, hidden_size=8, batch_size=64, seed=1, track="off", runs_dir=tmp_path)
    assert digits.run(config).weights_sha256 != Result.read(two_processes[0][0]).weights_sha256


def test_every_row_holds_loss_and_gradients_and_evaluations_hold_states(two_processes):
    rows = read_rows(two_processes[0][0])
    steps = -(-1077 // 64) * 2
    assert [row["step"] for row in rows] == list(range(1, steps + 1))
    groups = [f"encoder.l{i}.{d}/{part}" for i in (0, 1) for d in "fb" for part in ("ih", "hh", "bias")] + ["head"]
    for row in rows:
        total = sum(row[f"grad_norm/{group}"] ** 2 for group in groups) ** 0.5
        assert row["grad_norm/total"] == pytest.approx(total, rel=1e-5)
        assert row["loss/train"] > 0
    evaluated = [row["step"] for row in rows if "loss/valid" in row]
    assert evaluated == [steps // 2, steps]
    for statistic in ("rms", "saturated"):
        assert all(0 <= rows[-1][f"hidden/encoder.l{i}.{d}/{statistic}"] <= 1 for i in (0, 1) for d in "fb")


def test_it_is_mirrored_offline_without_an_account(two_processes):
    folder, printed = two_processes[0]
    log = offline_log(folder)
    assert wandb_log.rows(log) == read_rows(folder)
    assert wandb_log.config(log)["hidden_size"] == 8
    assert "W&B: recorded offline" in printed or "W&B: the mirror is still at work" in printed


def test_it_prints_its_scores_beside_the_baseline(two_processes):
    folder, printed = two_processes[0]
    result = Result.read(folder)
    assert f"accuracy (test): {result.metrics['metric/accuracy/test']:.4f}" in printed
    assert "logistic regression on pixels on the same 360 test examples: 0.9694" in printed
    assert result.comparison.theirs == pytest.approx(0.969444, abs=1e-6)
    assert result.comparison.ours == pytest.approx(result.metrics["metric/accuracy/test"])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_torchs_layers_and_ours_train_alike(tmp_path, cell):
    settings = {"epochs": 1, "hidden_size": 6, "cell": cell, "track": "off", "runs_dir": tmp_path, "batch_size": 128}
    losses, weights = [], []
    for layers in ("rnnkit", "torch"):
        result = digits.run(digits.Config(layers=layers, **settings))
        losses.append([row["loss/train"] for row in read_rows(result.folder)])
        weights.append(result.weights_sha256)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert weights[0] != weights[1]  # they did take different kernels


def test_report_is_called_each_epoch_and_may_prune(tmp_path):
    seen = []

    def report(epoch, value):
        seen.append((epoch, value))
        if epoch == 2:
            raise Pruned

    config = digits.Config(view="rows", epochs=3, hidden_size=4, depth=1, track="off", runs_dir=tmp_path)
    result = digits.run(config, report)
    assert result.status == "pruned"
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert result.metrics["metric/accuracy/valid"] == seen[-1][1]


def test_a_run_that_diverges_stops_at_that_step_and_exits_1(tmp_path, monkeypatch, capsys):
    words = ["--view", "rows", "--cell", "rnn", "--epochs", "2", "--hidden-size", "4", "--depth", "1"]
    words += ["--learning-rate", "1e38", "--clip", "0", "--track", "off", "--runs-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["digits", *words])
    with pytest.raises(SystemExit) as stop:
        digits.main()
    assert stop.value.code == 1
    (folder,) = tmp_path.iterdir()
    result = Result.read(folder)
    assert result.status == "diverged"
    assert f"{result.run}: diverged after {result.step} steps" in capsys.readouterr().out
    rows = read_rows(result.folder)
    assert rows[-1]["step"] == result.step
    assert f"step {result.step}" in result.reason
    assert all(row["loss/train"] < float("inf") for row in rows[:-1])
    assert not (result.folder / "checkpoint.pt").exists()


def test_the_best_epoch_is_kept_and_patience_stops(tmp_path):
    values = []
    config = digits.Config(
        view="rows",
        epochs=8,
        hidden_size=2,
        depth=1,
        patience=1,
        learning_rate=0.3,
        track="off",
        runs_dir=tmp_path,
    )
    result = digits.run(config, lambda epoch, value: values.append(value))
    assert len(values) < 8
    assert values[-1] <= max(values[:-1])
    assert result.metrics["metric/accuracy/valid"] == max(values)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiments", "nothing"], "there is no experiment 'nothing': choose one of char_lm, digits"),
        (["experiments.digits", "--cell", "foo"], "--cell"),
        (["experiments.digits", "--hidden-size", "0"], "--hidden-size must be at least 1, not 0"),
        (
            ["experiments.digits", "--runs-dir", "/proc/none", "--epochs", "1"],
            "cannot write the runs folder /proc/none",
        ),
    ],
)
def test_a_users_mistake_ends_in_one_line(words, message, tmp_path):
    start = refused if words[0] == "experiments.digits" else run_command
    done = start(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_answers_without_loading_torch():
    code = (
        "import sys, experiments.digits as digits; sys.argv = ['x', '--help']\n"
        "try: digits.main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--hidden-size" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_as_interrupted_and_the_bar_shows_on_a_terminal(tmp_path, number, code):
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    words = [
        sys.executable,
        "-m",
        "experiments.digits",
        "--epochs",
        "500",
        "--view",
        "rows",
        "--track",
        "off",
        "--runs-dir",
        str(tmp_path),
    ]
    with subprocess.Popen(words, cwd=ROOT, stdout=terminal, stderr=terminal, stdin=terminal) as process:
        os.close(terminal)
        shown = b""
        while b"metric=" not in shown and process.poll() is None:
            shown += os.read(master, 10_000)
        process.send_signal(number)
        end = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < end:
            try:
                shown += os.read(master, 10_000)
            except OSError:  # the other end is closed
                break
        assert process.wait(30) == code
    os.close(master)
    (folder,) = tmp_path.iterdir()
    assert Result.read(folder).status == "interrupted"
    assert b"Traceback" not in shown
    assert all(word in shown for word in (b"epoch 1/500", b"loss=", b"metric=", b"<"))  # elapsed < left
