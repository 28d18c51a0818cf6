"""A cheap classifier to see a network beside, and how sure the difference of two on the same examples is."""

import base64
import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnnkit.core import extras
from rnnkit.runs import Comparison


if TYPE_CHECKING:
    import numpy as np


_MOST = 1 << 26  # examples that a record is believed to have been compared on
_SIGNS = "-=+"  # of an example: only theirs is right, both or none is, only ours is


def compare(baseline: str, ours: "np.ndarray", theirs: "np.ndarray") -> Comparison:
    """Compare which answers two classifiers get right, example by example.

    `ours` and `theirs` are of shape (examples,), true where the answer is right. The 95 % interval is Newcombe's for
    paired shares (Improved confidence intervals for the difference between binomial proportions based on paired data,
    1998, method 10), and reaches to 0 where McNemar's exact test does not tell the two apart: of fewer than 6 examples
    it always does. It speaks of other test examples, not of other seeds or of the choice among trials. Raises
    `ValueError` where there are no examples, or not as many of both.
    """
    with extras.needed("experiments", "a comparison"):
        import numpy as np
        from scipy.stats import binomtest

    right, other = np.asarray(ours, bool), np.asarray(theirs, bool)
    if right.shape != other.shape or right.ndim != 1 or not len(right):
        raise ValueError(f"answers of shape {right.shape} and {other.shape}: two of the same (examples,) are needed")
    signs = right.astype(int) - other
    low, high = _newcombe(right, other)
    apart = int((signs != 0).sum())
    if not apart or binomtest(int((signs > 0).sum()), apart).pvalue >= 0.05:
        low, high = min(low, 0.0), max(high, 0.0)
    shares = float(right.mean()), float(other.mean())
    return Comparison(baseline, *shares, float(signs.mean()), low, high, len(signs), pairs=_packed(signs))


def _newcombe(ours: "np.ndarray", theirs: "np.ndarray") -> tuple[float, float]:
    """The interval of the difference of two paired shares: Wilson's of each, put together by their correlation."""
    from scipy.stats import binomtest

    count = len(ours)
    both, none = int((ours & theirs).sum()), int((~ours & ~theirs).sum())
    first, second = int(ours.sum()), int(theirs.sum())
    wilson = [binomtest(right, count).proportion_ci(method="wilson") for right in (first, second)]
    below = [share - interval.low for share, interval in zip((first / count, second / count), wilson, strict=True)]
    above = [interval.high - share for share, interval in zip((first / count, second / count), wilson, strict=True)]
    product = first * (count - first) * second * (count - second)
    apart = both * none - (first - both) * (second - both)
    # Corrected for continuity where they go together, as Newcombe has it.
    phi = (max(apart - count / 2, 0) if apart > 0 else apart) / math.sqrt(product) if product else 0.0
    difference = (first - second) / count
    reach = lambda x, y: math.sqrt(max(x * x - 2 * phi * x * y + y * y, 0.0))
    return max(difference - reach(below[0], above[1]), -1.0), min(difference + reach(above[0], below[1]), 1.0)


def _packed(signs: "np.ndarray") -> str:
    """How two differ on each example (-1, 0, 1), as a short text."""
    text = "".join(_SIGNS[sign + 1] for sign in signs.tolist())
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def signs_of(comparison: Comparison) -> "np.ndarray | None":
    """How two differ on each example, of shape (examples,): 1 where only ours was right, -1 where only theirs was.

    None where the comparison does not hold it (one of an earlier version), or where it is damaged.
    """
    import numpy as np

    try:
        unpacker = zlib.decompressobj()
        most = min(max(comparison.examples, 1), _MOST)
        text = unpacker.decompress(base64.b64decode(comparison.pairs, validate=True), most)
        found = np.array([_SIGNS.index(sign) - 1 for sign in text.decode()], dtype=np.int8)
    except (ValueError, zlib.error):
        return None
    return found if len(found) == comparison.examples and unpacker.eof else None


def over_runs(comparisons: Sequence[Comparison]) -> tuple[float, float, float] | None:
    """The mean difference of several runs of one setting from the same baseline, and its 95 % interval.

    The interval speaks of other seeds and other test examples at once. In the crossed two-way layout of runs and
    examples, with the variances v of the means of runs, w of those of examples, and u of what is left by both, the
    variance between seeds by the number of runs R is v / R - u / (R E), and that between examples by their number E
    is w / E (Searle, Casella & McCulloch, Variance Components, 1992, ch. 4). Each gets its own quantile of Student's t,
    and the reaches add up in squares (Graybill & Wang, Confidence intervals on nonnegative linear combinations of
    variances, 1980). Where records of earlier versions do not hold the examples, the mean of single runs' variances
    stands for w / E, and u for nothing: the interval is then rather too wide. None for fewer than 3 runs, which say
    nothing of others, for runs on different examples, and where nothing varies.
    """
    import numpy as np
    from scipy.stats import t

    runs = len(comparisons)
    if runs < 3 or len({(one.baseline, one.examples, one.measure) for one in comparisons}) > 1:
        return None
    means = np.array([one.difference for one in comparisons])
    mean, examples = float(means.mean()), comparisons[0].examples
    of_runs = float(means.var(ddof=1)) / runs
    known = [signs_of(one) for one in comparisons]
    signs = [one for one in known if one is not None]
    if len(signs) == runs and examples > 1:
        table = np.stack(signs).astype(float)
        of_examples = float(table.mean(axis=0).var(ddof=1)) / examples
        left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + mean
        of_runs = max(of_runs - float((left**2).sum()) / ((runs - 1) * (examples - 1)) / (runs * examples), 0.0)
    else:
        of_examples = float(np.mean([((one.high - one.low) / 2 / 1.96) ** 2 for one in comparisons]))
    quantiles = t.ppf(0.975, runs - 1), t.ppf(0.975, max(examples - 1, 1))
    reach = math.sqrt(float(quantiles[0]) ** 2 * of_runs + float(quantiles[1]) ** 2 * of_examples)
    most = 1.0 if comparisons[0].measure in (None, "macro F1") else math.inf  # errors have no limit
    return (mean, max(mean - reach, -most), min(mean + reach, most)) if reach else None


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
