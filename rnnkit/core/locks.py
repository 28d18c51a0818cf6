"""Locks on files, which the system lets go of when a process ends, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from rnnkit.core.errors import UserError, writing


class Busy(UserError):
    """Another process holds the lock."""


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
    """Whether a process holds the lock file at `path`. Asking makes no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # not there, or somebody else's
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: many may ask at once
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def exclusive(path: Path, busy: str | None = None) -> Generator[None]:
    """Hold the lock file at `path`. With `busy`, raise `Busy(busy)` at once where another holds it; else wait."""
    while True:
        with opened(path) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
            except BlockingIOError:
                raise Busy(busy) from None
            if not _lies_at(path, descriptor):  # whoever held it removed it, and others lock the next one
                continue
            yield
            return


def _lies_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
