"""Sweeps whose clock, processes, terminal and folder are disturbed at any moment: whether the same command goes on.

    python -m tests.torture.faults.times             # 24 disturbances of 8 kinds: 15 minutes
    python -m tests.torture.faults.times --number 8

Each is a small sweep that is disturbed once, at a moment drawn at random from all its phases (before the plan, trials,
fresh seeds, summary), and then begun again, undisturbed, by the same command. In the end every planned point must have
one finished trial, with the values of a sweep that nothing disturbed, and no command may end in a traceback.
Clocks are set by `faketime`, where it is installed.
"""

import contextlib
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from optuna.trial import TrialState

from rnnkit.core import cli, processes
from rnnkit.core.errors import UserError
from sweeps.study import study as studies


WORDS = ["sweeps.run", "digits", "--trials", "4", "--sampler", "grid", "--workers", "2", "--study", "small"]
WORDS += ["--confirm", "1", "--confirm-seeds", "2", "--track", "off"]
SETTINGS = ["--", "--view", "rows", "--epochs", "2", "--batch-size", "64", "--save-every", "3"]


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    number: int = 24
    """How many sweeps are disturbed."""
    seed: int = 0
    """Seed of the moments."""


class Sweep:
    """A sweep in a folder, as a process in a session of its own."""

    def __init__(self, folder: Path, before: tuple[str, ...] = (), **streams) -> None:
        self.folder = folder
        command = [*before, sys.executable, "-m", *WORDS, "--runs-dir", str(folder / "runs"), *SETTINGS]
        self.said = (folder / "said").open("a+")
        streams = {"stdin": subprocess.DEVNULL, "stdout": self.said, "stderr": self.said} | streams
        environment = processes.environment(WANDB_MODE="offline")
        self.process = subprocess.Popen(command, **streams, env=environment, cwd=folder, start_new_session=True)

    def end(self, limit: float = 300.0) -> int:
        """Its exit code. Raises `AssertionError` for one that says more than what users understand."""
        code = self.process.wait(limit)
        self.said.seek(0)
        text = self.said.read()
        assert "Traceback" not in text, f"exit {code}: {text[-3000:]}"
        return code

    def workers(self) -> list[int]:
        """The processes that work for it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return list(map(int, children.read_text().split())) if children.exists() else []


def values(folder: Path) -> dict[str, list]:
    """What each trial came to. Raises `AssertionError` where one did not end, or ended twice."""
    study = studies.join(folder / "runs", "small", "journal", track="off")
    found = {"trials": study.trials.trials, "again": study.confirmations.trials}
    assert all(trial.state == TrialState.COMPLETE for trials in found.values() for trial in trials)
    assert (len(found["trials"]), len(found["again"])) == (4, 2)
    runs = [trial.user_attrs["run"] for trials in found.values() for trial in trials]
    assert sorted(runs) == sorted(path.parent.name for path in (folder / "runs").glob("*/result.json"))
    weights = lambda trial: trial.user_attrs["result"]["weights_sha256"]
    return {part: [(trial.value, weights(trial)) for trial in trials] for part, trials in found.items()}


def stopped(sweep: Sweep) -> None:
    """A laptop's sleep, or SIGSTOP by hand: a worker is stopped for a while, and goes on."""
    pids = sweep.workers()[:1] or [sweep.process.pid]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(5)


def closed(sweep: Sweep) -> None:
    """The terminal is closed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(sweep.process.pid, signal.SIGHUP)


def five_times(sweep: Sweep) -> None:
    """Ctrl-C, five times at once."""
    for _ in range(5):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(sweep.process.pid, signal.SIGINT)


def moved(sweep: Sweep) -> None:
    """The folder of runs is moved away, and later back."""
    runs, away = sweep.folder / "runs", sweep.folder / "away"
    with contextlib.suppress(FileNotFoundError):
        runs.rename(away)
    sweep.process.wait(120)
    if away.exists():
        shutil.rmtree(runs, ignore_errors=True)
        away.rename(runs)


def two_parents(sweep: Sweep) -> None:
    """Another parent is started in the same moment."""
    assert Sweep(sweep.folder).end() in (0, 2)


def killed(sweep: Sweep) -> None:
    """Parent and workers are killed."""
    for pid in (sweep.process.pid, *sweep.workers()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


CLOCKS = {"the clock an hour back": ("faketime", "-f", "-3600s"), "an hour forward": ("faketime", "-f", "+3600s")}
KINDS: dict[str, Callable[[Sweep], None]] = {
    "stopped and continued": stopped,
    "terminal closed": closed,
    "Ctrl-C five times": five_times,
    "folder moved": moved,
    "two parents": two_parents,
    "killed": killed,
    **dict.fromkeys(CLOCKS, five_times),
}


def disturbed(kind: str, after: float, expected: dict[str, list]) -> int:
    """Disturb one sweep so many seconds after its start, and have it go on; the exit code of the disturbed one."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        terminal = None
        if kind == "terminal closed":
            terminal, other = pty.openpty()
            sweep = Sweep(folder, stdout=other, stderr=other)
            os.close(other)
        else:
            sweep = Sweep(folder, CLOCKS.get(kind, ()))
        while not (folder / "runs" / "studies").exists() and sweep.process.poll() is None:
            time.sleep(0.02)  # what Python and libraries do before that knows no signals of ours
        time.sleep(after)
        if terminal is not None:
            os.close(terminal)
        KINDS[kind](sweep)
        code = sweep.end()
        assert Sweep(folder).end() == 0, (folder / "said").read_text()[-3000:]
        assert values(folder) == expected, f"{kind} after {after:.1f} s: other values"
    return code


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.faults.times", sys.argv[1:], __doc__)
    kinds = [kind for kind in KINDS if kind not in CLOCKS or shutil.which("faketime")]
    with TemporaryDirectory() as place:
        began = time.monotonic()
        if Sweep(Path(place)).end() != 0:
            raise UserError("the sweep that nothing disturbs failed")
        took, expected = time.monotonic() - began - 2.0, values(Path(place))  # from its first word on
    moments = random.Random(options.seed)
    codes: Counter[str] = Counter()
    for number in range(options.number):
        kind, after = kinds[number % len(kinds)], moments.uniform(0.2, took)
        code = disturbed(kind, after, expected)
        codes[f"{kind}: exit {code}"] += 1
        print(f"{kind} after {after:.1f} of {took:.1f} s: exit {code}, and went on to the same values", flush=True)
    print("; ".join(f"{count} x {what}" for what, count in sorted(codes.items())), flush=True)


if __name__ == "__main__":
    cli.main(main)
