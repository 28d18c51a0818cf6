"""A fit as an experiment: parts, preprocessing, net, loss and evaluation from X and y that are in memory."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from rnnkit.core import UserError, seeding, wording
from rnnkit.datasets import Parts, splits
from rnnkit.evaluation import classification
from rnnkit.nn import portable
from rnnkit.sequences import Examples, Preprocessing, preprocessing, scaling
from rnnkit.training import members, tasks
from rnnkit.training.estimators import report
from rnnkit.training.estimators.by_data import Config
from rnnkit.training.estimators.given import Given
from rnnkit.training.experiment import Final, Task
from rnnkit.training.objective import Objective


FEWEST = 10  # sequences to learn from


@dataclass(frozen=True)
class Learned:
    """What a fit learns from: sequences, and numbers of classes (a list, a step each, of tags), or values.

    Values are of shape (sequences, horizon). `late` are the windows of forecasts that validate.
    """

    given: Given
    targets: Any
    classes: tuple[str, ...]
    sha256: str
    late: np.ndarray | None = None


@dataclass(frozen=True)
class Prepared(Parts[Examples]):
    """The parts as a net reads them, what is between them and X, and the places in X of those that validate."""

    preprocessing: Preprocessing
    learned: Learned
    valid_places: np.ndarray


def objective(config: Config) -> Objective:
    """What weights are chosen by."""
    return Objective(f"metric/{config.watch}/valid")


def setup(learned: Learned, config: Config, device: torch.device) -> Task[Prepared]:
    """The net, its batches and its loss, from the settings."""
    data = prepared(learned, config)
    net = model(config, data.preprocessing, data.train.inputs).to(device)
    losses, is_label = portable.losses(config.bits), bool(learned.classes)
    parts = [float(part) for part in config.class_weights.split()]
    weights = torch.tensor(parts, dtype=torch.float32, device="cpu") if parts else None
    told = {"members": data.preprocessing.members, "is_label": is_label, "losses": losses, "weights": weights}
    of_rows = functools.partial(members.cost, **told)
    measure = functools.partial(measured, data)
    return tasks.on_examples(
        config, objective(config), net, data, "X and y", measure, of_rows, word_dropout=config.word_dropout
    )


def conclude(learned: Learned, config: Config, task: Task[Prepared]) -> Final:
    """The scores of the weights that are kept, and what is written beside them."""
    del learned
    data = task.data
    metrics, answers = measured(data, task.model, data.valid, "valid")

    def write(folder: Path) -> None:
        truth = truths(data, data.valid_places)
        rows: list[report.Row] = [(int(place),) for place in data.valid_places]
        if data.preprocessing.by_step:
            steps = [len(one) for one in data.valid.inputs]
            rows = [(*row, step) for row, count in zip(rows, steps, strict=True) for step in range(count)]
        report.write(folder, data.preprocessing, rows, truth, answers, task.steps_per_epoch)

    return Final(metrics, preprocessing=data.preprocessing, write=write)


def prepared(learned: Learned, config: Config) -> Prepared:
    """The parts, and the preprocessing, fitted on the training part. `UserError` for too few sequences."""
    count = len(learned.given.inputs)
    if count < FEWEST:
        raise UserError(
            f"n_samples = {count}: at least {FEWEST} sequences are needed to learn from and to validate with"
        )
    train, valid, fold = divided(learned, config)
    found = fitted(learned, config, train)
    inputs = preprocessing.inputs(found, learned.given.inputs)
    everything = Examples(inputs, targets_of(learned, found, fold))
    parts = [everything.subset([int(i) for i in chosen]) for chosen in (train, valid)]
    return Prepared(parts[0], parts[1], Examples([], []), learned.sha256, found, learned, valid)


def divided(learned: Learned, config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places that train and that validate, and the fold of each sequence: each class in its share.

    With folds all sequences do both. Forecasts validate with the last windows.
    """
    count = len(learned.given.inputs)
    everyone, fold = np.arange(count), np.zeros(count, int)
    if learned.late is not None:
        return np.flatnonzero(~learned.late), np.flatnonzero(learned.late), fold
    strata = _strata(learned)
    seed = seeding.stream(config.seed, "validation") % 2**32
    if config.folds == 1:
        train, valid = splits.stratified(strata, config.validation_fraction, seed)
        if not len(train) or not len(valid):
            raise UserError(
                f"validation_fraction {config.validation_fraction:g} of {wording.count(count, 'sequence')} leaves none "
                "to train or validate with"
            )
        return np.sort(train), np.sort(valid), fold
    if count < config.folds:
        raise UserError(f"folds={config.folds} of {wording.count(count, 'sequence')}: take fewer folds")
    shuffled = np.random.default_rng(seed).permutation(count)
    fold[shuffled[np.argsort(strata[shuffled], kind="stable")]] = everyone % config.folds
    return everyone, everyone, fold


def _strata(learned: Learned) -> np.ndarray:
    """What each part is to hold in its share: labels, fifths of numbers; of tags nothing."""
    if isinstance(learned.targets, list):
        return np.zeros(len(cast("list[Any]", learned.targets)), int)
    if learned.classes:
        return learned.targets
    first = learned.targets[:, 0]
    return np.searchsorted(np.quantile(first, [0.2, 0.4, 0.6, 0.8]), first)


def fitted(learned: Learned, config: Config, train: np.ndarray) -> Preprocessing:
    """How sequences become what the net reads, and scores answers: by the training part alone."""
    given, chosen = learned.given, [learned.given.inputs[i] for i in train]
    told: dict[str, Any] = {"classes": learned.classes, "members": config.folds, "horizon": config.horizon}
    told |= {"reads": "series" if config.unit == "values" else config.unit, "answers": config.kind}
    if given.reads == "series":
        means, deviations, mask = scaling.scale(chosen)
        names = tuple(f"channel {number}" for number in range(given.channels))
        told |= {"channels": names, "means": means, "deviations": deviations, "mask": mask}
    else:
        told["vocabulary"] = preprocessing.known_words(told["reads"], chosen, config.least_count)
    if not learned.classes:
        values = learned.targets[train]
        if config.kind == "forecast":
            told |= {
                "context": config.context,
                "linear": preprocessing.linear_weights(preprocessing.filled(chosen), values),
            }
            values = values - preprocessing.linear_forecast(Preprocessing(**told), chosen)
        told |= {"target_mean": float(values.mean()), "target_deviation": float(values.std()) or 1.0}
    return Preprocessing(**told)


def targets_of(learned: Learned, found: Preprocessing, fold: np.ndarray) -> Tensor | list[Tensor]:
    """Targets as rows of numbers: what is to be predicted, and the fold."""
    if isinstance(learned.targets, list):
        pairs = zip(cast("list[np.ndarray]", learned.targets), fold, strict=True)
        return [torch.from_numpy(np.stack([row, np.full(len(row), number)], 1)) for row, number in pairs]
    if learned.classes:
        return torch.from_numpy(np.stack([learned.targets, fold], 1))
    values = learned.targets - _base(learned, found, np.arange(len(fold)))
    scaled = (values - found.target_mean) / found.target_deviation
    return torch.from_numpy(np.concatenate([scaled, fold[:, None]], 1).astype(np.float32))


def _base(learned: Learned, found: Preprocessing, places: np.ndarray) -> np.ndarray:
    """What the net's answers are added to: of forecasts the linear one, of numbers 0; of shape (places, horizon)."""
    if found.answers != "forecast":
        return np.zeros((len(places), 1))
    return preprocessing.linear_forecast(found, [learned.given.inputs[i] for i in places])


def truths(data: Prepared, places: np.ndarray) -> np.ndarray:
    """What was to be answered: numbers of classes, (rows,), or values, (rows, horizon)."""
    targets = data.learned.targets
    if isinstance(targets, list):
        return np.concatenate([cast("list[np.ndarray]", targets)[i] for i in places])
    return targets[places]


def model(config: Config, found: Preprocessing, read: Sequence[Tensor]) -> nn.Module:
    """The net for the sequences that it is to `read` and learn from, or one for each fold, side by side."""
    return members.made(
        config,
        found,
        read,
        embedding_size=config.embedding_size,
        pool=config.pool,
        head_dropout=config.head_dropout,
        grams=config.grams,
    )


def measured(data: Prepared, net: nn.Module, examples: Examples, split: str) -> tuple[dict[str, float], np.ndarray]:
    """Loss and scores of the validation part, and what each row is answered: probabilities, or values.

    With folds each row is answered by the member that did not learn from it.
    """
    found = data.preprocessing
    scores = members.scores_of(net, examples)
    scores = members.held_out(scores, examples.joined_targets[:, -1], found.members)
    alone, truth = dataclasses.replace(found, members=1), truths(data, data.valid_places)
    if found.classes:
        shares = preprocessing.probabilities(alone, scores)
        chosen = np.maximum(shares[np.arange(len(truth)), truth], 1e-300)
        return {f"loss/{split}": float(-np.log(chosen).mean())} | classification(truth, shares.argmax(1), split), shares
    answers = preprocessing.values(alone, scores, _base(data.learned, found, data.valid_places))
    errors, spread = answers - truth, ((truth - truth.mean(0)) ** 2).sum()
    row = {f"loss/{split}": float(((errors / found.target_deviation) ** 2).mean())}
    row[f"metric/mae/{split}"] = float(np.abs(errors).mean())
    row[f"metric/rmse/{split}"] = float(np.sqrt((errors**2).mean()))
    row[f"metric/r2/{split}"] = float(1 - (errors**2).sum() / spread) if spread else 0.0
    return row, answers
