"""One study by 1, 2 and 4 workers, and by 2 of which some are killed at random moments: the same to the last bit.

    python -m tests.torture.same                       # the default study of digits, 20 kills
    python -m tests.torture.same --trials 16 --kills 4 --epochs 5 --settings "--view rows --batch-size 64"

Compared are the SHA-256 of each study, in which stand all settings, states, values by evaluation and weights of its
trials and of those on fresh seeds, and every metric that its runs recorded. It says too for what part of the time
workers waited for what a point is to know.
"""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from rnnkit.core import cli
from sweeps import reproduce
from sweeps.study import Study, identity
from sweeps.study import study as studies
from tests.helpers import ROOT, no_account
from tests.torture import sweeps


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    trials: int = 24
    """Points of the study."""
    workers: tuple[int, ...] = (1, 2, 4)
    """Workers side by side, of each study."""
    kills: int = 20
    """Workers that are killed in a further study with 2."""
    parents: int = 2
    """Sweeps that are killed in it."""
    epochs: int = 15
    """Epochs of each trial."""
    settings: str = ""
    """Further settings of the experiment."""
    sampler: str = "plane-then-tpe"
    """The sampler."""
    pause: tuple[float, float] = (0.5, 4.0)
    """Seconds between two kills, at least and at most."""
    seed: int = 0
    """Seed of the moments."""


def command(options: Options, runs: Path, workers: int) -> list[str]:
    """The sweep as a command."""
    words = [sys.executable, "-m", "sweeps.run", "digits", "--trials", str(options.trials), "--study", "same"]
    words += ["--workers", str(workers), "--runs-dir", str(runs), "--track", "off", "--sampler", options.sampler]
    return [*words, "--", "--epochs", str(options.epochs), *shlex.split(options.settings)]


def waited(trials: list[FrozenTrial], workers: int) -> float:
    """The share of workers' time, from the first start to the last end of a point, in which they had none in hand.

    What goes before a worker's first trial and after its last is no waiting for others.
    """
    idle = busy = 0.0
    by_worker: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        by_worker.setdefault(trial.user_attrs["worker"], []).append(trial)
    for mine in by_worker.values():
        mine.sort(key=lambda trial: trial.datetime_start)
        busy += sum((trial.datetime_complete - trial.datetime_start).total_seconds() for trial in mine)
        pairs = zip(mine, mine[1:], strict=False)
        idle += sum((later.datetime_start - one.datetime_complete).total_seconds() for one, later in pairs)
    return idle / (idle + busy) if workers > 1 or idle else 0.0


def joined(runs: Path) -> Study:
    """The study in a folder of runs."""
    return studies.join(runs, "same", "journal", track="off")


def torture(options: Options, place: Path) -> Iterator[str]:
    """Sweep by each number of workers and with kills. A line for each; raises `AssertionError` where one differs."""
    first = None
    for workers in (*options.workers, 0):
        runs = place / f"by-{workers or 'killed'}"
        runs.mkdir()
        words, began = command(options, runs, workers or 2), time.monotonic()
        if workers:
            with (runs / "said.log").open("w") as said:
                subprocess.run(words, cwd=ROOT, env=no_account(), stdout=said, stderr=said, check=True)
            how = f"{workers} workers" if workers > 1 else "1 worker"
        else:
            moments = sweeps.Options(kills=options.kills, parents=options.parents, pause=options.pause)
            killed = sweeps.disturbed(words, moments, no_account(), runs / "said.log")
            how = f"2 workers, {killed.workers} workers and {killed.parents} sweeps killed"
        study, seconds = joined(runs), time.monotonic() - began
        found = identity.outcomes(study)
        assert len(found) >= options.trials
        first = first or study
        check = reproduce.compare(first, study)
        assert check.difference is None, f"{how}: {check.difference}"
        assert identity.digest(found) == identity.digest(identity.outcomes(first))
        share = f", waiting {100 * waited(study.all_of(), workers):.1f} %" if workers else ""
        yield f"{how}: {len(found)} trials in {seconds:.0f} s{share}, SHA-256 {identity.digest(found)}"


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.same", sys.argv[1:], __doc__)
    with sweeps.folders() as place:
        for line in torture(options, place):
            print(line, flush=True)


if __name__ == "__main__":
    cli.main(main)
