"""A cheap classifier to see a network beside, and how sure the difference of two on the same examples is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
    low = high = mean = float(differences.mean())
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
    return Comparison(baseline, float(np.mean(ours)), float(np.mean(theirs)), mean, low, high, len(differences))


def text_regression(
    texts: Sequence[str], targets: Sequence[int], test: Sequence[str], c: float = 1.0, **features: Any
) -> "np.ndarray":
    """What a logistic regression on TF-IDF of words, learned from labelled texts, says of others, of shape (test,).

    `c` is the inverse of its penalty, `features` are those of scikit-learn's TfidfVectorizer. Raises `ValueError` for
    texts that have no words which it could count.
    """
    with extras.needed("experiments", "a logistic regression"):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

    regression = make_pipeline(TfidfVectorizer(**features), LogisticRegression(C=c, max_iter=1_000))
    return regression.fit(texts, targets).predict(test)
