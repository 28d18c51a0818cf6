"""What is measured of a model: the metrics that have a name, and the scores of a classifier, by scikit-learn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rnnkit.core import extras


if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Labels = np.ndarray | Tensor | Sequence[int]


class Direction(StrEnum):
    """Which values of a metric are better, in Optuna's words."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


@dataclass(frozen=True)
class Metric:
    """A metric: its name, what one of it is ("" for a plain number), the least and most it can be, what is better."""

    name: str
    unit: str = ""
    limits: tuple[float, float] = (-math.inf, math.inf)
    direction: Direction = Direction.MINIMIZE


_SHARE, _POSITIVE = (0.0, 1.0), (0.0, math.inf)

METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "share of answers", _SHARE, Direction.MAXIMIZE),
        Metric("accuracy_on_new_words", "share of answers", _SHARE, Direction.MAXIMIZE),
        Metric("macro_f1", "", _SHARE, Direction.MAXIMIZE),
        Metric("loss", "", _POSITIVE),  # squares or nats, as the task has it
        Metric("excess", "nats per step"),  # above the best there is in the mean: on few examples it can be below
        Metric("bits_per_character", "bits per character", _POSITIVE),
        Metric("perplexity", "words", (1.0, math.inf)),
        Metric("nats_per_step", "nats per step", _POSITIVE),
        Metric("nats_per_step_by_piece", "nats per step", _POSITIVE),
    )
}


def metric(name: str) -> Metric:
    """The metric of a name (`accuracy`, `metric/accuracy/valid`); an unknown one has no limits, lower is better."""
    first, *rest = name.split("/")
    plain = rest[0] if first == "metric" and rest else first
    return METRICS.get(plain, Metric(plain))


def classification(targets: "Labels", predictions: "Labels", split: str) -> dict[str, float]:
    """Accuracy and macro F1 (the mean of the classes') of predictions, in 0..1, by names as `metric/accuracy/valid`."""
    with extras.needed("experiments", "a score of classes"):
        from sklearn.metrics import accuracy_score, f1_score

    macro = f1_score(targets, predictions, average="macro", zero_division=0)  # pyright: ignore[reportArgumentType]
    accuracy = accuracy_score(targets, predictions)
    return {f"metric/accuracy/{split}": float(accuracy), f"metric/macro_f1/{split}": float(macro)}
