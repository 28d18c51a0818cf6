"""Forecasts: a series cut into windows, each with the values that follow it, and parts by time."""

from dataclasses import dataclass

import numpy as np

from rnnkit.core import UserError
from rnnkit.datasets.own.data import OwnData
from rnnkit.datasets.own.parts import Places


MOST = 20_000  # windows of a part
PARTS = ("train", "validate", "test")
_TEST, _VALID = 0.2, 0.2  # of a series, the last of it


@dataclass(frozen=True)
class Windows:
    """Windows of series as `data`, their target the values that follow, less the window's last one, which is `last`."""

    data: OwnData
    targets: np.ndarray  # of shape (windows, horizon): the values themselves
    last: np.ndarray  # of shape (windows,)
    places: Places
    season: int  # steps after which the series repeats itself, 1 for none
    before: np.ndarray  # the values a season before those to foretell, or more seasons, of shape (windows, horizon)


def season_of(values: np.ndarray) -> int:
    """The period of a series, in steps, by the highest peak of its autocorrelation above .3; 1 for none.

    The series is differenced first, so that a trend is none. It counts from 2 to a third of the series' length.
    """
    steps = np.diff(values[~np.isnan(values)])[:5_000]
    steps = steps - steps.mean() if len(steps) else steps
    if len(steps) < 12 or not (power := float(steps @ steps)):
        return 1
    most = min(len(steps) // 3, 1_000)
    correlation = np.array([steps[lag:] @ steps[:-lag] / power for lag in range(1, most + 2)])
    peaks = [
        lag
        for lag in range(2, most + 1)
        if correlation[lag - 1] > 0.3 and correlation[lag - 2] < correlation[lag - 1] >= correlation[lag]
    ]
    return max(peaks, key=lambda lag: correlation[lag - 1]) if peaks else 1


def first_part(data: OwnData) -> list[np.ndarray]:
    """The steps of each series that training may see."""
    return [one[: _cuts(len(one))[0]] for one in data.inputs]


def _cuts(length: int) -> tuple[int, int]:
    valid = int(length * (1 - _TEST - _VALID))
    return valid, int(length * (1 - _TEST))


def context_of(data: OwnData, horizon: int, season: int) -> int:
    """How many steps to read: two seasons, or an eighth of what there is, of 8 to 64, and what the shortest allows."""
    shortest = min(cut[0] for cut in (_cuts(len(one)) for one in data.inputs))
    wanted = 2 * season if season > 1 else int(np.clip(shortest // 8, 8, 64))
    return max(2, min(wanted, shortest - horizon - 1))


def cut(data: OwnData, context: int, horizon: int, season: int = 1) -> Windows:
    """Windows of `context` steps, each with the `horizon` values of the first channel after it.

    The last fifth of each series is the test part, the fifth before it validates: a window belongs where the values
    that follow it lie. Windows whose values are missing are left out, and of very many every few are used. Raises
    `UserError` for series that are too short.
    """
    found = [_starts(one, context, horizon) for one in data.inputs]
    owner = np.repeat(np.arange(len(found)), [len(first) for first, _ in found])
    first, part = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    chosen, notes = _thinned(part)
    owner, first, part = owner[chosen], first[chosen], part[chosen]
    counts = dict(zip(PARTS, np.bincount(part, minlength=len(PARTS)).tolist(), strict=True))
    if lacking := [part for part, count in counts.items() if count < 2]:
        raise UserError(
            f"series of {max(map(len, data.inputs))} steps are too short for a context of {context} and a horizon of "
            f"{horizon}: nothing is left to {lacking[0]} with; lower --context or --horizon, or give more steps"
        )
    pairs = [(data.inputs[number], start) for number, start in zip(owner.tolist(), first.tolist(), strict=True)]
    inputs = [one[start : start + context] for one, start in pairs]
    ends = [one[start + context : start + context + horizon, 0] for one, start in pairs]
    targets = np.stack(ends).astype(np.float64)
    last = np.array([_last(one[:, 0]) for one in inputs])
    back = season * -(-horizon // season)
    ahead = np.arange(horizon) - back
    before = np.stack([one[np.maximum(start + context + ahead, 0), 0] for one, start in pairs]).astype(np.float64)
    before = np.where(np.isnan(before), last[:, None], before)
    places = (np.flatnonzero(part == number) for number in range(len(PARTS)))
    lines = [data.lines[number] + start + context for number, start in zip(owner.tolist(), first.tolist(), strict=True)]
    ids = [data.ids[number] for number in owner.tolist()]
    told = {"reads": data.reads, "answers": data.answers, "channels": data.channels, "target": data.target}
    windows = OwnData(inputs=inputs, targets=[], lines=lines, ids=ids, sha256=data.sha256, **told)  # type: ignore[arg-type]
    fold = np.zeros(counts["train"], int)
    return Windows(windows, targets, last, Places(*places, fold=fold, notes=tuple(notes)), season, before)


def _starts(one: np.ndarray, context: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the windows of a series begin, and the part of each; those that nothing can be learned from left out."""
    cuts = _cuts(len(one))
    first = np.arange(max(len(one) - context - horizon + 1, 0))
    after, end = first + context, first + context + horizon
    part = np.where(end <= cuts[0], 0, np.where((cuts[0] <= after) & (end <= cuts[1]), 1, -1))
    part = np.where(after >= cuts[1], 2, part)
    missing = np.concatenate([[0], np.isnan(one[:, 0]).cumsum()])
    kept = (part >= 0) & (missing[end] == missing[after]) & (missing[after] < after)
    return first[kept], part[kept]


def _thinned(part: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The places of the windows that are used, as many of each part as MOST says, evenly; and what is to be said."""
    chosen: list[np.ndarray] = []
    notes: list[str] = []
    for number, name in enumerate(PARTS):
        places = np.flatnonzero(part == number)
        every = -(-len(places) // MOST) or 1
        if every > 1:
            which = {1: "every", 2: "every second", 3: "every third"}.get(every, f"every {every}th")
            notes.append(f"of {len(places):,} windows to {name} with, {which} is used")
        chosen.append(places[::every])
    return np.concatenate(chosen), notes


def _last(values: np.ndarray) -> float:
    """The last value that is not missing; 0 where all are."""
    there = values[~np.isnan(values)]
    return float(there[-1]) if len(there) else 0.0
