"""Let a run that was stopped, killed, or failed (a full disk, say) go on, from where it was last saved.

    python -m experiments.resume digits-s0-412afb46
    python -m experiments.resume runs/digits-s0-412afb46

The same as to repeat the command that began it; but that leaves a run alone that failed, and starts another. What comes
out is the same to the last bit as if nothing had happened.
"""

import sys

import experiments
from experiments import recorded
from rnnkit.core import UserError, cli
from rnnkit.runs import Manifest, Result, RunContext, Status, folders, is_live, printing


def main() -> None:
    """Go on, and say what came out."""
    options = cli.parse(recorded.Options, "python -m experiments.resume", sys.argv[1:], __doc__)
    folder = folders.find(options.run, options.runs_dir)
    if is_live(folder):
        raise UserError(f"{folder.name} is still running")
    result = Result.read(folder)
    if result is not None and result.status not in (Status.INTERRUPTED, Status.FAILED):
        raise UserError(f"{folder.name} has ended ({result.status}): there is nothing left to do")
    manifest = Manifest.read(folder)
    placement = {"runs_dir": folder.parent, "data_dir": options.data_dir}
    config = recorded.settings(folder, **placement, threads=manifest.threads, track=manifest.track)
    run = experiments.load(manifest.experiment).run
    result = run(config, context=RunContext(member=manifest.member, folder=folder))
    printing.print_result(result)
    if result.status == Status.DIVERGED:
        sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
