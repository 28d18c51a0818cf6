"""What a study came to, in numbers and sentences: what summary.json holds, as dataclasses."""

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rnnkit.core import decoration, records, wording
from rnnkit.runs import Comparison, Reference
from sweeps.analysis.front import OnFront
from sweeps.analysis.grid import GridPoint


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST = 8  # finished trials, for importances


@dataclass(frozen=True)
class Counts:
    """How many trials have `ended`, `finished`, were `pruned` or `failed`, and how many ran `again` on fresh seeds."""

    ended: int = 0
    finished: int = 0
    pruned: int = 0
    failed: int = 0
    again: int = 0


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
    settings: dict[str, Any]
    run: str | None
    parameters: int | None
    seconds: float | None = None
    resumed_after: list[int] = field(default_factory=list)


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
    settings: dict[str, Any]
    found: float
    parameters: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    test: dict[str, Mean] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Best:
    """The best configuration: `value` is the mean on fresh seeds where it was run again, `found` that of its trial.

    `test` maps scores on the test part to values; `comparison` and `references` are those of its run's result.
    """

    trial: int
    value: float
    found: float
    settings: dict[str, Any]
    run: str = ""
    command: str = ""
    parameters: int | None = None
    test: dict[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None
    references: list[Reference] | None = None


@dataclass(frozen=True)
class Summary:
    """A study in numbers and sentences.

    `minutes` are from the first start to the last end, `cost_minutes` those of all runs together. `points` are those of
    a grid of one's own, `front` is that of score against size. `confirmations` come best first, `runner_up` is the test
    between the first two, `rows` are all trials that have ended. The sentences say what the data support and what not,
    which of the best's settings lie on `borders`, what depends on `timing`, and which results are `unread`, since they
    are damaged.
    """

    study: str = ""
    experiment: str = ""
    metric: str = ""
    lower_is_better: bool = False
    seed: int = 0
    sampler: str = ""
    pruner: str = ""
    storage: str = ""
    trials: Counts = Counts()
    minutes: float = 0.0
    cost_minutes: float = 0.0
    plane: list[GridCell] = field(default_factory=list)
    points: list[GridPoint] = field(default_factory=list)
    front: list[OnFront] = field(default_factory=list)
    best: Best | None = None
    confirmations: list[Confirmation] = field(default_factory=list)
    runner_up: Paired | None = None
    importances: dict[str, float] = field(default_factory=dict)
    supported: list[str] = field(default_factory=list)
    not_supported: list[str] = field(default_factory=list)
    borders: list[str] = field(default_factory=list)
    timing: str = ""
    unread: list[str] = field(default_factory=list)
    rows: list[TrialRow] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As summary.json holds it."""
        return {"format": 1} | {_KEYS.get(name, name): value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def told(cls, values: dict[str, Any]) -> "tuple[Summary, list[str]]":
        """What the contents of a summary.json say, as far as it fits, and in words what does not.

        What an earlier version did not write has its default.
        """
        names = {key: name for name, key in _KEYS.items()}
        found, damage = records.read(cls, {names.get(key, key): value for key, value in values.items()})
        return found or cls(), damage


# What summary.json calls otherwise.
_KEYS = {"confirmations": "confirmed", "rows": "list"}


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
