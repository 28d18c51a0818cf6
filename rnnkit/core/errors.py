"""The one error that a user's input can cause, options that raise it, and a full disk or memory as one of these.

What a user gives (flags, files, environment) raises `UserError`; a programmer's mistake in a call, `ValueError`.
"""

import contextlib
import re
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path


class UserError(Exception):
    """What a user gave cannot be used, said in one line with what to do. Commands print it and exit with 2."""


class OutOfMemory(UserError):
    """What the settings ask for is more than the memory holds."""


# How torch says so, with errors of many kinds: on a CPU, on a GPU, and of sizes that no number can hold.
_NO_MEMORY = re.compile(
    "out of memory|can't allocate memory|not enough memory|bad_alloc|ALLOC_FAILED|Storage size calculation overflowed"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy or torch got no memory."""
    if isinstance(error, (MemoryError, OutOfMemory)):
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None


def require_counts(**counts: int) -> None:
    """Raise `UserError`, with the name, unless all numbers are at least 1."""
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"{name} must be at least 1, not {count}")


def error_in_words(error: BaseException) -> str:
    """What an error says, with its kind where it is not one for a user."""
    if isinstance(error, UserError):
        return str(error)
    return "out of memory" if is_out_of_memory(error) else f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def decoration(missing: str, say: Callable[[str], None] | None = None) -> Generator[None]:
    """Say in a line what is `missing`, and why, where what is done inside fails: on standard error, or to `say`.

    For what a result does without: a figure, a copy. Work goes on; only a signal, and a reader who is gone, end it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 (said; whatever it is, it must not cost what was worked out)
        line = f"{missing}: {_in_a_line(error)}"
        if say is None:
            print(line, file=sys.stderr)
        else:
            say(line)


def _in_a_line(error: BaseException) -> str:
    """What an error says, cut to one line of readable length."""
    words = " ".join(error_in_words(error).split())
    return words if len(words) <= 300 else f"{words[:297]}..."


@contextlib.contextmanager
def writing(what: object, flag: str = "--runs-dir") -> Generator[None]:
    """Raise `UserError` where what is done inside cannot write `what`; `flag` is the one that chooses another place."""
    try:
        yield
    except BrokenPipeError:  # no disk: whoever read our output is gone
        raise
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot write {what} ({reason}): make room or allow it, or choose another folder with {flag}"
        ) from None


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
