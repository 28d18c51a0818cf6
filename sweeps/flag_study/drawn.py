"""The points of the bank: 18 tasks, 36 nets for each, all drawn at random, to be trained for 1,000 steps each.

Each task is drawn the same number of times: cell, start, depth, size, learning rate, clipping and seed at random. They
are in an order in which any part of the bank, from its beginning, is a fair sample of the whole.
"""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnkit.core import BaseConfig, cells


STEPS = 1_000
POINTS = 36  # of each task
MOMENTS = (0, STEPS // 50, STEPS // 20, STEPS // 10, STEPS // 5)  # the steps after which a net is looked into
EVERY = STEPS // 100  # steps from one evaluation to the next
SIZES, DEPTHS, SEEDS, CLIPS = (8, 16, 32, 64), (1, 2, 3), (0, 1, 2), (1.0, 1.0, 0.0)
RATES = (1e-4, 1e-1)  # log-uniform


@dataclass(frozen=True)
class Drawn:
    """A task of the bank: the experiment it is of, its settings, and the family that is held out as a whole."""

    name: str
    family: str
    experiment: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """A run of the bank: its place in the order, its task and its settings."""

    number: int
    task: Drawn
    config: BaseConfig


def _memory(task: str, lengths: tuple[int, ...]) -> list[Drawn]:
    rounds = {"epochs": 10, "round": STEPS // 10}
    settings = [{"task": task, "length": length, **rounds} for length in lengths]
    return [Drawn(f"{task} {one['length']}", task, "memory", one) for one in settings]


# The numbers of epochs give 1,000 steps or a few more. The spans of the generated tasks go from what every cell learns
# in so many steps to what hardly any does.
TASKS = (
    *_memory("adding", (10, 20, 40, 80, 120)),
    *_memory("copying", (1, 10)),
    *_memory("temporal-order", (10, 20, 40, 80, 120)),
    *_memory("reber", (12, 24)),
    Drawn("digits ink", "digits", "digits", {"view": "ink", "epochs": 30, "bidirectional": False}),
    Drawn("digits pixels", "digits", "digits", {"view": "pixels", "epochs": 30, "bidirectional": False}),
    Drawn("music", "music", "music", {"data": "made", "epochs": 250, "key_dropout": 0.0}),
    Drawn("characters", "characters", "char_lm", {"epochs": 10, "round": STEPS // 10, "embedding_size": 32}),
)


def drawn_cells() -> list[str]:
    """The cells of the bank: torch.nn's, and those linear in their state. The others take 10 times as long."""
    facts = {name: cells.facts(name) for name in cells.names()}
    return [name for name, known in facts.items() if known.layer or not known.recurrent]


def points() -> list[Point]:
    """All points of the bank, in the order in which they are run."""
    order, among = [(place, task) for place in range(POINTS) for task in TASKS], drawn_cells()
    return [Point(number, task, _draw(task, place, among)) for number, (place, task) in enumerate(order)]


def _draw(task: Drawn, place: int, among: Sequence[str]) -> BaseConfig:
    """The settings of the net number `place` of a task, of one `among` the cells."""
    generator = np.random.default_rng([TASKS.index(task), place])

    def one_of(values: Sequence[Any]) -> Any:
        return values[int(generator.integers(len(values)))]

    cell = one_of(among)
    net = {"cell": cell, "init": one_of(cells.starts(cell)), "hidden_size": one_of(SIZES), "depth": one_of(DEPTHS)}
    rate = math.exp(generator.uniform(math.log(RATES[0]), math.log(RATES[1])))
    steps = {"learning_rate": float(f"{rate:.3g}"), "clip": one_of(CLIPS), "seed": one_of(SEEDS), "batch_size": 32}
    looks = {"observe": "off", "evaluate_every": EVERY, "save_every": STEPS, "patience": 0, "track": "off"}
    common = {"schedule": "constant", "keep": "best"}
    kind = importlib.import_module(f"experiments.{task.experiment}").Config
    return kind(**net, **steps, **looks, **common, **task.settings)
