"""What a step of training takes, all included: batches, record, evaluations, checkpoints, looking inside.

    python -m tests.bench.steps
    python -m tests.bench.steps --against ../before     # beside another checkout, in turn, on the same interpreter

Digits with GRUs in both directions, on one thread. Of two runs, of 5 and of 15 epochs, it is the difference of their
processor times by the steps of the 10 epochs between: what a run takes once is not in it, and is printed beside it.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import cli


SIZES = ((8, 1), (16, 1), (32, 1), (32, 2), (64, 3))
ROOT = Path(__file__).resolve().parents[2]

# Runs in a process of its own, in the checkout that it measures.
CODE = """
import json, sys, tempfile, time
from pathlib import Path
from rnnkit.core import determinism
determinism.settle_numerics()
from experiments import digits

hidden_size, depth = map(int, sys.argv[1:])

def seconds(epochs):
    with tempfile.TemporaryDirectory() as folder:
        shape = dict(hidden_size=hidden_size, depth=depth, epochs=epochs, patience=0, track="off")
        config = digits.Config(**shape, runs_dir=Path(folder))
        start = time.process_time()
        digits.run(config)
        return time.process_time() - start

seconds(1)
short = min(seconds(5) for _ in range(3))
long = min(seconds(15) for _ in range(3))
step = (long - short) / (10 * 34)
print(json.dumps({"step": 1e3 * step, "once": short - 5 * 34 * step}))
"""


@dataclass(frozen=True)
class Options:
    """What can be said to this part."""

    against: Path | None = None
    """Another checkout to measure in turn."""


def measured(checkout: Path, size: tuple[int, int]) -> dict[str, float]:
    """Milliseconds of a step, and seconds that a run takes once."""
    words = [sys.executable, "-c", CODE, *map(str, size)]
    environment = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd=checkout, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Measure, and print a row for each size."""
    options = cli.parse(Options, "python -m tests.bench.steps", sys.argv[1:], __doc__)
    print(
        "hidden x depth    ms a step    s once" + "    ms before    s before    times as fast" * bool(options.against)
    )
    for size in SIZES:
        here = measured(ROOT, size)
        row = f"{size[0]:>6} x {size[1]}    {here['step']:13.2f}    {here['once']:6.2f}"
        if options.against:
            before = measured(options.against.resolve(), size)
            row += f"    {before['step']:9.2f}    {before['once']:8.2f}    {before['step'] / here['step']:13.1f}"
        print(row, flush=True)


if __name__ == "__main__":
    cli.main(main)
