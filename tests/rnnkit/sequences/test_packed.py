import pytest
import torch

from rnnkit import sequences
from rnnkit.core.errors import UserError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "pack needs at least one sequence, and got none"),
        ([torch.ones(2, 3), torch.ones(0, 3)], "example 1 of pack is an empty sequence"),
        ([torch.ones(2, 3), torch.ones(2, 4)], r"example 1 of pack has features of shape \(4,\), example 0 has \(3,\)"),
        ([torch.ones(2), torch.ones(2).long()], "example 1 of pack has features of type torch.int64, example 0"),
    ],
)
def test_what_cannot_be_packed_is_named(given, said):
    with pytest.raises(UserError, match=said):
        sequences.pack(given)
