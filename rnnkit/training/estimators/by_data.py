"""Settings of estimators that the data decide where they are left "auto", and the configuration of a fit."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args, get_type_hints

import numpy as np

from rnnkit.core import BaseConfig, UserError, records
from rnnkit.training import rules
from rnnkit.training.estimators.given import Given


MOST_SECONDS = 30.0  # of training, as they are estimated


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """The settings of a fit."""

    experiment: ClassVar[str] = "estimator"
    is_command: ClassVar[bool] = False

    kind: Literal["label", "number", "tags", "forecast"] = "label"
    """What is predicted."""
    data: str = ""
    """SHA-256 of X and y."""
    unit: Literal["values", "words", "characters", "tokens"] = "values"
    """What a step is."""
    folds: int = 1
    """Nets, each of which validates on another part of the data; they answer together."""
    validation_fraction: float = 0.2
    """Share of the sequences to choose weights by, where there is one net."""
    watch: Literal["accuracy", "macro_f1", "mae"] = "accuracy"
    """What weights are chosen by."""
    pool: Literal["last", "mean", "max", "attention", "joined"] = "last"
    """What becomes of the states of a sequence."""
    embedding_size: int = 0
    """Numbers that stand for a word, character or token."""
    least_count: int = 1
    """Words that come less often in training count as unknown."""
    grams: int = 0
    """Words or characters in a row that count for an answer by themselves; 0 for none."""
    word_dropout: float = 0.0
    """Share of words read as unknown in training."""
    head_dropout: float = 0.0
    """Share of the units dropped before the scores, in training."""
    class_weights: str = ""
    """Weights of classes in the loss, parted by blanks."""
    horizon: int = 1
    """How many values ahead are predicted."""
    context: int = 0
    """How many steps a forecast reads."""

    def __post_init__(self):
        super().__post_init__()
        self._require("validation_fraction", 0 < self.validation_fraction < 1, "above 0 and below 1")
        self._require_counts("horizon", most=10_000)
        self._require("folds", 1 <= self.folds <= 20, "between 1 and 20")
        self._require_counts("least_count")
        for name in ("word_dropout", "head_dropout"):
            self._require(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")


def config(told: dict[str, Any], given: Given, kind: str, counts: np.ndarray, count: int) -> Config:
    """The settings, those that are "auto" by what the data are.

    `counts` are how many sequences each class has, or steps each tag, empty for numbers; `count` is how many windows
    there are of forecasts, else how many sequences. Raises `UserError` for settings that cannot be used.
    """
    open_ones = {name for name, value in told.items() if isinstance(value, str) and value == "auto"}
    found = {name: value for name, value in told.items() if name not in open_ones}

    def settle(name: str, value: Any) -> Any:
        return found.setdefault(name, value)

    unit = settle("unit", rules.unit_of(given.reads, given.inputs))
    length = found["context"] if kind == "forecast" else float(np.mean([len(one) for one in given.inputs]))
    batch = settle("batch_size", rules.batch_of(count, unit, length))
    for name, value in vars(rules.usual(kind, unit, count)).items():
        settle(name, value)
    settle("watch", rules.watched(kind, counts))
    seconds = rules.seconds_of(found["hidden_size"], found["depth"], batch, length, unit)
    folds = settle("folds", 1 if kind == "forecast" else rules.folds_of(count, unit, seconds, MOST_SECONDS))
    train = count if folds > 1 else max(1, round(count * (1 - found["validation_fraction"])))
    by_epoch = math.ceil(train / batch)
    if "epochs" in open_ones:
        updates = rules.updates_of(train, batch, unit, seconds * folds, MOST_SECONDS)
        found["epochs"] = max(1, math.ceil(updates / by_epoch))
    settle("evaluate_every", rules.evaluate_every(by_epoch, found["epochs"]))
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}
    made, damage = records.read(Config, {"kind": kind, **plain})
    if made is None or damage:
        name = damage[0].partition(" ")[0]
        choices = ", ".join(map(str, get_args(get_type_hints(Config)[name])))
        raise UserError(damage[0] + (f": choose one of {choices}" if choices else ", which is of another kind"))
    return made
