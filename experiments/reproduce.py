"""Train a run again from its manifest alone, and see whether every bit comes out the same.

    python -m experiments.reproduce digits-s0-412afb46
    make reproduce RUN=digits-s0-412afb46

The replay goes to a folder of its own, runs/reproduced/. Compared are every metric of every step but the speed, the
final metrics, and the weights; on another processor, with `--bits portable`, all but what is seen inside the net. Exits
with 0 where they are identical; else with 1, and says the first step and metric that differ, both values, and what
differs in the surroundings: versions, machine, data, changes to the code.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import experiments
from experiments import recorded
from rnnkit.core import UserError, cli, writing
from rnnkit.runs import Manifest, Result, Status, folders, read_rows, replay
from rnnkit.training import Pruned


@dataclass(frozen=True)
class Options(recorded.Options):
    """Which run."""

    threads: int = 0
    """Threads to compute with; 0 for as many as the run had."""
    to: Path | None = None
    """Folder for the replay; by default reproduced/ beside the run."""

    def __post_init__(self):
        self._require("threads", self.threads >= 0, "0 or more")


def replay_run(folder: Path, options: Options) -> Result:
    """Train the run in `folder` again, and return what came out."""
    result = Result.read(folder)
    unfit = {Status.INTERRUPTED: "was interrupted", Status.FAILED: "has failed"}
    if result is None or result.status in unfit:
        state = unfit[result.status] if result else "has not ended"
        why = "there is nothing to compare with; let it go on with experiments.resume"
        raise UserError(f"{folder.name} {state}: {why}")
    manifest = Manifest.read(folder)
    to = options.to or folder.parent / "reproduced"
    placement = {"runs_dir": to, "data_dir": options.data_dir}
    config = recorded.settings(folder, **placement, threads=options.threads or manifest.threads, track="off")
    evaluations = sum("speed/valid_steps_per_second" in row for row in read_rows(folder))

    with writing(to, "--to"):  # the record may lie where nothing can be written
        to.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=to).close()

    def report(evaluation: int, value: float) -> None:
        if result.status == Status.PRUNED and evaluation == evaluations:
            raise Pruned

    return experiments.load(manifest.experiment).run(config, report)


def main() -> None:
    """Replay, compare, and say how it went."""
    options = cli.parse(Options, "python -m experiments.reproduce", sys.argv[1:], __doc__)
    folder = folders.find(options.run, options.runs_dir)
    comparison = replay.compare(folder, replay_run(folder, options).folder)
    if comparison.difference is None:
        print(f"identical: {folder.name}, {comparison.compared:,} values and the weights")
        if comparison.inside is not None:
            count, alike = comparison.inside
            print(f"  seen inside the net, which no other processor promises: {alike:,} of {count:,} agree in 6 digits")
    else:
        print(f"not identical: {folder.name}; first difference at {comparison.difference} (original and replay)")
    for field, one, other in comparison.surroundings:
        print(f"  {field} differs: {one} and {other}")
    by_hand = recorded.changed(Manifest.read(folder))
    for flag, one, other in by_hand:  # also where it made no difference, as how often one looks may
        print(f"  --{flag} is {one} in its config, {other} in its command: one of them was changed")
    if comparison.difference is not None:
        if not comparison.surroundings and not by_hand:
            print("  nothing differs in versions, machine, data and code: please report it")
        sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
