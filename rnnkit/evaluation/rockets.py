"""Convolution kernels with a linear model on top: the strongest of the cheap models on many series. By aeon."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.core import extras
from rnnkit.evaluation import summaries


LEAST_STEPS = 9  # the length of a kernel
MOST_STEPS = 2_000  # longer ones are read at so many places: 10,000 kernels over each take their time


def is_here() -> bool:
    """Whether aeon is installed."""
    return importlib.util.find_spec("aeon") is not None


def answers(inputs: Sequence[np.ndarray], targets: np.ndarray, asked: Sequence[np.ndarray], numbers: bool) -> Any:
    """What MiniRocket with ridge regression answers of `asked`, from series of shape (steps, channels) and targets.

    Dempster, Schmidt & Webb, MiniRocket: a very fast (almost) deterministic transform for time series classification,
    2021. It reads series of one length: shorter ones hold their last value.
    """
    with extras.needed("rocket", "MiniRocket"):
        from aeon.classification.convolution_based import MiniRocketClassifier
        from aeon.regression.convolution_based import MiniRocketRegressor

    length = max(LEAST_STEPS, *map(len, inputs))
    model = (MiniRocketRegressor if numbers else MiniRocketClassifier)(random_state=0)
    return model.fit(_alike(inputs, length), targets).predict(_alike(asked, length))


def _alike(sequences: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Series as an array of shape (sequences, channels, steps): longer ones cut, shorter ones held at their end."""
    places = np.linspace(0, length - 1, min(length, MOST_STEPS)).round().astype(int)
    found = [summaries.filled(one)[np.minimum(places, len(one) - 1)] for one in sequences]
    return np.ascontiguousarray(np.stack(found).transpose(0, 2, 1), np.float32)
