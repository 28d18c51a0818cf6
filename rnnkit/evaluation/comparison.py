"""Two classifiers on the same examples, and how sure their difference is."""

from typing import TYPE_CHECKING

from rnnkit.core import extras
from rnnkit.runs import Comparison


if TYPE_CHECKING:
    import numpy as np


_AT_ONCE = 25_000_000  # numbers drawn at a time, which take 16 bytes each; how many there are changes no result


def compare(baseline: str, ours: "np.ndarray", theirs: "np.ndarray", resamples: int = 10_000) -> Comparison:
    """Compare which answers two classifiers get right, example by example.

    `ours` and `theirs` are of shape (examples,), true where the answer is right. The interval is a 95 % percentile
    bootstrap over examples, in pairs (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13), with a
    fixed seed. It speaks of other test examples, not of other seeds or of the choice among trials.
    """
    with extras.needed("experiments", "a comparison"):
        import numpy as np
        from scipy.stats import bootstrap

    differences = np.asarray(ours, float) - np.asarray(theirs, float)
    low = high = float(differences.mean())
    if np.ptp(differences) > 0:  # where all differ alike there is nothing to resample
        interval = bootstrap(
            (differences,),
            np.mean,
            n_resamples=resamples,
            batch=max(1, min(1_000, _AT_ONCE // len(differences))),
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return Comparison(
        baseline=baseline,
        ours=float(np.mean(ours)),
        theirs=float(np.mean(theirs)),
        difference=float(differences.mean()),
        low=low,
        high=high,
        examples=len(differences),
    )
