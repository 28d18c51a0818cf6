"""The record of a run: its folder, its rows, its end; and the start of the process that mirrors it to W&B.

The training process never imports wandb. It appends to `metrics.jsonl`; a mirror process (`rnnkit.mirror`), one for
each process that trains, reads along. Nothing that happens to the mirror can reach the run.
"""

import contextlib
import fcntl
import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from rnnkit import checkpoints, flags, locks, mirroring, records
from rnnkit import config as configuration
from rnnkit.errors import OutOfMemory, UserError, in_words, is_out_of_memory, writing
from rnnkit.records import Membership, Result


_member: ContextVar[Membership] = ContextVar("member", default=Membership())  # noqa: B039 (it is frozen)
_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


class Pruned(Exception):
    """Raised by a `report` callback: this run is not worth its remaining steps."""


class Diverged(Exception):
    """The loss or the gradient is not finite any more. The message says where."""


class Left(SystemExit):
    """The run ends before its first step, as it was asked to, and leaves nothing behind. Exits with 0."""

    def __init__(self):
        super().__init__(0)


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


class Run:
    """A run that is being recorded; `start` makes one.

    `result` is None until the run has ended. `checkpoint` is the state that it goes on from, None where it is new.
    """

    def __init__(self, config: configuration.BaseConfig, folder: Path, lock: int, checkpoint: dict | None = None):
        self.config = config
        self.folder = folder
        self.name = folder.name
        self.result: Result | None = None
        self.latest: dict[str, float] = {}
        self.step = 0
        self._lock = lock
        self._mirrored = False
        self.checkpoint = checkpoint
        self._seconds = self._processor_seconds = 0.0
        self._resumed_after: list[int] = []
        self._began = time.perf_counter(), time.process_time()
        self._rows = (folder / "metrics.jsonl").open("ab", buffering=0)  # what is logged is in the file
        if checkpoint is None:
            self._rows.truncate(0)
        else:
            before = checkpoint["record"]
            self.step, self.latest = before["step"], before["latest"]
            self._seconds, self._processor_seconds = before["seconds"], before["processor_seconds"]
            self._resumed_after = [*before.get("resumed_after", []), self.step]
            self._rows.truncate(before["size"])  # rows logged after the checkpoint come again

    def log(self, step: int, row: dict[str, float]) -> None:
        """Append one row. Steps must grow; all that belongs to a step goes into its one row."""
        if step <= self.step:
            raise ValueError(f"step {step} was logged after step {self.step}")
        if not self._mirrored:  # a run that ends before its first step, and is removed, is nothing to mirror
            self._begin_mirror()
        self.step = step
        self.latest.update(row)
        line = json.dumps({"step": step, **records.encode(row)}, allow_nan=False) + "\n"
        with writing(self._rows.name):
            rest = memoryview(line.encode())
            while rest:  # a disk that fills up takes a part
                rest = rest[self._rows.write(rest) :]

    def _begin_mirror(self) -> None:
        self._mirrored = True
        if self.config.track != "off":
            mirroring.begin(self.folder, self.config.track)

    def save(self, state: dict) -> None:
        """Keep what the run can go on from: what `snapshots.Training.taken` gave, and where the record is."""
        seconds, processor_seconds = self._spent()
        record = {"step": self.step, "latest": dict(self.latest), "size": self._rows.tell()}
        record |= {"seconds": seconds, "processor_seconds": processor_seconds, "resumed_after": self._resumed_after}
        with writing(self.folder / checkpoints.LATEST):
            os.fsync(self._rows.fileno())  # what is saved must never be ahead of the rows, whatever is cut off
            checkpoints.keep(self.folder, {**state, "record": record})

    def _spent(self) -> tuple[float, float]:
        """Seconds, and processor seconds, since the run began, those of earlier processes included."""
        wall, processor = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        return round(self._seconds + wall, 3), round(self._processor_seconds + processor, 3)

    def finish(self, model=None, metrics: dict[str, float] | None = None, keep: dict | None = None, **notes) -> None:
        """End the run as finished: save the model's weights, then the result with the final metrics.

        `keep` holds plain values that belong with the weights (a vocabulary, say); `notes` are further fields of
        `Result`.
        """
        if model is not None:
            with writing(self.folder / "checkpoint.pt"):
                checkpoints.save(self.folder / "checkpoint.pt", {"weights": model.state_dict(), **(keep or {})})
            notes |= {
                "weights_sha256": records.weights_sha256(model),
                "parameters": sum(p.numel() for p in model.parameters()),
            }
        self.end("finished", metrics=metrics, **notes)

    def end(self, status: str, metrics: dict[str, float] | None = None, **notes) -> None:
        """Write the result with the given status, and let go of the folder."""
        self._rows.close()
        if self.step and not self._mirrored:  # it was taken up after its last step
            self._begin_mirror()
        seconds, processor_seconds = self._spent()
        self.result = Result(
            run=self.name,
            status=status,
            step=self.step,
            seconds=seconds,
            processor_seconds=processor_seconds,
            metrics={**self.latest, **(metrics or {})},
            folder=self.folder,
            resumed_after=self._resumed_after or None,
            flags=flags.as_values(flags.judge(records.read_rows(self.folder), self.config.clip, status)),
            **notes,
        )
        try:
            with writing(self.folder / "result.json"):
                self.result.write()
            if status not in ("interrupted", "failed"):
                checkpoints.discard(self.folder)
        finally:
            os.close(self._lock)


@contextlib.contextmanager
def start(config: configuration.BaseConfig, data: dict[str, str]) -> Iterator[Run]:
    """Record a run from here to the end of the `with` block.

    `data` maps each data set to the SHA-256 of its contents. Whatever happens inside ends in result.json: `Pruned`
    and `Diverged` end the block quietly with that status, everything else is recorded (interrupted, failed) and
    raised on. Raises `UserError` where the runs folder cannot be written, and `OutOfMemory` where the memory does not
    hold what the configuration asks for; a run that had not begun then leaves nothing.
    """
    folder, lock = _claim_folder(config)
    try:
        with writing(f"the runs folder {config.runs_dir}"):
            checkpoint = _taken_up(folder, data)
            if checkpoint is None:
                started = datetime.now(UTC).isoformat(timespec="microseconds")
                manifest = records.manifest(config, folder.name, data, started, _member.get())
                records.write_json(folder / "manifest.json", {**manifest, "track": config.track})
            run = Run(config, folder, lock, checkpoint)
    except UserError:
        os.close(lock)
        if not (folder / "metrics.jsonl").exists():
            shutil.rmtree(folder)
        raise
    try:
        yield run
        if run.result is None:
            raise RuntimeError("the run was not finished: call run.finish(...)")
    except Pruned:
        run.end("pruned")
    except Diverged as error:
        run.end("diverged", reason=str(error))
    except Left:
        run.end("interrupted")
        shutil.rmtree(folder)
        raise
    except BaseException as error:
        if run.result is None:
            stopped = isinstance(error, (KeyboardInterrupt, SystemExit))
            reason = None if stopped else in_words(error)
            with contextlib.suppress(UserError):  # a full disk, most likely the very error that is raised on
                run.end("interrupted" if stopped else "failed", reason=reason)
            if is_out_of_memory(error):
                if run.step == 0:  # nothing was trained: nothing is left behind
                    shutil.rmtree(folder, ignore_errors=True)
                raise OutOfMemory(f"out of memory with {configuration.sizes(config)}: lower these") from None
        raise


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
        return Membership.of(records.read_json(folder / "manifest.json")) == _member.get()
    except UserError:  # none was begun here, or what it was cannot be told any more
        return True


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
            if Membership.of(records.read_json(folder / "manifest.json")) == member:
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
        began_with = records.read_json(folder / "manifest.json").get("data")
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
