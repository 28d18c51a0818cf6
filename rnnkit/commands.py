"""Typed command lines from dataclasses (by tyro), with errors of one line, and exits that scripts can rely on.

Exit codes: 0 done, 1 for what was tried and failed (a run that diverged), 2 for something that the user gave, 130 after
Ctrl-C, 143 after SIGTERM.
"""

import contextlib
import io
import re
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from rnnkit import seeding
from rnnkit.errors import UserError


Arguments = TypeVar("Arguments")


def parse(kind: type[Arguments], prog: str, argv: Sequence[str], description: str | None = None) -> Arguments:
    """Read `argv` into the dataclass `kind`. Raises `UserError` where a flag is wrong; exits 0 after `--help`."""
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, prog=prog, args=list(argv), description=description)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UserError(f"{_first_block(said.getvalue())} (see: {prog} --help)") from None


def _first_block(box: str) -> str:
    """The message inside the box that tyro draws, coloured on a terminal: its lines up to the first rule, joined."""
    lines = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]:
        text = line.strip("│╭╮╰╯ ")
        if not text.strip("─"):
            break
        lines.append(text)
    return " ".join(lines) or box.strip()


def main(action: Callable[[], None], settle: bool = True) -> None:
    """Run a command to its exit code. A `UserError` becomes one line on stderr; signals become 130 and 143.

    `settle` asks for results that are the same at any number of threads, at some cost; see `seeding.settle_numerics`.
    """
    if settle:
        seeding.settle_numerics()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        action()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `| head` went away: nobody is left to read
        sys.stderr.close()
        sys.exit(1)


def _terminated(signum, frame):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
    sys.exit(143)
