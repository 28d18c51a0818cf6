"""All the state of a training, taken so that it goes on with the same bits, and put back."""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from rnnkit.core import UserError
from rnnkit.runs import checkpoints
from rnnkit.sequences import bptt_chunks
from rnnkit.training.objective import Objective
from rnnkit.training.optimizers import Optimizer


@dataclass
class Progress:
    """Where a training is."""

    epoch: int = 0
    batch: int = 0  # how many steps of the epoch are done
    step: int = 0  # how many in all
    clipped: int = 0
    evaluations: int = 0
    pending: dict[str, float] | None = None  # the row of a step whose evaluation is still to be done
    ended: bool = False  # patience has run out

    def remaining(
        self, batches: Callable[[int], Iterator[Any]], epochs: int, steps: int
    ) -> Iterator[tuple[int, int, Any]]:
        """The batches that are left, with epoch and number there; those before are made again and left out.

        Raises `UserError` for an epoch that has not `steps` batches: schedules and checkpoints go by them.
        """
        first, done = self.epoch, self.batch
        for epoch in range(first, epochs):
            number = done if epoch == first else 0
            for batch in islice(batches(epoch), number, None):
                if number == steps:
                    raise UserError(f"epoch {epoch + 1} has more than the {steps} batches that steps_per_epoch says")
                yield epoch, number, batch
                number += 1
            if number < steps:
                raise UserError(f"epoch {epoch + 1} has {number} batches, and steps_per_epoch says {steps}")


class BestWeights:
    """Keeps the weights of the best evaluation so far; of equal ones that of the lowest loss, then the first.

    Few validation examples make many evaluations equal, the first of them often of a net that has learned little.
    """

    def __init__(self, objective: Objective):
        self._objective = objective
        self.value = math.nan
        self.loss = math.nan
        self.evaluation = 0
        self.weights: dict[str, Any] = {}

    def offer(self, model: nn.Module, value: float, evaluation: int, loss: float = math.nan) -> None:
        """Take the model's weights if `value` is better than all before, or as good with a lower `loss`."""
        is_lower = value == self.value and loss < self.loss
        if math.isnan(self.value) or self._objective.better(value, than=self.value) or is_lower:
            self.value, self.evaluation, self.loss = value, evaluation, loss
            self.weights = copy.deepcopy(checkpoints.weights_of(model))


@dataclass
class TrainingState:
    """What changes while a model is trained; `carried` is the recurrent state between batches."""

    model: nn.Module
    optimizer: Optimizer
    best: BestWeights
    progress: Progress
    carried: Any = None

    def state_dict(self) -> dict[str, Any]:
        """A copy of the whole state, as `checkpoints` keeps it."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {
            "weights": checkpoints.weights_of(self.model),
            "optimizer": self.optimizer.state_dict(),
            "carried": self.carried,
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "best": {
                "value": self.best.value,
                "evaluation": self.best.evaluation,
                "loss": self.best.loss,
                "weights": self.best.weights,
            },
            "place": dataclasses.asdict(self.progress),
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a state that was taken. Raises `UserError` for one of another model or another training."""
        try:
            self.model.load_state_dict(state["weights"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["place"])
            self.best.value, self.best.evaluation = state["best"]["value"], state["best"]["evaluation"]
            self.best.loss = state["best"].get("loss", math.nan)
            # What is no tensor is a module's extra state.
            kept = state["best"]["weights"].items()
            self.best.weights = {k: part.to(device) if isinstance(part, Tensor) else part for k, part in kept}
            torch.set_rng_state(state["random"]["cpu"])
            if torch.cuda.is_available():
                torch.cuda.set_rng_state_all(state["random"]["cuda"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"the run's checkpoint is of another training ({reason}): delete its folder") from None
        self.carried = bptt_chunks.mapped(lambda part: part.to(device), state["carried"])
