"""Several nets that answer together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence


class Members(nn.Module):
    """Nets that read the same batch, each with weights of its own; their scores stand side by side."""

    def __init__(self, members: Sequence[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: PackedSequence) -> Tensor | PackedSequence:
        """Scores of shape (batch, members x classes), or packed over (steps, members x classes)."""
        given = [member(inputs) for member in self.members]
        if isinstance(given[0], PackedSequence):
            return given[0]._replace(data=torch.cat([one.data for one in given], 1))
        return torch.cat(given, 1)
