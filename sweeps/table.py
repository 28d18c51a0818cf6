"""Print a table for a paper: groups of runs down, scores across, bold only where the test supports it.

python -m sweeps.table digits-s0                         # what was run again on fresh seeds in a study
python -m sweeps.table digits-s0 --by cell,depth --format latex
python -m sweeps.table digits-s0 digits-s1 --metrics accuracy
"""

import shlex
import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from rnnkit.core import RunsOptions, UserError, cli, wording
from sweeps.analysis import comparing, tables
from sweeps.reading import RunIndex, configurations, groups


@dataclass(frozen=True)
class Options(RunsOptions):
    """What the table holds, and how it is written."""

    names: Annotated[list[str], tyro.conf.Positional] = field(default_factory=list)
    """Studies, runs, or patterns of runs' names; with a colon and settings, only runs that have these."""
    by: str = ""
    """Settings to group by, as in cell,depth: of each group, the best configuration on the validation part."""
    metrics: str = ""
    """Scores, as in accuracy,macro_f1 (on the test part); by default all test scores that all runs have."""
    format: Literal["markdown", "latex", "csv"] = "markdown"
    """How the table is written."""


def main() -> None:
    """Print the table that the command line asks for."""
    options = cli.parse(Options, "python -m sweeps.table", sys.argv[1:], __doc__)
    if not options.names:
        raise UserError("name a study or runs for the table, as in: python -m sweeps.table digits-s0")
    index = RunIndex(options.runs_dir)
    found = groups.groups(index, options.names, groups.names(options.by))
    known = comparing.shared(found)
    asked = [groups.metric_of(name) for name in groups.names(options.metrics)]
    asked = asked or [name for name in known if name.endswith("/test")]
    if lacking := [name for name in asked if name not in known] or not asked:
        what = wording.metric(lacking[0]) if isinstance(lacking, list) else "test score in common"
        choose = f"choose with --metrics among {', '.join(known)}" if known else "they have no score in common"
        raise UserError(f"not all of these runs have a {what}: {choose}")
    first = index.run(found[0].runs[0])
    columns = [(name, configurations.lower_is_better(index, name, first)) for name in asked]
    made = tables.table(found, columns, shlex.join(["python", "-m", "sweeps.table", *sys.argv[1:]]))
    for line in groups.warnings(index, found):
        print(line, file=sys.stderr)
    write = {"markdown": tables.markdown, "latex": tables.latex, "csv": tables.as_csv}[options.format]
    print("\n".join(write(made)))


if __name__ == "__main__":
    cli.main(main, settle=False, prints=True)
