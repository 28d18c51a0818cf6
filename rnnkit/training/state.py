"""All the state of a training, taken so that it goes on with the same bits, and put back."""

import copy
import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnnkit.core.errors import UserError


@dataclass
class Place:
    """Where a training is: `step` steps in all, `batch` of them in epoch `epoch`.

    `pending` is the row of a step whose evaluation is still to be done; `ended` says that patience has run out.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    clipped: int = 0
    evaluations: int = 0
    pending: dict | None = None
    ended: bool = False


class Best:
    """Keeps the weights of the best evaluation so far; the first of equal ones."""

    def __init__(self, lower_is_better: bool):
        self._sign = -1.0 if lower_is_better else 1.0
        self.value = math.nan
        self.evaluation = 0
        self.weights: dict[str, Tensor] = {}

    def offer(self, model: nn.Module, value: float, evaluation: int) -> None:
        """Take the model's weights if `value` is better than all before."""
        if math.isnan(self.value) or self._sign * value > self._sign * self.value:
            self.value, self.evaluation = value, evaluation
            self.weights = copy.deepcopy(model.state_dict())

    def restore(self, model: nn.Module) -> None:
        """Give the model its best weights."""
        model.load_state_dict(self.weights)


@dataclass(frozen=True)
class Training:
    """What changes while a model is trained. `carried`, the recurrent state between batches, comes beside it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    best: Best
    place: Place

    def taken(self, carried) -> dict:
        """A copy of the whole state, as `checkpoints` keeps it."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        best = {"value": self.best.value, "evaluation": self.best.evaluation, "weights": self.best.weights}
        return {
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "carried": carried,
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "best": best,
            "place": dataclasses.asdict(self.place),
        }

    def put_back(self, state: dict, device: torch.device):
        """Go on from a state that was taken, and return what was carried.

        Raises `UserError` for a state of another model or another training.
        """
        try:
            self.model.load_state_dict(state["weights"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            for name, value in Place(**state["place"]).__dict__.items():
                setattr(self.place, name, value)
            self.best.value, self.best.evaluation = state["best"]["value"], state["best"]["evaluation"]
            self.best.weights = {name: tensor.to(device) for name, tensor in state["best"]["weights"].items()}
            torch.set_rng_state(state["random"]["cpu"])
            if torch.cuda.is_available():
                torch.cuda.set_rng_state_all(state["random"]["cuda"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"the run's checkpoint is of another training ({reason}): delete its folder") from None
        return moved(state["carried"], device)


def moved(carried, device: torch.device):
    """A recurrent state on the device."""
    if carried is None:
        return None
    return carried.to(device) if isinstance(carried, Tensor) else tuple(part.to(device) for part in carried)
