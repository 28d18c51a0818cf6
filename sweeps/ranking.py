"""Which configuration is the best: trials or runs with the same settings together, ranked by the mean over them."""

import math
import statistics
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar


Item = TypeVar("Item")


def best_first(
    items: Iterable[Item],
    settings: Callable[[Item], Hashable],
    value: Callable[[Item], float | None],
    score: Callable[[float], float],
) -> list[list[Item]]:
    """Items with the same settings together, the best mean value first; of equal ones the one whose first came first.

    `score` turns a value into a number of which more is better. Items without a finite value are left out.

        >>> best_first([("gru", 0.5), ("lstm", 0.9), ("gru", 0.7)], lambda one: one[0], lambda one: one[1], float)
        [[('lstm', 0.9)], [('gru', 0.5), ('gru', 0.7)]]
    """
    groups: dict[Hashable, tuple[list[Item], list[float]]] = {}
    for item in items:
        found = value(item)
        if found is not None and math.isfinite(found):
            alike, values = groups.setdefault(settings(item), ([], []))
            alike.append(item)
            values.append(found)
    ordered = sorted(groups.values(), key=lambda group: -score(statistics.fmean(group[1])))
    return [alike for alike, _ in ordered]


def key(settings: dict) -> Hashable:
    """Settings as something that is equal for equal ones, whatever their order."""
    return tuple(sorted(settings.items()))
