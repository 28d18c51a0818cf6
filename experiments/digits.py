"""Handwritten digits, read as sequences of inked pixels: a small task where size, depth and cell matter.

    python -m experiments.digits
    python -m experiments.digits --cell lstm --hidden-size 16 --depth 1 --no-bidirectional

Each image is the sequence of its inked pixels from the top left to the bottom right, three features a step (row,
column, intensity): 1,797 sequences of 16 to 42 steps. The net reads a packed batch of them and names the digit from
its final state. Beside it stands what a logistic regression on the 64 pixels reaches on the same split.
"""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rnnkit.core import BaseConfig, cli
from rnnkit.evaluation import compare
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    import numpy as np
    import torch

    from rnnkit.datasets.digits import Digits, View


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "digits"

    patience: int = 8
    """Stop after so many epochs without a better validation accuracy; 0 for never."""
    view: Literal["ink", "rows", "pixels"] = "ink"
    """The images as inked pixels (16 to 42 steps of 3), as rows (8 of 8), or as all pixels (64 of 1)."""
    split_seed: int = 0
    """Seed of the split into training, validation and test part."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("split_seed", 0 <= self.split_seed < 2**32, "between 0 and 2^32 - 1")


OBJECTIVE = Objective("metric/accuracy/valid")

START = {"cell": "gru", "bidirectional": True, "learning_rate": 0.01, "clip": 1.0}
# Hidden sizes and depths of the plane that comes first, what is studied, what is tuned along, the rest of the plane.
SPACE = Space((8, 16, 32, 64), (1, 2, 3), studied((8, 96), 3), tuned((1e-3, 3e-2)), START)


def setup(config: Config, device: "torch.device") -> "Task[Digits]":
    """The net, its batches and its loss, from the settings."""
    # Imports that take a second stand here, so that --help need not wait for them.
    from rnnkit.datasets.digits import CLASSES
    from rnnkit.nn import models
    from rnnkit.training import tasks

    data = load(config.view, config.split_seed)
    longest = max(map(len, data.train.inputs))
    model = models.classifier(config, data.features, CLASSES, longest).to(device)
    return tasks.on_examples(config, OBJECTIVE, model, data, "digits", tasks.classified)


def conclude(config: Config, task: "Task[Digits]") -> Final:
    """Test the best weights, beside the baseline."""
    from rnnkit.training import tasks

    metrics, right = tasks.classified(task.model, task.data.test, "test")
    del metrics["loss/test"]  # which records of digits do not have
    comparison = compare("logistic regression on pixels", right, baseline(config.split_seed))
    return Final(task.evaluate() | metrics, comparison, preprocessing=task.data.preprocessing)


@functools.cache  # the trials of a sweep share them
def load(view: "View", split_seed: int) -> "Digits":
    """The sequences of a view."""
    from rnnkit.datasets import digits

    return digits.load(view, split_seed)


@functools.cache
def baseline(split_seed: int) -> "np.ndarray":
    """Which test digits a logistic regression on the standardised pixels names rightly, of shape (examples,)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load("rows", split_seed)
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    regression.fit(data.images["train"], data.train.joined_targets.numpy())
    return regression.predict(data.images["test"]) == data.test.joined_targets.numpy()


run = experiment(Config, setup, conclude)
main = run.main


if __name__ == "__main__":
    cli.main(main)
