"""What makes a net learn that did not: each cure is tried on nets of the bank, one after the other.

    python -m sweeps.flag_study.curing              # what is not done yet; it can be stopped at any time

A cure changes a setting, or the weights before training, and nothing else: the same task, seed and number of steps. A
net that failed is rescued where it learns with it. Of nets that learned the other starts are tried alone, to see what
`--init auto` comes to. Nets come in the order of the bank, so that any part is a fair sample.
"""

import dataclasses
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.core import BaseConfig, Checked, UserError, cells, cli, locks, wording
from sweeps.flag_study import drawn, entries, foretelling
from sweeps.flag_study.drawn import Point
from sweeps.flag_study.entries import Entry
from sweeps.flag_study.foretelling import Interval


def _start(name: str) -> Callable[[BaseConfig], dict[str, Any]]:
    """A way to start the weights, for cells that have it."""
    return lambda config: {"init": name} if name in cells.starts(config.cell) else {}


def _rate(factor: float) -> Callable[[BaseConfig], dict[str, Any]]:
    """Another learning rate, within those of the bank."""

    def changed(config: BaseConfig) -> dict[str, Any]:
        rate = float(f"{config.learning_rate * factor:.3g}")
        return {"learning_rate": rate} if drawn.RATES[0] <= rate <= drawn.RATES[1] else {}

    return changed


# What each cure changes of a net's settings; nothing, where it is none for that net.
STARTS = {f"{name} start": _start(name) for name in ("default", "orthogonal", "identity", "forget-bias", "chrono")}
SETTINGS: dict[str, Callable[[BaseConfig], dict[str, Any]]] = STARTS | {
    "tenfold learning rate": _rate(10),
    "a tenth of the learning rate": _rate(0.1),
    "clipping": lambda config: {"clip": 1.0},
}
FLOSSING = "gradient flossing"
CURES = (*SETTINGS, FLOSSING)


@dataclass(frozen=True)
class Options(Checked):
    """What can be said to it."""

    bank: Path = Path("docs/bank/flags.jsonl")
    """What was seen of the nets without a cure."""
    file: Path = Path("docs/bank/cures.jsonl")
    """Where what was seen of them with each cure is kept."""
    nets: int = 100
    """On how many nets of the bank, in its order; 0 for all."""

    def __post_init__(self):
        self._require_counts("nets", least=0)


def planned(points: Sequence[Point], nets: Iterable[Entry]) -> list[tuple[str, Point]]:
    """Each cure that changes something of a net, and that net with it; of nets that learned the starts alone."""
    found: list[tuple[str, Point]] = []
    for entry in nets:
        point, failed = points[entry.number], not foretelling.learned(entry)
        for cure, settings in (SETTINGS if failed else STARTS).items():
            config = point.config.changed(**settings(point.config))
            if config != point.config:
                found.append((cure, dataclasses.replace(point, config=config)))
        found += [(FLOSSING, point)] * failed
    return found


@dataclass(frozen=True)
class Outcome:
    """What came of a cure: how many nets it was tried on, and which share learned, over tasks with a 95 % interval."""

    tried: int
    rescued: Interval
    of_curable: Interval  # ... among the nets that any cure rescued


def outcomes(cured: Sequence[Entry]) -> dict[str, Outcome]:
    """What came of each cure that was tried on nets that had failed."""
    curable = {entry.number for entry in cured if foretelling.learned(entry)}
    found: dict[str, Outcome] = {}
    for cure in CURES:
        tried = [entry for entry in cured if entry.settings["cure"] == cure]
        if tried:
            shares = [_share(nets) for nets in (tried, [entry for entry in tried if entry.number in curable])]
            found[cure] = Outcome(len(tried), *shares)
    return found


def _share(nets: Sequence[Entry]) -> Interval:
    """Which share of nets learned; tasks are drawn for the interval."""
    tasks = sorted({entry.task for entry in nets})
    learned = [np.array([foretelling.learned(entry) for entry in nets if entry.task == task]) for task in tasks]
    if not tasks:
        return math.nan, math.nan, math.nan
    return foretelling.interval(lambda draw: float(np.concatenate([learned[i] for i in draw]).mean()), len(tasks))


def main() -> None:
    """Try what was not tried yet, and say what came of each cure."""
    options = cli.parse(Options, "python -m sweeps.flag_study.curing", sys.argv[1:], __doc__)
    bank = entries.read(options.bank)
    nets = bank[: options.nets or None]
    if not nets:
        raise UserError(f"no net is in {options.bank} yet: python -m sweeps.flag_study.filling")
    with locks.exclusive(options.file.with_suffix(".lock"), busy="cures are being tried by another process"):
        done = entries.read(options.file)
        known = {(entry.settings["cure"], entry.number) for entry in done}
        from sweeps.flag_study import flossing, watched  # which take torch

        for cure, point in planned(drawn.points(), nets):
            if (cure, point.number) not in known:
                entry = watched.measured(point, prepare=flossing.floss if cure == FLOSSING else None)
                done.append(dataclasses.replace(entry, settings=entry.settings | {"cure": cure}))
                entries.write(options.file, done)
    failed = {entry.number for entry in bank if not foretelling.learned(entry)}
    for cure, outcome in outcomes([entry for entry in done if entry.number in failed]).items():
        share, low, high = outcome.rescued
        print(f"{cure}: {wording.count(outcome.tried, 'net')}, {share:.0%} learned ({low:.0%} to {high:.0%})")


if __name__ == "__main__":
    cli.main(main)
