"""Sequences with their targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Examples:
    """Sequences with one target each, or with one for each step.

    `inputs` holds a tensor for each example, of shape (steps, features), or of shape (steps,) for numbers of words or
    symbols. `targets` is of shape (examples,), or a list with a tensor for each example whose first size is its steps.
    """

    inputs: list[Tensor]
    targets: Tensor | list[Tensor]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def joined_targets(self) -> Tensor:
        """The targets of all examples, or of all steps, one after the other."""
        return torch.cat(self.targets) if isinstance(self.targets, list) else self.targets

    @property
    def lengths(self) -> Tensor:
        """How many steps each example has, of shape (examples,)."""
        return torch.tensor([len(sequence) for sequence in self.inputs])

    def subset(self, indices: Sequence[int]) -> "Examples":
        """The examples at the given positions, in that order."""
        inputs = [self.inputs[i] for i in indices]
        if isinstance(self.targets, list):
            return Examples(inputs, [self.targets[i] for i in indices])
        return Examples(inputs, self.targets[list(indices)])
