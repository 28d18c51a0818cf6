"""What ending trials early by their chance to learn (`--foretell`) saves and costs, beside the pruner, in past studies.

    python -m tests.bench.hopeless digits-all memory-all --runs-dir runs

The studies must have trained every trial out (`--sampler random --pruner none --confirm 0`). Each is played again from
its records, trial by trial, as if it had been swept with `--foretell`, with `--pruner percentile`, and with both. It
prints which share of all steps would not have been taken, how many trials would have ended early, and how far the best
of those that are left falls short of the best of all; at last where the best stands among the trials, the likeliest
before training first.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from optuna.trial import FrozenTrial, TrialState

import experiments
from rnnkit.core import cli
from rnnkit.runs import foretelling, read_rows
from sweeps.study import Study, suggestions
from sweeps.study import study as studies


@dataclass(frozen=True)
class Options:
    """What is measured."""

    studies: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Recorded studies, all of whose trials were trained out."""
    runs_dir: Path = Path("runs")
    """Folder that holds them."""


@dataclass(frozen=True)
class Recorded:
    """A trial as it was: its record, and after which evaluation what chance to learn was foretold."""

    trial: FrozenTrial
    steps: int
    asked: int
    chance: float


def recorded(study: Study, runs: Path) -> list[Recorded]:
    """All trials of a study, in the order of their numbers."""
    trials: Sequence[FrozenTrial] = study.all_of((TrialState.COMPLETE,))
    rows_of = [read_rows(runs / trial.user_attrs["run"]) for trial in trials]
    planned = max(map(len, rows_of))  # some ended earlier, for want of patience
    found = []
    for trial, rows in zip(trials, rows_of, strict=True):
        evaluations = foretelling.evaluations(rows)
        step = foretelling.speaks_after(evaluations, planned)
        said = None
        if step is not None:
            said = foretelling.early(rows[:step], planned, study.folder.config(trial.number, trial.params))
        asked = 0 if step is None or said is None else evaluations.index(step) + 1
        found.append(Recorded(trial, len(rows), asked, math.nan if said is None else said.chance))
    return found


def played(study: Study, trials: list[Recorded], foretells: bool, prunes: bool) -> list[float]:
    """Which share of its steps each trial would have taken."""
    shares: list[float] = []
    for number, one in enumerate(trials):
        values = one.trial.intermediate_values
        there = list(zip(trials, shares, strict=False))[: max(number - study.folder.reach + 1, 0)]
        peers = suggestions.peers((other.trial for other, share in there if share == 1), study.folder.objective)
        heard = [
            other.chance
            for other, share in there
            if other.asked and share * len(other.trial.intermediate_values) >= other.asked
        ]
        least = suggestions.LIKELY * max(heard, default=0.0)
        ended = next(
            (
                evaluation
                for evaluation in sorted(values)
                if (prunes and suggestions.is_poor(values, evaluation, peers))
                or (foretells and evaluation == one.asked and one.chance < least)
            ),
            len(values),
        )
        shares.append(ended / len(values))
    return shares


def in_words(study: Study, trials: list[Recorded]) -> str:
    """A study in a few lines."""
    scores = [study.folder.objective.score(one.trial.values[0]) for one in trials]  # the higher, the better
    steps = sum(one.steps for one in trials)
    lines = [f"{study.folder.name}: {len(trials)} trials"]
    for name, foretells, prunes in (("--foretell", True, False), ("pruner", False, True), ("both", True, True)):
        shares = played(study, trials, foretells, prunes)
        taken = sum(share * one.steps for share, one in zip(shares, trials, strict=True))
        left = max(score for score, share in zip(scores, shares, strict=True) if share == 1)
        ended = sum(share < 1 for share in shares)
        lost = f"the best falls short by {max(scores) - left:.4g}"
        lines.append(f"  {name}: {1 - taken / steps:.0%} of the steps saved, {ended} ended early, {lost}")
    run = experiments.load(study.folder.base.experiment).run
    configs = [study.folder.config(one.trial.number, one.trial.params) for one in trials]
    chances = [seen.chance if (seen := run.screened(config).foretold) else 0.0 for config in configs]
    place = sorted(range(len(trials)), key=lambda one: -chances[one]).index(scores.index(max(scores)))
    lines.append(f"  before training, {place} were likelier than the best")
    return "\n".join(lines)


def main() -> None:
    """Play each study."""
    options = cli.parse(Options, "python -m tests.bench.hopeless", sys.argv[1:], __doc__)
    for name in options.studies:
        study = studies.join(options.runs_dir, name, "journal", track="off")
        print(in_words(study, recorded(study, options.runs_dir)), flush=True)


if __name__ == "__main__":
    cli.main(main)
