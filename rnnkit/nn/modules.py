"""The recurrent modules of a model, and the model in evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def recurrent_modules(model: nn.Module) -> dict[str, nn.RNNBase]:
    """The recurrent modules of a model by their name in it."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.RNNBase)}


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode and without gradients; afterwards each of its modules has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:  # model.train() would set all alike: a part kept in evaluation mode stays so
            module.training = training
