"""Series cut into windows, each with the values of the first channel that follow it."""

import numpy as np

from rnnkit.datasets.own.windows import season_of


MOST = 20_000  # windows to learn from


def context_of(series: list[np.ndarray], horizon: int) -> int:
    """How many steps to read: two seasons, or an eighth of what there is, of 8 to 64, and what the shortest allows."""
    shortest = min(map(len, series))
    season = season_of(max(series, key=len)[:, 0])
    wanted = 2 * season if season > 1 else int(np.clip(shortest // 8, 8, 64))
    return max(2, min(wanted, shortest // 2 - horizon))


def cut(
    series: list[np.ndarray], context: int, horizon: int, share: float
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Windows of `context` steps, the values that follow, of shape (windows, horizon), and which of them validate.

    The last `share` of each series validates: a window belongs where the values that follow it lie, and is left out
    where these lie on both sides, or are missing. Raises `ValueError` for series that are too short.
    """
    windows: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    late: list[bool] = []
    for one in series:
        border = int(len(one) * (1 - share))
        for after in range(context, len(one) - horizon + 1):
            wanted, before = one[after : after + horizon, 0], one[after - context : after]
            if np.isnan(wanted).any() or np.isnan(before[:, 0]).all() or after < border < after + horizon:
                continue
            windows.append(before)
            targets.append(wanted)
            late.append(after >= border)
    counts = len(late) - sum(late), sum(late)
    if min(counts) < 2:
        raise ValueError(
            f"series of {max(map(len, series))} steps are too short for a context of {context} and a horizon of "
            f"{horizon}: give longer ones, or lower context= or horizon="
        )
    every = -(-counts[0] // MOST)
    early = np.flatnonzero(~np.array(late))[::-1][::every]
    kept = np.sort(np.concatenate([early, np.flatnonzero(late)]))
    return [windows[i] for i in kept], np.stack([targets[i] for i in kept]).astype(float), np.array(late)[kept]
