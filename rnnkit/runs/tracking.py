"""The record of a run: its folder, its rows, its end; and the start of the process that mirrors it to W&B.

The training process never imports wandb. It appends to `metrics.jsonl`; a mirror process (`rnnkit.mirror`), one for
each process that trains, reads along. Nothing that happens to the mirror can reach the run.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rnnkit.core import config as configuration
from rnnkit.core import files
from rnnkit.core.errors import OutOfMemory, UserError, in_words, is_out_of_memory, writing
from rnnkit.runs import checkpoints, flags, mirror_client
from rnnkit.runs.folders import _claim_folder, _member, _taken_up
from rnnkit.runs.manifest import manifest_of
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows


class Pruned(Exception):
    """Raised by a `report` callback: this run is not worth its remaining steps."""


class Diverged(Exception):
    """The loss or the gradient is not finite any more. The message says where."""


class Left(SystemExit):
    """The run ends before its first step, as it was asked to, and leaves nothing behind. Exits with 0."""

    def __init__(self):
        super().__init__(0)


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
        line = json.dumps({"step": step, **files.encode(row)}, allow_nan=False) + "\n"
        with writing(self._rows.name):
            rest = memoryview(line.encode())
            while rest:  # a disk that fills up takes a part
                rest = rest[self._rows.write(rest) :]

    def _begin_mirror(self) -> None:
        self._mirrored = True
        if self.config.track != "off":
            mirror_client.begin(self.folder, self.config.track)

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
                "weights_sha256": checkpoints.weights_sha256(model),
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
            flags=flags.as_values(flags.judge(read_rows(self.folder), self.config.clip, status)),
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
                manifest = manifest_of(config, folder.name, data, started, _member.get())
                files.write_json(folder / "manifest.json", {**manifest, "track": config.track})
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
