"""The folders of runs: which one a run goes to, whether it is in use, and what can go on there."""

import contextlib
import fcntl
import itertools
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from rnnkit.core import config as configuration
from rnnkit.core import files, locks
from rnnkit.core.errors import UserError, writing
from rnnkit.runs import checkpoints
from rnnkit.runs.manifest import Membership
from rnnkit.runs.result import Result


_member: ContextVar[Membership] = ContextVar("member", default=Membership())  # noqa: B039 (it is frozen)


_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextlib.contextmanager
def belonging_to(member: Membership) -> Iterator[None]:
    """Runs that start inside are recorded as this trial of this study."""
    token = _member.set(member)
    try:
        yield
    finally:
        _member.reset(token)


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """The run that starts inside goes on in this folder, and in no other that its configuration could take up."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def _claim_folder(config: configuration.BaseConfig) -> tuple[Path, int]:
    """The folder for a run of this configuration, locked for as long as this process holds it.

    An unfinished run of the same configuration that no process works on is taken up, if it belongs to the same trial of
    the same study, or like this one to none; else a new folder is made, with -2, -3, ... at its end for a repeat.
    """
    name = configuration.run_name(config)
    repeat = 1
    while True:
        folder = _folder.get() or config.runs_dir.absolute() / (name if repeat == 1 else f"{name}-{repeat}")
        with writing(f"the runs folder {config.runs_dir}"):
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        if _try_lock(lock) and _is_unfinished(folder) and _is_ours(folder):
            return folder, lock
        os.close(lock)
        if _folder.get():
            raise UserError(f"{folder.name} has ended, or is still running")
        repeat += 1


def ended(config: configuration.BaseConfig, member: Membership) -> Result | None:
    """The result of a run of this configuration that has ended, and belongs to `member`; the last of several.

    One that failed does not count: what was wrong with the machine may be right by now.
    """
    found = None
    name = configuration.run_name(config)
    for repeat in itertools.count(1):
        folder = config.runs_dir.absolute() / (name if repeat == 1 else f"{name}-{repeat}")
        if not folder.exists():
            return found
        with contextlib.suppress(UserError):  # damaged
            if Membership.of(files.read_json(folder / "manifest.json")) == member:
                result = Result.read(folder)
                found = found if result is None or result.status in ("interrupted", "failed") else result
    return found


def _try_lock(descriptor: int, patience: float = 0.1) -> bool:
    """Lock it, if no run holds it. Whoever only asks (`is_live`) holds it for a moment, which is waited for."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        else:
            return True


def is_live(folder: Path) -> bool:
    """Whether a process works on the run in this folder."""
    return locks.held(folder / "lock")


def _taken_up(folder: Path, data: dict[str, str]) -> dict | None:
    """The checkpoint that the run in this folder goes on from; None where there is none, and the folder is then empty.

    Raises `UserError` where the data are not those that the run began with.
    """
    checkpoint, wrong = checkpoints.latest(folder)
    for reason in wrong:
        print(f"{reason}; {'the one before it is used' if checkpoint else 'the run starts anew'}", file=sys.stderr)
    if checkpoint is not None:
        for part in folder.glob(".*.tmp"):  # what a kill left of a file that was being written
            part.unlink()
        began_with = files.read_json(folder / "manifest.json").get("data")
        if began_with != data:
            raise UserError(f"the data have changed since {folder.name} began: put them back, or delete {folder}")
        if wrong:  # the next save would put it in the place of the good one, and a kill there leave none
            (folder / checkpoints.LATEST).unlink()
        (folder / "result.json").unlink(missing_ok=True)
        print(f"{folder.name} goes on after step {checkpoint['record']['step']}", file=sys.stderr)
        return checkpoint
    for path in folder.iterdir():
        if path.name in ("lock", "mirror.lock"):
            continue
        if path.name == "wandb":  # its mirror may still be writing there, and clears it for the new run
            shutil.rmtree(path, ignore_errors=True)
        else:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return None


def _is_unfinished(folder: Path) -> bool:
    try:
        result = Result.read(folder)
    except UserError:  # damaged: it has ended, however it did
        return False
    if result is not None and result.status == "failed":
        # A full disk, say: taken up where it is named, by resume, or by its study, which has not let it end so.
        return _folder.get() is not None or _member.get() != Membership()
    return result is None or result.status == "interrupted"


def _is_ours(folder: Path) -> bool:
    """Whether the run in this folder, if there is one, belongs to what a run that starts now belongs to."""
    try:
        return Membership.of(files.read_json(folder / "manifest.json")) == _member.get()
    except UserError:  # none was begun here, or what it was cannot be told any more
        return True
