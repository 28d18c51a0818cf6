"""Convolution kernels with a linear model on top: often the strongest of the cheap models on series. By sktime."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.core import extras
from rnnkit.evaluation import summaries


LEAST_STEPS, MOST_STEPS = 9, 2_000  # the length of a kernel; longer series are read at so many of their steps
MOST_SERIES = 2_000  # that are learned from, evenly taken: of 10,000 kernels each has 10,000 numbers


def answers(inputs: Sequence[np.ndarray], targets: np.ndarray, asked: Sequence[np.ndarray], numbers: bool) -> Any:
    """What MiniRocket with ridge regression answers of `asked`, from series of shape (steps, channels) and targets.

    Dempster, Schmidt & Webb, MiniRocket: a very fast (almost) deterministic transform for time series
    classification, 2021. It reads series of one length: shorter ones hold their last value, of longer ones the rest is
    left out.
    """
    with extras.needed("rocket", "MiniRocket"):
        importlib.import_module("numba")  # sktime asks for it when it is used
        made: Any = importlib.import_module("sktime.transformations.rocket")
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    every = -(-len(inputs) // MOST_SERIES)
    inputs, targets = [*inputs[::every]], targets[::every]
    length = max(LEAST_STEPS, *map(len, inputs))
    kernels = made.MiniRocketMultivariate(random_state=0, n_jobs=1)
    learned = kernels.fit_transform(_alike(inputs, length)).to_numpy()
    model = (RidgeCV if numbers else RidgeClassifierCV)(np.logspace(-3, 3, 10))
    model = make_pipeline(StandardScaler(), model).fit(learned, targets)
    pieces = [asked[low : low + MOST_SERIES] for low in range(0, len(asked), MOST_SERIES)]
    return np.concatenate([model.predict(kernels.transform(_alike(one, length)).to_numpy()) for one in pieces])


def _alike(sequences: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Series as an array of shape (sequences, channels, steps): longer ones cut, shorter ones held at their end."""
    places = np.linspace(0, length - 1, min(length, MOST_STEPS)).round().astype(int)
    found = [summaries.filled(one)[np.minimum(places, len(one) - 1)] for one in sequences]
    return np.ascontiguousarray(np.stack(found).transpose(0, 2, 1), np.float32)
