"""Run an experiment by its name: `python -m experiments digits --hidden-size 32`. Without a name, list them."""

import importlib.util
import runpy
import sys

import experiments
from rnnkit.core import UserError, cli


def main() -> None:
    """Hand over to the script that is named: an experiment, or a command on a run."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        print("\n".join(f"  {name}" for name in experiments.names()))
        return
    name = sys.argv[1]
    if not name.isidentifier() or importlib.util.find_spec(f"experiments.{name}") is None:
        raise UserError(experiments.missing(name))
    del sys.argv[1]
    runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    cli.main(main, prints=len(sys.argv) < 2)
