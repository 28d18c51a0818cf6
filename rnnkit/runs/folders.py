"""The folders of runs: which one a run goes to, whether it is in use, and what can go on there."""

import contextlib
import fcntl
import itertools
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnkit.core import BaseConfig, UserError, files, locks, run_name, wording, writing
from rnnkit.runs import checkpoints
from rnnkit.runs.foretelling import Foretold
from rnnkit.runs.manifest import ELSEWHERE, Manifest, Membership
from rnnkit.runs.mirror_client import Mirror
from rnnkit.runs.result import Result, Status


@dataclass(frozen=True)
class RunContext:
    """Where a run belongs."""

    member: Membership = Membership()  # the trial of a study that it is, if any
    folder: Path | None = None  # where it goes on, and in no other that its configuration could take up
    mirror: Mirror | None = None  # the process that carries its record to W&B, where several runs share one
    admit: Callable[[dict[str, str]], None] | None = None  # gets the data's checksums first, and raises `UserError`
    ends: Callable[[], None] | None = None  # asked before a result is written; raises where it is not this run's to say
    hears: Callable[[Foretold], None] | None = None  # told what a fifth of its steps foretell; may raise `Pruned`


def candidates(config: BaseConfig) -> Iterator[Path]:
    """The folders that a run of this configuration can have: its name, then with -2, -3, ... for a repeat, no end."""
    first = config.runs_dir.absolute() / run_name(config)
    return itertools.chain([first], (first.with_name(f"{first.name}-{repeat}") for repeat in itertools.count(2)))


@dataclass(frozen=True)
class Claim:
    """A folder that this process holds the lock of; `made` says that it was not there before."""

    folder: Path
    lock: int
    made: bool

    def release(self) -> None:
        """Let go of the folder."""
        os.close(self.lock)

    def remove(self) -> None:
        """Take the folder away, unless it was there before."""
        if self.made:
            shutil.rmtree(self.folder, ignore_errors=True)


def claim(config: BaseConfig, context: RunContext) -> Claim:
    """Lock the folder for a run of this configuration.

    An unfinished run of the same configuration that no process works on is taken up, if it belongs to the same trial of
    the same study, or like this one to none; else a new folder is made. Raises `UserError` where the folder cannot be
    written, and where the one that `context` names has ended, or is in use.
    """
    for folder in [context.folder] if context.folder else candidates(config):
        with writing(f"the runs folder {config.runs_dir}"):
            made = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        claimed = Claim(folder, lock, made)
        try:
            if _try_lock(lock, folder / "lock") and _can_take_up(folder, context):
                return claimed
        except locks.Unsupported:
            claimed.remove()
            claimed.release()
            raise
        claimed.release()
    raise UserError(f"{context.folder.name if context.folder else ''} has ended, or is still running")


def _can_take_up(folder: Path, context: RunContext) -> bool:
    """Whether the run in this folder, if there is one, is unfinished, and belongs to what `context` says."""
    try:
        result = Result.read(folder)
    except UserError:  # damaged: it has ended, however it did
        return False
    if result is not None and result.status == Status.FAILED:
        # A full disk, say: taken up where it is named, by resume, or by its study, which has not let it end so.
        unfinished = context.folder is not None or context.member != Membership()
    else:
        unfinished = result is None or result.status == Status.INTERRUPTED
    with contextlib.suppress(UserError):  # none was begun here, or what it was cannot be told any more
        return unfinished and Manifest.told(files.read_json(folder / "manifest.json"))[0].member == context.member
    return unfinished


def ended(config: BaseConfig, member: Membership) -> Result | None:
    """The last result of a run of this configuration and `member` that has ended, other than by a failure."""
    last = None
    for folder in itertools.takewhile(Path.exists, candidates(config)):
        with contextlib.suppress(UserError):  # damaged
            if Manifest.told(files.read_json(folder / "manifest.json"))[0].member == member:
                result = Result.read(folder)
                # What was wrong with the machine when one failed may be right by now.
                if result is not None and result.status not in (Status.INTERRUPTED, Status.FAILED):
                    last = result
    return last


def find(run: str, runs_dir: Path) -> Path:
    """The folder of a run: by name, path, a path inside it, or id at W&B. Raises `UserError` where there is none."""
    path = Path(os.path.abspath(run))  # `.` has no name
    places = [path, *path.parents] if path.exists() else []
    places += [runs_dir / run, runs_dir / re.sub(r"-[0-9a-f]{9,}$", "", Path(run).name)]  # W&B's id ends with the time
    for folder in places:
        if (folder / "manifest.json").is_file():
            return folder
    known = sorted(manifest.parent.name for manifest in runs_dir.glob("*/manifest.json"))
    raise UserError(f"there is no run {run} (looked in {runs_dir}){wording.meant(run, known)}")


def _try_lock(descriptor: int, path: Path, patience: float = 0.1) -> bool:
    """Lock it, if no run holds it. Whoever only asks (`is_live`) holds it for a moment, which is waited for."""
    end = time.monotonic() + patience
    while True:
        if locks.take(descriptor, path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.005)


def is_live(folder: Path) -> bool:
    """Whether a process works on the run in this folder."""
    return locks.held(folder / "lock")


def take_up(folder: Path, now: Manifest) -> dict[str, Any] | None:
    """The checkpoint that a run goes on from in the process of `now`, which its manifest then names as a part of it.

    None where the run starts anew, with `now` as its manifest. Raises `UserError` if its data changed. Other changes of
    what its bits may depend on are said.
    """
    checkpoint, wrong = checkpoints.latest(folder)
    for reason in wrong:
        print(f"{reason}; {'the one before it is used' if checkpoint else 'the run starts anew'}", file=sys.stderr)
    if checkpoint is None:
        _clear(folder)
        now.write(folder)
        return None
    for part in folder.glob(".*.tmp"):  # what a kill left of a file that was being written
        part.unlink()
    manifest = Manifest.read(folder)
    if manifest.data != now.data:
        raise UserError(f"the data have changed since {folder.name} began: put them back, or delete {folder}")
    if wrong:  # the next save would put it in the place of the good one, and a kill there leave none
        (folder / checkpoints.LATEST).unlink()
    step = checkpoint["record"]["step"]
    print(f"{folder.name} goes on after step {step}", file=sys.stderr)
    for what, one, other in manifest.changed_since(now):
        so = "its bits may, too"
        if what.startswith(ELSEWHERE) and manifest.is_portable and now.is_portable:
            so = "what it is promised to give stays"
        print(f"  since it stopped, {what} has changed: {one} and {other}; {so}", file=sys.stderr)
    manifest.extended(now, step).write(folder)
    (folder / "result.json").unlink(missing_ok=True)
    return checkpoint


def _clear(folder: Path) -> None:
    """Remove what a run left that had saved nothing to go on from."""
    for path in folder.iterdir():
        if path.is_dir():  # its mirror may still be writing into wandb, and clears it for the new run
            shutil.rmtree(path, ignore_errors=path.name == "wandb")
        elif path.name not in ("lock", "mirror.lock"):
            path.unlink()
