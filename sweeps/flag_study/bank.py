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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from experiments import memory
from rnnkit.core import UserError, cli, config, determinism, files, locks, writing
from rnnkit.runs import Result, flags, printing, read_rows
from sweeps.flag_study import tables


ROOT = Path(__file__).resolve().parents[2]
NETS: list[dict[str, Any]] = [
    *({"cell": "rnn", "init": init} for init in ("default", "orthogonal", "identity")),
    *({"cell": "gru", "init": init} for init in ("default", "chrono")),
    *({"cell": "lstm", "init": init} for init in ("default", "forget-bias", "chrono")),
]
TASKS: list[dict[str, Any]] = [
    *({"task": "adding", "length": length} for length in (50, 200)),
    *({"task": "copying", "length": length} for length in (20, 100)),
    *({"task": "temporal-order", "length": length} for length in (50, 150)),
]
RATES = (0.001, 0.01)
KNOWN = 0.2  # of the steps: what is known by then is to foretell how the run ends


@dataclass(frozen=True)
class Options:
    """What can be said to the bank."""

    jobs: int = 1
    """Runs side by side, one thread each."""
    runs_dir: Path = Path("runs/bank")
    """Folder that holds the runs."""
    to: Path = ROOT / "docs"
    """Folder of flags.json and flags.md."""

    def __post_init__(self):
        if self.jobs < 1:
            raise UserError(f"--jobs must be at least 1, not {self.jobs}")


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
    return [
        memory.Config(**task, **net, learning_rate=rate, **common)
        for task, net, rate in itertools.product(TASKS, NETS, RATES)
    ]


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
    values = {name: sign(rows[0], known, one.clip) for name, sign in SIGNS.items()}
    return Judged(
        task=one.task,
        length=one.length,
        cell=one.cell,
        init=one.init,
        learning_rate=one.learning_rate,
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


def _raised(name: str) -> Callable:
    def raised(first: dict, known: list[dict], clip: float) -> float:
        return float(any(flag.name == name for flag in flags.judge(known, clip)))

    return raised


# The larger the worse. Each from the first row, the rows that are known, and the clipping threshold.
SIGNS = {
    "before: gradient lost over the span": lambda first, known, clip: _lost(first, "initial_rate"),
    "before: any flag": lambda first, known, clip: float(bool(flags.before_training(first))),
    "before: gradient norm, small": lambda first, known, clip: -first["grad_norm/total"],
    "before: gradient norm of W_hh, small": lambda first, known, clip: -first["grad_norm/encoder.l0.f/hh"],
    "before: gradient norm, large": lambda first, known, clip: first["grad_norm/total"],
    "a fifth: gradient lost over the span": lambda first, known, clip: _lost(
        _last(known, "memory/encoder.l0.f/rate"), "rate"
    ),
    **{f"a fifth: flag {name}": _raised(name) for name in flags.NAMES if name != "diverged"},
    "a fifth: any flag": lambda first, known, clip: float(bool(flags.judge(known, clip))),
    "a fifth: number of flags": lambda first, known, clip: float(len({f.name for f in flags.judge(known, clip)})),
    "a fifth: gradient norm, small": lambda first, known, clip: (
        -statistics.median(row["grad_norm/total"] for row in known)
    ),
    "a fifth: gradient norm, large": lambda first, known, clip: statistics.median(
        row["grad_norm/total"] for row in known
    ),
    "a fifth: validation loss": lambda first, known, clip: _last(known, "metric/loss/valid").get("metric/loss/valid"),
}


def main() -> None:
    """Run the bank, and write what came out."""
    options = cli.parse(Options, "python -m sweeps.flag_study", sys.argv[1:], __doc__)
    with writing(options.runs_dir):
        options.runs_dir.mkdir(parents=True, exist_ok=True)
    bank = settings(options.runs_dir)
    alone = locks.exclusive(options.runs_dir / "bank.lock", busy="the bank is being run by another process")
    with (
        alone,
        ProcessPoolExecutor(options.jobs, get_context("spawn"), initializer=determinism.settle_numerics) as pool,
    ):
        found = []
        for one, folder in zip(bank, pool.map(train, bank), strict=True):
            found.append(judged(one, folder))
            print(f"{folder.name}: {found[-1].status}, {'learned' if found[-1].learned else 'not'}", flush=True)
    with writing(options.to):
        options.to.mkdir(parents=True, exist_ok=True)
        files.write_json(options.to / "flags.json", {"format": 1, "runs": [asdict(run) for run in found]})
        files.write_whole(options.to / "flags.md", tables.page(found).encode())
    print(f"tables: {printing.shown(options.to / 'flags.md')}")
