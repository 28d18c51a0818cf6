"""The recipes of CONTRIBUTING.md, followed literally in a copy of the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import experiments
from rnnkit.core.errors import UserError
from tests.helpers import ROOT, no_account


RECIPES = {
    title: textwrap.dedent(text)
    for title, text in re.findall(
        r"^### (.+)\n\n((?:    .*\n)+)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
}


@pytest.fixture
def follow(tmp_path):
    """Runs a recipe, and gives the folder of the copy that it was followed in."""

    def followed(title):
        for name in ("rnnkit", "experiments", "sweeps"):
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = no_account() | {"PATH": path, "PYTHONPATH": str(tmp_path)}
        script = ["bash", "-euo", "pipefail", "-c", RECIPES[title]]
        done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return tmp_path

    return followed


@pytest.mark.parametrize("title", ["A data set", "A diagnostic", "A cell", "An experiment"])
def test_no_recipe_has_more_than_ten_lines(title):
    assert len(RECIPES[title].splitlines()) <= 10


def test_a_data_set_is_a_file(follow):
    assert (follow("A data set") / "rnnkit" / "datasets" / "sales.py").exists()


def test_a_diagnostic_is_logged_at_each_evaluation(follow):
    (rows,) = (follow("A diagnostic") / "runs").glob("*/metrics.jsonl")
    last = json.loads(rows.read_text().splitlines()[-1])
    assert [name for name in last if name.endswith("/mean")] == [
        f"hidden/encoder.{place}/mean" for place in ("l0.f", "l0.b", "l1.f", "l1.b")
    ]


def test_a_cell_is_trained_swept_resumed_replayed_observed_and_screened(follow):
    folder = follow("A cell")
    (rows,) = (folder / "runs").glob("*/metrics.jsonl")
    last = json.loads(rows.read_text().splitlines()[-1])
    gates = {name.split("/")[2] for name in last if name.startswith("gate/")}
    assert gates == {"z"}  # n is a candidate
    assert last["gate/encoder.l0.f/z/timescale_max"] > 0
    digits = folder / "experiments" / "digits.py"  # whose space a sweep searches
    digits.write_text(digits.read_text().replace("studied((8, 96), 3)", 'studied((8, 96), 3, ("ugrnn",))'))
    environment = no_account() | {"PYTHONPATH": str(folder)}
    words = ["sweeps.run", "digits", "--trials", "2", "--sampler", "random", "--confirm", "0", "--workers", "1"]
    words += ["--track", "off", "--", "--epochs", "1", "--view", "rows"]
    for command in (["-m", *words], [str(ROOT / "tests" / "rnnkit" / "nn" / "cells" / "own.py")]):
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((folder / "runs" / "studies" / "digits-s0" / "summary.json").read_text())
    assert summary["trials"]["finished"] == 2
    cells = {json.loads(p.read_text())["config"]["cell"] for p in (folder / "runs").glob("digits-s*/manifest.json")}
    assert cells == {"ugrnn"}


def test_an_experiment_runs_and_sweeps_and_is_listed_nowhere(follow):
    runs = follow("An experiment") / "runs"
    summary = json.loads((runs / "studies" / "hello-s0" / "summary.json").read_text())
    assert (summary["experiment"], summary["metric"]) == ("hello", "metric/accuracy/valid")
    assert summary["trials"]["finished"] == 2
    assert len(list(runs.glob("hello-s*/result.json"))) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("digist", "there is no experiment 'digist': did you mean digits? choose one of char_lm, digits, "),
        ("weather", "there is no experiment 'weather': choose one of char_lm, digits, "),
        ("sample", "experiments/sample.py states no OBJECTIVE: an experiment states Config, OBJECTIVE, setup and "),
        ("../digits", "there is no experiment '../digits'"),
        ("__main__", "there is no experiment '__main__': choose one of"),
    ],
)
def test_what_is_no_experiment_is_answered_with_what_to_do(name, said):
    with pytest.raises(UserError) as error:
        experiments.load(name)
    assert str(error.value).startswith(said)
