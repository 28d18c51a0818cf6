"""What a study came to, in numbers and sentences: what summary.json holds, as dataclasses."""

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnnkit.core import decoration, wording
from rnnkit.runs import Comparison, Reference


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST = 8  # finished trials, for importances


@dataclass(frozen=True)
class Counts:
    """How many trials have `ended`, `finished`, were `pruned` or `failed`, and how many ran `again` on fresh seeds."""

    ended: int
    finished: int
    pruned: int
    failed: int
    again: int


@dataclass(frozen=True)
class Mean:
    """A mean of values, its 95 % interval, and their standard deviation; only the mean where there is one value."""

    mean: float
    low: float | None
    high: float | None
    spread: float | None
    count: int

    @property
    def interval(self) -> str:
        """The interval in words; nothing where it has none."""
        return wording.interval(self.low, self.high)


@dataclass(frozen=True)
class Paired:
    """How much better one configuration is than another, seed by seed: mean difference, its interval, p of the t-test.

    `supported` says whether 0 lies outside of the interval.
    """

    trial: int
    other: int
    difference: float
    low: float
    high: float
    p: float
    seeds: int
    supported: bool


@dataclass(frozen=True)
class TrialRow:
    """A trial that has ended. `state` is Optuna's: complete, pruned or fail; a pruned one's `value` is its last."""

    trial: int
    state: str
    value: float | None
    reason: str | None
    settings: dict
    run: str | None
    parameters: int | None
    seconds: float | None
    resumed_after: list[int]


@dataclass(frozen=True)
class GridCell:
    """A cell of the plane hidden size x depth: the `values` of its finished `trials`, their mean, and its parameters.

    `value` is the mean, None where no trial finished; `spread` is the standard deviation, None where there are not two.
    """

    hidden_size: int
    depth: int
    value: float | None
    spread: float | None
    values: list[float]
    trials: list[int]
    parameters: int | None

    @property
    def name(self) -> str:
        """In short: `64 x 2`."""
        return f"{self.hidden_size} x {self.depth}"


@dataclass(frozen=True)
class Confirmation(Mean):
    """A configuration that was run again on fresh seeds, and the mean over these.

    `found` is the value of its trial, `values` are those by seed; `test` has the mean of each score on the test part.
    """

    trial: int
    settings: dict
    parameters: int | None
    found: float
    values: dict[str, float]
    test: dict[str, Mean]
    runs: list[str]


@dataclass(frozen=True)
class Best:
    """The best configuration: `value` is the mean on fresh seeds where it was run again, `found` that of its trial.

    `test` maps scores on the test part to values; `comparison` and `references` are those of its run's result.
    """

    trial: int
    value: float
    found: float
    settings: dict
    run: str
    command: str
    parameters: int | None
    test: dict[str, float]
    comparison: Comparison | None
    references: list[Reference] | None


@dataclass(frozen=True)
class Summary:
    """A study in numbers and sentences.

    `minutes` are from the first start to the last end, `cost_minutes` those of all runs together. `confirmations` come
    best first, `runner_up` is the test between the first two, `rows` are all trials that have ended. The sentences say
    what the data support and what not, which of the best's settings lie on `borders`, what depends on `timing`, and
    which results are `unread`, since they are damaged.
    """

    study: str
    experiment: str
    metric: str
    lower_is_better: bool
    seed: int
    sampler: str
    pruner: str
    storage: str
    trials: Counts
    minutes: float
    cost_minutes: float
    plane: list[GridCell]
    best: Best | None
    confirmations: list[Confirmation]
    runner_up: Paired | None
    importances: dict[str, float]
    supported: list[str]
    not_supported: list[str]
    borders: list[str]
    timing: str
    unread: list[str]
    rows: list[TrialRow]

    def as_dict(self) -> dict:
        """As summary.json holds it."""
        keys = {"confirmations": "confirmed", "rows": "list"}
        return {"format": 1} | {keys.get(name, name): value for name, value in dataclasses.asdict(self).items()}


def grid_cells(plane: Iterable[dict], rows: Iterable[TrialRow]) -> list[GridCell]:
    """A cell for each point of the plane, from the finished trials that have its settings."""
    finished = [(row, row.value) for row in rows if row.state == "complete" and row.value is not None]
    cells = []
    for point in plane:
        there = [(row, value) for row, value in finished if _stands_at(point, row.settings) and math.isfinite(value)]
        values, trials = [value for _, value in there], [row.trial for row, _ in there]
        mean = statistics.fmean(values) if values else None
        spread = statistics.stdev(values) if len(values) > 1 else None
        parameters = next((row.parameters for row, _ in there if row.parameters is not None), None)
        cells.append(GridCell(point["hidden_size"], point["depth"], mean, spread, values, trials, parameters))
    return cells


def _stands_at(point: dict, settings: dict) -> bool:
    """Whether a trial has the settings of a point of the plane; what it does not say, it has by default."""
    has = {"hidden_size": None, "depth": None} | settings
    return all(has.get(name, value) == value for name, value in {"dropout": 0.0, **point}.items())


def read_confirmation(row: object) -> Confirmation | None:
    """A row of summary.json's `confirmed`; None for what is none. What an earlier version did not write is empty."""
    wanted = {"trial": int, "mean": (int, float), "found": (int, float), "count": int, "settings": dict}
    if not isinstance(row, dict) or not all(isinstance(row.get(key), kind) for key, kind in wanted.items()):
        return None
    found: dict[str, Any] = {key: row[key] for key in wanted}
    for key in ("low", "high", "spread"):
        found[key] = row.get(key) if isinstance(row.get(key), (int, float)) else None
    found["values"] = row["values"] if isinstance(row.get("values"), dict) else {}
    found["runs"] = row["runs"] if isinstance(row.get("runs"), list) else []
    return Confirmation(**found, parameters=row.get("parameters"), test={})


def importances(trials: "Sequence[FrozenTrial]") -> dict[str, float]:
    """The share of each setting, largest first; empty where too few trials have finished, or nothing varies.

    fANOVA (Hutter, Hoos & Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, 2014), over
    finished trials, for the settings that all of them have.
    """
    import optuna  # a second, which whoever shows runs alone need not wait for

    finished = [t for t in trials if t.state.name == "COMPLETE" and t.value is not None and math.isfinite(t.value)]
    if len(finished) < LEAST or len({t.value for t in finished}) == 1:
        return {}
    shares: dict[str, float] = {}
    with decoration("what the value varied with is left out"):
        alone = optuna.create_study()  # which direction is better plays no role
        alone.add_trials(finished)
        measure = optuna.importance.FanovaImportanceEvaluator(seed=0)
        with contextlib.suppress(RuntimeError):  # no tree sees any variance
            shares = optuna.importance.get_param_importances(alone, evaluator=measure)
    return {name: float(share) for name, share in shares.items()}
