"""Settings by the data: how long to train, sizes, batches, pooling, what a sweep searches. Each rule has its reason."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.core import UserError, cells, wording
from rnnkit.training import Range, Space, rules


if TYPE_CHECKING:
    from experiments.own import Config
    from rnnkit.datasets.own import OwnData
    from rnnkit.datasets.own.parts import Places
    from rnnkit.datasets.own.windows import Windows


MOST_SECONDS = 14.0  # of training, as they are estimated: a clock would make of one seed many studies
# Of a sweep, unless told: the plane of 6, 2 that TPE suggests, and the best again on fresh seeds, in three minutes on 2
# cores.
TRIALS, AGAIN = 8, 1
TRIALS_OF_TEXTS = 6  # and tokens: 3 sizes, and 3 that TPE suggests
FAR = 20.0  # by how many times places differ that are of other kinds, rather than of one series

_BY_DATA = ("hidden_size", "batch_size", "epochs", "learning_rate", "folds")
_AUTO = ("task", "unit", "watch", "pool", "scale", "gaps")


def is_settled(config: "Config") -> bool:
    """Whether nothing is left to the data."""
    given = None not in (config.word_dropout, config.head_dropout, config.grams)
    return (
        given
        and all(getattr(config, name) for name in _BY_DATA)
        and all(getattr(config, name) != "auto" for name in _AUTO)
    )


def settled(config: "Config", data: "OwnData", places: "Places", windows: "Windows | None" = None) -> "Config":
    """The settings, those that are left open by what the data are; `windows` are those of series to forecast."""
    unit = config.unit if config.unit != "auto" else rules.unit_of(data.reads, data.inputs)
    found: dict[str, Any] = {"task": data.answers, "unit": unit, **dict(data.guessed)}
    count = len(np.unique(np.concatenate([places.train, places.valid])))
    found["watch"] = config.watch if config.watch != "auto" else rules.watched(data.answers, _class_counts(data))
    usual = rules.usual(data.answers, unit, count)
    found["scale"], found["gaps"] = _scale(config, data, places), _gaps(config, data)
    length = 1.0 if found["scale"] == "table" else float((windows.data if windows else data).lengths.mean())
    found["batch_size"] = config.batch_size or rules.batch_of(count, unit, length)
    found["hidden_size"] = config.hidden_size or usual.hidden_size
    found["learning_rate"] = config.learning_rate or usual.learning_rate
    found["pool"] = config.pool if config.pool != "auto" else usual.pool
    if config.differences and data.reads != "series":
        raise UserError("--differences is for series of numbers: leave it out")
    if windows is not None:
        found |= {"season": windows.season, "context": len(windows.data.inputs[0])}
    if unit != "values":
        found["embedding_size"] = config.embedding_size or usual.embedding_size
        found["least_count"] = config.least_count or usual.least_count
    for name in ("word_dropout", "head_dropout", "grams"):
        if getattr(config, name) is None:
            found[name] = getattr(usual, name)
    each = rules.seconds_of(found["hidden_size"], config.depth, found["batch_size"], length, unit)
    one = data.answers == "forecast" or "valid" in data.parts
    found["folds"] = config.folds or (1 if one else rules.folds_of(count, unit, each, MOST_SECONDS))
    train = count if found["folds"] > 1 else len(places.train)
    by_epoch = math.ceil(train / found["batch_size"])
    if not config.epochs:
        asked = config.updates or rules.updates_of(
            train, found["batch_size"], unit, each * found["folds"], MOST_SECONDS
        )
        found["epochs"] = max(1, math.ceil(asked / by_epoch))
    if not config.evaluate_every:
        found["evaluate_every"] = rules.evaluate_every(by_epoch, found.get("epochs", config.epochs))
    return config.changed(**found)


def _scale(config: "Config", data: "OwnData", places: "Places") -> str:
    """As a table where sequences have one length and their places are spread quite differently, each of them somehow.

    A place's spread is between the quartiles: 0 where values are the same most of the time, as at an image's border.
    """
    alike = data.reads == "series" and data.answers != "forecast" and len(set(data.lengths.tolist())) == 1
    whole = alike and data.answers in ("label", "number") and not config.differences
    if config.scale == "place" and not alike:
        raise UserError("--scale place: it is for series of one length that are not to be forecast; leave it out")
    if config.scale == "table" and not whole:
        what = "series of one length, each with a label or a number, and without --differences"
        raise UserError(f"--scale table: it is for {what}; leave it out")
    if config.scale != "auto" or not alike:
        return config.scale if alike else "channel"
    steps = np.nan_to_num(np.stack([data.inputs[i] for i in places.train]))
    quarter, three_quarters = np.quantile(steps, (0.25, 0.75), axis=0)
    low, high = np.quantile(three_quarters - quarter, (0.1, 0.9), axis=0)
    apart = (high > FAR * low).any() and (low > 0).all()
    return "channel" if not apart else "table" if whole else "place"


def _gaps(config: "Config", data: "OwnData") -> str:
    """Whether the time since the step before is read: where it differs by a tenth of its mean.

    Raises `UserError` where it was asked for and steps have no times.
    """
    if config.gaps == "on" and not len(data.gaps):
        raise UserError("--gaps on: the steps have no times; say with --time which column has them")
    if config.gaps != "auto":
        return config.gaps
    spans = np.concatenate([np.zeros(0), *(gap[1:] for gap in data.gaps)])
    return "on" if len(spans) and spans.std() > 0.1 * abs(spans.mean()) else "off"


def _class_counts(data: "OwnData") -> np.ndarray:
    """How many sequences each class has, or steps each tag; nothing of numbers."""
    if data.answers in ("number", "forecast"):
        return np.array([])
    words = data.targets if data.answers == "label" else [tag for tags in data.targets for tag in tags]
    return np.unique(np.array(words), return_counts=True)[1]


def in_words(asked: "Config", found: "Config", train: int, data: "OwnData") -> list[str]:
    """What was decided by the data, with the flag for each."""
    updates = found.epochs * math.ceil(train / found.batch_size)
    told = bool(asked.epochs or asked.updates)
    said = [f"{updates:,} updates (--updates)"] if not told else []
    said += [f"batches of {found.batch_size} (--batch-size)"] if not asked.batch_size else []
    said += [f"hidden size {found.hidden_size} (--hidden-size)"] if not asked.hidden_size else []
    said += [f"pooling {found.pool} (--pool)"] if asked.pool == "auto" and found.task in ("label", "number") else []
    said += (
        [f"up to {found.grams} {found.unit} in a row count (--grams)"] if asked.grams is None and found.grams else []
    )
    kinds = {
        "place": "each place scaled by itself (--scale)",
        "table": "columns of a table, read in one step (--scale)",
    }
    said += [kinds[found.scale]] if asked.scale == "auto" and found.scale in kinds else []
    said += ["the time between steps is read (--gaps)"] if asked.gaps == "auto" and found.gaps == "on" else []
    said += [f"{found.folds} folds (--folds)"] if found.folds > 1 and not asked.folds else []
    said += [f"judged by {found.watch.replace('_', ' ')} (--watch)"] if asked.watch == "auto" else []
    said += [f"read by {found.unit} (--unit)"] if asked.unit == "auto" and data.reads == "text" else []
    if found.task == "forecast":
        said += [f"{found.context} steps read (--context)"] if not asked.context else []
        said += [f"season {found.season} (--season)"] if not asked.season and found.season > 1 else []
    lines = [f"by the data: {', '.join(said)}"] if said else []
    if updates < 500:
        why = "as sequences are long (--updates)"
        if told:
            why = f"for --epochs {asked.epochs}" if asked.epochs else f"for --updates {asked.updates}"
            why += ", in whole epochs" if asked.updates not in (0, updates) and not asked.epochs else ""
        lines.append(f"only {wording.count(updates, 'update')}, {why}: more may do better")
    if data.answers == "label" and _class_counts(data).min() * (1.0 if found.folds > 1 else 0.2) < 10:
        lines.append("fewer than ten examples of a class to validate with: the choice between settings is uncertain")
    return lines


def space(config: "Config") -> Space:
    """What a sweep searches: sizes around the one that suits the data, and what the kind of data asks for."""
    middle = config.hidden_size or 64
    # Texts and tokens take longest, a second layer over words thrice the time: one layer, and fewer trials.
    is_text = config.unit in ("words", "characters", "tokens")
    depths, trials = ((1,), TRIALS_OF_TEXTS) if is_text else ((1, 2), TRIALS)
    sizes = max(4, middle // 2), middle, 2 * middle
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
        "depth": Range(1, depths[-1], least=1),
        "cell": cells.gated(),
        "bidirectional": (False, True),
    }
    return Space(sizes, depths, studied, tuned, start, trials=trials, again=AGAIN)
