"""What looking inside costs: the same runs with --observe off, light and full, mirrored to W&B offline in all three.

    python -m tests.bench.observing
    python -m tests.bench.observing --only digits --repeats 3

Runs of the three kinds in turn, each in a process of its own. What is compared is the processor time that the process
spends in the training loop, evaluations included; the least of the repeats, which other work disturbs least.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rnnkit import commands
from rnnkit.errors import UserError


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
from rnnkit import commands, training

fit = training.fit

def timed(*words, **more):
    began = time.process_time()
    try:
        return fit(*words, **more)
    finally:
        print("seconds in the loop:", time.process_time() - began)

training.fit = timed
commands.main({experiment}.main)
"""


def seconds(experiment: str, kind: str, folder: Path) -> float:
    """The processor seconds that one run spends in the training loop."""
    words = [sys.executable, "-c", TIMED.format(experiment=experiment), *RUNS[experiment].split(), "--observe", kind]
    words += ["--track", "offline", "--runs-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}
    done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    return float(re.search(r"seconds in the loop: (\S+)", done.stdout)[1])


def main() -> None:
    """Time, and print a table."""
    options = commands.parse(Options, "python -m tests.bench.observing", sys.argv[1:], __doc__)
    print(f"{'experiment':12} {'kind':6} {'seconds':>8} {'of off':>7}")
    for experiment in [options.only] if options.only else RUNS:
        found = {kind: [] for kind in KINDS}
        for _ in range(options.repeats):
            for kind in KINDS:
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    found[kind].append(seconds(experiment, kind, Path(folder)))
        for kind in KINDS:
            least = min(found[kind])
            print(f"{experiment:12} {kind:6} {least:8.2f} {least / min(found['off']):7.3f}", flush=True)


if __name__ == "__main__":
    commands.main(main, settle=False)
