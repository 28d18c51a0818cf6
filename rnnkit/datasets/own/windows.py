"""Forecasts: a series cut into windows, each with the values that follow it, and parts by time."""

from dataclasses import dataclass

import numpy as np

from rnnkit.core import UserError
from rnnkit.datasets.own.data import OwnData
from rnnkit.datasets.own.parts import Places


MOST = 20_000  # windows to train with
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
    that follow it lie. Windows whose values are missing are left out. Raises `UserError` for series that are too short.
    """
    starts: list[tuple[int, int, str]] = []
    for number, one in enumerate(data.inputs):
        cuts = _cuts(len(one))
        for first in range(len(one) - context - horizon + 1):
            after, end = first + context, first + context + horizon
            part = "train" if end <= cuts[0] else "valid" if cuts[0] <= after and end <= cuts[1] else ""
            starts.append((number, first, "test" if after >= cuts[1] else part))
    kept = [place for place in starts if place[2] and _whole(data.inputs[place[0]], place[1] + context, horizon)]
    train = [place for place in kept if place[2] == "train"]
    kept = [*train[:: -(-len(train) // MOST) or 1], *(place for place in kept if place[2] != "train")]
    counts = {part: sum(place[2] == part for place in kept) for part in ("train", "valid", "test")}
    if lacking := [part for part, count in counts.items() if count < 2]:
        raise UserError(
            f"series of {max(map(len, data.inputs))} steps are too short for a context of {context} and a horizon of "
            f"{horizon}: nothing is left to {lacking[0]} with; lower --context or --horizon, or give more steps"
        )
    pairs = [(data.inputs[number], first) for number, first, _ in kept]
    inputs = [one[first : first + context] for one, first in pairs]
    targets = np.stack([one[first + context : first + context + horizon, 0] for one, first in pairs]).astype(np.float64)
    last = np.array([_last(one[:, 0]) for one in inputs])
    back = season * -(-horizon // season)
    ahead = np.arange(horizon) - back
    before = np.stack([one[np.maximum(first + context + ahead, 0), 0] for one, first in pairs]).astype(np.float64)
    before = np.where(np.isnan(before), last[:, None], before)
    parts = np.array([part for _, _, part in kept])
    places = (np.flatnonzero(parts == part) for part in ("train", "valid", "test"))
    lines = [data.lines[number] + first + context for number, first, _ in kept]
    ids = [data.ids[number] for number, _, _ in kept]
    told = {"reads": data.reads, "answers": data.answers, "channels": data.channels, "target": data.target}
    windows = OwnData(inputs=inputs, targets=[], lines=lines, ids=ids, sha256=data.sha256, notes=data.notes, **told)  # type: ignore[arg-type]
    return Windows(windows, targets, last, Places(*places, fold=np.zeros(counts["train"], int)), season, before)


def _whole(one: np.ndarray, first: int, horizon: int) -> bool:
    return not np.isnan(one[first : first + horizon, 0]).any() and not np.isnan(one[:first, 0]).all()


def _last(values: np.ndarray) -> float:
    """The last value that is not missing; 0 where all are."""
    there = values[~np.isnan(values)]
    return float(there[-1]) if len(there) else 0.0
