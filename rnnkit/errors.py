"""The one error that a user's input can cause, and what a disk does as one of these."""

import contextlib
from collections.abc import Iterator


class UserError(Exception):
    """Something that the user gave cannot be used. The message is one line: it names the thing and says what to do.

    Commands print it as `error: <message>` and exit with 2, without a traceback.
    """


def in_words(error: Exception) -> str:
    """What an error says, with its kind where it is not one for a user."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def writing(what: object) -> Iterator[None]:
    """Raise `UserError` where what is done inside cannot write `what`: a full disk, a folder of somebody else."""
    try:
        yield
    except BrokenPipeError:  # no disk: whoever read our output is gone
        raise
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot write {what} ({reason}): make room or allow it, or choose another folder with --runs-dir"
        ) from None
