"""Nets on own data: what `examples` gives them, their loss, and what they answer."""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit import sequences
from rnnkit.core import seeding
from rnnkit.evaluation import classification
from rnnkit.nn import Members, models, portable
from rnnkit.sequences import Examples, Preprocessing, preprocessing
from rnnkit.training import tasks


if TYPE_CHECKING:
    from experiments.own import Config
    from experiments.own.examples import Prepared


def model(config: "Config", found: Preprocessing, longest: int) -> nn.Module:
    """The net, or one for each fold, side by side; each with initial weights of its own."""
    made = [_single(_seeded(config, number), found, longest) for number in range(found.members)]
    return made[0] if len(made) == 1 else Members(made)


def _seeded(config: "Config", member: int) -> "Config":
    return config.changed(seed=seeding.stream(config.seed, "member", member) % 2**62) if member else config


def _single(config: "Config", found: Preprocessing, longest: int) -> nn.Module:
    size = config.embedding_size if found.vocabulary else found.features
    known = {"vocabulary": len(found.vocabulary) or None, "head_dropout": config.head_dropout or 0.0}
    if found.answers == "tags":
        return _calmed(models.tagger(config, size, found.outputs, longest, **known))
    return _calmed(models.classifier(config, size, found.outputs, longest, pool=config.pool, **known))


def _calmed(net: Any) -> nn.Module:
    """The net with small embeddings, so that words say little before they are learned: most come few times."""
    if net.embedding is not None:
        with torch.no_grad():
            net.embedding.weight.mul_(0.1)
    return net


def cost_of(config: "Config", data: "Prepared") -> Callable[..., Tensor]:
    """The loss of rows of scores, by their targets: cross-entropy in nats, or the squared error in deviations.

    With folds each member learns from the rows of the other folds; row by row (`reduction="none"`) it is the loss of
    the member that did not learn from the row.
    """
    found = data.preprocessing
    weights = _class_weights(data) if config.class_weights and found.classes else None
    return functools.partial(_cost, found, weights, portable.losses(config.bits))


def _cost(
    found: Preprocessing,
    weights: Tensor | None,
    losses: Any,
    scores: Tensor,
    targets: Tensor,
    reduction: str = "mean",
) -> Tensor:
    by_member = scores.view(len(scores), found.members, found.outputs)
    fold = targets[:, -1].long()
    if reduction == "none":
        return _row_costs(found, weights, losses, _held_out(by_member, fold), targets)
    if found.members == 1:
        return _mean(found, weights, losses, by_member[:, 0], targets)
    parts = [_mean(found, weights, losses, by_member[fold != k, k], targets[fold != k]) for k in range(found.members)]
    return torch.stack(parts).sum()


def _held_out(by_member: Tensor, fold: Tensor) -> Tensor:
    """The scores of the member that did not learn from each row, of shape (rows, outputs)."""
    return by_member[torch.arange(len(fold), device=fold.device), fold]


def _mean(found: Preprocessing, weights: Tensor | None, losses: Any, scores: Tensor, targets: Tensor) -> Tensor:
    if not len(scores):  # a small batch, all of it of one fold
        return scores.sum()
    if weights is None:
        if found.classes:
            return losses.cross_entropy(scores, targets[:, 0].contiguous())
        return losses.mse_loss(scores.contiguous(), targets[:, :-1].contiguous())
    rows = _row_costs(found, weights, losses, scores, targets)
    return rows.sum() / weights.to(scores.device)[targets[:, 0].clamp(min=0)].sum()


def _row_costs(found: Preprocessing, weights: Tensor | None, losses: Any, scores: Tensor, targets: Tensor) -> Tensor:
    if not found.classes:
        return losses.mse_loss(
            scores.contiguous(), targets[:, :-1].to(scores.dtype).contiguous(), reduction="none"
        ).mean(1)
    rows = losses.cross_entropy(scores.contiguous(), targets[:, 0].contiguous(), reduction="none")
    return rows if weights is None else rows * weights.to(scores.device)[targets[:, 0].clamp(min=0)]


def _class_weights(data: "Prepared") -> Tensor:
    """One over the share of each class, 1 in the mean over classes."""
    counts = torch.bincount(data.train.joined_targets[:, 0], minlength=data.preprocessing.outputs).double()
    inverse = counts.sum() / counts.clamp(min=1)
    return (inverse / inverse.mean()).float()


def scores_of(net: nn.Module, examples: Examples) -> tuple[Tensor, Tensor]:
    """The scores of a part, (rows, members x outputs), and its targets; rows are examples, or steps, in order."""
    order = examples.lengths.argsort(stable=True).split(128)

    def of_batch(given: Any, batch: sequences.Batch) -> list[Tensor]:
        if isinstance(given, PackedSequence):
            return [one.cpu() for one in nn.utils.rnn.unpack_sequence(given)]
        return list(given.cpu())

    found: list[Tensor] = []
    for one in tasks.of_batches(net, sequences.gathered(examples, order), of_batch):
        found += one
    back = torch.cat(list(order)).argsort().tolist()
    rows = [found[place] for place in back]
    joined = torch.cat(rows) if isinstance(examples.targets, list) else torch.stack(rows)
    return joined, examples.joined_targets


def measured(
    config: "Config", data: "Prepared", net: nn.Module, examples: Examples, split: str
) -> tuple[dict[str, float], np.ndarray]:
    """Loss and scores of a part; and what each row's answer is: probabilities, or values in units of the file.

    With folds a validation row is answered by the member that did not learn from it, a test row by all together.
    """
    found = data.preprocessing
    scores, targets = scores_of(net, examples)
    if split == "valid" and found.members > 1:
        scores = _held_out(scores.view(len(scores), found.members, found.outputs), targets[:, -1].long())
        found = _alone(found)
    if found.classes:
        shares = preprocessing.probabilities(found, scores)
        known = targets[:, 0].numpy() != portable.LEFT_OUT
        chosen = shares[np.flatnonzero(known), targets[:, 0].numpy()[known]]
        loss = float(-np.log(np.maximum(chosen, 1e-300)).mean()) if known.any() else 0.0
        return {f"loss/{split}": loss} | classification(targets[:, 0], shares.argmax(1), split), shares
    base, truth = truth_of(data, split)
    answers = preprocessing.values(found, scores, base)
    errors = answers - truth
    scaled = errors / found.target_deviation
    spread = ((truth - truth.mean()) ** 2).sum()
    row = {f"loss/{split}": float((scaled**2).mean()), f"metric/mae/{split}": float(np.abs(errors).mean())}
    row[f"metric/rmse/{split}"] = float(np.sqrt((errors**2).mean()))
    row[f"metric/r2/{split}"] = float(1 - (errors**2).sum() / spread) if spread else 0.0
    return row, answers


def _alone(found: Preprocessing) -> Preprocessing:
    return dataclasses.replace(found, members=1)


def truth_of(data: "Prepared", split: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Of numbers and forecasts: the linear forecast, and what was to be foretold, both (rows, horizon)."""
    places = getattr(data.places, split)
    if data.windows is None:
        return None, np.array([data.own.targets[i] for i in places], float)[:, None]
    base = preprocessing.linear_forecast(data.preprocessing, [data.own.inputs[i] for i in places])
    return base, data.windows.targets[places]
