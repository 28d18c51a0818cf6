"""What the values of a column look like, from those that a table shows first: numbers, times, texts, ids."""

import math
import re
from collections.abc import Sequence
from typing import Any

from rnnkit.datasets.own import fields


def are_texts(values: Sequence[Any]) -> bool:
    """Whether most are of several words, and no dates."""
    return 2 * sum(" " in str(value).strip() for value in values) > len(values) and not look_dated(values)


def stand_together(values: Sequence[Any]) -> bool:
    """Whether most rows have the value of the row before, and two values or more come: as an id of sequences does."""
    same = sum(one == other for one, other in zip(values, values[1:], strict=False))
    return 2 * same >= len(values) - 1 > same


def comes_again(values: Sequence[Any]) -> bool:
    """Whether there are two values or more, and half as many as rows at most: as ids of sequences, in any order."""
    return len({*map(str, values)}) > 1 and comes_often(values)


def comes_often(values: Sequence[Any]) -> bool:
    """Whether most values come twice or more."""
    return 2 * len({*map(str, values)}) <= len(values)


def rises(times: Sequence[Any], ids: Sequence[Any]) -> bool:
    """Whether the times of each id go up, from row to row."""
    last: dict[str, float] = {}
    for value, owner in zip(times, map(str, ids), strict=True):
        moment = fields.moment(value)
        if moment is None or not moment > last.get(owner, -math.inf):
            return False
        last[owner] = moment
    return True


def are_dates(values: Sequence[Any]) -> bool:
    """Whether all are dates or times of day, written as such."""
    return all(fields.as_number(value) is None and fields.moment(value) is not None for value in values)


def look_dated(values: Sequence[Any]) -> bool:
    """Whether all are dates or times of day, be it in a way of writing that is not read: 31.12.2025 8:00 PM."""
    written = re.compile(r"\s*(\d{1,4}([./-])\d{1,2}\2\d{1,4}|\d{1,2}:\d{2}(:\d{2})?)\b[\d:., TZ+-]*([AaPp][Mm])?\s*")
    there = [str(value) for value in values if not fields.is_missing(value)]
    return are_dates(values) or (bool(there) and all(map(written.fullmatch, there)))


def repeats(values: Sequence[Any]) -> bool:
    """Whether a value comes in two rows, one after the other: as an id of sequences does."""
    return any(one == other for one, other in zip(values, values[1:], strict=False))


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether most of the fields that are there are numbers: one that is none is then a fault, and no word."""
    there = [value for value in values if not fields.is_missing(value)]
    return 2 * sum(fields.as_number(value) is not None for value in there) >= len(there)


def are_times(values: Sequence[Any]) -> bool:
    """Whether nearly all are times: one that is none is then a fault."""
    some = values[:100]
    return 10 * sum(fields.moment(value) is not None for value in some) >= 9 * len(some)


def first(values: Sequence[Any]) -> Any:
    """The first value that is there, None where all are missing."""
    return next((value for value in values if not fields.is_missing(value)), None)


def holds_words(values: Sequence[Any]) -> bool:
    """Whether they are lists, and the first of them is one of words."""
    one = first(values)
    return bool(one) and isinstance(one[0], str)


def size(values: Sequence[Any]) -> int:
    """How many characters the first thousand have in all."""
    return sum(len(str(value)) for value in values[:1_000])
