"""Settings for sequences of one's own, by their number, kind and lengths. Each rule has its reason."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


FEW = 300  # sequences to train and validate with: below, one validation part is too small to choose by
MANY = 3_000  # above, one net that learns from three quarters of them loses little by what it does not see
ENOUGH = 5_000  # to learn from, for a net of 64 units
LEAST_UPDATES, MOST_UPDATES = 1_000, 3_000
PASSES = 20  # of the training part, where that is more than LEAST_UPDATES
OF_WORDS = 500, 8  # the same of words: rare ones are soon known by heart, and what is learned then is of no use
MOST_STEPS = 1 << 12  # of a batch in the mean: what a step keeps for its gradient is kept for all of them at once
EVALUATIONS = 15  # as many as make a difference

Unit = Literal["values", "words", "characters", "tokens"]


@dataclass(frozen=True)
class Usual:
    """What fits data of a kind and size, where nothing else is said."""

    hidden_size: int
    learning_rate: float
    pool: Literal["last", "joined"]
    embedding_size: int
    least_count: int
    word_dropout: float
    head_dropout: float
    grams: int


def usual(answers: str, unit: str, train: int) -> Usual:
    """What fits `train` sequences, read by `unit`, that are answered with a label, a number, tags or a forecast."""
    is_text = unit != "values"
    return Usual(
        hidden_size=64 if train >= ENOUGH else 32,
        learning_rate={"words": 0.001, "values": 0.01}.get(unit, 0.005),
        pool="joined" if answers in ("label", "number") else "last",
        embedding_size={"values": 0, "characters": 32}.get(unit, 64),
        least_count=2 if unit == "words" else 1,
        word_dropout={"words": 0.3, "tokens": 0.1}.get(unit, 0.0),
        head_dropout=0.0 if answers == "forecast" else 0.5 if is_text else 0.2,
        # As far as the linear models on texts look that are seen beside it.
        grams={"words": 2, "tokens": 2, "characters": 4}.get(unit, 0) if answers in ("label", "number") else 0,
    )


def unit_of(reads: str, inputs: Sequence[Any]) -> Unit:
    """What a step is: a value, a token, or of texts a word; a character where most have two words or fewer."""
    if reads != "text":
        return "values" if reads == "series" else "tokens"
    return "characters" if np.median([len(text.split()) for text in inputs]) <= 2 else "words"


def folds_of(count: int, unit: str, seconds: float, most_seconds: float) -> int:
    """How many nets, each with a validation part of its own, that answer together.

    Several where one part would say too little, and where there is time to train three: they have learned from all,
    and are right more often than one. `seconds` is what an update of one net costs.
    """
    if count < FEW:
        return 5 if count < FEW // 3 else 3
    return 3 if count < MANY and 3 * seconds * _least(unit)[0] <= most_seconds else 1


def _least(unit: str) -> tuple[int, int]:
    """How many updates, and passes over the training part, there are to be at least."""
    return OF_WORDS if unit == "words" else (LEAST_UPDATES, PASSES)


def batch_of(train: int, unit: str, length: float) -> int:
    """A sixteenth of the training part, 16 to 64, of no more than MOST_STEPS; `length` is a sequence's in the mean.

    Of texts, which are long and learned in few passes, 16.
    """
    most = min(max(train, 1) / 16, MOST_STEPS / max(length, 1))
    return 16 if unit == "words" else int(np.clip(2 ** round(math.log2(most)), 16, 64))


def seconds_of(hidden_size: int, depth: int, batch: int, length: float, unit: str) -> float:
    """What an update of one net costs on a core, in seconds: an estimate, the same on all machines.

    It was fitted to GRUs of 16 to 128 units that read from both ends. `length` is a sequence's in the mean, of texts in
    characters: a word has some six.
    """
    steps = batch * max(length / (6 if unit == "words" else 1), 1)
    return 1.5e-3 * depth + steps * (1.5e-6 * depth + 7.5e-10 * hidden_size**2 * (4 * depth - 3))


def updates_of(train: int, batch: int, unit: str, seconds: float, most_seconds: float) -> int:
    """Steps of training: PASSES over the data, within LEAST_UPDATES and MOST_UPDATES, and what `most_seconds` allow.

    `seconds` is what an update costs, of all members.
    """
    least, passes = _least(unit)
    wanted = np.clip(passes * train / batch, least, MOST_UPDATES)
    return int(max(200, min(wanted, most_seconds / seconds)))


def evaluate_every(by_epoch: int, epochs: int) -> int:
    """After how many steps to evaluate, of `by_epoch` an epoch; 0, after each epoch, where these are few."""
    return math.ceil(by_epoch * epochs / EVALUATIONS) if epochs > EVALUATIONS else 0


def watched(answers: str, counts: np.ndarray) -> Literal["accuracy", "macro_f1", "mae"]:
    """Accuracy, or macro F1 where the largest class is more than three times the smallest; of numbers mae.

    Of tags, which are never equal, macro F1 where one has more than 70 %. `counts` are those of each class.
    """
    if not len(counts):
        return "mae"
    unequal = counts.max() > (3 * counts.min() if answers == "label" else 0.7 * counts.sum())
    return "macro_f1" if unequal else "accuracy"
