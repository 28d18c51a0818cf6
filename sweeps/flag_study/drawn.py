"""A larger bank: 648 small runs of 18 tasks, drawn at random, 1,000 steps each.

    python -m sweeps.flag_study.drawn         # the runs that are not done yet; it can be stopped at any time

Each task is drawn the same number of times: cell, start, depth, size, learning rate, clipping and seed at random. The
runs are full records; nothing here judges them yet.
"""

import importlib
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.core import BaseConfig, Checked, cli, config, determinism, locks, writing
from rnnkit.runs import Result


STEPS = 1_000
POINTS = 36  # of each task
# A run is looked into at its evaluations: at 2.5 % of its steps and every 2.5 % after.
EVALUATE_EVERY = STEPS // 40
STARTS = {
    "rnn": ("default", "orthogonal", "identity"),
    "gru": ("default", "orthogonal", "forget-bias", "chrono"),
    "lstm": ("default", "orthogonal", "forget-bias", "chrono"),
}
SIZES, DEPTHS, SEEDS, CLIPS = (8, 16, 32, 64), (1, 2, 3), (0, 1, 2), (1.0, 1.0, 0.0)
RATES = (1e-4, 1e-1)  # log-uniform


@dataclass(frozen=True)
class Drawn:
    """A task of the bank: the experiment it is of, its settings, and the family that is held out as a whole."""

    name: str
    family: str
    experiment: str
    settings: dict[str, Any] = field(default_factory=dict)


def _memory(task: str, lengths: tuple[int, ...]) -> list[Drawn]:
    rounds = {"epochs": 10, "round": STEPS // 10}
    settings = [{"task": task, "length": length, **rounds} for length in lengths]
    return [Drawn(f"{task} {one['length']}", task, "memory", one) for one in settings]


# The numbers of epochs give 1,000 steps or a few more. The spans of the generated tasks go from what every cell learns
# in so many steps to what hardly any does.
TASKS = (
    *_memory("adding", (10, 25, 60, 150)),
    *_memory("copying", (2, 5, 12, 30)),
    *_memory("temporal-order", (10, 25, 60, 150)),
    *_memory("reber", (12, 24)),
    Drawn("digits ink", "digits", "digits", {"view": "ink", "epochs": 30, "bidirectional": False}),
    Drawn("digits pixels", "digits", "digits", {"view": "pixels", "epochs": 30, "bidirectional": False}),
    Drawn("music", "music", "music", {"data": "made", "epochs": 50}),
    Drawn("characters", "characters", "char_lm", {"epochs": 10, "round": STEPS // 10, "embedding_size": 32}),
)


@dataclass(frozen=True)
class Options(Checked):
    """What can be said to the bank."""

    jobs: int = 1
    """Runs side by side, one thread each."""
    runs_dir: Path = Path("runs/drawn")
    """Folder that holds the runs."""

    def __post_init__(self):
        self._require_counts("jobs")


def settings(runs_dir: Path) -> list[tuple[Drawn, BaseConfig]]:
    """All runs of the bank. They are in an order in which any part of them holds the tasks in equal shares."""
    return [(task, _draw(task, place, runs_dir)) for place in range(POINTS) for task in TASKS]


def _draw(task: Drawn, place: int, runs_dir: Path) -> BaseConfig:
    """The settings of the point number `place` of a task."""
    generator = np.random.default_rng([TASKS.index(task), place])

    def one_of(values: tuple[Any, ...]) -> Any:
        return values[int(generator.integers(len(values)))]

    cell = one_of(tuple(STARTS))
    net = {"cell": cell, "init": one_of(STARTS[cell]), "hidden_size": one_of(SIZES), "depth": one_of(DEPTHS)}
    rate = math.exp(generator.uniform(math.log(RATES[0]), math.log(RATES[1])))
    steps = {"learning_rate": float(f"{rate:.3g}"), "clip": one_of(CLIPS), "seed": one_of(SEEDS), "batch_size": 32}
    looks = {"observe": "full", "observe_every": 10, "evaluate_every": EVALUATE_EVERY, "schedule": "constant"}
    common = {"patience": 0, "track": "off", "runs_dir": runs_dir}
    kind = importlib.import_module(f"experiments.{task.experiment}").Config
    return kind(**net, **steps, **looks, **common, **task.settings)


def folder_of(one: BaseConfig) -> Path | None:
    """The folder of a run of the bank that has ended, None where there is none."""
    name = config.run_name(one)
    for path in (one.runs_dir / name, *one.runs_dir.glob(f"{name}-*")):
        result = Result.read(path)
        if result and result.status in ("finished", "diverged"):  # one that was interrupted goes on where it was saved
            return path
    return None


def train(one: BaseConfig) -> Path:
    """Train one net where that is not done yet, and return its folder."""
    return folder_of(one) or importlib.import_module(f"experiments.{one.experiment}").run(one).folder


def main() -> None:
    """Do the runs that are not done yet."""
    options = cli.parse(Options, "python -m sweeps.flag_study.drawn", sys.argv[1:], __doc__)
    with writing(options.runs_dir):
        options.runs_dir.mkdir(parents=True, exist_ok=True)
    bank = [one for _, one in settings(options.runs_dir)]
    alone = locks.exclusive(options.runs_dir / "drawn.lock", busy="the bank is being run by another process")
    workers = ProcessPoolExecutor(options.jobs, get_context("spawn"), initializer=determinism.settle_numerics)
    with alone, workers as pool:
        for number, folder in enumerate(pool.map(train, bank), 1):
            result = Result.of(folder)
            print(f"{number} of {len(bank)}: {folder.name}: {result.status}", flush=True)


if __name__ == "__main__":
    cli.main(main, settle=False)
