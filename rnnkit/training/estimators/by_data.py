"""Settings of estimators that the data decide where they are left "auto", and the configuration of a fit."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args, get_type_hints

import numpy as np

from rnnkit.core import BaseConfig, UserError, records
from rnnkit.training.estimators.given import Given


FEW = 300  # sequences: below, one validation part is too small to choose weights by
ENOUGH = 500  # to learn from, for a net of 64 units
LEAST_UPDATES, MOST_UPDATES = 1_000, 3_000
PASSES = 20  # of the training part, where that is more than LEAST_UPDATES
MOST_STEPS = 6_000_000  # time steps of all updates and members: half a minute on one core
EVALUATIONS = 30  # as many as make a difference


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """The settings of a fit."""

    experiment: ClassVar[str] = "estimator"
    is_command: ClassVar[bool] = False

    kind: Literal["label", "number", "tags", "forecast"] = "label"
    """What is foretold."""
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
    word_dropout: float = 0.0
    """Share of words read as unknown in training."""
    head_dropout: float = 0.0
    """Share of the units dropped before the scores, in training."""
    class_weights: str = ""
    """Weights of classes in the loss, parted by blanks."""
    horizon: int = 1
    """How many values ahead are foretold."""
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

    unit = settle("unit", unit_of(given))
    is_text = unit != "values"
    folds = settle("folds", 1 if kind == "forecast" else folds_of(count))
    train = count if folds > 1 else max(1, round(count * (1 - found["validation_fraction"])))
    batch = settle("batch_size", batch_of(train, unit))
    settle("hidden_size", 64 if train >= ENOUGH or is_text else 32)
    settle("learning_rate", 0.005 if is_text else 0.01)
    settle("pool", "joined" if kind in ("label", "number") else "last")
    settle("embedding_size", {"values": 0, "characters": 32}.get(unit, 64))
    settle("least_count", 2 if unit == "words" else 1)
    settle("word_dropout", {"words": 0.3, "tokens": 0.1}.get(unit, 0.0))
    settle("head_dropout", 0.0 if kind == "forecast" else 0.5 if is_text else 0.2)
    settle("watch", watched(kind, counts))
    by_epoch = math.ceil(train / batch)
    if "epochs" in open_ones:
        length = float(np.mean([len(one) for one in given.inputs])) / (6 if unit == "words" else 1)
        length = found["context"] if kind == "forecast" else length
        found["epochs"] = max(1, math.ceil(updates_of(train, batch, length, folds) / by_epoch))
    if found["epochs"] > 40:
        settle("evaluate_every", math.ceil(by_epoch * found["epochs"] / EVALUATIONS))
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}
    made, damage = records.read(Config, {"kind": kind, **plain})
    if made is None or damage:
        name = damage[0].partition(" ")[0]
        choices = ", ".join(map(str, get_args(get_type_hints(Config)[name])))
        raise UserError(damage[0] + (f": choose one of {choices}" if choices else ", which is of another kind"))
    return made


def unit_of(given: Given) -> str:
    """What a step is: a value, a token, or of texts a word; a character where most have two words or fewer."""
    if given.reads != "text":
        return "values" if given.reads == "series" else "tokens"
    return "characters" if np.median([len(text.split()) for text in given.inputs]) <= 2 else "words"


def folds_of(count: int) -> int:
    """How many nets, each with a validation part of its own: several where one part would say too little."""
    return 1 if count >= FEW else 5 if count < FEW // 3 else 3


def batch_of(train: int, unit: str) -> int:
    """A sixteenth of the training part, 16 to 64; of texts, which are long and learned in few passes, 16."""
    return 16 if unit == "words" else int(np.clip(2 ** round(math.log2(max(train, 1) / 16)), 16, 64))


def updates_of(train: int, batch: int, length: float, folds: int) -> int:
    """Steps of training: PASSES over the data, within LEAST_UPDATES and MOST_UPDATES, and what MOST_STEPS allow."""
    wanted = np.clip(PASSES * train / batch, LEAST_UPDATES, MOST_UPDATES)
    allowed = MOST_STEPS / (batch * max(length, 1) * folds)
    return int(max(200, min(wanted, allowed)))


def watched(kind: str, counts: np.ndarray) -> str:
    """Accuracy, or macro F1 where the largest class is more than three times the smallest (of tags: above 70 %)."""
    if not len(counts):
        return "mae"
    unequal = counts.max() > (3 * counts.min() if kind == "label" else 0.7 * counts.sum())
    return "macro_f1" if unequal else "accuracy"
