"""Nets for sequences of one's own, several side by side: each learns from all folds of the data but one.

Scores are (rows, members x outputs); a row's target is what is predicted, then the fold that it is in. Rows are
sequences, or, where each step has a target, steps.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

from rnnkit import sequences
from rnnkit.core import BaseConfig, UserError, seeding
from rnnkit.nn import Members, models
from rnnkit.sequences import Examples, Preprocessing
from rnnkit.training import tasks


AT_ONCE = 1 << 12  # steps that are scored in one go: some 15 MB where a net has 64 units in both directions


def made(
    config: BaseConfig,
    found: Preprocessing,
    read: Sequence[Tensor],
    *,
    embedding_size: int,
    pool: str,
    head_dropout: float,
    grams: int,
) -> nn.Module:
    """The net, or one for each fold as `Members`; each with initial weights of its own.

    `read` are the sequences that it is to learn from, of shape (steps,) or (steps, features). Raises `UserError` for
    `grams` of what are no symbols, or where each step has an answer.
    """
    if grams and (found.answers == "tags" or not found.vocabulary):
        raise UserError("grams count in texts and tokens that have a label or a number: leave them out here")
    size = embedding_size if found.vocabulary else found.features
    known: dict[str, Any] = {"vocabulary": len(found.vocabulary) or None, "head_dropout": head_dropout}
    longest = max(map(len, read))

    def single(number: int) -> nn.Module:
        seed = seeding.stream(config.seed, "member", number) % 2**62 if number else config.seed
        alone = config.changed(seed=seed)
        if found.answers == "tags":
            return models.tagger(alone, size, found.outputs, longest, **known)
        return models.classifier(alone, size, found.outputs, longest, pool=cast(Any, pool), grams=grams, **known)

    nets = [single(number) for number in range(found.members)]
    if grams and found.reads == "words":  # runs of letters do better as they are
        first, *others = (cast(Any, net).grams for net in nets)
        first.weigh(read)
        for one in others:
            one.scale.copy_(first.scale)
    return nets[0] if found.members == 1 else Members(nets)


def scores_of(net: nn.Module, examples: Examples) -> Tensor:
    """The scores of a part, (rows, members x outputs), on the CPU, in the order of its examples."""
    order = sequences.by_length(examples.lengths, 128, AT_ONCE)

    def of_batch(given: Any, batch: sequences.Batch) -> list[Tensor]:
        return [one.cpu() for one in unpack_sequence(given)] if isinstance(given, PackedSequence) else list(given.cpu())

    batches = tasks.of_batches(net, sequences.gathered(examples, order), of_batch)
    found: list[Tensor] = [one for some in batches for one in some]
    rows = [found[place] for place in torch.cat(order).argsort().tolist()]
    return torch.cat(rows) if isinstance(examples.targets, list) else torch.stack(rows)


def held_out(scores: Tensor, fold: Tensor, members: int) -> Tensor:
    """The scores of the member that did not learn from each row, of shape (rows, outputs)."""
    by_member = scores.view(len(scores), members, -1)
    if members == 1:
        return by_member[:, 0]
    return by_member[torch.arange(len(fold), device=fold.device), fold.long()]


def cost(
    scores: Tensor,
    targets: Tensor,
    reduction: str = "mean",
    *,
    members: int,
    is_label: bool,
    losses: Any,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of labels in nats, squared error of numbers: each member's mean over the other folds, all summed.

    `weights` are those of the classes. With reduction "none" the loss of each row for the member that did not learn
    from it, of shape (rows,); it is 0 for a label that training lacks (`portable.LEFT_OUT`).
    """
    fold = targets[:, -1].long()
    wanted = targets[:, 0].contiguous() if is_label else targets[:, :-1].to(scores.dtype).contiguous()
    if reduction == "none":
        return _rows(held_out(scores, fold, members), wanted, is_label, losses, weights)
    by_member = scores.view(len(scores), members, -1)
    parts: list[Tensor] = []
    for number in range(members):
        chosen = slice(None) if members == 1 else fold != number
        mine, target = by_member[chosen, number].contiguous(), wanted[chosen].contiguous()
        if not len(mine):  # a small batch, all of it of one fold
            parts.append(mine.sum())
        elif weights is not None:
            rows = _rows(mine, target, is_label, losses, weights)
            parts.append(rows.sum() / _of_classes(weights, target).sum())
        else:
            parts.append(losses.cross_entropy(mine, target) if is_label else losses.mse_loss(mine, target))
    return parts[0] if members == 1 else torch.stack(parts).sum()


def _rows(scores: Tensor, wanted: Tensor, is_label: bool, losses: Any, weights: Tensor | None) -> Tensor:
    if not is_label:
        return losses.mse_loss(scores.contiguous(), wanted, reduction="none").mean(1)
    rows: Tensor = losses.cross_entropy(scores.contiguous(), wanted, reduction="none")
    return rows if weights is None else rows * _of_classes(weights, wanted)


def _of_classes(weights: Tensor, labels: Tensor) -> Tensor:
    """The weight of each row's class; a label that training lacks has any."""
    return weights.to(labels.device)[labels.clamp(min=0)]
