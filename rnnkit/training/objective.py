"""What the runs of an experiment are judged by."""

from dataclasses import dataclass

from rnnkit.evaluation import METRICS, Direction, metric


@dataclass(frozen=True)
class Objective:
    """The metric that an experiment is judged by on the validation part.

    Training keeps the weights with the best value, a sweep ranks trials by it. Which values are better stands in
    `evaluation.METRICS`; a metric of one's own says its `direction`. Raises `ValueError` where neither does.

    >>> Objective("metric/loss/valid").better(0.1, than=0.2)
    True
    """

    metric: str
    direction: Direction | None = None

    def __post_init__(self) -> None:
        if self.direction is None and metric(self.metric).name not in METRICS:
            raise ValueError(f"which values of {self.metric} are better? Say direction=Direction.MAXIMIZE or MINIMIZE")

    @property
    def lower_is_better(self) -> bool:
        """Whether one value is better than another where it is lower."""
        return (self.direction or metric(self.metric).direction) is Direction.MINIMIZE

    def score(self, value: float) -> float:
        """The value, or its negative where lower is better: the higher the better in any case."""
        return -value if self.lower_is_better else value

    def better(self, value: float, than: float) -> bool:
        """Whether one value is better than another."""
        return self.score(value) > self.score(than)
