"""What a study came to, in numbers and sentences: what summary.json holds, as dataclasses."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from rnnkit.core import records, wording
from rnnkit.runs import Comparison, Reference
from sweeps.analysis.front import OnFront
from sweeps.analysis.grid import GridPoint


REVISION = 2  # of the answer; 1 had the comparison of one run, and intervals beyond what a metric can be


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
    """A mean of values, its 95 % interval, and their standard deviation.

    Only the mean where there is one value; no interval where they are too few, or all alike.
    """

    mean: float
    low: float | None
    high: float | None
    spread: float | None
    count: int

    @property
    def interval(self) -> str:
        """The interval in words; nothing where it has none."""
        return wording.interval(self.low, self.high)

    @property
    def lacks(self) -> str:
        """Why there is no interval, in short; nothing where there is one."""
        if self.low is not None and self.high is not None:
            return ""
        few = f"{wording.count(self.count, 'seed')}: too few"
        return few if self.count < 3 else "no number" if self.spread is None else "all seeds alike"


@dataclass(frozen=True)
class Difference:
    """How much better one group of runs is than another: mean difference, its interval, p of the t-test.

    `seeds` is how many both have, where they were compared in pairs, else 0. Interval and p are for all `comparisons`
    that were made at once; they are None where the seeds are too few or all alike. `supported` says whether 0 lies
    outside of the interval, `more` how many seeds more for each would tell them apart, as far as that is known.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    seeds: int
    supported: bool
    comparisons: int = 1
    more: int | None = None

    @property
    def in_words(self) -> str:
        """The difference with its interval and p, or why it has none."""
        if self.low is None or self.high is None or self.p is None:
            return f"{wording.signed(self.difference)}; too few seeds, or too much alike, for an interval"
        ends = f"{wording.signed(self.low)} to {wording.signed(self.high)}"
        return f"{wording.signed(self.difference)}, 95 % interval {ends}, p {self.p:.2g}"


@dataclass(frozen=True)
class Paired(Difference):
    """How much better the settings of one `trial` are than those of an`other`, over the runs on fresh seeds."""

    trial: int = 0
    other: int = 0


@dataclass(frozen=True)
class Against:
    """A baseline beside the mean of several `runs` on the same test examples: `difference` lies in `low`..`high`.

    The interval speaks of other seeds and other examples at once; None where the runs are too few for one.
    """

    baseline: str
    ours: float
    theirs: float
    difference: float
    low: float | None
    high: float | None
    examples: int
    runs: list[str]
    measure: str | None = None  # what is compared, where it is no share of right answers


@dataclass(frozen=True)
class Importance:
    """How much of the spread of values each setting accounts for, by which `method`, over how many finished `trials`.

    Settings that had one value throughout are `not_varied`; those that not all of the trials have are `not_weighed`.
    """

    shares: dict[str, float] = field(default_factory=dict)
    method: str = ""
    trials: int = 0
    not_varied: dict[str, Any] = field(default_factory=dict)
    not_weighed: list[str] = field(default_factory=list)


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
    """The best configuration: `trial` and `run` are its first, `found` is that trial's value.

    `value` is the mean over `runs`, and so are `test`, `scores` (with intervals) and `against`: those on fresh seeds
    where it was run again (`fresh`), else those of all its `trials`. `comparison` and `references` are of `run` alone.
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
    fresh: bool = False
    trials: list[int] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    over: Mean | None = None
    scores: dict[str, Mean] = field(default_factory=dict)
    against: Against | None = None


@dataclass(frozen=True)
class Question:
    """Which study it is, and what its trials are judged by."""

    study: str = ""
    experiment: str = ""
    metric: str = ""
    lower_is_better: bool = False
    seed: int = 0
    sampler: str = ""
    pruner: str = ""
    storage: str = ""


@dataclass(frozen=True)
class Summary(Question):
    """A study in numbers and sentences.

    `minutes` are from the first start to the last end, `cost_minutes` those of all runs together. `confirmations` come
    best first; `others` are the tests between the first and each of the others, `runner_up` is the first of these.
    `points` are those of a grid of one's own, `front` is that of score against size, where it is limited.
    `importances` are the shares of `importance`, `rows` are all trials that have ended. The sentences say what the data
    support and what not, which of the best's settings lie on `borders`, what depends on `timing`, and which results are
    `unread`, since they are damaged.
    """

    trials: Counts = Counts()
    minutes: float = 0.0
    cost_minutes: float = 0.0
    plane: list[GridCell] = field(default_factory=list)
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
    others: list[Paired] = field(default_factory=list)
    importance: Importance = Importance()
    points: list[GridPoint] = field(default_factory=list)
    front: list[OnFront] = field(default_factory=list)
    revision: int = REVISION

    def as_dict(self) -> dict[str, Any]:
        """As summary.json holds it."""
        return {"format": 1} | {_KEYS.get(name, name): value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def told(cls, values: dict[str, Any]) -> "tuple[Summary, list[str]]":
        """What the contents of a summary.json say, as far as it fits, and in words what does not.

        What an earlier version did not write has its default.
        """
        names = {key: name for name, key in _KEYS.items()}
        found, damage = records.read(
            cls, {"revision": 1} | {names.get(key, key): value for key, value in values.items()}
        )
        return found or cls(), damage


# What summary.json calls otherwise.
_KEYS = {"confirmations": "confirmed", "rows": "list"}
