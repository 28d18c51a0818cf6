from dataclasses import dataclass
from pathlib import Path

import pytest

from rnnkit.core import cli
from rnnkit.core.errors import RunsOptions, UserError


@dataclass(frozen=True)
class Options(RunsOptions):
    """What a made-up command can be told."""

    most_lines: int = 10
    """How many lines it writes."""
    port: int = 0
    """Where it listens; 0 for anywhere."""

    def __post_init__(self):
        self._require_counts("most_lines")
        self._require_counts("port", least=0, most=65_535)


def test_shared_options_stand_beside_those_of_the_command():
    options = cli.parse(Options, "made-up", ["--runs-dir", "elsewhere", "--most-lines", "3"])
    assert options == Options(runs_dir=Path("elsewhere"), most_lines=3)
    assert cli.parse(Options, "made-up", []) == Options(runs_dir=Path("runs"), most_lines=10)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--most-lines", "0"], "--most-lines must be at least 1, not 0"),
        (["--most-lines", "1000001"], "--most-lines must be at most 1,000,000, not 1000001"),
        (["--port", "-1"], "--port must be 0 or more, not -1"),
        (["--port", "65536"], "--port must be at most 65,535, not 65536"),
    ],
)
def test_what_cannot_be_used_is_named_as_its_flag(words, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        cli.parse(Options, "made-up", words)
