"""Questions that a sweep is asked on its command line, as a person would ask them."""

import pytest

from rnnkit.core import files
from rnnkit.runs import Result
from sweeps.study import identity
from sweeps.study import study as studies
from tests.helpers import refused, run_command


QUICK = ["--track", "off", "--", "--view", "rows", "--epochs", "1", "--batch-size", "128"]


def test_cells_and_depths_of_one_number_of_parameters_on_the_same_seeds(tmp_path):
    words = ["--grid", "cell=lstm,gru", "depth=1,2", "--parameters", "1500", "--seeds", "2", "--confirm", "0"]
    words += ["--study", "sizes", "--runs-dir", tmp_path, *QUICK, "--no-bidirectional"]
    done = run_command("sweeps.run", "digits", *words)
    assert done.returncode == 0, done.stderr
    study = studies.join(tmp_path, "sizes", "journal")
    results = [Result.read(tmp_path / one.run) for one in identity.outcomes(study).values()]
    assert len(results) == 8
    assert all(abs(result.parameters - 1500) < 150 for result in results)
    manifests = [files.read_json(result.folder / "manifest.json")["config"] for result in results]
    assert [config["seed"] for config in manifests] == [0] * 4 + [1] * 4
    assert {(config["cell"], config["depth"]) for config in manifests[:4]} == {
        (c, d) for c in ("lstm", "gru") for d in (1, 2)
    }
    values = [result.metrics["metric/accuracy/valid"] for result in results]
    assert "validation accuracy by point of the grid, means of 2 runs each:" in done.stdout
    line = next(line.split() for line in done.stdout.splitlines() if line.split()[:2] == ["lstm", "1"])
    assert line[3:5] == ["2", f"{(values[0] + values[4]) / 2:.4f}"]
    assert f"{results[0].parameters:,}" in line


def test_a_sweep_with_time_left_ends_when_all_is_done_and_says_so(tmp_path):
    words = ["--minutes", "60", "--trials", "3", "--sampler", "random", "--confirm", "1", "--confirm-seeds", "2"]
    done = run_command("sweeps.run", "digits", *words, "--study", "timed", "--runs-dir", tmp_path, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "no further trial: all trials are done" in done.stdout
    study = studies.join(tmp_path, "timed", "journal")
    assert (study.total, study.confirm) == (3, (1, 2))
    assert len(identity.outcomes(study)) == 5
    summary = files.read_json(study.folder.path / "summary.json")
    assert "All trials are done: hence 3 trials, which depends on the machine (--minutes)." in summary["timing"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--grid", "cell=foo"], "there is no cell 'foo'"),
        (
            ["--grid", "cell=gru", "--sampler", "tpe"],
            "--grid is all that is trained: it does not go with --sampler tpe",
        ),
        (["--grid", "cell=gru", "--space", "depth=1..2"], "it does not go with --space"),
        (["--seeds", "3"], "--seeds says how often each point of a grid is trained: it needs --grid"),
        (["--grid", "cell=gru", "--seeds", "3", "--trials", "4"], "--seeds and --trials both say how many trials"),
        (["--parameters", "500"], "--parameters chooses the hidden sizes of a grid: it needs --grid"),
        (["--grid", "cell=gru", "--parameters", "20"], "--parameters 20 is too few for cell gru: one unit has"),
        (["--space", "hidden_size=9..8"], "the first number must be the lower one"),
        (["--from", "none"], "there is no study none in"),
        (["--from", "none", "--sampler", "random"], "--from is what TPE learns from"),
        (["--minutes", "0"], "--minutes must be above 0"),
        (["--lag", "0"], "--lag must be between 1 and 1,000, not 0"),
        (["--most-ms", "0"], "--most-ms must be above 0"),
        (["--grid", "cell=gru", "--", "--cell", "lstm"], "--cell is what the sweep varies: leave it out"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_line_and_leaves_nothing(words, message, tmp_path):
    done = refused("sweeps.run", "digits", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.rglob("study.json")) == []
