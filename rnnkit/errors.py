"""The one error that a user's input can cause, and what a disk does as one of these."""

import contextlib
from collections.abc import Iterator


class UserError(Exception):
    """Something that the user gave cannot be used. The message is one line: it names the thing and says what to do.

    Commands print it as `error: <message>` and exit with 2, without a traceback.
    """


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
