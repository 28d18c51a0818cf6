"""Simulates studies, and prints how often what is said of them is wrong."""

import sys
from dataclasses import dataclass

from rnnkit.core import cli
from tests.torture import answers
from tests.torture.answers import simulated


@dataclass(frozen=True)
class Options:
    """How many studies."""

    studies: int = 1_000
    """How many studies are simulated."""
    seed: int = 0
    """What they are drawn from."""


def main() -> None:
    """Print a line for each figure; exit with 1 where one is not as it must be."""
    options = cli.parse(Options, "python -m tests.torture.answers", sys.argv[1:], answers.__doc__)
    tally, held = simulated.simulated(options.studies, options.seed), True
    for what, seen in tally.seen.items():
        share = tally.share(what)
        least, most = (0.92, 0.98) if " cover" in what else (0.0, 0.05) if what in simulated.WRONG else (0.0, 1.0)
        held &= least <= share <= most
        print(f"{what}: {share:.1%} of {seen}{'' if least <= share <= most else ' NOT AS IT MUST BE'}")
    sys.exit(not held)


if __name__ == "__main__":
    cli.main(main, settle=False, prints=True)
