"""What scikit-learn's methods are given as X and y: checked, and made into lists of sequences and targets."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from rnnkit.core import extras


@dataclass(frozen=True)
class Given:
    """Sequences: arrays of shape (steps, channels), float32, NaN where one is missing; texts; or lists of tokens."""

    reads: Literal["series", "text", "tokens"]
    inputs: list[Any]
    channels: int = 0  # of series


def sequences(x: Any) -> Given:
    """X as sequences: a list of arrays of shape (steps, channels) or (steps,), of texts, or of lists of tokens.

    An array of three dimensions is (sequences, steps, channels), one of two (sequences, steps), of one channel; steps
    at a row's end that are NaN throughout are none. Raises `ValueError` or `TypeError`, as scikit-learn does.
    """
    with extras.needed("experiments", "an estimator"):
        from sklearn.utils import check_array

    if isinstance(x, (str, bytes)):
        raise ValueError("X is a single text: give a list of texts")
    if not hasattr(x, "shape") and hasattr(x, "__array__"):
        x = np.asarray(x)
    shape = getattr(x, "shape", ())
    is_nested = len(shape) == 1 and getattr(getattr(x, "dtype", None), "kind", "") == "O"
    if hasattr(x, "toarray") or (shape and not is_nested and not _holds_texts(x)):
        options: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "allow_nd": True}
        array = check_array(x, **options)
        if array.ndim > 3:
            raise ValueError(
                f"Found array with dim {array.ndim}: give (sequences, steps) or (sequences, steps, channels)"
            )
        rows = array[:, :, None] if array.ndim == 2 else array
        return _series([_without_tail(row) for row in rows])
    found = list(x)
    if not found:
        raise ValueError("Found array with 0 sample(s) (no sequences) while a minimum of 1 is required.")
    if all(isinstance(one, str) for one in found):
        return Given("text", [str(one) for one in found])
    if all(_is_tokens(one) for one in found):
        return Given("tokens", [[str(token) for token in one] for one in found])
    return _series(found)


def _holds_texts(x: Any) -> bool:
    """Whether an array, or a column of a table, is one of texts."""
    return len(x.shape) == 1 and len(x) > 0 and all(isinstance(one, str) for one in x)


def _is_tokens(one: Any) -> bool:
    return (
        not isinstance(one, str) and hasattr(one, "__len__") and len(one) > 0 and all(isinstance(t, str) for t in one)
    )


def _without_tail(row: np.ndarray) -> np.ndarray:
    there = np.flatnonzero(~np.isnan(row).all(1))
    return row[: there[-1] + 1] if len(there) else row[:1]


def _series(rows: Sequence[Any]) -> Given:
    found: list[np.ndarray] = []
    for place, one in enumerate(rows):
        if isinstance(one, str) or _is_tokens(one):
            raise ValueError(f"X[{place}] is a text, and others are none: give texts alone, or none")
        try:
            array = np.asarray(one)
            if np.iscomplexobj(array):
                raise ValueError("Complex data not supported")
            with np.errstate(over="ignore"):
                array = array.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"X[{place}] is not an array of numbers, of shape (steps, channels): {error}") from None
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or not all(array.shape):
            raise ValueError(f"X[{place}] has the shape {array.shape}: give (steps, channels), at least one of each")
        if array.shape[1] != found[0].shape[1] if found else False:
            raise ValueError(f"X[{place}] has {array.shape[1]} channels, X[0] has {found[0].shape[1]}")
        if np.isinf(array).any():
            raise ValueError(f"X[{place}] holds infinity, or a value too large for float32: NaN is for what is missing")
        found.append(array)
    return Given("series", cast("list[Any]", found), found[0].shape[1])


def labels(y: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the number of each sequence's, of shape (sequences,). `ValueError` as scikit-learn's."""
    from sklearn.utils.multiclass import check_classification_targets

    y = _column(y, count)
    check_classification_targets(y)
    classes, numbers = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y holds one class alone, {classes[0]!r}: two are needed")
    return classes, numbers


def numbers(y: Any, count: int) -> np.ndarray:
    """The numbers to predict, of shape (sequences,). `ValueError` as scikit-learn's."""
    y = _column(y, count)
    if y.dtype.kind not in "fiub":
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError("y holds something that is not a number") from None
    return y.astype(np.float64)


def _column(y: Any, count: int) -> np.ndarray:
    from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d

    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = column_or_1d(y, warn=True)
    if y.dtype == object and any(isinstance(one, float) and np.isnan(one) for one in y):
        raise ValueError("Input y contains NaN.")
    assert_all_finite(y, input_name="y")
    check_consistent_length(y, np.empty(count))
    return y


def tags(y: Any, inputs: Sequence[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The tags, sorted, and the numbers of each sequence's, a step each. Raises `ValueError` where they do not fit."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    rows = [np.asarray(one) for one in y]
    if len(rows) != len(inputs):
        raise ValueError(f"X has {len(inputs)} sequences, and y has {len(rows)}")
    for place, (one, steps) in enumerate(zip(rows, inputs, strict=True)):
        if one.shape != (len(steps),):
            raise ValueError(
                f"y[{place}] has the shape {one.shape}, and X[{place}] has {len(steps)} steps: one tag each"
            )
    classes, flat = np.unique(np.concatenate(rows), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y holds one tag alone, {classes[0]!r}: two are needed")
    if classes.dtype.kind == "f" and not np.isfinite(classes).all():
        raise ValueError("Input y contains NaN or infinity.")
    return classes, np.split(flat, np.cumsum([len(one) for one in rows])[:-1])


def sha256(given: Given, *targets: Any) -> str:
    """The SHA-256 of sequences and their targets: by it a run that was stopped is known again."""
    digest = hashlib.sha256(given.reads.encode())
    for one in given.inputs:
        digest.update(one.tobytes() + repr(one.shape).encode() if isinstance(one, np.ndarray) else repr(one).encode())
    for one in targets:
        for row in one if isinstance(one, list) else [one]:
            array = np.asarray(row)
            digest.update(array.tobytes() if array.dtype != object else repr(array.tolist()).encode())
            digest.update(repr((array.shape, array.dtype.str)).encode())
    return digest.hexdigest()
