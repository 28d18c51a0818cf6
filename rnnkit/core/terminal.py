"""Standard output and error as commands write to them, whatever they are: no sign, name or full disk ends the work."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Generator
from typing import Any

from rnnkit.core import extras, surroundings
from rnnkit.core.errors import UserError
from rnnkit.core.texts import wording


class Output:
    """Standard output or error, written to without ever raising but where its reader is gone (`BrokenPipeError`).

    What a terminal would obey, and not show, is replaced, but for the characters `keep`. `failure` is the error after
    which all that is written is lost: a full disk, say.
    """

    def __init__(self, stream: Any, keep: str = "\n\t"):
        self._stream, self._keep = stream, keep
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, as `io.TextIOBase` does."""
        with self._kept_from_failing():
            self._stream.write(wording.printable(text, keep=self._keep))
        return len(text)

    def flush(self) -> None:
        """Send on what was written."""
        with self._kept_from_failing():
            self._stream.flush()

    def take_failure(self) -> OSError | None:
        """The failure, for whoever says it, once."""
        failure, self.failure = self.failure, None
        return failure

    @contextlib.contextmanager
    def _kept_from_failing(self) -> Generator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self.failure = error
            forget(self._stream.fileno())


def forget(descriptor: int) -> None:
    """Have what is still to be written there go nowhere: else Python fails again, at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


@contextlib.contextmanager
def outputs() -> Generator[Output]:
    """Have all that is printed inside go through `Output`s; yields that of standard output.

    Signs that its encoding lacks are shown as question marks.
    """
    if isinstance(sys.stdout, Output):  # a command that another has started in its own process
        yield sys.stdout
        sys.stdout.flush()
        return
    before = sys.stdout, sys.stderr
    mended: Any = sys.stdout  # captured in a test, it may be of another kind
    errors = getattr(mended, "errors", None)
    if hasattr(mended, "reconfigure"):
        mended.reconfigure(errors="replace")
    out: Any = Output(before[0])
    errors_out: Any = Output(before[1], keep="\n\t\r")  # tqdm's bar goes back to the start of its line
    sys.stdout, sys.stderr = out, errors_out
    try:
        yield out
        out.flush()
    finally:
        sys.stdout, sys.stderr = before
        if hasattr(mended, "reconfigure"):
            mended.reconfigure(errors=errors)


def open_what_is_closed() -> None:
    """Have standard streams lead nowhere where they were closed (`2>&-`): else the next file takes their place.

    And whatever asks whether they are a terminal would fail.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest number that is free
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (as long as the process lives)


def require_folder() -> None:
    """Raise `UserError` where the working folder was removed: libraries end the process there in words of their own."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UserError("the folder that this command was started in is gone: go to another one (cd)") from None


def bar(**settings: Any) -> Any:
    """tqdm's bar on standard error, where that is a terminal; it goes when it is done."""
    with extras.needed("experiments", "a progress bar"), surroundings.hidden("TQDM_"):
        from tqdm import tqdm

    return tqdm(disable=not sys.stderr.isatty(), leave=False, **settings)


@contextlib.contextmanager
def counting(**settings: Any) -> Generator[Callable[[int], object]]:
    """A function that moves a bar on by so many; where tqdm is not installed, there is none to be seen."""
    if importlib.util.find_spec("tqdm") is None:
        yield lambda count: None
        return
    with bar(**settings) as shown:
        yield shown.update


def can_show(text: str) -> bool:
    """Whether standard output has all signs of a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def read_names_as_utf8() -> None:
    """Start this command anew where Python would not take names of files, and what is in them, for UTF-8.

    So in a locale of another encoding: a path would be another text there, and W&B could not take it at all. What is
    printed keeps the encoding that it had.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":  # the second: it was in vain
        return
    printed = os.environ.get("PYTHONIOENCODING") or getattr(sys.stdout, "encoding", None) or "ascii"
    environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": printed}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
