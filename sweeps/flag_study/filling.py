"""Fill the bank: 648 small nets of 18 tasks, trained one after the other and looked into on their way.

    python -m sweeps.flag_study.filling             # the runs that are not done yet; it can be stopped at any time

What is done is kept after each run. Any part of the bank from its beginning is a fair sample of all of it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import Checked, cli, locks, writing
from sweeps.flag_study import drawn, entries


@dataclass(frozen=True)
class Options(Checked):
    """What can be said to the bank."""

    file: Path = Path("docs/bank/flags.jsonl")
    """Where what was seen of the runs is kept."""
    runs: int = 0
    """Stop when so many are in the file; 0 for all."""

    def __post_init__(self):
        self._require_counts("runs", least=0)


def main() -> None:
    """Do the runs that are not done yet."""
    options = cli.parse(Options, "python -m sweeps.flag_study.filling", sys.argv[1:], __doc__)
    bank = drawn.points()[: options.runs or None]
    with writing(options.file.parent):
        options.file.parent.mkdir(parents=True, exist_ok=True)
    with locks.exclusive(options.file.with_suffix(".lock"), busy="the bank is being filled by another process"):
        done = entries.read(options.file)
        known = {entry.number for entry in done}
        from sweeps.flag_study import watched  # which takes torch

        for point in bank:
            if point.number not in known:
                done.append(watched.measured(point))
                entries.write(options.file, done)
                told = f"{len(done)} of {len(bank)}: {done[-1].task}, {done[-1].status}, loss {done[-1].loss}"
                print(told, flush=True)


if __name__ == "__main__":
    cli.main(main)
