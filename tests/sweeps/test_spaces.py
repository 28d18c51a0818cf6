import dataclasses
import json
import re

import optuna
import pytest

import experiments
from sweeps import study as studies
from sweeps.spaces import SPACES
from tests.helpers import run_command


TRAINED = [name for name in experiments.NAMES if name not in experiments.LESSONS]


def test_every_experiment_that_trains_has_a_space():
    assert sorted(SPACES) == sorted(TRAINED)


@pytest.mark.parametrize("name", TRAINED)
def test_every_point_of_a_space_is_a_configuration_of_its_experiment(name):
    base, space = studies.experiment(name).Config(), SPACES[name]
    for point in space.plane():
        assert dataclasses.replace(base, **point).depth == point["depth"]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = []
    for _ in range(40):
        point = space.suggest(study.ask())
        seen.append(dataclasses.replace(base, **point))
    assert {config.cell for config in seen} == set(space.cells)
    assert {config.bidirectional for config in seen} == set(space.directions)
    assert {config.depth for config in seen} == set(space.depths)
    low, high = space.hidden_size_range
    assert all(low <= config.hidden_size <= high for config in seen)


@pytest.fixture(scope="module")
def lowest(tmp_path_factory):
    """A sweep whose metric is the better the lower it is: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("lower")
    text = folder / "count.txt"
    text.write_text(" ".join(str(n) for n in range(2_000)))
    quick = ["--text", text, "--epochs", "1", "--round", "3", "--steps", "12", "--batch-size", "4"]
    words = ["char_lm", "--trials", "7", "--workers", "1", "--runs-dir", folder / "runs", "--track", "off"]
    done = run_command("sweeps.run", *words, "--", *quick)
    assert done.returncode == 0, done.stderr
    return folder / "runs", done.stdout


def test_a_sweep_looks_for_the_lowest_where_lower_is_better(lowest):
    runs, printed = lowest
    values = {int(n): float(v) for n, v in re.findall(r"^trial +(\d+)  (\d\.\d+)", printed, flags=re.MULTILINE)}
    assert len(values) == 7
    best = min(values, key=values.get)
    assert f"best: trial {best}, validation bits per character {values[best]:.4f}" in printed
    assert "counts of 6 symbols: bits per character (test)" in printed
    summary = json.loads((runs / "studies" / "char-lm-s0" / "summary.json").read_text())
    assert summary["best"]["trial"] == best
    assert summary["best"]["value"] == pytest.approx(values[best], abs=1e-4)
