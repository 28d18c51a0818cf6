"""Packages that only some parts need: who lacks one is told in a line how to get it. Extras stand in pyproject.toml."""

import contextlib
import shlex
import sys
from collections.abc import Generator
from pathlib import Path

from rnnkit.core.errors import UserError


_CHECKOUT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def needed(extra: str, what: str) -> Generator[None]:
    """Raise `UserError` where a package imported inside is not installed: `what` needs it, `extra` brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        if package in ("rnnkit", "experiments", "sweeps"):
            raise
        raise UserError(f"{what} needs {package}, which is not installed: {command(extra)}") from None


def command(extra: str) -> str:
    """The command that installs an extra: of this checkout with its pinned versions, else of the installed package."""
    if (_CHECKOUT / "constraints.txt").exists():
        return f"{shlex.quote(sys.executable)} -m pip install -c constraints.txt -e '.[{extra}]'"
    return f"{shlex.quote(sys.executable)} -m pip install 'rnnkit[{extra}]'"
