"""Trials that have ended, wherever they were read, and the configurations that they tried, ranked."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rnnkit.runs import Comparison, Reference
from sweeps import ranking
from sweeps.analysis.facts import TrialRow


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Ended:
    """A trial that has ended, or a run of its settings on a fresh seed: then `repeat` says on which, from 0.

    `trial` is the number of the trial whose settings these are, `state` Optuna's: complete, pruned or fail.
    """

    trial: int
    state: str
    value: float | None
    settings: dict[str, Any]
    run: str | None = None
    reason: str | None = None
    repeat: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    seconds: float | None = None
    parameters: int | None = None
    resumed_after: list[int] = field(default_factory=list)
    test: dict[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None
    references: list[Reference] | None = None

    def row(self) -> TrialRow:
        """The trial as a row of the page's last table."""
        told = self.trial, self.state, self.value, self.reason, self.settings, self.run, self.parameters
        return TrialRow(*told, self.seconds, self.resumed_after)


def of_trial(trial: "FrozenTrial") -> Ended:
    """A trial as the storage has it; what an earlier version did not write is not there."""
    attributes = trial.user_attrs
    result, references = attributes.get("result", {}), attributes.get("result", {}).get("references")
    return Ended(
        trial=attributes.get("confirms", trial.number),
        state=trial.state.name.lower(),
        value=trial.value,
        settings=trial.params,
        run=attributes.get("run"),
        reason=attributes.get("reason"),
        repeat=attributes.get("repeat"),
        start=trial.datetime_start,
        end=trial.datetime_complete,
        seconds=result.get("seconds"),
        parameters=result.get("parameters"),
        resumed_after=result.get("resumed_after", []),
        test=result.get("test", {}),
        comparison=Comparison(**result["comparison"]) if result.get("comparison") else None,
        references=references and [Reference(**reference) for reference in references],
    )


def complete(trials: Iterable[Ended]) -> list[Ended]:
    """Those that finished, with a value that can be compared."""
    return [t for t in trials if t.state == "complete" and t.value is not None and math.isfinite(t.value)]


def configurations(trials: Iterable[Ended], score: Callable[[float], float]) -> list[list[Ended]]:
    """The trials that finished, those with the same settings together: the best mean first, the first of equal ones."""
    return ranking.best_first(
        sorted(complete(trials), key=lambda one: one.trial),
        lambda trial: ranking.key(trial.settings),
        lambda trial: trial.value,
        score,
    )


def again(trials: Iterable[Ended], best: Iterable[int], seeds: int) -> dict[int, list[Ended]]:
    """The runs on the first `seeds` fresh seeds that finished, by the trial whose settings they have: of the `best`.

    What a smaller study ran again, or one that was told to run more, may be far from the best by now.
    """
    wanted = set(best)
    by_trial: dict[int, list[Ended]] = {}
    for trial in complete(trials):
        if trial.trial in wanted and trial.repeat is not None and trial.repeat < seeds:
            by_trial.setdefault(trial.trial, []).append(trial)
    return by_trial


@dataclass(frozen=True)
class Lost:
    """Runs of a trial's settings that came to no value, by how they ended; `finished` others did."""

    trial: int
    ends: dict[str, int]
    finished: int
    fresh: bool


def lost(trials: Iterable[Ended], best: Iterable[int], seeds: int) -> list[Lost]:
    """What of the runs of the `best` trials' settings on the first `seeds` fresh seeds came to no value."""
    asked = [trial for trial in trials if trial.repeat is not None and trial.repeat < seeds]
    return _lost(((number, [t for t in asked if t.trial == number]) for number in best), fresh=True)


def lost_beside(trials: Sequence[Ended], groups: Iterable[list[Ended]]) -> list[Lost]:
    """What of the trials with the settings of such groups came to no value; nothing of those that were pruned."""
    alike = ((g[0].trial, [t for t in trials if t.settings == g[0].settings and t.state != "pruned"]) for g in groups)
    return _lost(alike, fresh=False)


def _lost(runs: Iterable[tuple[int, list[Ended]]], fresh: bool) -> list[Lost]:
    found = []
    for number, several in runs:
        good = len(complete(several))
        if good < len(several):
            ends = Counter((t.reason or t.state).partition(":")[0] for t in several if t not in complete([t]))
            found.append(Lost(number, dict(ends), good, fresh))
    return found


def by_seed(trials: Iterable[Ended]) -> dict[int, float]:
    """The values of runs on fresh seeds, by the number of the seed."""
    return {trial.repeat: trial.value for trial in trials if trial.repeat is not None and trial.value is not None}


def in_order(runs: dict[int, list[Ended]], score: Callable[[float], float]) -> list[tuple[int, list[Ended]]]:
    """What was run again, best first, by the mean on the fresh seeds that all of it finished on."""
    values = {number: by_seed(several) for number, several in runs.items()}
    common = set.intersection(*(set(by_one) for by_one in values.values())) if values else set()

    def mean(number: int) -> float:
        shared = [value for seed, value in values[number].items() if seed in common]
        return score(statistics.fmean(shared or list(values[number].values())))

    return sorted(runs.items(), key=lambda item: (-mean(item[0]), item[0]))
