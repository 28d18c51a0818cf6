"""How a command ends."""

import contextlib
import dataclasses
import os
import re
import signal
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pytest
import tyro

from rnnkit.core import BaseConfig, cli
from rnnkit.core.errors import UserError


def while_imported():
    """What NumPy makes of a Ctrl-C that comes while it is imported."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise ImportError("cannot load module more than once per process")  # noqa: B904 (as NumPy does it)


def after_torch_caught_it():
    """What fails after a Ctrl-C while NumPy is imported, where torch catches it and goes on with half of NumPy."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    raise AttributeError("module 'numpy' has no attribute 'matrix'")


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "code", "said"),
    [
        (raising(UserError("--seed must be 0 or more")), 2, "error: --seed must be 0 or more\n"),
        (raising(KeyboardInterrupt()), 130, "interrupted\n"),
        (while_imported, 130, "interrupted\n"),
        (after_torch_caught_it, 130, "interrupted\n"),
        (raising(MemoryError()), 2, "error: out of memory: lower the settings"),
        (raising(RuntimeError("bad_alloc")), 2, "error: out of memory: lower the settings"),
    ],
)
def test_what_ends_a_command_is_one_line_and_an_exit_code(action, code, said, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(action, settle=False)
    assert stop.value.code == code
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("error", [ImportError("no module"), RuntimeError("a bug")])
def test_what_is_no_fault_of_the_user_is_not_hidden(error):
    with pytest.raises(type(error), match=str(error)):
        cli.main(raising(error), settle=False)


@dataclass(frozen=True, kw_only=True)
class Own(BaseConfig):
    """Settings of a made-up experiment."""

    experiment: ClassVar[str] = "own"
    seed: int = 3
    view: Literal["rows", "pixels"] = "rows"
    """How it is looked at."""


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--hiden-size", "3"], ": did you mean --hidden-size? ("),
        (["--veiw=rows"], ": did you mean --view? ("),
        (["--no-bidirectonal"], ": did you mean --no-bidirectional? ("),
        (["--cell", "lstmm"], ": did you mean lstm? ("),
        (["--view", "row"], ": did you mean rows? ("),
        (["--frobnicate", "3"], "--frobnicate, 3 ("),
        (["--hidden-size", "x"], "--hidden-size x: give a whole number ("),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_was_meant(words, meant):
    with pytest.raises(UserError) as error:
        cli.parse(Own, "own", words)
    assert f"{meant}see: own --help)" in str(error.value)


@pytest.mark.parametrize("columns", ["5", "80", "300"])
def test_own_settings_come_first_in_a_help_that_fits(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stop:
        cli.parse(Own, "own", ["--help"], "What it does. " * 20 + "\n\n    an example, as it is\n    another")
    out = capsys.readouterr().out
    assert stop.value.code in (0, None)
    own, shared = out.index("─ settings of own alone ─"), out.index("─ settings of all experiments ─")
    assert own < out.index("--view {rows,pixels}") < shared < out.index("--seed INT") < out.index("--runs-dir PATH")
    flags = re.findall(r"^│ (--[a-z-]+)", out, flags=re.MULTILINE)
    assert sorted(flags) == sorted(f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Own))
    assert max(map(len, out.splitlines())) <= max(60, min(int(columns), 100))
    assert "\n    an example, as it is\n    another\n" in out
    assert os.environ["COLUMNS"] == columns


@dataclass(frozen=True)
class Numbers:
    """Flags of numbers."""

    whole: int = 1
    """One."""
    maybe: int | None = None
    """Or none."""
    share: float = 0.5
    """Any."""


@pytest.mark.parametrize(
    ("flag", "kind"), [("--whole", "a whole number"), ("--maybe", "a whole number"), ("--share", "a number")]
)
@pytest.mark.parametrize("value", ["abc", ""])
def test_what_is_no_number_is_told_in_plain_words(flag, kind, value):
    with pytest.raises(UserError, match=rf"^{flag} {value}: give {kind} \(see: numbers --help\)$"):
        cli.parse(Numbers, "numbers", [flag, value])


@dataclass(frozen=True)
class Named:
    """A command on a run."""

    name: Annotated[str, tyro.conf.Positional]
    """The run: its name, or its folder."""


def test_what_has_to_be_named_is_told_in_plain_words():
    told = r"^a word is missing\. The run: its name, or its folder \(see: named --help\)$"
    with pytest.raises(UserError, match=told):
        cli.parse(Named, "named", [])


@dataclass(frozen=True)
class Wordy:
    """Flags whose words are longer than a line of the source."""

    short: int = 1
    """A text that is broken in the source after some words, and that a terminal has to break at quite another
    place than there, once and again."""
    a_name_that_is_longer_than_the_column_of_names: int = 2
    """A text
    of few words."""


def test_the_words_of_a_help_are_broken_where_the_terminal_ends(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    with pytest.raises(SystemExit):
        cli.parse(Wordy, "python -m wordy", ["--help"])
    said = capsys.readouterr().out.splitlines()
    assert {len(line) for line in said if line.startswith("│")} == {70}
    column = next(line for line in said if "-h, --help" in line).index("show this")
    box = [line for line in said if line.startswith("│")]
    texts = [line[column:-1].strip() for line in box if line[2] == " " or "--short" in line]
    *most, last, few = texts
    assert few == "A text of few words. (default: 2)"
    assert f"{' '.join(most)} {last}" == (
        "A text that is broken in the source after some words, and that a terminal has to break at quite another "
        "place than there, once and again. (default: 1)"
    )
    room = 70 - 2 - column
    for line, after in zip(most, [*most[1:], last], strict=True):
        assert len(line) <= room < len(f"{line} {after.split()[0]}")


@pytest.mark.parametrize("indent", ["", "    "])
def test_examples_in_a_help_are_a_line_each(indent, capsys):
    """However they are indented, which the formatter decides where nothing else follows the first line."""
    examples = [
        "python -m sweeps.show one",
        "python -m sweeps.show one --all     # and more, in a line that is not wrapped",
    ]
    with pytest.raises(SystemExit):
        cli.parse(Own, "own", ["--help"], "\n".join(["Show it.\n", *(indent + line for line in examples)]))
    assert "Show it.\n\n" + "".join(f"    {line}\n" for line in examples) + "\n" in capsys.readouterr().out


def test_a_command_whose_folder_is_gone_says_so(tmp_path, monkeypatch, capsys):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    with pytest.raises(SystemExit) as stop:
        cli.main(raising(RuntimeError("it ran")), settle=False)
    assert stop.value.code == 2
    assert (
        capsys.readouterr().err
        == "error: the folder that this command was started in is gone: go to another one (cd)\n"
    )


def test_what_a_file_or_a_server_says_cannot_play_with_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit):
        cli.main(raising(UserError("cannot read \x1b[2J\ud800.csv")))
    assert capsys.readouterr().err == "error: cannot read ?[2J?.csv\n"
