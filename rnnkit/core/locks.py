"""Locks on files, which the system lets go of when a process ends, however it ends.

Where a file system has none, nothing can be recorded safely: whatever needs one raises `Unsupported`.
"""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from rnnkit.core.errors import UserError, writing


class Busy(UserError):
    """Another process holds the lock."""


class Unsupported(UserError):
    """The file system has no locks."""


def take(descriptor: int, path: Path, how: int = fcntl.LOCK_EX) -> bool:
    """Lock a file that is open: whether it was to be had, which only `how` with `fcntl.LOCK_NB` does not wait for.

    Raises `Unsupported` where its file system has no locks.
    """
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError as error:
        raise Unsupported(
            f"cannot lock {path} ({error.strerror}): its file system has no locks that two processes would see; "
            "choose a folder on another one with --runs-dir"
        ) from None
    return True


@contextlib.contextmanager
def opened(path: Path) -> Generator[int]:
    """The lock file at `path`, made where there is none: its descriptor, not locked yet."""
    with writing(path):
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def held(path: Path) -> bool:
    """Whether a process holds the lock file at `path`. Asking makes no file; where there are no locks, none does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe of this name would be waited for
    except OSError:  # not there, or somebody else's
        return False
    try:
        return not take(descriptor, path, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: many may ask at once
    except Unsupported:
        return False
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(path: Path, busy: str | None = None) -> Generator[int]:
    """Hold the lock file at `path`. With `busy`, raise `Busy(busy)` at once where another holds it; else wait.

    Gives its descriptor: a child process that inherits it holds the lock too, until it ends.
    """
    while True:
        with opened(path) as descriptor:
            if not take(descriptor, path, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0)):
                raise Busy(busy)
            if not _lies_at(path, descriptor):  # whoever held it removed it, and others lock the next one
                continue
            yield descriptor
            return


def _lies_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
