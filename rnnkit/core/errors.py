"""The one error that a user's input can cause, and what a full disk or a full memory does as one of these.

What a user gives (flags, files, the environment) raises `UserError`; a programmer's mistake in a call raises
`ValueError`.
"""

import contextlib
from collections.abc import Generator


class UserError(Exception):
    """Something that the user gave cannot be used. The message is one line: it names the thing and says what to do.

    Commands print it as `error: <message>` and exit with 2, without a traceback.
    """


class OutOfMemory(UserError):
    """What the settings ask for is more than the memory holds."""


# How torch says so, with errors of many kinds: on a CPU, on a GPU, and of sizes that no number can hold.
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "ALLOC_FAILED",
    "Storage size calculation overflowed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy or torch got no memory."""
    if isinstance(error, (MemoryError, OutOfMemory)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


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
def writing(what: object, flag: str = "--runs-dir") -> Generator[None]:
    """Raise `UserError` where what is done inside cannot write `what`: a full disk, a folder of somebody else.

    `flag` is the one that chooses another place.
    """
    try:
        yield
    except BrokenPipeError:  # no disk: whoever read our output is gone
        raise
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot write {what} ({reason}): make room or allow it, or choose another folder with {flag}"
        ) from None
