"""Nets on own data: what `examples` gives them, their loss, and what they answer."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from rnnkit.evaluation import classification
from rnnkit.nn import Members, portable
from rnnkit.sequences import Examples, Preprocessing, preprocessing
from rnnkit.training import members


if TYPE_CHECKING:
    from experiments.own import Config
    from experiments.own.examples import Prepared


def model(config: "Config", found: Preprocessing, read: Sequence[Tensor]) -> nn.Module:
    """The net for the sequences that it is to `read` and learn from, or one for each fold, side by side."""
    net = members.made(
        config,
        found,
        read,
        embedding_size=config.embedding_size,
        pool=config.pool,
        head_dropout=config.head_dropout or 0.0,
        grams=config.grams or 0,
    )
    for one in net.members if isinstance(net, Members) else [net]:
        _calm(one)
    return net


def _calm(net: Any) -> None:
    """Make embeddings small, so that words say little before they are learned: most come few times."""
    if net.embedding is not None:
        with torch.no_grad():
            net.embedding.weight.mul_(0.1)


def cost_of(config: "Config", data: "Prepared") -> Callable[..., Tensor]:
    """The loss of rows of scores, by their targets: cross-entropy in nats, or the squared error in deviations.

    With folds each member learns from the rows of the other folds; row by row (`reduction="none"`) it is the loss of
    the member that did not learn from the row.
    """
    found, is_label = data.preprocessing, bool(data.preprocessing.classes)
    weights = _class_weights(data) if config.class_weights and is_label else None
    told = {"members": found.members, "is_label": is_label, "losses": portable.losses(config.bits), "weights": weights}
    return functools.partial(members.cost, **told)


def _class_weights(data: "Prepared") -> Tensor:
    """One over the share of each class, 1 in the mean over classes."""
    counts = torch.bincount(data.train.joined_targets[:, 0], minlength=data.preprocessing.outputs).double()
    inverse = counts.sum() / counts.clamp(min=1)
    return (inverse / inverse.mean()).float()


def measured(
    config: "Config", data: "Prepared", net: nn.Module, examples: Examples, split: str
) -> tuple[dict[str, float], np.ndarray]:
    """Loss and scores of a part; and what each row's answer is: probabilities, or values in units of the file.

    With folds a validation row is answered by the member that did not learn from it, a test row by all together.
    """
    found = data.preprocessing
    scores, targets = members.scores_of(net, examples), examples.joined_targets
    if split == "valid" and found.members > 1:
        scores = members.held_out(scores, targets[:, -1], found.members)
        found = dataclasses.replace(found, members=1)
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


def truth_of(data: "Prepared", split: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Of numbers and forecasts: the linear forecast, and what was to be foretold, both (rows, horizon)."""
    places = getattr(data.places, split)
    if data.windows is None:
        return None, np.array([data.own.targets[i] for i in places], float)[:, None]
    base = preprocessing.linear_forecast(data.preprocessing, [data.own.inputs[i] for i in places])
    return base, data.windows.targets[places]
