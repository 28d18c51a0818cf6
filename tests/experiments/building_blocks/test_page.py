"""What the lesson says where two ways do not agree."""

import math

import pytest
import torch

from experiments.building_blocks import page
from experiments.building_blocks.page import Disagreement


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]), "this and that differ: 2 and 2.5"),
        (torch.tensor([1.0, math.nan]), torch.tensor([1.0, 2.0]), "this and that differ: nan and 2"),
        (torch.tensor([math.nan]), torch.tensor([math.nan]), "this and that differ: nan and nan"),
        (torch.zeros(2, 3), torch.zeros(3), r"this and that differ in shape: \(2, 3\) and \(3,\)"),
        (1.0, 1.1, "this and that differ: 1 and 1.1"),
    ],
)
def test_agree_names_the_two_values(one, other, message):
    with pytest.raises(Disagreement, match=f"^{message}$"):
        page.agree("this and that", one, other)


def test_agree_differ_and_same_accept_what_is_so(capsys):
    page.agree("this and that", torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]), tolerance=0.11)
    page.differ("this and that", 1.0, 2.0)
    page.same("this and that", (1, 2), (1, 2))
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["agree", "differ", "same"]


def test_differ_and_same_refuse_what_is_not_so():
    with pytest.raises(Disagreement, match="^this and that must differ, and do not: 1 and 1$"):
        page.differ("this and that", 1.0, 1.0)
    with pytest.raises(Disagreement, match=r"^this and that differ: \(1, 2\) and \(2, 1\)$"):
        page.same("this and that", (1, 2), (2, 1))
