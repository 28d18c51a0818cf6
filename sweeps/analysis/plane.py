"""The plane hidden size x depth: its cells, and which of them clearly differ."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from rnnkit.core import wording
from sweeps.analysis.facts import GridCell, TrialRow
from sweeps.analysis.grid import GridPoint
from sweeps.analysis.inference import Spread, least_difference


def grid_cells(plane: Iterable[dict], rows: Iterable[TrialRow]) -> list[GridCell]:
    """A cell for each point of the plane, from the finished trials that have its settings."""
    finished = [(row, row.value) for row in rows if row.state == "complete" and row.value is not None]
    cells = []
    for point in plane:
        there = [(row, value) for row, value in finished if _stands_at(point, row.settings) and math.isfinite(value)]
        values, trials = [value for _, value in there], [row.trial for row, _ in there]
        mean = statistics.fmean(values) if values else None
        spread = statistics.stdev(values) if len(values) > 1 else None
        parameters = next((row.parameters for row, _ in there if row.parameters is not None), None)
        cells.append(GridCell(point["hidden_size"], point["depth"], mean, spread, values, trials, parameters))
    return cells


def _stands_at(point: dict, settings: dict) -> bool:
    """Whether a trial has the settings of a point of the plane; what it does not say, it has by default."""
    has = {"hidden_size": None, "depth": None} | settings
    return all(has.get(name, value) == value for name, value in {"dropout": 0.0, **point}.items())


def how_many_runs(plane: Sequence[GridCell | GridPoint]) -> str:
    """How many runs stand behind each point that has any: `one run each`, `means of 3 runs each`."""
    counts = sorted({len(cell.values) for cell in plane if cell.values})
    if counts == [1]:
        return "one run each"
    return f"means of {counts[0]}{f' to {counts[-1]}' if counts[1:] else ''} runs each" if counts else "no runs"


def told_apart(
    plane: Sequence[GridCell | GridPoint],
    between_seeds: Spread | None,
    score: Callable[[float], float],
    where: str = "plane",
) -> tuple[list[str], list[str]]:
    """Sentences on the plane, or the grid: differences that the data support, and such that they do not."""
    scores = {cell.name: score(cell.value) for cell in plane if cell.value is not None}
    counts = {cell.name: len(cell.values) for cell in plane}
    if len(scores) < 2:
        return [], []
    if between_seeds is None:
        lacks = "all seeds of each came out alike"
        if max(counts.values()) == 1:
            lacks = "each was trained on one seed, and no runs on fresh seeds differed (--confirm, --sampler grid)"
        return [], [f"Between the {len(scores)} points of the {where} no difference is supported: {lacks}."]
    best = max(scores, key=scores.__getitem__)
    needed = {name: least_difference(between_seeds, len(scores), counts[best], counts[name]) for name in scores}
    worse = [name for name in scores if scores[best] - scores[name] > needed[name]]
    close = [name for name in scores if name not in (best, *worse)]
    basis = (
        f"{how_many_runs(plane)}; standard deviation between seeds {wording.number(between_seeds.deviation)}, "
        f"{wording.count(between_seeds.freedom, 'degree')} of freedom; "
        f"a clear difference is one above {wording.number(needed[best])}"
    )
    supported = [f"In the {where}, {best} is better than {wording.listed(worse)} ({basis})."] if worse else []
    if not close:
        return supported, []
    return supported, [f"In the {where}, {best} is not clearly better than {wording.listed(close)} ({basis})."]
