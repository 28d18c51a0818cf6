"""A run while it is recorded: its rows, what it can go on from, its end.

The training process never imports wandb. It appends to `metrics.jsonl`; a mirror process (`rnnkit.mirror`) reads along.
Nothing that happens to the mirror can reach the run.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rnnkit.core import OutOfMemory, UserError, decoration, error_in_words, files, is_out_of_memory, secrets, writing
from rnnkit.core import config as configuration
from rnnkit.runs import checkpoints, flags, foretelling, printing
from rnnkit.runs.folders import Claim, RunContext, claim, take_up
from rnnkit.runs.manifest import Manifest, Membership
from rnnkit.runs.mirror_client import Mirror
from rnnkit.runs.result import Result, Status
from rnnkit.runs.rows import read_rows


if TYPE_CHECKING:
    from torch import nn


class Pruned(Exception):
    """This run is not worth its remaining steps. The message, if any, says why."""


class Interrupted(Exception):
    """Raised by a `report` callback: this run is not to go on here and now. It can be taken up where it was saved."""


class Diverged(Exception):
    """The loss or the gradient is not finite any more. The message says where."""


class Run:
    """A run that is being recorded; `start` makes one.

    `result` is None until the run has ended. `checkpoint` is the state that it goes on from, None where it is new.
    `context` says where it belongs.
    """

    def __init__(
        self,
        config: configuration.BaseConfig,
        claimed: Claim,
        mirror: Mirror,
        checkpoint: dict[str, Any] | None = None,
        context: RunContext | None = None,
    ):
        self.config = config
        self.folder = claimed.folder
        self.name = claimed.folder.name
        self.result: Result | None = None
        self.checkpoint = checkpoint
        before = {} if checkpoint is None else checkpoint["record"]
        self.step: int = before.get("step", 0)
        self.latest: dict[str, float] = before.get("latest", {})
        self._seconds: float = before.get("seconds", 0.0)  # those of earlier processes
        self._processor_seconds: float = before.get("processor_seconds", 0.0)
        self._resumed_after: list[int] = [*before.get("resumed_after", []), self.step] if before else []
        self._began = time.perf_counter(), time.process_time()
        self._claim, self._mirror, self._mirrored = claimed, mirror, False
        self.context = context or RunContext()
        self._rows = (self.folder / "metrics.jsonl").open("ab", buffering=0)  # what is logged is in the file
        self._rows.truncate(before.get("size", 0))  # rows logged after the checkpoint come again

    def log(self, step: int, row: dict[str, float]) -> None:
        """Append one row. Steps must grow; all that belongs to a step goes into its one row."""
        if step <= self.step:
            raise ValueError(f"step {step} was logged after step {self.step}")
        row = files.plain_numbers(row)
        self._begin_mirror()
        self.step = step
        self.latest.update(row)
        line = json.dumps({"step": step, **files.encode(row)}, allow_nan=False) + "\n"
        with writing(self._rows.name):
            rest = memoryview(line.encode())
            while rest:  # a disk that fills up takes a part
                rest = rest[self._rows.write(rest) :]

    def _begin_mirror(self) -> None:
        """Have the record mirrored from its first row on: one that ends before, and goes, is nothing to mirror."""
        if not self._mirrored and self.config.track != "off":
            self._mirror.begin(self.folder, self.config.track)
        self._mirrored = True

    def save(self, state: dict[str, Any]) -> None:
        """Keep what the run can go on from: the state of its training, and where the record is."""
        record = {"step": self.step, "latest": dict(self.latest), "size": self._rows.tell()}
        record |= {**self._spent(), "resumed_after": self._resumed_after, "run": self.name}
        with writing(self.folder / checkpoints.LATEST):
            os.fsync(self._rows.fileno())  # what is saved must never be ahead of the rows, whatever is cut off
            checkpoints.keep(self.folder, {**state, "record": record})

    def _spent(self) -> dict[str, float]:
        """Seconds, and processor seconds, since the run began, those of earlier processes included."""
        wall, processor = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        seconds, processor_seconds = self._seconds + wall, self._processor_seconds + processor
        return {"seconds": round(seconds, 3), "processor_seconds": round(processor_seconds, 3)}

    def finish(
        self,
        model: "nn.Module | None" = None,
        metrics: dict[str, float] | None = None,
        keep: dict[str, Any] | None = None,
        **notes: Any,
    ) -> Result:
        """End the run as finished: save the model's weights, then the result with the final metrics.

        `keep` holds plain values that belong with the weights (a vocabulary); `notes` are further fields of `Result`.
        Raises `UserError` for a metric that is not a number, and for what no later command could load.
        """
        metrics = files.plain_numbers(metrics or {})
        if model is not None:
            with writing(self.folder / "checkpoint.pt"):
                kept = {name: checkpoints.plain(value, name) for name, value in (keep or {}).items()}
                checkpoints.save(self.folder / "checkpoint.pt", {"weights": checkpoints.weights_of(model), **kept})
            notes["weights_sha256"] = checkpoints.weights_sha256(model)
            notes["parameters"] = sum(p.numel() for p in model.parameters())
        if self.context.ends is not None:
            self.context.ends()
        return self.end(Status.FINISHED, metrics=metrics, **notes)

    def end(self, status: Status, metrics: dict[str, float] | None = None, **notes: Any) -> Result:
        """Write the result with the given status, and let go of the folder."""
        self._rows.close()
        if self.step:  # it may have been taken up after its last step
            self._begin_mirror()
        notes |= {**self._spent(), "metrics": {**self.latest, **(metrics or {})}, "folder": self.folder}
        notes["resumed_after"] = self._resumed_after or None
        with decoration(f"no flags are raised on {self.name}"):
            rows = read_rows(self.folder)
            notes["flags"] = flags.judge(rows, self.config.clip, status)
            if status == Status.FINISHED:  # of others nobody knows how many steps were to come
                notes["foretold"] = foretelling.in_words(rows, self.config)
        self.result = Result(run=self.name, status=status, step=self.step, **notes)
        try:
            with writing(self.folder / "result.json"):
                self.result.write()
            if status not in (Status.INTERRUPTED, Status.FAILED):
                checkpoints.discard(self.folder)
        finally:
            self._claim.release()
        return self.result


def how_to_go_on(run: Run) -> str:
    """What a user who has stopped a run is told."""
    again = f"make resume {printing.make_word(run.folder)}"
    return f"{run.name} is saved at step {run.step}: the same command goes on from there, and so does {again}"


@contextlib.contextmanager
def start(
    config: configuration.BaseConfig,
    data: dict[str, str],
    context: RunContext | None = None,
    kernel: dict[str, str] | None = None,
    limits: list[str] | None = None,
) -> Iterator[Run]:
    """Record a run from here to the end of the `with` block.

    `data` maps each data set to the SHA-256 of its contents; `context` says where the run belongs, `kernel` what
    computes the recurrent layers, `limits` why its bits may be others on another processor. Whatever happens inside
    ends in result.json: `Pruned` and `Diverged` end the block quietly with that status, everything else is recorded
    (interrupted, failed) and raised on. Raises `UserError` where the runs folder cannot be written, and `OutOfMemory`
    where memory does not hold it; a run that had not begun then leaves nothing.
    """
    context = context or RunContext()
    secrets.require_none(configuration.settings(config))
    if context.admit is not None:
        context.admit(data)
    claimed, mirror = claim(config, context), context.mirror or Mirror()
    with contextlib.nullcontext() if context.mirror else contextlib.closing(mirror):
        try:
            with writing(f"the runs folder {config.runs_dir}"):
                now = Manifest.of(config, claimed.folder.name, data, context.member, kernel, limits)
                checkpoint = take_up(claimed.folder, now)
                run = Run(config, claimed, mirror, checkpoint, context)
        except UserError:
            claimed.remove()
            claimed.release()
            raise
        try:
            yield run
            if run.result is None:
                raise RuntimeError("the run was not finished: call run.finish(...)")
        except Pruned as error:
            run.end(Status.PRUNED, reason=str(error) or None)
        except Diverged as error:
            run.end(Status.DIVERGED, reason=str(error))
        except BaseException as error:
            if run.result is None:
                stopped = isinstance(error, (KeyboardInterrupt, SystemExit, Interrupted))
                status, reason = (Status.INTERRUPTED, None) if stopped else (Status.FAILED, error_in_words(error))
                with contextlib.suppress(UserError):  # a full disk, most likely the very error that is raised on
                    run.end(status, reason=reason)
                if stopped and context.member == Membership() and (claimed.folder / checkpoints.LATEST).exists():
                    print(how_to_go_on(run), file=sys.stderr)  # a trial's study says it
                if is_out_of_memory(error):
                    if run.step == 0:  # nothing was trained: nothing is left behind
                        claimed.remove()
                    raise OutOfMemory(f"out of memory with {configuration.sizes(config)}: lower these") from None
            raise
