"""What the runs of an experiment are judged by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """The metric that an experiment is judged by on the validation part; the higher the better unless said.

    Training keeps the weights with the best value, a sweep ranks trials by it.

    >>> Objective("metric/loss/valid", lower_is_better=True).better(0.1, than=0.2)
    True
    """

    metric: str
    lower_is_better: bool = False

    def score(self, value: float) -> float:
        """The value, or its negative where lower is better: the higher the better in any case."""
        return -value if self.lower_is_better else value

    def better(self, value: float, than: float) -> bool:
        """Whether one value is better than another."""
        return self.score(value) > self.score(than)
