import dataclasses
import json
import re

import optuna
import pytest

import experiments
from rnnkit.training import Range
from sweeps.study import folders, suggestions
from tests.helpers import run_command


NAMES = experiments.names()
SPACES = {name: experiments.space_of(experiments.load(name).Config()) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_point_of_a_space_is_a_configuration_of_its_experiment(name):
    base, space = experiments.load(name).Config(), SPACES[name]
    for point in space.plane():
        assert dataclasses.replace(base, **point).depth == point["depth"]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = []
    for _ in range(40):
        point = space.suggest(study.ask())
        assert ("dropout" in point) == (point["depth"] > 1)
        seen.append(dataclasses.replace(base, **point))
    assert {config.cell for config in seen} == set(space.studied["cell"])
    assert {config.bidirectional for config in seen} == set(space.studied.get("bidirectional", [False]))
    assert {config.depth for config in seen} == set(space.depths)
    for setting, values in (space.studied | space.tuned).items():
        if isinstance(values, Range):
            found = [getattr(config, setting) for config in seen if setting != "dropout" or config.depth > 1]
            assert values.low <= min(found) < max(found) <= values.high
    assert all(set(point) <= space.varied() for point in space.plane())


def test_what_does_not_go_with_the_settings_is_not_searched():
    gated = SPACES["pixels"].fitting(experiments.load("pixels").Config(init="chrono"))
    assert gated.studied["cell"] == ("gru", "lstm")
    assert dataclasses.replace(gated, studied=SPACES["pixels"].studied) == SPACES["pixels"]
    for name, space in SPACES.items():
        assert space.fitting(experiments.load(name).Config()) == space


@pytest.mark.parametrize(("name", "size"), [("word_lm", 200), ("char_lm", 512)])
def test_tied_embeddings_are_as_large_as_the_hidden_size_that_a_trial_has(tmp_path, name, size):
    base = experiments.load(name).Config(tied=True, hidden_size=size, embedding_size=size)
    folder = folders.StudyFolder(tmp_path, base, seed=0)
    for point in folder.space.plane():
        for config in (folder.config(0, point), folder.config(folders.MOST_TRIALS, point)):
            assert config.embedding_size == config.hidden_size == point["hidden_size"]
    free = folders.StudyFolder(tmp_path, dataclasses.replace(base, tied=False), seed=0)
    assert free.config(0, free.space.plane()[0]).embedding_size == size


@pytest.mark.parametrize(
    ("values", "value", "wider"),
    [
        (Range(1e-3, 3e-2, log=True), 0.01, None),
        (Range(1e-3, 3e-2, log=True), 0.0295, (1e-3, 0.16)),
        (Range(1e-3, 3e-2, log=True), 0.00101, (1.8e-4, 3e-2)),
        (Range(8, 96, log=True, least=1), 96, (8, 333)),
        (Range(8, 96, log=True, least=1), 8, (2, 96)),
        (Range(1, 3, least=1), 1, None),  # there are no nets of depth 0
        (Range(1, 3, least=1), 3, (1, 4)),
        (Range(1, 2), 1, None),  # of an experiment that does not say what is least
        (Range(0, 4), 0, (-2, 4)),
        (Range(0.0, 0.5, least=0.0, most=0.95), 0.0, None),
        (Range(0.0, 0.5, least=0.0, most=0.95), 0.49, (0.0, 0.75)),
    ],
)
def test_what_lies_on_a_border_is_told_with_the_range_to_look_in(values, value, wider):
    assert values.widened(value) == (None if wider is None else pytest.approx(wider, rel=0.01))


def test_a_drawn_point_depends_on_its_seed_alone():
    space = SPACES["digits"]
    assert suggestions.drawn(space, 3) == suggestions.drawn(space, 3) != suggestions.drawn(space, 4)


@pytest.fixture(scope="module")
def lowest(tmp_path_factory):
    """A sweep whose metric is the better the lower it is: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("lower")
    text = folder / "count.txt"
    text.write_text(" ".join(str(n) for n in range(2_000)))
    quick = ["--text", text, "--epochs", "1", "--round", "3", "--steps", "12", "--batch-size", "4"]
    words = ["char_lm", "--trials", "7", "--workers", "1", "--runs-dir", folder / "runs", "--track", "off"]
    words += ["--confirm", "1", "--confirm-seeds", "2"]
    done = run_command("sweeps.run", *words, "--", *quick)
    assert done.returncode == 0, done.stderr
    return folder / "runs", done.stdout


def test_a_sweep_looks_for_the_lowest_where_lower_is_better(lowest):
    runs, printed = lowest
    values = {int(n): float(v) for n, v in re.findall(r"^trial +(\d+)  (\d\.\d+)", printed, flags=re.MULTILINE)}
    assert len(values) == 7
    best = min(values, key=values.get)
    assert re.search(rf"best: trial {best}'s settings, .* on fresh seeds.*; found with {values[best]:.4f} ", printed)
    assert "counts of 6 symbols: bits per character (test)" in printed
    summary = json.loads((runs / "studies" / "char-lm-s0" / "summary.json").read_text())
    assert summary["best"]["trial"] == best
    assert summary["best"]["found"] == pytest.approx(values[best], abs=1e-4)
