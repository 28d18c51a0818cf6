"""A sweep that is to end by a time: how long it searches, what is run again, and when nothing is left to gain.

Points are planned one by one, as long as the next can be expected to end in time; enough of it is kept back to run the
best again on fresh seeds, and for the answer. What is still running when its time is up is put by, and the study ends
with the points before: it is that of `--trials` with as many.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from rnnkit import evaluation
from rnnkit.core import wording
from sweeps.study import points, suggestions
from sweeps.study.study import Study


ANSWER = 6.0  # seconds that are kept for the answer: figures, tables, importances
TO_TRACKER = 8.0  # and for carrying it to Weights & Biases
START = 2.0  # seconds that a worker takes to start
IN_VAIN = 24  # points that TPE chose, one after the other, that brought nothing better: no further one is tried


@dataclass(frozen=True)
class Budget:
    """When a sweep is to have ended, by the monotonic clock, and what it is to do by then.

    `most` is the number of trials beyond which there are none. `answer` are the seconds that the answer takes, `again`
    the number of configurations that are run again, and on how many seeds.
    """

    until: float
    workers: int
    most: int
    again: tuple[int, int]
    answer: float = ANSWER

    @property
    def left(self) -> float:
        """Seconds until the answer must be begun."""
        return self.until - self.answer - time.monotonic()


def seconds(trials: list[FrozenTrial]) -> list[float]:
    """How long trials that were trained out took, the longest last."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    spans = [trial.duration for trial in complete]
    return sorted(span.total_seconds() for span in spans if span is not None)


def expected(trials: list[FrozenTrial]) -> float:
    """How long a next trial may take: as long as nine in ten of those before."""
    took = seconds(trials)
    return took[math.ceil(0.9 * len(took)) - 1] if took else 0.0


def time_again(study: Study, again: tuple[int, int], workers: int) -> float:
    """How long the best configurations as they are now take to be run again, so often, by so many workers."""
    count, seeds = again
    best = seconds(points.ranked(study)[:count])
    if not best:
        return 0.0
    return max(math.ceil(len(best) * seeds / workers) * statistics.fmean(best), best[-1]) + START / 2


def affordable(study: Study, budget: Budget) -> tuple[int, int]:
    """What of `again` there is time for: fewer seeds first, then fewer configurations; (0, 0) for nothing."""
    count, seeds = budget.again
    choices = [(count, n) for n in range(seeds, 1, -1)] + [(n, 2) for n in range(count - 1, 0, -1)]
    fitting = (again for again in choices if count and time_again(study, again, budget.workers) <= budget.left)
    return next(fitting, (0, 0))


def may_search(study: Study, budget: Budget) -> bool:
    """Whether a point that begins now can be expected to end in time for the best to be run again."""
    next_one = expected(study.all_of()) * (1.0 if budget.workers == 1 else 1.1)  # others slow it down
    return next_one + time_again(study, budget.again, budget.workers) <= budget.left


def nothing_to_gain(study: Study) -> str | None:
    """Why no further point can be expected to bring anything, in words; None where one can.

    It depends on the trials in the order of their numbers alone, up to the first that has not ended.
    """
    folder, objective = study.folder, study.folder.objective
    ended = study.all_of()
    first = next((place for place, trial in enumerate(ended) if not trial.state.is_finished()), len(ended))
    best, since = -math.inf, 0
    bound = max(map(objective.score, evaluation.metric(objective.metric).limits))
    for trial in ended[:first]:
        value = objective.score(trial.values[0]) if trial.state == TrialState.COMPLETE else -math.inf
        searched = folder.sampler != "random" and not suggestions.is_first_part(folder, trial.number)
        since = 0 if value > best else since + searched
        best = max(best, value)
        if best == bound:
            return f"trial {trial.number} has the best {wording.metric(objective.metric)} that there can be"
    return f"the last {since} points that TPE chose brought nothing better" if since >= IN_VAIN else None


def _ends(study: Study, budget: Budget, trials: list[FrozenTrial]) -> str | None:
    """Why no further point is to be planned, in words; None where one is."""
    if (reason := nothing_to_gain(study)) is not None:
        return reason
    if len(trials) >= budget.most and not points.unfinished(trials):
        return "all trials are done"
    return None if may_search(study, budget) else "time is up"


def search(study: Study, budget: Budget, look: Callable[[int], None]) -> str:
    """Plan points and have them worked on as long as there is time; then say why it ended, in words.

    `look` is called again and again with the number of trials that have something to do. What is still running in the
    end is left to whoever called, who puts it by.
    """
    while True:
        trials = study.all_of()
        open_ones = points.unfinished(trials)
        if (reason := _ends(study, budget, trials)) is not None:
            break
        if open_ones < 2 * budget.workers and len(trials) < budget.most:
            study.ask_for(len(trials) + 1)
            points.plan(study)
            continue
        look(open_ones)
    points.close(study)
    while points.unfinished(study.all_of()) and time_again(study, (budget.again[0], 2), budget.workers) < budget.left:
        look(points.unfinished(study.all_of()))
    return reason
