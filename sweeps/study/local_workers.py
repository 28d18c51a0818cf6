"""The workers that a sweep runs on its own machine: started, watched by their exit codes, replaced, and stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rnnkit.core import UserError, processes
from sweeps.study import points
from sweeps.study.budget import Budget, affordable, search
from sweeps.study.progress import Progress
from sweeps.study.study import Study


CRASHES = 3  # workers in a row that end by themselves, with no trial in hand: no further one would fare better
KILLS = 30  # the same for workers that were killed

POLL = 0.1  # seconds between two looks at the workers


@dataclass
class Slot:
    """A place for one worker: its number, and the GPU that is its own, if any."""

    number: int
    gpu: str | None = None
    process: "subprocess.Popen[bytes] | None" = None
    worker: str = ""

    def let_go(self) -> int:
        """Forget the worker, which has ended or is about to; its exit code."""
        process, self.process = self.process, None
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        return process.wait()


@dataclass
class Workers:
    """A sweep's workers. `look` is to be called again and again until nothing is left to do."""

    study: Study
    slots: list[Slot]
    _in_vain: Counter[bool] = field(default_factory=Counter, init=False)  # by whether killed

    def look(self, wanted: int) -> None:
        """Replace workers that have ended, as long as `wanted` of them have something to do.

        What a worker left in hand waits again at once. Raises `UserError` with what a worker said that could not do its
        work at all, and where workers die as fast as they are started.
        """
        for slot in self.slots:
            if slot.process is not None and slot.process.poll() is not None:
                self._ended(slot)
        for slot in self.slots[:wanted]:
            if slot.process is None:
                self._start(slot)

    def _start(self, slot: Slot) -> None:
        folder, base = self.study.folder, self.study.folder.base
        slot.worker = f"{socket.gethostname()}-{os.getpid()}-{slot.number}-{uuid.uuid4().hex[:8]}"
        command = [sys.executable, "-m", "sweeps.worker", f"--study={folder.name}", f"--runs-dir={base.runs_dir}"]
        command += ["--track", base.track, "--save-every", str(base.save_every)]
        variables = {"RNNKIT_WORKER": slot.worker, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        variables["RNNKIT_STORAGE"] = folder.address  # not in the command, where everybody could read a password in it
        variables |= {"RNNKIT_DATA": str(base.data_dir)} if base.data_dir else {}
        variables |= {"CUDA_VISIBLE_DEVICES": slot.gpu} if slot.gpu is not None else {}
        environment = processes.environment(**variables)
        with self.log(slot).open("a", encoding="utf-8") as log:
            # The first line has the disk give the file a block, in which a last word fits even if the disk is full.
            print(f"worker {slot.worker} of study {folder.name}", file=log, flush=True)
            # In a session of its own: Ctrl-C comes here alone, and here it is decided how the workers stop.
            slot.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def log(self, slot: Slot) -> Path:
        """The file of what a slot's workers say."""
        return self.study.folder.path / f"worker-{slot.number}.log"

    def _ended(self, slot: Slot) -> None:
        code = slot.let_go()
        stopped = code in (0, 2, 130, 143)
        end = "stopped" if stopped else "killed" if code == -signal.SIGKILL else "crashed"
        trials = points.released(self.study, slot.worker, end)
        if code == 2:  # no other worker, and no other try, would fare better
            raise UserError(_last_error(self.log(slot)))
        if stopped or trials:
            self._in_vain.clear()
        if stopped:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        what = "".join(f", trial {trial.number} goes on with another" for trial in trials)
        print(f"worker {slot.number} {how}{what}", flush=True)
        self._in_vain[code < 0] += not trials
        if self._in_vain[code < 0] >= (KILLS if code < 0 else CRASHES):
            log = self.log(slot)  # which goes with its folder where nothing came of the study
            said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            count = self._in_vain[code < 0]
            raise UserError(f"{count} workers died before they could begin; the last line of {log.name}: {said[-1]}")

    def stop(self, patience: float = 10.0) -> None:
        """End what is still running: told to first, killed where it takes longer than `patience` seconds."""
        running = [(slot, slot.process) for slot in self.slots if slot.process is not None]
        for _, process in running:
            process.terminate()
        end = time.monotonic() + patience
        for slot, process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
            slot.let_go()
            points.released(self.study, slot.worker, "stopped")


def carry_out(study: Study, slots: list[Slot], budget: Budget | None = None) -> str:
    """Plan what is missing of a study, and work on it until every trial has ended, those on fresh seeds included.

    With a budget, until its time is up or nothing is left to gain, and say which, in words.
    """
    workers, reason = Workers(study, slots), ""
    if budget is None:
        points.plan(study)
    with Progress(study, by_time=budget is not None) as progress, contextlib.ExitStack() as stack:
        stack.callback(workers.stop)

        def look(wanted: int) -> None:
            workers.look(wanted)
            points.reap(study)  # those of other machines
            progress.look()
            time.sleep(study.storage.poll)

        if budget is not None:
            reason = search(study, budget, look)
            if points.unfinished(study.all_of()):
                workers.stop()
                points.close(study, put_by=True)
            study.ask_for(study.total, affordable(study, budget))
        while (left := points.left(study)) and (budget is None or budget.left > 0):
            look(left)
        progress.look()
    return reason


def _last_error(log: Path) -> str:
    """The last error that a log tells of; what follows it may be a library's word at the end of the process."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else f"a worker could not begin: see {log}"


def slots(workers: int, gpus: list[str]) -> list[Slot]:
    """A slot for each worker, or where there are GPUs, one for each of them, as far as workers are wanted."""
    return [Slot(number, gpu) for number, gpu in enumerate(gpus[:workers] if gpus else [None] * workers)]
