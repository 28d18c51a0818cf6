"""What turns the states of recurrent layers into outputs."""

import torch
from torch import Tensor, nn


class LastState(nn.Module):
    """The final state of the top layer: of both directions, joined, where there are two.

    It reads `h_n` and never the last row of the output: for a sequence shorter than the batch's longest, that row is
    padding, and for the backward direction the row at the end has read one step only.
    """

    def __init__(self, bidirectional: bool):
        super().__init__()
        self.directions = 2 if bidirectional else 1

    def forward(self, h_n: Tensor) -> Tensor:
        """`h_n` of shape (layers x directions, batch, hidden) -> states of shape (batch, directions x hidden)."""
        return torch.cat(h_n[-self.directions :].unbind(0), dim=-1)
