"""Settings by the data: how long to train, sizes, batches, pooling, what a sweep searches. Each rule has its reason."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.training import Range, Space


if TYPE_CHECKING:
    from experiments.own import Config
    from rnnkit.datasets.own import OwnData
    from rnnkit.datasets.own.parts import Places
    from rnnkit.datasets.own.windows import Windows


FEW = 300  # sequences to train and validate with: below, one validation part is too small to choose by
LEAST_UPDATES, MOST_UPDATES = 1_000, 3_000
PASSES = 20  # of the training part, where that is more than LEAST_UPDATES
# Time steps of all updates and members: some 20 s on one core, which does 110,000 to 150,000 a second with 64 units.
MOST_STEPS = 2_500_000
TRIALS = 10  # of a sweep, unless told: the plane of 6, and 4 that TPE suggests; with 9 again, 3 minutes on two cores

_BY_DATA = ("hidden_size", "batch_size", "epochs", "learning_rate", "folds")
_AUTO = ("task", "unit", "watch", "pool")


def is_settled(config: "Config") -> bool:
    """Whether nothing is left to the data."""
    given = config.word_dropout is not None and config.head_dropout is not None
    return (
        given
        and all(getattr(config, name) for name in _BY_DATA)
        and all(getattr(config, name) != "auto" for name in _AUTO)
    )


def settled(config: "Config", data: "OwnData", places: "Places", windows: "Windows | None" = None) -> "Config":
    """The settings, those that are left open by what the data are; `windows` are those of series to forecast."""
    found: dict[str, Any] = {"task": data.answers, "unit": config.unit if config.unit != "auto" else unit_of(data)}
    count = len(np.unique(np.concatenate([places.train, places.valid])))
    found["folds"] = config.folds or folds_of(count, data)
    train = count if found["folds"] > 1 else len(places.train)
    found["watch"] = config.watch if config.watch != "auto" else watched(data)
    is_text = found["unit"] in ("words", "characters", "tokens")
    found["batch_size"] = config.batch_size or batch_of(train, found["unit"])
    found["hidden_size"] = config.hidden_size or (64 if train >= 500 or is_text else 32)
    found["learning_rate"] = config.learning_rate or (0.005 if is_text else 0.01)
    found["pool"] = config.pool
    if config.pool == "auto":
        found["pool"] = "last" if data.answers in ("tags", "forecast") else "joined"
    if windows is not None:
        found |= {"season": windows.season, "context": len(windows.data.inputs[0])}
    if is_text:
        found["embedding_size"] = config.embedding_size or (32 if found["unit"] == "characters" else 64)
        found["least_count"] = config.least_count or (2 if found["unit"] == "words" else 1)
    if config.word_dropout is None:
        found["word_dropout"] = {"words": 0.3, "tokens": 0.1}.get(found["unit"], 0.0)
    if config.head_dropout is None:
        found["head_dropout"] = 0.0 if data.answers == "forecast" else 0.5 if is_text else 0.2
    by_epoch = math.ceil(train / found["batch_size"])
    if not config.epochs:
        length = mean_length(windows.data if windows else data, found["unit"])
        updates = config.updates or updates_of(train, found["batch_size"], length, found["folds"])
        found["epochs"] = max(1, math.ceil(updates / by_epoch))
    epochs = found.get("epochs", config.epochs)
    if not config.evaluate_every and epochs > 40:  # as many evaluations as make a difference
        found["evaluate_every"] = math.ceil(by_epoch * epochs / 30)
    return config.changed(**found)


def batch_of(train: int, unit: str) -> int:
    """A sixteenth of the training part, 16 to 64; of texts, which are long and learned in few passes, 16."""
    return 16 if unit == "words" else int(np.clip(2 ** round(math.log2(max(train, 1) / 16)), 16, 64))


def folds_of(count: int, data: "OwnData") -> int:
    """How many folds: with few sequences to train and validate with, a single validation part says too little."""
    if data.answers == "forecast" or data.parts or count >= FEW:
        return 1
    return 5 if count < FEW // 3 else 3


def updates_of(train: int, batch: int, length: float, folds: int) -> int:
    """Steps of training: PASSES over the data, within LEAST_UPDATES and MOST_UPDATES, and what MOST_STEPS allow."""
    wanted = np.clip(PASSES * train / batch, LEAST_UPDATES, MOST_UPDATES)
    allowed = MOST_STEPS / (batch * max(length, 1) * folds)
    return int(max(200, min(wanted, allowed)))


def mean_length(data: "OwnData", unit: str) -> float:
    """Steps of a sequence, in the mean; a word has some six characters."""
    return float(data.lengths.mean()) / (6 if unit == "words" else 1)


def unit_of(data: "OwnData") -> str:
    """What a step is: a value, a token, or of texts a word; a character where most have two words or fewer."""
    if data.reads != "text":
        return "values" if data.reads == "series" else "tokens"
    return "characters" if np.median([len(text.split()) for text in data.inputs]) <= 2 else "words"


def watched(data: "OwnData") -> str:
    """What the net is judged by: macro F1 where the largest class is more than three times the smallest.

    Of tags, which are never equal, macro F1 where one has more than 70 %. The mean absolute error of numbers.
    """
    if data.answers in ("number", "forecast"):
        return "mae"
    words = data.targets if data.answers == "label" else [tag for tags in data.targets for tag in tags]
    counts = np.unique(np.array(words), return_counts=True)[1]
    unequal = counts.max() > (3 * counts.min() if data.answers == "label" else 0.7 * counts.sum())
    return "macro_f1" if unequal else "accuracy"


def in_words(asked: "Config", found: "Config", train: int, data: "OwnData") -> list[str]:
    """What was decided by the data, with the flag for each."""
    updates = found.epochs * math.ceil(train / found.batch_size)
    said = [f"{updates:,} updates (--updates)"] if not asked.epochs else []
    said += [f"batches of {found.batch_size} (--batch-size)"] if not asked.batch_size else []
    said += [f"hidden size {found.hidden_size} (--hidden-size)"] if not asked.hidden_size else []
    said += [f"pooling {found.pool} (--pool)"] if asked.pool == "auto" and found.task in ("label", "number") else []
    said += [f"{found.folds} folds (--folds)"] if found.folds > 1 and not asked.folds else []
    said += [f"judged by {found.watch.replace('_', ' ')} (--watch)"] if asked.watch == "auto" else []
    said += [f"read by {found.unit} (--unit)"] if asked.unit == "auto" and data.reads == "text" else []
    if found.task == "forecast":
        said += [f"{found.context} steps read (--context)"] if not asked.context else []
        said += [f"season {found.season} (--season)"] if not asked.season and found.season > 1 else []
    lines = [f"by the data: {', '.join(said)}"] if said else []
    if updates < 500:
        lines.append(f"only {updates} updates: sequences are long; more may do better (--updates)")
    if data.answers == "label":
        counts = np.unique(np.array(data.targets), return_counts=True)[1]
        if counts.min() * (1.0 if found.folds > 1 else 0.2) < 10:
            lines.append(
                "fewer than ten examples of a class to validate with: the choice between settings is uncertain"
            )
    return lines


def space(config: "Config") -> Space:
    """What a sweep searches: sizes around the one that suits the data, and what the kind of data asks for."""
    middle = config.hidden_size or 64
    sizes, depths = (max(4, middle // 2), middle, 2 * middle), (1, 2)
    rate = config.learning_rate or 0.01
    start: dict[str, Any] = {"cell": "gru", "bidirectional": True, "learning_rate": rate, "clip": 1.0}
    tuned: dict[str, Any] = {
        "learning_rate": Range(rate / 4, rate * 3, log=True),
        "clip": Range(0.25, 4.0, log=True),
        "dropout": Range(0.0, 0.5, least=0.0, most=0.95, needs=("depth", 2)),
    }
    if config.task != "forecast":
        start["head_dropout"] = config.head_dropout or 0.0
        tuned["head_dropout"] = Range(0.0, 0.6, least=0.0, most=0.95)
    if config.task in ("label", "number", "auto"):
        start["pool"] = "joined" if config.pool == "auto" else config.pool
        tuned["pool"] = ("joined", "last", "mean", "max", "attention")
    if config.unit in ("words", "tokens"):
        start |= {"word_dropout": config.word_dropout or 0.0, "embedding_size": config.embedding_size}
        tuned["word_dropout"] = Range(0.0, 0.5, least=0.0, most=0.95)
        tuned["embedding_size"] = (16, 32, 64, 128)
    if config.unit == "words":
        start["least_count"] = config.least_count
        tuned["least_count"] = (1, 2, 3, 5)
    studied = {
        "hidden_size": Range(sizes[0], sizes[-1], log=True, least=1),
        "depth": Range(1, 2, least=1),
        "cell": ("gru", "lstm"),
        "bidirectional": (False, True),
    }
    return Space(sizes, depths, studied, tuned, start, trials=TRIALS)
