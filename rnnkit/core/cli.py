"""Typed command lines from dataclasses (by tyro), with errors of one line, and exits that scripts can rely on.

Exit codes: 0 done, 1 for what was tried and failed (a run that diverged), 2 for something that the user gave, 130 after
Ctrl-C, 143 after SIGTERM, 129 after the end of the terminal.
"""

import contextlib
import io
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from rnnkit.core import determinism, extras, signals, wording
from rnnkit.core.errors import UserError, is_out_of_memory


Arguments = TypeVar("Arguments")


def parse(kind: type[Arguments], prog: str, argv: Sequence[str], description: str | None = None) -> Arguments:
    """Read `argv` into the dataclass `kind`. Raises `UserError` where a flag is wrong; exits 0 after `--help`."""
    with extras.needed("experiments", "the command line"):
        import tyro

    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(kind, prog=prog, args=list(argv), description=description)
    except SystemExit as stop:
        if stop.code != 2:  # --help, or a SIGTERM just now
            raise
        raise UserError(f"{_first_block(printed.getvalue())} (see: {prog} --help)") from None


def _first_block(box: str) -> str:
    """The message inside the box that tyro draws, coloured on a terminal: its lines up to the first rule, joined."""
    lines: list[str] = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]:
        text = line.strip("│╭╮╰╯ ")
        if not text.strip("─"):
            break
        lines.append(text)
    return " ".join(lines) or box.strip()


def main(action: Callable[[], None], settle: bool = True) -> None:
    """Run a command to its exit code. A `UserError` and too little memory are one line on stderr, signals 130 and 143.

    `settle` asks for results that are the same at any number of threads, at some cost (`determinism.settle_numerics`).
    """
    _open_streams()
    if settle:
        determinism.settle_numerics()
    for number in signals.heeded():
        if number != signal.SIGINT:  # Python's own handler says it
            signal.signal(number, _terminated)
    _limit_memory()
    try:
        action()
    except UserError as error:
        say_error(str(error))
        sys.exit(2)
    except (KeyboardInterrupt, ImportError) as error:
        if not _interrupted(error):
            raise
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `| head` went away: nobody is left to read
        sys.stderr.close()
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        say_error("out of memory: lower the settings that make it large, or take less data")
        sys.exit(2)


def say_error(text: str) -> None:
    """Say an error on stderr, in one line, whatever stands in a file or a server's answer that it names."""
    print(f"error: {wording.printable(text)}", file=sys.stderr)


def _open_streams() -> None:
    """Have stdin, stdout and stderr lead nowhere where they were closed (`2>&-`): else the next file gets their number.

    And whatever asks whether they are a terminal would fail.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (as long as the process lives)


def _interrupted(error: BaseException | None) -> bool:
    """Whether a Ctrl-C is behind an error: NumPy turns one that comes while it is imported into an ImportError."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _interrupted(error.__context__))


def _limit_memory(share: float = 0.9) -> None:
    """Let this process have no more than `share` of the machine's memory.

    Without a limit the system grants what it does not have, and kills the process when it uses it, which nobody could
    say a word about. A lower limit of the user's stays.
    """
    with contextlib.suppress(ValueError, OSError):  # a system that does not know it
        limit = int(share * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if all(now == resource.RLIM_INFINITY or now > limit for now in (soft, hard)):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _terminated(signum: int, frame: object) -> NoReturn:
    signals.leave_terminal(signum)
    signal.signal(signum, signal.SIG_DFL)  # a second one ends the process at once
    sys.exit(128 + signum)
