"""What series of the training part are standardised by."""

from collections.abc import Sequence

import numpy as np

from rnnkit.sequences import preprocessing
from rnnkit.sequences.preprocessing import Preprocessing


def scale(sequences: Sequence[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    """Means and deviations of each channel over all steps that are there, and whether any is missing."""
    count = total = squares = np.zeros(sequences[0].shape[1])
    for one in sequences:
        there = ~np.isnan(one)
        values = np.where(there, one, 0).astype(np.float64)
        count, total, squares = count + there.sum(0), total + values.sum(0), squares + (values**2).sum(0)
    means = total / np.maximum(count, 1)
    variances = np.maximum(squares / np.maximum(count, 1) - means**2, 0)
    deviations = np.sqrt(np.where(variances > 1e-12 * np.maximum(means**2, 1e-30), variances, 1.0))
    missing = bool((count < sum(map(len, sequences))).any())
    return tuple(means.tolist()), tuple(deviations.tolist()), missing


def scale_by_place(sequences: Sequence[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    """As `scale` for each step of sequences of one length by itself, one after the other."""
    steps = np.stack(sequences)
    return scale([steps.reshape(len(steps), -1)])


def deviations_of_differences(known: Preprocessing, sequences: Sequence[np.ndarray]) -> tuple[float, ...]:
    """The deviation from 0 of each channel's differences from step to step, once standardised; 1 where all are 0."""
    count, squares = 0, np.zeros(len(known.channels))
    for one in sequences:
        steps = np.diff(preprocessing.inputs(known, [one])[0].numpy()[:, : len(squares)].astype(np.float64), axis=0)
        count, squares = count + len(steps), squares + (steps**2).sum(0)
    return tuple(float(f"{deviation:.6g}") or 1.0 for deviation in np.sqrt(squares / max(count, 1)))
