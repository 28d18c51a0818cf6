"""What looking inside costs: the same runs with --observe off, light and full, mirrored to W&B offline in all three.

    python -m tests.bench.observing
    python -m tests.bench.observing --only digits --repeats 3

Runs of the three kinds in turn, each in a process of its own. What is compared is the processor time that the process
spends in the training loop, evaluations included; the least of the repeats, which other work disturbs least. Beside it
stands the share of looking itself in the time of all else, within the same run, which other work hardly disturbs; the
median of the repeats.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import cli
from rnnkit.core.errors import UserError


RUNS = {
    "digits": "",
    "char_lm": "--text python --epochs 1 --round 150",
}
KINDS = ("off", "light", "full")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """What can be said to the benchmark."""

    repeats: int = 3
    """How often each kind is run."""
    only: str = ""
    """One experiment: digits or char_lm; both by default."""

    def __post_init__(self):
        if self.only and self.only not in RUNS:
            raise UserError(f"--only must be one of {', '.join(RUNS)}, not {self.only}")
        if self.repeats < 1:
            raise UserError(f"--repeats must be at least 1, not {self.repeats}")


TIMED = """
import time
from experiments import {experiment}
from rnnkit.core import cli
from rnnkit.diagnostics import monitor
from rnnkit.training import loop

looking = 0.0

def timed(of, name, report=None):
    inner = getattr(of, name)

    def outer(*words, **more):
        global looking
        began = time.process_time()
        try:
            return inner(*words, **more)
        finally:
            seconds = time.process_time() - began
            if report:
                print("seconds in the loop:", seconds, "of these looking:", looking)
            else:
                looking += seconds

    setattr(of, name, outer)

for name in ("before_training", "of_update", "at_evaluation"):
    timed(monitor.Monitor, name)
timed(loop, "fit", report=True)
cli.main({experiment}.main)
"""


def seconds(experiment: str, kind: str, folder: Path) -> tuple[float, float]:
    """The processor seconds that one run spends in the training loop, and those of them that it spends looking."""
    words = [sys.executable, "-c", TIMED.format(experiment=experiment), *RUNS[experiment].split(), "--observe", kind]
    words += ["--track", "offline", "--runs-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}
    done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    found = re.search(r"seconds in the loop: (\S+) of these looking: (\S+)", done.stdout)
    return float(found[1]), float(found[2])


def main() -> None:
    """Time, and print a table."""
    options = cli.parse(Options, "python -m tests.bench.observing", sys.argv[1:], __doc__)
    print(f"{'experiment':12} {'kind':6} {'seconds':>8} {'of off':>7} {'looking':>8}")
    for experiment in [options.only] if options.only else RUNS:
        found = {kind: [] for kind in KINDS}
        for _ in range(options.repeats):
            for kind in KINDS:
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    found[kind].append(seconds(experiment, kind, Path(folder)))
        for kind in KINDS:
            least = min(total for total, _ in found[kind])
            beside = least / min(total for total, _ in found["off"])
            share = statistics.median(looking / (total - looking) for total, looking in found[kind])
            print(f"{experiment:12} {kind:6} {least:8.2f} {beside:7.3f} {share:8.1%}", flush=True)


if __name__ == "__main__":
    cli.main(main, settle=False)
