"""What ending poor trials early saves and costs: a percentile beside an extrapolation, on recorded studies.

    python -m tests.bench.pruning digits-all memory-all --runs-dir runs

The studies must have trained every trial out (`--sampler random --pruner none`). Each is played again in many random
orders under either rule: evaluations taken, how far the best that is trained out falls short of the best of all, and
which share of the best three is trained out.
"""

import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from optuna.trial import TrialState

from rnnkit.core import cli
from rnnkit.training import Objective
from sweeps.study import study as studies
from tests.bench import extrapolation


@dataclass(frozen=True)
class Options:
    """What is measured."""

    studies: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Recorded studies, all of whose trials were trained out."""
    runs_dir: Path = Path("runs")
    """Folder that holds them."""
    orders: int = 200
    """In so many random orders."""
    lag: int = 4
    """A trial is compared with those up to so many before it."""


def percentile(curve: extrapolation.Curve, finished: Sequence[extrapolation.Curve], objective: Objective) -> bool:
    """Whether the best so far is among the worst third of the finished ones' at as many evaluations.

    As `suggestions.PRUNER` has it, on plain curves.
    """
    if len(finished) < 8 or len(curve) < 4:
        return False
    at = [max(map(objective.score, one[: len(curve)])) for one in finished if len(one) >= len(curve)]
    if not at:
        return False
    worse = sum(max(map(objective.score, curve)) > one for one in at)
    return worse < len(at) / 3


def nothing(curve: extrapolation.Curve, finished: Sequence[extrapolation.Curve], objective: Objective) -> bool:
    """End no trial."""
    return False


RULES = {"none": nothing, "percentile": percentile, "extrapolation": extrapolation.is_poor}


def played(
    curves: list[list[float]], rule: extrapolation.Rule, objective: Objective, options: Options
) -> tuple[float, ...]:
    """The share of evaluations, the mean shortfall of the best, the worst, and the share of the best three."""
    chance, whole = random.Random(0), sum(map(len, curves))
    shares, short, kept = [], [], []
    for _ in range(options.orders):
        mixed = chance.sample(curves, len(curves))
        taken, finished = extrapolation.epochs(mixed, rule, objective, options.lag)
        ends = [max(map(objective.score, one)) for one in mixed]
        best = sorted(range(len(ends)), key=lambda one: -ends[one])[:3]
        shares.append(taken / whole)
        short.append(max(ends) - max(ends[one] for one in finished))
        kept.append(sum(one in finished for one in best) / 3)
    return statistics.fmean(shares), statistics.fmean(short), max(short), statistics.fmean(kept)


def main() -> None:
    """Play each study under each rule."""
    options = cli.parse(Options, "python -m tests.bench.pruning", sys.argv[1:], __doc__)
    print(f"{'study':20} {'rule':14} {'evaluations':>11} {'best short by':>14} {'at most':>9} {'of the best 3':>14}")
    for name in options.studies:
        study = studies.join(options.runs_dir, name, "journal", track="off")
        complete = study.trials.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        curves = [[trial.intermediate_values[at] for at in sorted(trial.intermediate_values)] for trial in complete]
        for rule, ends in RULES.items():
            share, short, most, kept = played(curves, ends, study.folder.objective, options)
            figures = f"{share:11.1%} {short:14.4f} {most:9.4f} {kept:14.1%}"
            print(f"{name + f' ({len(curves)})':20} {rule:14} {figures}", flush=True)


if __name__ == "__main__":
    cli.main(main)
