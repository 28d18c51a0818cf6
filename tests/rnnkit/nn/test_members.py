"""Nets side by side give what each gives alone, and learn as each does alone."""

import torch

from rnnkit import sequences
from rnnkit.core import BaseConfig
from rnnkit.nn import Members, models


def nets(make, count=3):
    return [make(BaseConfig(seed=seed, hidden_size=4, depth=1), 2, 5, 9) for seed in range(count)]


def batch():
    return sequences.collate(sequences.Examples([torch.randn(n, 2) for n in (4, 9, 1)], torch.arange(3))).inputs


def test_scores_stand_side_by_side():
    inputs, alone = batch(), nets(models.classifier)
    together = Members(alone)(inputs)
    assert together.shape == (3, 15)
    for number, net in enumerate(alone):
        assert torch.equal(together[:, 5 * number : 5 * number + 5], net(inputs))


def test_so_do_those_of_steps():
    inputs, alone = batch(), nets(models.tagger)
    together = Members(alone)(inputs)
    assert together.data.shape == (14, 15)
    assert torch.equal(together.batch_sizes, inputs.batch_sizes)
    for number, net in enumerate(alone):
        assert torch.equal(together.data[:, 5 * number : 5 * number + 5], net(inputs).data)


def test_none_learns_from_what_is_asked_of_another():
    both = Members(nets(models.classifier, 2))
    both(batch())[:, :5].sum().backward()
    first, second = (list(member.parameters()) for member in both.members)
    assert all(part.grad.abs().sum() > 0 for part in first)
    assert all(part.grad is None or not part.grad.any() for part in second)
