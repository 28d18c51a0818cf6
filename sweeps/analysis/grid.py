"""What the points of a grid of one's own came to: a mean over seeds for each, as a table and in sentences."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rnnkit.core import wording


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from sweeps.study import StudyFolder

PLANE = {"hidden_size", "depth"}  # a grid of these two is shown as the plane is


@dataclass(frozen=True)
class GridPoint:
    """A point of a grid: its `settings`, the `values` of its finished `trials`, their mean and standard deviation.

    `value` is None where no trial finished, `spread` where there are not two; `test` has the mean of each test score.
    """

    settings: dict[str, Any]
    value: float | None = None
    spread: float | None = None
    values: list[float] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)
    test: dict[str, float] = field(default_factory=dict)
    parameters: int | None = None

    @property
    def name(self) -> str:
        """In short: `cell lstm, hidden size 16`."""
        return wording.settings(self.settings)


def plane_points(folder: "StudyFolder") -> list[dict[str, Any]]:
    """The points of the plane hidden size x depth; none in a grid of other settings."""
    points = folder.space.plane()
    return points if not folder.space.points or set(points[0]) == PLANE else []


def grid_points(folder: "StudyFolder", complete: "Sequence[FrozenTrial]") -> list[GridPoint]:
    """What the points of a grid of one's own came to; none where the study has no such, or shows it as the plane."""
    if not folder.space.points or plane_points(folder):
        return []
    return [_point(point, [trial for trial in complete if trial.params == point]) for point in folder.space.points]


def _point(settings: dict[str, Any], trials: "Sequence[FrozenTrial]") -> GridPoint:
    values = [trial.values[0] for trial in trials]
    results = [trial.user_attrs.get("result", {}) for trial in trials]
    tests = [result.get("test", {}) for result in results]
    return GridPoint(
        settings=settings,
        value=statistics.fmean(values) if values else None,
        spread=statistics.stdev(values) if len(values) > 1 else None,
        values=values,
        trials=[trial.number for trial in trials],
        test={name: statistics.fmean(test[name] for test in tests) for name in (tests[0] if tests else {})},
        parameters=next((result["parameters"] for result in results if result.get("parameters")), None),
    )


def table(points: Sequence[GridPoint], metric: str) -> list[list[str]]:
    """The points as rows of text, in the order of the grid: mean, standard deviation over seeds, test, parameters."""
    tests = list(dict.fromkeys(name for point in points for name in point.test))
    names = list(points[0].settings)
    head = [*(name.replace("_", " ") for name in names), "seeds", wording.metric(metric), "sd"]
    rows = [[*head, *map(wording.metric, tests), "parameters"]]
    for point in points:
        numbers = [point.value, point.spread, *(point.test.get(name) for name in tests)]
        value, spread, *scores = ("-" if number is None else wording.number(number) for number in numbers)
        settings = [wording.plain(point.settings[name]) for name in names]
        size = "-" if point.parameters is None else f"{point.parameters:,}"
        rows.append([*settings, str(len(point.values)), value, spread, *scores, size])
    return rows
