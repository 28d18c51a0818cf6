"""Whether a trial is worth going on with: where its curve leads, by the curves of those that were trained out.

`curves` hold a value for each evaluation, in order. How good a trial is, is the best value of its curve.
"""

import math
import statistics
from collections.abc import Callable, Sequence

from scipy import stats

from rnnkit.training import Objective


Curve = Sequence[float]

LEAST = 8  # trials that were trained out, before any other is ended early
FIRST = 4  # evaluations that every trial has
AMONG = 3  # a trial is to come among so many of the best, which are those that are run again
SURE = 0.95  # with at most 1 - SURE chance to do so, it is not worth going on with


def is_poor(curve: Curve, finished: Sequence[Curve], objective: Objective) -> bool:
    """Whether a trial with this curve so far will hardly come among the best that were trained out.

    The best value in the end is a line of the best so far, fitted over the finished trials at the same evaluation; with
    that line and its scatter goes the value that this trial stays below with a probability of 95 % (the one-sided
    prediction interval of linear regression).
    """
    if len(curve) < FIRST or len(finished) < LEAST:
        return False
    score = objective.score
    now = max(map(score, curve))
    ends = [max(map(score, one)) for one in finished]
    then = [max(map(score, one[: len(curve)])) for one in finished]
    return reachable(now, then, ends) < sorted(ends)[-AMONG]


def reachable(now: float, then: Sequence[float], ends: Sequence[float]) -> float:
    """What a trial that is at `now` stays below with a probability of 95 %.

    `then` and `ends` are what others had at the same evaluation, and in the end. The higher the better.
    """
    count, middle = len(then), statistics.fmean(then)
    spread = sum((x - middle) ** 2 for x in then)
    line = statistics.linear_regression(then, ends) if spread else (0.0, statistics.fmean(ends))
    left = [y - (line[1] + line[0] * x) for x, y in zip(then, ends, strict=True)]
    deviation = math.sqrt(sum(one**2 for one in left) / (count - 2))
    leverage = (now - middle) ** 2 / spread if spread else 0.0
    reach = float(stats.t.ppf(SURE, count - 2)) * deviation * math.sqrt(1 + 1 / count + leverage)
    return max(line[1] + line[0] * now + reach, now)


Rule = Callable[[Curve, Sequence[Curve], Objective], bool]


def epochs(curves: Sequence[Curve], rule: Rule, objective: Objective, lag: int) -> tuple[int, list[int]]:
    """How many evaluations a study of trials with these curves takes under a rule, and which are trained out.

    Each trial is compared with those that were trained out among the trials up to `lag` before it.
    """
    total, finished = 0, list[int]()
    for number, curve in enumerate(curves):
        known = [curves[one] for one in finished if one <= number - lag]
        ends = (at for at in range(1, len(curve)) if rule(curve[:at], known, objective))
        taken = next(ends, len(curve))
        total += taken
        if taken == len(curve):
            finished.append(number)
    return total, finished
