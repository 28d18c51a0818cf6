"""Sequences of any length as numbers of one count: what classifiers without recurrence read."""

from collections.abc import Sequence

import numpy as np


LEVELS = 3  # a sequence in 1, 2 and 4 pieces
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def of_series(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Summaries of sequences of shape (steps, channels), NaN where a value is missing; of shape (sequences, features).

    Of each channel, and of its differences from step to step: quantiles, mean and deviation of the whole, its halves
    and its quarters (Dempster, Schmidt & Webb, QUANT: a minimalist interval method, 2024); first and last value, slope;
    and the number of steps and the share that is missing. What cannot be computed is 0.
    """
    rows = (_summary(np.asarray(one, np.float64)) for one in sequences)
    first = next(rows)
    found = np.empty((len(sequences), len(first)))  # filled row by row: a list of rows would hold all of it twice
    found[0] = first
    for number, row in enumerate(rows, start=1):
        found[number] = row
    return found


def _summary(one: np.ndarray) -> np.ndarray:
    whole = filled(one)
    steps = np.diff(whole, axis=0) if len(whole) > 1 else np.zeros_like(whole)
    place = np.linspace(-1, 1, len(whole))[:, None]
    slope = (place * (whole - whole.mean(0))).sum(0) / max((place**2).sum(), 1e-12)
    crossings = (np.diff(np.sign(whole - whole.mean(0)), axis=0) != 0).mean(0) if len(whole) > 1 else slope * 0
    parts = [whole[0], whole[-1], slope, crossings, np.array([len(one), np.isnan(one).mean()])]
    for values in (whole, steps):
        for level in range(LEVELS):
            for piece in np.array_split(values, 2**level):
                piece = piece if len(piece) else values[:1]
                parts += [*np.quantile(piece, _SHARES, axis=0), piece.mean(0), piece.std(0)]
    return np.concatenate(parts)


def filled(one: np.ndarray) -> np.ndarray:
    """Missing values as the one before, at the beginning as the first that is there, 0 where none is."""
    missing = np.isnan(one)
    if not missing.any():
        return one
    last = np.where(missing, -1, np.arange(len(one))[:, None])
    np.maximum.accumulate(last, axis=0, out=last)
    first = np.argmin(missing, axis=0)
    found = np.take_along_axis(one, np.where(last < 0, first, last), 0)
    return np.where(np.isnan(found), 0.0, found)
