"""Sweep over hidden size and depth of an experiment, then over the settings around them.

    python -m sweeps.run digits
    python -m sweeps.run digits --trials 40 --workers 2 --seed 1
    python -m sweeps.run digits --study quick -- --epochs 5

First the complete plane hidden size x depth, other settings fixed; then TPE over all of them, poor trials pruned. The
same command goes on where it stopped; a larger --trials adds to what is there. What follows -- sets the experiment's
own settings for all trials.
"""

import dataclasses
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

import rnnkit
from rnnkit import commands, locks
from rnnkit.config import BaseConfig
from rnnkit.errors import UserError, writing


RETRIES = 3  # a point whose worker dies more often than this is left for the next time


@dataclass(frozen=True)
class Options:
    """What a sweep can be told."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Which experiment to sweep."""
    trials: int = 24
    """Trials in all, those done before included."""
    workers: int = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    """Processes that train side by side, one thread each."""
    seed: int = 0
    """Seed of the study, from which all its trials derive theirs."""
    study: str | None = None
    """Name of the study; by default <experiment>-s<seed>."""
    runs_dir: Path = Path("runs")
    """Folder that holds the runs and, under studies/, the study."""
    track: Literal["auto", "offline", "online", "off"] = "auto"
    """Mirror each trial to Weights & Biases; auto is online where you are logged in, else offline."""

    def __post_init__(self):
        for name in ("trials", "workers"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"--seed must be between 0 and 2^31 - 1, not {self.seed}")
        name = self.study or ""
        if self.study is not None and not (name.replace("-", "").isascii() and name.replace("-", "").isalnum()):
            raise UserError(f"--study must be made of letters, digits and dashes, not {self.study!r}")


def sweep(options: Options, flags: list[str]) -> None:
    """Create or continue the study, work on it until all its trials have ended, and write its summary."""
    from sweeps import study as studies
    from sweeps import summary
    from sweeps.progress import Progress

    base = base_config(options, flags)
    if base.device == "cuda":  # checked before a study is made that could not work
        rnnkit.training.device_of(base)
    name = options.study or f"{options.experiment.replace('_', '-')}-s{options.seed}"
    folder = studies.open_folder(options.runs_dir, name, base, options.seed)

    busy = f"study {name} is being swept by another process"
    alone = locks.exclusive(folder.path / "lock", busy=busy)
    with writing(folder.path), alone, studies.nothing_half_made(folder):
        studies.wait_for_workers(folder)
        studies.heal(folder)
        study = studies.load(folder, create=True)
        with Progress(folder, study, options.trials) as progress:
            rounds = 0
            while progress.left() and rounds <= RETRIES:
                studies.plan(folder, study, options.trials)  # also queues again what a dead worker left behind
                work(options, folder, progress)
                rounds += 1
        print(summary.write(folder, study))
        if progress.left():
            print(
                f"error: {progress.left()} trials were not finished, their workers died {rounds} times: "
                f"see {folder.path}/worker-*.log; the same command tries again",
                file=sys.stderr,
            )
            sys.exit(1)


def base_config(options: Options, flags: list[str]) -> BaseConfig:
    """What all trials start from: the experiment's defaults, changed by `flags`, which are not the sweep's to set."""
    from sweeps import study as studies

    kind = studies.experiment(options.experiment).Config
    base = commands.parse(kind, f"python -m experiments.{options.experiment}", flags)
    own = {field.name for field in dataclasses.fields(Options)}
    varied = studies.SPACES[options.experiment].varied()
    for field in dataclasses.fields(base):
        if getattr(base, field.name) != field.default:
            flag = f"--{field.name.replace('_', '-')}"
            if field.name in own:
                raise UserError(f"{flag} is the sweep's own option: give it before the --")
            if field.name in varied:
                raise UserError(f"{flag} is what the sweep varies: leave it out")
            if field.name == "threads":
                raise UserError("--threads is 1 in a sweep: choose with --workers, before the --, what it takes")
    return dataclasses.replace(base, runs_dir=options.runs_dir, track=options.track)


def work(options: Options, folder, progress) -> None:
    """Start the workers and watch until the last has ended. A signal stops them, and is passed on."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if folder.base.data_dir:
        environment["RNNKIT_DATA"] = str(folder.base.data_dir)
    command = [sys.executable, "-m", "sweeps.worker", str(folder.path)]
    command += ["--runs-dir", str(options.runs_dir), "--track", options.track, "--parent", str(os.getpid())]
    workers = []
    try:
        for i in range(min(options.workers, progress.left())):
            log = (folder.path / f"worker-{i}.log").open("w")
            # Its first line has the disk give the file a block, in which a last word fits even if the disk is full.
            print(f"worker {i} of study {folder.name}", file=log, flush=True)
            # In a session of its own: Ctrl-C comes here alone, and here it is decided how the workers stop.
            worker = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
            log.close()
            workers.append(worker)
        while any(worker.poll() is None for worker in workers):
            progress.look()
            time.sleep(0.2)
        progress.look()
    finally:
        stop(workers)
    for i, worker in enumerate(workers):
        if worker.returncode == 2 and progress.left():  # no other worker, and no other try, would fare better
            *_, reason = (folder.path / f"worker-{i}.log").read_text().splitlines()
            raise UserError(reason.removeprefix("error: "))


def stop(workers: list[subprocess.Popen], patience: float = 10.0) -> None:
    """End what is still running: told to first, killed where it takes longer than `patience` seconds."""
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    end = time.monotonic() + patience
    for worker in workers:
        try:
            worker.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def main() -> None:
    """Sweep as the command line says."""
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    options = commands.parse(Options, "python -m sweeps.run", words[:cut], __doc__)
    sweep(options, words[cut + 1 :])


if __name__ == "__main__":
    commands.main(main)
