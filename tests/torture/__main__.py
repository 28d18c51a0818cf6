"""All of what is too long for the test suite, one part after the other, and a table of what came out.

python -m tests.torture                    # all parts: about an hour on two quiet cores
python -m tests.torture kills damage       # some of them; python -m tests.torture.kills --help for their settings
python -m tests.torture --help             # which there are

It ends with a table: whether each held, how many minutes it took, and its figures.
"""

import importlib
import subprocess
import sys
import time

from rnnkit.core import cli
from rnnkit.core.errors import UserError


# Each is a module here, whose `python -m tests.torture.<part>` prints a line for each figure and exits with 0.
PARTS = (
    "bits",
    "kernel",
    "damage",
    "faults.records",
    "faults.times",
    "own.files",
    "kills",
    "combinations",
    "replays",
    "tracker",
    "sweeps",
    "same",
    "minutes",
    "answers",
    "slurm",
    "pages",
)


def done(part: str) -> tuple[bool, float, list[str]]:
    """Run one part, let it be seen as it goes, and return whether it held, in how many seconds, and its lines."""
    began, lines = time.monotonic(), []
    process = subprocess.Popen([sys.executable, "-m", f"tests.torture.{part}"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line.rstrip())
    return process.wait() == 0, time.monotonic() - began, lines


def listed() -> str:
    """The parts, each with the first line of what it says of itself."""
    first = {part: importlib.import_module(f"tests.torture.{part}").__doc__.splitlines()[0] for part in PARTS}
    return "\n".join(f"  {part:15} {line}" for part, line in first.items())


def main() -> None:
    """Run the parts that are named, or all; exit with 1 where one did not hold."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(f"{__doc__}\n{listed()}")
        return
    parts = sys.argv[1:] or list(PARTS)
    for part in parts:
        if part not in PARTS:
            raise UserError(f"there is no torture {part!r}: choose of {', '.join(PARTS)}")
    outcomes = {}
    for part in parts:
        print(f"{part}:", flush=True)
        outcomes[part] = done(part)
    print("\n| part | held | minutes | figures |\n|---|---|---|---|")
    for part, (held, seconds, lines) in outcomes.items():
        print(f"| {part} | {'yes' if held else 'NO'} | {seconds / 60:.1f} | {'; '.join(lines)} |")
    sys.exit(0 if all(held for held, _, _ in outcomes.values()) else 1)


if __name__ == "__main__":
    cli.main(main)
