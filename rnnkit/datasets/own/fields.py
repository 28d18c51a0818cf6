"""Fields of tables as numbers, times and words, with errors that name line and field."""

import datetime
import itertools
import reprlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.core import UserError
from rnnkit.datasets.own.data import flag, place


MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-", "missing", "#n/a"})


def is_missing(value: Any) -> bool:
    """Whether a field holds nothing: empty, or one of the usual words for that (NA, NaN, null, ?)."""
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING) or value != value


def as_number(value: Any) -> float | None:
    """A field as a number, NaN where it is missing; None where it is not a number."""
    if isinstance(value, (list, dict)):
        return None
    if is_missing(value):
        return float("nan")
    try:
        return None if isinstance(value, str) and "_" in value else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def numbers(values: Sequence[Any], path: Path, lines: Sequence[int], name: str) -> np.ndarray:
    """A column as numbers, of shape (rows,), float32, NaN where one is missing.

    Raises `UserError`, with line and field, for what is not a number, infinite, or beyond what float32 holds.
    """
    found = _floats(values)
    if found is None:
        found = np.fromiter(
            (_number(value, path, line, name) for value, line in zip(values, lines, strict=True)), float
        )
    with np.errstate(over="ignore"):
        single = found.astype(np.float32)
    if np.isinf(single).any():
        row = int(np.flatnonzero(np.isinf(single))[0])
        raise UserError(
            f"{place(path, lines[row], name)}: {shown(values[row])} is not a finite number of single precision"
        )
    return single


def _floats(values: Sequence[Any]) -> np.ndarray | None:
    """All values as numbers, the quick way; None where one of them is written otherwise."""
    words = [value for value in values if type(value) is str]
    if "_" in "".join(words):  # 1_000 is Python's way to write a number, and nobody else's
        return None
    try:
        return np.fromiter(map(float, values), np.float64, len(values))
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: Any, path: Path, line: int, name: str) -> float:
    number = as_number(value)
    if number is None:
        raise UserError(
            f"{place(path, line, name)}: {shown(value)} is not a number: correct it, or leave it out "
            f"({flag('ignore', name)})"
        )
    return number


def times(values: Sequence[Any], path: Path, lines: Sequence[int], name: str) -> np.ndarray:
    """A column of times, of shape (rows,), float64: numbers as they are, dates in ISO format in seconds.

    Raises `UserError`, with line and field, for what is neither.
    """
    quick = _floats(values)
    if quick is not None and np.isfinite(quick).all():
        return quick
    found = np.empty(len(values))
    for row, (value, line) in enumerate(zip(values, lines, strict=True)):
        number = moment(value)
        if number is None or not np.isfinite(number):
            raise UserError(
                f"{place(path, line, name)}: {shown(value)} is not a time: give numbers or dates in ISO format"
            )
        found[row] = number
    return found


def moment(value: Any) -> float | None:
    """A time as a number: dates and times of day in seconds, of UTC where they name no zone; None for what is none."""
    number = as_number(value)
    if number is not None:
        return number
    text = str(value).strip().replace("/", "-")
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()
    try:
        return (datetime.datetime.fromisoformat(f"1970-01-01T{text}+00:00")).timestamp()
    except ValueError:
        return None


def words(values: Sequence[Any], path: Path, lines: Sequence[int], name: str) -> list[str]:
    """A column as words, without white space around them. Raises `UserError`, with line and field, for an empty one."""
    found = [word(value) for value in values]
    for value, line in zip(values, lines, strict=True):
        if isinstance(value, (list, dict)):
            raise UserError(f"{place(path, line, name)}: {shown(value)} is not a word, but a list or an object")
    for value, line in zip(found, lines, strict=True):
        if not value or value.lower() == "nan":
            raise UserError(f"{place(path, line, name)}: the field is empty: fill it in, or delete the row")
    return found


def targets(values: Sequence[Any], path: Path, lines: Sequence[int], name: str) -> list[str]:
    """The same of what is to be predicted. Raises `UserError` too for a word that stands for what is missing.

    Among numbers all of MISSING do; among classes `none`, `missing` and `-` may well be one.
    """
    found = words(values, path, lines, name)
    different = Counter(found)
    numbers = sum(
        count for one, count in different.items() if (number := as_number(one)) is not None and number == number
    )
    stand_for_it = MISSING if 2 * numbers >= len(found) else MISSING - {"none", "missing", "-"}
    if absent := {one for one in different if one.lower() in stand_for_it}:
        row = next(row for row, one in enumerate(found) if one in absent)
        raise UserError(
            f"{place(path, lines[row], name)}: {found[row]} stands for a missing value: fill it in, or delete the row "
            "(where it is a class, give it another name)"
        )
    return found


def word(value: Any) -> str:
    """A field as a word: whole numbers without a fraction, nothing for what is missing."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def starts(values: Sequence[Any]) -> list[int]:
    """The places where a value begins that is another than the one before."""
    lengths = [len(list(run)) for _, run in itertools.groupby(values)]
    return [0, *itertools.accumulate(lengths)][:-1]


def shown(value: Any) -> str:
    """A field as errors show it, its middle cut out where it is long."""
    return reprlib.repr(value)
