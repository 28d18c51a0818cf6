"""Do the flags foretell which nets fail? A bank of small runs, and how well each sign tells those that will not learn.

    python -m sweeps.flag_study                             # the runs that are not done yet, then docs/flags.md

Each run is one of the tasks of `python -m experiments.memory`, by cell, initialisation, length and learning rate. A net
has learned where its test loss is below half of what nets without memory get. The signs are what is known before the
first step, or after a fifth of the steps: the gradient through time, the flags and, to compare with, the norm of the
parameters' gradient, which is what is usually watched.
"""

import itertools
import math
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from experiments import memory
from rnnkit.core import Checked, cells, cli, config, determinism, files, locks, writing
from rnnkit.runs import Result, flags, printing, read_rows
from sweeps.flag_study import tables


ROOT = Path(__file__).resolve().parents[2]
# Ways to start by cell. Gates that keep and write apart, as an LSTM's, have the forget bias too.
INITS = {
    cell: ("default", "orthogonal", "identity")
    if not cells.facts(cell).keeps
    else ("default", *(["forget-bias"] if cells.facts(cell).writes else []), "chrono")
    for cell in cells.standard()
}
LENGTHS = {"adding": (50, 200), "copying": (20, 100), "temporal-order": (50, 150)}
RATES = (0.001, 0.01)
KNOWN = 0.2  # of the steps: what is known by then is to foretell how the run ends


@dataclass(frozen=True)
class Options(Checked):
    """What can be said to the bank."""

    jobs: int = 1
    """Runs side by side, one thread each."""
    runs_dir: Path = Path("runs/bank")
    """Folder that holds the runs."""
    to: Path = ROOT / "docs"
    """Folder of flags.json and flags.md."""

    def __post_init__(self):
        self._require_counts("jobs")


@dataclass(frozen=True)
class Judged:
    """One run: its settings, whether it learned, and the signs that it would not, each the larger the worse it looked.

    A flag's sign is 1 where it was raised. A sign that is not defined for this run is None.
    """

    task: str
    length: int
    cell: str
    init: str
    learning_rate: float
    run: str
    status: str
    loss: float | None
    without_memory: float
    learned: bool
    signs: dict[str, float | None]


def settings(runs_dir: Path) -> list[memory.Config]:
    """All runs of the bank: 1,500 steps each, of 32 units."""
    common: dict[str, Any] = {"epochs": 15, "hidden_size": 32, "observe": "full", "track": "off", "runs_dir": runs_dir}
    tasks = [{"task": task, "length": length} for task, lengths in LENGTHS.items() for length in lengths]
    nets = [{"cell": cell, "init": init} for cell, inits in INITS.items() for init in inits]
    products = itertools.product(tasks, nets, RATES)
    return [memory.Config(**task, **net, learning_rate=rate, **common) for task, net, rate in products]


def train(one: memory.Config) -> Path:
    """Train one net where that is not done yet, and return its folder."""
    name = config.run_name(one)
    done = [path for path in (one.runs_dir / name, *one.runs_dir.glob(f"{name}-*")) if Result.read(path)]
    return done[0] if done else memory.run(one).folder


def judged(one: memory.Config, folder: Path) -> Judged:
    """Whether a run learned, and the signs it gave."""
    result, rows = Result.of(folder), read_rows(folder)
    known = rows[: max(1, round(KNOWN * one.epochs * one.round))]
    loss = result.metrics["metric/loss/test"] if result.status == "finished" else None
    limit = memory.task_of(one).without_memory
    values = signs(rows[0], known, one.clip)
    return Judged(
        **{name: getattr(one, name) for name in ("task", "length", "cell", "init", "learning_rate")},
        run=result.run,
        status=result.status,
        loss=loss,
        without_memory=limit,
        learned=loss is not None and loss < limit / 2,
        signs={name: value if value is None or math.isfinite(value) else None for name, value in values.items()},
    )


def _lost(row: dict, statistic: str) -> float | None:
    """How much of a gradient is lost over the sequences' span, ln of its factor: 9.2 for one part in 10,000."""
    rate = row.get(f"memory/encoder.l0.f/{statistic}")
    return None if rate is None else -max(float(rate) * row.get("memory/span", math.nan), -1e6)


def _last(rows: list[dict], name: str) -> dict:
    """The last row that has a number of this name, or an empty one; the span stands in the first alone."""
    found = next((row for row in reversed(rows) if name in row), {})
    return found | {"memory/span": rows[0]["memory/span"]}


def signs(first: dict, known: list[dict], clip: float) -> dict[str, float | None]:
    """Each sign by its name, the larger the worse: from the first row, the rows that are known, and the threshold."""
    raised = {flag.name for flag in flags.judge(known, clip)}
    norm = statistics.median(row["grad_norm/total"] for row in known)
    return {
        "before: gradient lost over the span": _lost(first, "initial_rate"),
        "before: any flag": float(bool(flags.before_training(first))),
        "before: gradient norm, small": -first["grad_norm/total"],
        "before: gradient norm of W_hh, small": -first["grad_norm/encoder.l0.f/hh"],
        "before: gradient norm, large": first["grad_norm/total"],
        "a fifth: gradient lost over the span": _lost(_last(known, "memory/encoder.l0.f/rate"), "rate"),
        **{f"a fifth: flag {name}": float(name in raised) for name in flags.NAMES if name != "diverged"},
        "a fifth: any flag": float(bool(raised)),
        "a fifth: number of flags": float(len(raised)),
        "a fifth: gradient norm, small": -norm,
        "a fifth: gradient norm, large": norm,
        "a fifth: validation loss": _last(known, "metric/loss/valid").get("metric/loss/valid"),
    }


def main() -> None:
    """Run the bank, and write what came out."""
    options = cli.parse(Options, "python -m sweeps.flag_study", sys.argv[1:], __doc__)
    with writing(options.runs_dir):
        options.runs_dir.mkdir(parents=True, exist_ok=True)
    bank = settings(options.runs_dir)
    alone = locks.exclusive(options.runs_dir / "bank.lock", busy="the bank is being run by another process")
    workers = ProcessPoolExecutor(options.jobs, get_context("spawn"), initializer=determinism.settle_numerics)
    with alone, workers as pool:
        found = []
        for one, folder in zip(bank, pool.map(train, bank), strict=True):
            found.append(judged(one, folder))
            print(f"{folder.name}: {found[-1].status}, {'learned' if found[-1].learned else 'not'}", flush=True)
    with writing(options.to):
        options.to.mkdir(parents=True, exist_ok=True)
        files.write_json(options.to / "flags.json", {"format": 1, "runs": [asdict(run) for run in found]})
        files.write_whole(options.to / "flags.md", tables.page(found).encode())
    print(f"tables: {printing.shown(options.to / 'flags.md')}")
