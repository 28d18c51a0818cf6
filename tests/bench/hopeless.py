"""What ending hopeless trials early saves and costs (`--foretell`), on recorded studies.

    python -m tests.bench.hopeless digits-all memory-all --runs-dir runs

The studies must have trained every trial out (`--sampler random --pruner none`). Each trial is played again from its
record: at the first evaluation after a fifth of its steps it is asked whether it is hopeless, as `--foretell` asks.
Printed are which share of all steps would not have been taken, how many trials would have ended early, how far the best
of those that are left falls short of the best of all, and where the best of all stands among the trials, the likeliest
before training first.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from optuna.trial import FrozenTrial, TrialState

import experiments
from rnnkit.core import BaseConfig, cli
from rnnkit.runs import foretelling, read_rows
from sweeps.study import Study
from sweeps.study import study as studies


@dataclass(frozen=True)
class Options:
    """What is measured."""

    studies: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Recorded studies, all of whose trials were trained out."""
    runs_dir: Path = Path("runs")
    """Folder that holds them."""


def ended_after(folder: Path, config: BaseConfig) -> float | None:
    """After which share of its steps a run would have been called hopeless; None where it would not."""
    rows = read_rows(folder)
    step = foretelling.speaks_after(foretelling.evaluations(rows), len(rows))
    said = None if step is None else foretelling.early(rows[:step], len(rows), config)
    return None if step is None or said is None or not said.hopeless else step / len(rows)


def played(study: Study, runs: Path) -> str:
    """A study in a line."""
    folder = study.folder
    trials: Sequence[FrozenTrial] = study.all_of((TrialState.COMPLETE,))
    configs = [folder.config(trial.number, trial.params) for trial in trials]
    ends = [ended_after(runs / trial.user_attrs["run"], config) for trial, config in zip(trials, configs, strict=True)]
    steps = [trial.user_attrs["result"]["steps"] for trial in trials]
    saved = sum(step * (1 - end) for step, end in zip(steps, ends, strict=True) if end is not None) / sum(steps)
    scores = [folder.objective.score(trial.values[0]) for trial in trials]  # the higher, the better
    left = [score for score, end in zip(scores, ends, strict=True) if end is None]
    lost = f"the best falls short by {max(scores) - max(left):.4g}" if left else "none is left"
    run = experiments.load(folder.base.experiment).run
    chances = [seen.chance if (seen := run.screened(config).foretold) else 0.0 for config in configs]
    place = sorted(range(len(trials)), key=lambda one: -chances[one]).index(scores.index(max(scores)))
    return (
        f"{folder.name}: {len(trials)} trials, {saved:.0%} of the steps saved, {len(trials) - len(left)} ended early, "
        f"{lost}; before training the best was likeliest but for {place}"
    )


def main() -> None:
    """Play each study."""
    options = cli.parse(Options, "python -m tests.bench.hopeless", sys.argv[1:], __doc__)
    for name in options.studies:
        print(played(studies.join(options.runs_dir, name, "journal", track="off"), options.runs_dir), flush=True)


if __name__ == "__main__":
    cli.main(main)
