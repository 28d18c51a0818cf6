"""Let a run that was stopped, killed, or failed (a full disk, say) go on, from where it was last saved.

    python -m experiments.resume digits-s0-412afb46
    python -m experiments.resume runs/digits-s0-412afb46

The same as to repeat the command that began it; but that leaves a run alone that failed, and starts another. What comes
out is the same to the last bit as if nothing had happened.
"""

import sys

from experiments import recorded
from rnnkit.core import cli
from rnnkit.core.errors import UserError
from rnnkit.runs import folders, printing
from rnnkit.runs.manifest import Membership
from rnnkit.runs.result import Result


def main() -> None:
    """Go on, and say what came out."""
    options = cli.parse(recorded.Options, "python -m experiments.resume", sys.argv[1:], __doc__)
    folder = recorded.find(options.run, options.runs_dir)
    if folders.is_live(folder):
        raise UserError(f"{folder.name} is still running")
    result = Result.read(folder)
    if result is not None and result.status not in ("interrupted", "failed"):
        raise UserError(f"{folder.name} has ended ({result.status}): there is nothing left to do")
    manifest = recorded.manifest(folder)
    placement = {"runs_dir": folder.parent, "data_dir": options.data_dir}
    placement |= {"threads": manifest["threads"], "track": manifest["track"]}
    config = recorded.settings(folder, **placement)
    member = Membership.of(manifest)
    with folders.belonging_to(member), folders.in_folder(folder):
        result = recorded.experiment(manifest).run(config)
    printing.print_result(result)
    if result.status == "diverged":
        sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
