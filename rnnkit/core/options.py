"""What all commands' options have in common: they are checked when they are made, and say in one line what is wrong."""

from dataclasses import dataclass
from pathlib import Path

from rnnkit.core.errors import UserError


# More of anything than a run could need. It keeps numbers out of torch that it cannot even count with.
MOST = 1_000_000


def flag(name: str) -> str:
    """A field as it is given on the command line: `hidden_size` -> `--hidden-size`."""
    return f"--{name.replace('_', '-')}"


class Checked:
    """Options that a dataclass holds, and checks in its `__post_init__`. What cannot be used raises `UserError`."""

    def _require(self, name: str, holds: bool, what: str) -> None:
        """Raise `UserError` unless `holds`: the field `name` must be `what`."""
        if not holds:
            raise UserError(f"{flag(name)} must be {what}, not {getattr(self, name)}")

    def _require_counts(self, *names: str, least: int = 1, most: int = MOST) -> None:
        """Raise `UserError` unless each of these fields lies between `least` and `most`."""
        for name in names:
            self._require(name, getattr(self, name) >= least, f"at least {least}" if least else "0 or more")
            self._require(name, getattr(self, name) <= most, f"at most {most:,}")


@dataclass(frozen=True, kw_only=True)
class RunsOptions(Checked):
    """Options of a command that reads or makes runs."""

    runs_dir: Path = Path("runs")
    """Folder that holds the runs."""
