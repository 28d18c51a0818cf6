"""List studies and runs in the terminal, the latest first.

python -m sweeps.runs
python -m sweeps.runs --state running --runs-dir elsewhere/runs
python -m sweeps.runs --study digits-s0 --last 0
python -m sweeps.runs --json
python -m sweeps.runs --file runs.parquet                # or runs.csv: every setting and score of each run
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnkit.core import RunsOptions, UserError, cli, wording
from rnnkit.runs import printing
from sweeps.reading import Card, RunIndex, State, describe, exporting, plain


@dataclass(frozen=True)
class Options(RunsOptions):
    """Which runs are listed."""

    last: int = 40
    """How many runs, the latest; 0 for all."""
    state: Literal["all", State] = "all"
    """Only runs of this state."""
    study: str | None = None
    """Only runs of this study."""
    json: bool = False
    """The same as JSON, with every setting."""
    file: Path | None = None
    """Write a line for each run, with every setting and final score, to this file: .csv or .parquet."""

    def __post_init__(self) -> None:
        self._require("last", self.last >= 0, "0 or more")
        self._require(
            "file", self.file is None or self.file.suffix in exporting.KINDS, "a name that ends with .csv or .parquet"
        )


def table(header: tuple[str, ...], rows: list[tuple[str, ...]], right: tuple[str, ...] = ()) -> list[str]:
    """Rows of text as lines, each column as wide as its widest; those named in `right` are set to the right."""
    rows = [header, *(tuple(map(wording.printable, row)) for row in rows)]
    columns = []
    for name, *cells in zip(*rows, strict=True):
        width = max(map(len, [name, *cells]))
        columns.append([cell.rjust(width) if name in right else cell.ljust(width) for cell in [name, *cells]])
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def of_studies(index: RunIndex, cards: list[Card]) -> list[str]:
    """A line for each study."""
    rows = []
    for name in index.studies():
        line = describe.study_line(index, name, cards)
        counts = ", ".join(f"{count} {state}" for state, count in line.counts.items())
        of = f", {line.of}" if line.of else ""
        best = f"{wording.in_brackets(line.metric)} {wording.number(line.value)}{of}" if line.best else ""
        run = line.best.name if line.best else ""
        rows.append((name, line.experiment, counts or "no runs", best, run, wording.age(line.started)))
    return table(("study", "experiment", "runs", "best", "settings of", "age"), rows) if rows else []


def of_runs(cards: list[Card]) -> list[str]:
    """A line for each run."""
    rows = []
    for card in cards:
        values = wording.number(card.value), wording.number(card.test), str(card.step or "")
        seed = "" if card.seed is None else str(card.seed)
        times = wording.age(card.started), wording.seconds(card.seconds)
        flags = card.trouble or ", ".join(card.flag_names)
        metric = wording.without_split(card.metric)
        rows.append((card.name, card.state, metric, *values, seed, *times, card.study or "", flags))
    numbers = ("validation", "test", "steps", "seed", "age", "took")
    return table(("run", "state", "metric", *numbers, "study", "flags"), rows, numbers)


def main() -> None:
    """Print both lists."""
    options = cli.parse(Options, "python -m sweeps.runs", sys.argv[1:], __doc__)
    index = RunIndex(options.runs_dir)
    cards = index.runs()
    if options.study is not None and options.study not in index.studies():
        raise UserError(f"there is no study {options.study} in {options.runs_dir}")
    chosen = [card for card in cards if options.state in ("all", card.state) and options.study in (None, card.study)]
    if options.file:
        exporting.write(index, chosen, options.file)
        print(f"{wording.count(len(chosen), 'run')}, in {printing.shown(options.file)}")
        return
    some = chosen[: options.last] if options.last else chosen
    if options.json:
        studies = [describe.study_line(index, name, cards) for name in index.studies()]
        print(plain.as_json({"format": 1, "studies": studies, "runs": some, "more": len(chosen) - len(some)}))
        return
    if options.study is None and options.state == "all":
        lines = of_studies(index, cards)
        print("\n".join([*lines, ""]) if lines else "no studies: make sweep makes one")
    print("\n".join(of_runs(some)) if some else "no runs")
    if len(some) < len(chosen):
        print(f"... and {len(chosen) - len(some)} more: --last 0 lists all")


if __name__ == "__main__":
    cli.main(main, settle=False, prints=True)
