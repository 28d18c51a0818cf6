"""What is measured of a model: the metrics that have a name, and the scores of a classifier."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING


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
        Metric("roc_auc", "", _SHARE, Direction.MAXIMIZE),
        Metric("log_loss", "nats", _POSITIVE),
        Metric("calibration_error", "", _SHARE),
        Metric("mae", "", _POSITIVE),
        Metric("rmse", "", _POSITIVE),
        Metric("r2", "", (-math.inf, 1.0), Direction.MAXIMIZE),
        Metric("mase", "", _POSITIVE),
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
    """Accuracy and macro F1 (the mean of the classes') of predictions, in 0..1, by names as `metric/accuracy/valid`.

    The F1 of a class is 2 c / (t + p), c being how often it was predicted rightly, t how often it was to be predicted
    and p how often it was. Classes that neither targets nor predictions have do not count. As scikit-learn's, in a
    hundredth of its time.
    """
    import numpy as np

    classes, numbers = np.unique(np.concatenate([np.asarray(targets), np.asarray(predictions)]), return_inverse=True)
    wanted, given = np.split(numbers, 2)
    right = wanted == given
    correct = np.bincount(wanted[right], minlength=len(classes))
    of_classes = (
        2 * correct / (np.bincount(wanted, minlength=len(classes)) + np.bincount(given, minlength=len(classes)))
    )
    scores = {"accuracy": right.sum() / len(right), "macro_f1": math.fsum(of_classes) / len(classes)}
    return {f"metric/{name}/{split}": float(score) for name, score in scores.items()}
