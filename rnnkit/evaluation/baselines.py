"""Cheap classifiers to see a network beside."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnnkit.core import extras


if TYPE_CHECKING:
    import numpy as np


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
