"""The loss and the answers of several nets side by side, each of which learns from all folds of the data but one.

Scores are (rows, members x outputs); a row's target is what is foretold, then the fold that it is in.
"""

from typing import Any

import torch
from torch import Tensor


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
    from it, of shape (rows,).
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
            parts.append(rows.sum() / weights.to(rows.device)[target].sum())
        else:
            parts.append(losses.cross_entropy(mine, target) if is_label else losses.mse_loss(mine, target))
    return parts[0] if members == 1 else torch.stack(parts).sum()


def _rows(scores: Tensor, wanted: Tensor, is_label: bool, losses: Any, weights: Tensor | None) -> Tensor:
    if not is_label:
        return losses.mse_loss(scores.contiguous(), wanted, reduction="none").mean(1)
    rows: Tensor = losses.cross_entropy(scores.contiguous(), wanted, reduction="none")
    return rows if weights is None else rows * weights.to(rows.device)[wanted]
