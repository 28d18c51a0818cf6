"""Nets side by side, each learning from other folds: their loss beside torch's."""

import pytest
import torch
from torch.nn import functional

from rnnkit.core import BaseConfig, UserError
from rnnkit.nn import portable
from rnnkit.sequences import Preprocessing
from rnnkit.training import members


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 1.5, 1.0])])
def test_the_loss_of_each_member_is_torchs_on_the_rows_of_other_folds(count, weights):
    torch.manual_seed(0)
    scores, fold = torch.randn(20, count * 4), torch.arange(20) % count
    targets = torch.stack([torch.randint(4, (20,)), fold], 1)
    told = {"members": count, "is_label": True, "losses": portable.losses("portable"), "weights": weights}
    wanted, held = torch.zeros(()), torch.zeros(20)
    for number in range(count):
        mine = scores[:, 4 * number : 4 * number + 4]
        others = fold != number if count > 1 else torch.ones(20, dtype=torch.bool)
        wanted += functional.cross_entropy(mine[others], targets[others, 0], weight=weights)
        rows = functional.cross_entropy(mine, targets[:, 0], weight=weights, reduction="none")
        held = torch.where(fold == number, rows, held)
    assert members.cost(scores, targets, **told).item() == pytest.approx(wanted.item(), rel=1e-6)
    assert members.cost(scores, targets, "none", **told).numpy() == pytest.approx(held.numpy(), rel=1e-5)


def test_the_loss_of_numbers_is_the_squared_error():
    scores, targets = torch.randn(8, 4), torch.cat([torch.randn(8, 2), torch.arange(8)[:, None] % 2], 1)
    told = {"members": 2, "is_label": False, "losses": portable.losses("portable")}
    wanted = sum(functional.mse_loss(scores[k::2].view(4, 2, 2)[:, 1 - k], targets[k::2, :2]) for k in (0, 1))
    assert members.cost(scores, targets, **told).item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize(
    "found",
    [Preprocessing("series", "label", channels=("x",)), Preprocessing("tokens", "tags", vocabulary=("<pad>", "<unk>"))],
)
def test_runs_of_symbols_count_for_an_answer_to_a_sequence_of_symbols_alone(found):
    with pytest.raises(UserError, match="grams count in texts and tokens that have a label or a number"):
        members.made(BaseConfig(), found, [], embedding_size=4, pool="last", head_dropout=0.0, grams=2)
