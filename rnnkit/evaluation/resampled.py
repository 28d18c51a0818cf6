"""Two models on the same examples by scores that are no share of right answers: errors of numbers, macro F1.

How sure the difference is says a bootstrap over examples, in pairs (Efron & Tibshirani, An Introduction to the
Bootstrap, 1993, ch. 13): a 95 % percentile interval, with a fixed seed. It speaks of other test examples, not of other
seeds or of the choice among trials.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rnnkit.runs import Comparison


if TYPE_CHECKING:
    import numpy as np


RESAMPLES = 2_000
_AT_ONCE = 5_000_000  # numbers drawn at a time; how many there are changes no result


def compare_errors(baseline: str, ours: "np.ndarray", theirs: "np.ndarray", measure: str) -> Comparison:
    """Compare the errors of two models, of shape (examples,), the lower the better: by how much ours are lower.

    `measure` names the mean of them.
    """
    differences = theirs - ours
    interval = _interval(len(differences), lambda chosen: differences[chosen].mean(1))
    values = float(ours.mean()), float(theirs.mean()), float(differences.mean())
    return Comparison(baseline, *values, *interval, len(differences), measure=measure)


def compare_f1(baseline: str, truth: "np.ndarray", ours: "np.ndarray", theirs: "np.ndarray") -> Comparison:
    """Compare the macro F1 of two models by their answers, numbers of classes of shape (examples,).

    It is the mean over the classes that occur in truth or answers, as scikit-learn has it.
    """
    import numpy as np

    names = np.unique(np.concatenate([truth, ours, theirs]))
    right, one, other = (np.searchsorted(names, answers) for answers in (truth, ours, theirs))

    def scores(chosen: "np.ndarray") -> "np.ndarray":
        return _macro_f1(right[chosen], one[chosen], len(names)) - _macro_f1(right[chosen], other[chosen], len(names))

    whole = np.arange(len(truth))[None]
    mine, its = (float(_macro_f1(right[whole], answers[whole], len(names))[0]) for answers in (one, other))
    interval = _interval(len(truth), scores)
    return Comparison(baseline, mine, its, mine - its, *interval, len(truth), measure="macro F1")


def _macro_f1(truth: "np.ndarray", answers: "np.ndarray", classes: int) -> "np.ndarray":
    """The macro F1 of each row of answers, of shape (resamples,), over the classes that occur in it."""
    import numpy as np

    rows = np.arange(len(truth))[:, None] * classes

    def counts(numbers: "np.ndarray") -> "np.ndarray":
        return np.bincount(numbers.ravel(), minlength=len(truth) * (classes + 1))

    def by_class(numbers: "np.ndarray") -> "np.ndarray":
        return counts(rows + numbers)[: len(truth) * classes].reshape(len(truth), classes)

    both = np.where(truth == answers, rows + truth, len(truth) * classes)
    together = by_class(truth) + by_class(answers)
    hits = counts(both)[: len(truth) * classes].reshape(len(truth), classes)
    return (2 * hits / np.maximum(together, 1)).sum(1) / (together > 0).sum(1)


def _interval(examples: int, differences: Callable[["np.ndarray"], "np.ndarray"]) -> tuple[float, float]:
    """The middle 95 % of the differences of resamples, each given as places of examples, of shape (some, examples)."""
    import numpy as np

    chance, at_once = np.random.default_rng(0), max(1, _AT_ONCE // examples)
    found = [
        differences(chance.integers(examples, size=(min(at_once, RESAMPLES - done), examples)))
        for done in range(0, RESAMPLES, at_once)
    ]
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975])
    return float(low), float(high)
