"""Sweeps that are to end by a time, of ten experiments unlike each other: how much of it each takes.

    python -m tests.torture.minutes                  # two minutes each: 20 minutes
    python -m tests.torture.minutes --minutes 5

A sweep must end with its answer after 80 to 102 % of the minutes that it was given, or say that nothing was left to
gain. Printed are the share, the trials that were trained out, those on fresh seeds, and why it ended.
"""

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import TrialState

from rnnkit.core import cli
from sweeps.study import study as studies
from tests.helpers import ROOT, no_account
from tests.torture import sweeps


# Trials of two seconds to half a minute: what ends by a time is told by how long the last ones took.
STUDIES = {
    "digits": "digits",
    "digits by rows": "digits -- --view rows --epochs 5",
    "adding": "memory -- --task adding --length 50 --epochs 5",
    "temporal order": "memory -- --task temporal-order --length 50 --epochs 5",
    "copying": "memory -- --task copying --length 20 --epochs 5",
    "Reber": "memory -- --task reber --epochs 5",
    "music": "music -- --data made --epochs 3",
    "tags": "tagging -- --data python --epochs 1",
    "reviews": "sentiment -- --data made --epochs 2",
    "characters": "char_lm -- --epochs 1 --round 50",
}


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    minutes: float = 2.0
    """What each sweep is given."""
    workers: int = 2
    """Processes that train side by side."""
    only: str = ""
    """Comma-separated studies; all by default."""


def swept(options: Options, name: str, runs: Path) -> tuple[bool, str]:
    """Sweep, and say whether the time was kept, and in a line what came out."""
    experiment, *settings = shlex.split(STUDIES[name])
    words = [sys.executable, "-m", "sweeps.run", experiment, "--minutes", str(options.minutes), "--study", "timed"]
    words += ["--trials", "1000", "--workers", str(options.workers), "--track", "off", "--runs-dir", str(runs)]
    runs.mkdir()
    began = time.monotonic()
    with (runs / "said.log").open("w") as said:
        subprocess.run([*words, *settings], cwd=ROOT, env=no_account(), stdout=said, stderr=said, check=True)
    share = (time.monotonic() - began) / (60 * options.minutes)
    study, text = studies.join(runs, "timed", "journal", track="off"), (runs / "said.log").read_text()
    complete = [part.get_trials(states=(TrialState.COMPLETE,)) for part in (study.trials, study.confirmations)]
    gained = "brought nothing better" in text or "that there can be" in text
    counts = f"{len(complete[0])} trials trained out, {len(complete[1])} on fresh seeds"
    reason = ", nothing was left to gain" if gained else ""
    return share <= 1.02 and (gained or share >= 0.8), f"{name}: {share:.1%}, {counts}{reason}"


def main() -> None:
    """Sweep each study, one after the other."""
    options = cli.parse(Options, "python -m tests.torture.minutes", sys.argv[1:], __doc__)
    missed = []
    with sweeps.folders() as place:
        for number, name in enumerate(options.only.split(",") if options.only else STUDIES):
            kept, line = swept(options, name, place / str(number))
            print(line if kept else f"{line}: NOT KEPT", flush=True)
            missed += [] if kept else [name]
    assert not missed, f"not between 80 and 102 %: {', '.join(missed)}"


if __name__ == "__main__":
    cli.main(main)
