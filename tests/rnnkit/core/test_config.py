import dataclasses
import re
import shlex
import sys
from pathlib import Path

import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st

from experiments import char_lm, digits, pixels, tagging, word_lm
from experiments.digits import Config
from rnnkit.core import cli, config
from rnnkit.core.errors import UserError
from tests.helpers import refused


configurations = st.builds(
    Config,
    seed=st.integers(0, 2**63 - 1),
    cell=st.sampled_from(["rnn", "gru", "lstm"]),
    hidden_size=st.integers(1, 300),
    depth=st.integers(2, 4),
    bidirectional=st.booleans(),
    dropout=st.floats(0, 0.9),
    learning_rate=st.floats(1e-6, 1),
    clip=st.floats(0, 10),
    view=st.sampled_from(["ink", "rows", "pixels"]),
)


@given(configurations)
def test_the_command_gives_the_configuration_again(chosen):
    words = shlex.split(config.command(chosen))
    assert words == ["python", "-m", "experiments.digits", *config.flags(chosen)]
    assert cli.parse(Config, "digits", config.flags(chosen)) == chosen


def test_the_command_quotes_what_a_shell_would_take_apart():
    chosen = char_lm.Config(text="my texts/it's $HOME.txt")
    assert cli.parse(char_lm.Config, "char_lm", shlex.split(config.command(chosen))[3:]) == chosen


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_size": 0}, "--hidden-size must be at least 1, not 0"),
        ({"threads": 0}, "--threads must be at least 1, not 0"),
        ({"threads": 257}, "--threads must be at most 256, not 257"),
        ({"depth": 1_001}, "--depth must be at most 1,000, not 1001"),
        ({"hidden_size": 1_000_001}, "--hidden-size must be at most 1,000,000, not 1000001"),
        ({"batch_size": 10**9}, "--batch-size must be at most 1,000,000, not 1000000000"),
        ({"seed": -1}, "--seed must be 0 or more, not -1"),
        ({"learning_rate": float("nan")}, "--learning-rate must be above 0 and finite, not nan"),
        ({"clip": float("inf")}, "--clip must be finite"),
        ({"dropout": 1.0}, "--dropout must be at least 0 and below 1"),
        ({"dropout": 0.1, "depth": 1}, "--dropout acts between layers"),
        (
            {"cell": "rnn", "init": "chrono"},
            r"--init chrono sets the bias of a gate: it needs a --cell that has one \(gru, ",
        ),
        ({"split_seed": 2**32}, "--split-seed must be between 0 and"),
    ],
)
def test_values_that_cannot_be_used(wrong, message):
    with pytest.raises(UserError, match=message):
        Config(**wrong)


def test_the_name_of_a_run_tells_settings_apart_and_nothing_else():
    name = config.run_name(Config(seed=3))
    assert name.startswith("digits-s3-")
    assert config.run_name(Config(seed=3, track="off", threads=2, runs_dir=Path("elsewhere"))) == name
    assert config.run_name(Config(seed=3, observe="full", observe_every=7)) == name  # that is written down beside it
    assert config.run_name(Config(seed=4)) == name.replace("-s3-", "-s4-")
    assert re.fullmatch(r"char-lm-s0-[0-9a-f]{8}", config.run_name(char_lm.Config()))  # letters, digits, dashes
    assert config.run_name(Config(seed=3, clip=1, dropout=0)) == name  # as from a notebook
    for field in dataclasses.fields(Config):
        other = {
            "cell": "rnn",
            "bidirectional": False,
            "view": "rows",
            "device": "cpu",
            "dropout": 0.1,
            "recurrent_dropout": 0.1,
            "weight_drop": 0.1,
            "zoneout": 0.1,
            "init": "chrono",
            "layers": "torch",
        }
        if field.metadata.get("placement") or field.metadata.get("watching") or field.name == "seed":
            continue
        changed = dataclasses.replace(Config(seed=3), **{field.name: other.get(field.name, 7)})
        assert config.run_name(changed) != name, field.name


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("words", [["--cell", "foo"], ["--seed", "x"], ["--nope"], ["--hidden-size"]])
def test_wrong_flags_become_one_line_that_names_them(words, terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)  # tyro draws in colours then
    with pytest.raises(UserError) as caught:
        cli.parse(Config, "python -m experiments.digits", words)
    message = str(caught.value)
    assert words[0] in message
    assert message.isprintable()
    assert message.endswith("(see: python -m experiments.digits --help)")
    assert "│" not in message
    assert "─" not in message


def test_a_setting_that_begins_with_a_dash_comes_back_from_its_command():
    before = char_lm.Config(text="-notes.txt")
    words = shlex.split(config.command(before))[3:]
    assert cli.parse(char_lm.Config, "", words) == before


def test_settings_are_restored_and_those_of_another_version_named():
    before = Config(seed=5, hidden_size=7, view="rows", threads=2)
    assert config.restored(Config, config.settings(before), threads=2) == before
    with pytest.raises(UserError, match="another version of digits: it has no colour, shape"):
        config.restored(Config, {**config.settings(before), "shape": 1, "colour": 2})
    with pytest.raises(UserError, match="another version of digits: its depth is '2'"):
        config.restored(Config, {**config.settings(before), "depth": "2"})


def test_a_sigterm_while_flags_are_read_is_no_mistake_in_them(monkeypatch):
    monkeypatch.setattr(tyro, "cli", lambda *_, **__: sys.exit(143))
    with pytest.raises(SystemExit) as stop:
        cli.parse(Config, "python -m experiments.digits", [])
    assert stop.value.code == 143


IDLE = [
    (digits.Config, "--observe off --observe-every 7", "--observe-every has no effect with --observe off"),
    (char_lm.Config, "--reading streams --round=5", "--round has no effect with --reading streams"),
    (pixels.Config, "--permutation_seed 3", "--permutation-seed has no effect with --order sequential"),
    (word_lm.Config, "--schedule cosine --decay 2", "--decay has no effect with --schedule cosine"),
    (word_lm.Config, "--full-epochs 4 --schedule constant", "--full-epochs has no effect with --schedule constant"),
    (tagging.Config, "--reader-size 0 --letter-size 9", "--letter-size has no effect with --reader-size 0"),
    (tagging.Config, "--data python --reader-size 9", "--reader-size has no effect with --data python"),
]


@pytest.mark.parametrize(("kind", "words", "message"), IDLE)
def test_a_setting_that_has_no_effect_beside_the_others_is_refused(kind, words, message):
    """Also where it is given with its default: who gives it expects something of it."""
    given_ = shlex.split(words)
    with pytest.raises(UserError, match=f"^{message}: leave one of them out$"):
        config.refuse_idle(cli.parse(kind, "it", given_), given_)
    config.refuse_idle(kind(), [])


@pytest.mark.parametrize("kind", [digits.Config, char_lm.Config, pixels.Config, word_lm.Config, tagging.Config])
def test_what_a_setting_needs_are_settings(kind):
    names = {field.name for field in dataclasses.fields(kind)}
    assert set(kind.needs) <= names
    assert all(set(others) <= names for others in kind.needs.values())


def test_a_command_with_an_idle_setting_trains_nothing(tmp_path):
    done = refused("experiments.digits", "--observe", "off", "--observe-every", "5", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: --observe-every has no effect with --observe off: leave one of them out\n"
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_changes_the_defaults_of_shared_settings():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    @config.defaults(cell="lstm", depth=1)
    class Own(config.BaseConfig):
        experiment = "own"

    assert (Own().cell, Own().depth, Own().hidden_size) == ("lstm", 1, 64)
    assert config.BaseConfig().cell == "gru"
    assert [f.name for f in dataclasses.fields(Own)] == [f.name for f in dataclasses.fields(config.BaseConfig)]
    with pytest.raises(ValueError, match="there is no setting size"):
        config.defaults(size=1)(Own)
