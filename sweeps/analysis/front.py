"""Which trials no other beats in score and size at once: the front of score against size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnnkit.core import wording


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from sweeps.study import StudyFolder


@dataclass(frozen=True)
class OnFront:
    """A trial on the front: no finished one has both a better value and a smaller size. `milliseconds` a prediction."""

    trial: int
    value: float
    settings: dict[str, Any]
    parameters: int | None = None
    milliseconds: float | None = None


def front(folder: "StudyFolder", complete: "Sequence[FrozenTrial]") -> list[OnFront]:
    """The front of a study whose size is limited, smallest first; nothing of one that is not.

    Size is the measured time a prediction where that is limited, else the number of parameters.
    """
    limits = folder.limits
    if limits.parameters is None and limits.milliseconds is None:
        return []
    kind = "parameters" if limits.milliseconds is None else "milliseconds"
    sized = [(trial.user_attrs.get("result", {}).get(kind), trial) for trial in complete]
    known = [(size, -folder.objective.score(trial.values[0]), trial.number, trial) for size, trial in sized if size]
    found: list[OnFront] = []
    best = float("inf")
    for _, cost, number, trial in sorted(known, key=lambda one: one[:3]):
        if cost < best:
            best, result = cost, trial.user_attrs["result"]
            size = result.get("parameters"), result.get("milliseconds")
            found.append(OnFront(number, trial.values[0], trial.params, *size))
    return found


def table(found: Sequence[OnFront], metric: str) -> list[list[str]]:
    """The front as rows of text."""
    timed = any(one.milliseconds is not None for one in found)
    rows = [["trial", wording.metric(metric), "parameters", *(["ms a prediction"] if timed else []), "settings"]]
    for one in found:
        time = ["-" if one.milliseconds is None else f"{one.milliseconds:.3g}"] if timed else []
        count = "-" if one.parameters is None else f"{one.parameters:,}"
        rows.append([str(one.trial), wording.number(one.value), count, *time, wording.settings(one.settings)])
    return rows


def heading(found: Sequence[OnFront], metric: str) -> str:
    """What the table shows, in words."""
    size = "time a prediction" if any(one.milliseconds is not None for one in found) else "parameters"
    return f"the front of {wording.metric(metric)} against {size}, one seed each (no other trial is better and smaller)"
