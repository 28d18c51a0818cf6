"""The training loop: batches, clipping, a one-cycle schedule, evaluation, early stopping, the record."""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from rnnkit import diagnostics, seeding
from rnnkit.config import BaseConfig
from rnnkit.errors import UserError
from rnnkit.sequences import Batch
from rnnkit.tracking import Diverged, Pruned, Run


__all__ = ["Diverged", "Fitted", "Pruned", "device_of", "fit"]


@dataclass(frozen=True)
class Fitted:
    """How training went: the best value of the watched metric, the epoch it was reached in, the epochs done."""

    best: float
    best_epoch: int
    epochs: int


def device_of(config: BaseConfig) -> torch.device:
    """The device that the configuration asks for. Raises `UserError` for a GPU that is not there."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no GPU that torch can use; leave it out, or take cpu")
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)


def fit(
    model: nn.Module,
    config: BaseConfig,
    run: Run,
    *,
    batches: Callable[[int], Iterator[Batch]],
    steps_per_epoch: int,
    loss: Callable[[nn.Module, Batch], Tensor],
    evaluate: Callable[[], dict[str, float]],
    watch: str,
    report: Callable[[int, float], None] | None = None,
) -> Fitted:
    """Train `model` with Adam and leave it with the weights of its best evaluation.

    The learning rate follows one cycle (Smith & Topin, Super-Convergence, 2018): up to `config.learning_rate`, then
    down to nearly 0. Each step is one row of the record: the loss, the gradient norms before clipping, in all and by
    group, and at an epoch's end what `evaluate()` returns.

    Args:
        batches: the batches of an epoch, by its number from 0.
        steps_per_epoch: how many batches an epoch has.
        loss: the mean loss of a batch, a scalar.
        evaluate: metrics of the model as it is; must draw no random number and leave the model as it was.
        watch: the metric of `evaluate` that is better the higher it is; early stopping and the best weights follow it.
        report: called after each evaluation with (epoch from 1, watched value); it may raise `Pruned`.

    Raises:
        Diverged: at the first loss or gradient that is not finite, before it can touch the weights.
    """
    device = device_of(config)
    torch.manual_seed(seeding.stream(config.seed, "dropout"))
    groups = diagnostics.parameter_groups(model)
    norm_names = [f"grad_norm/{group}" for group in groups]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=config.epochs * steps_per_epoch
    )
    best = Best(watch)
    step, clipped = 0, 0
    bar = tqdm(total=config.epochs * steps_per_epoch, unit="step", disable=not sys.stderr.isatty(), leave=False)
    with bar:
        for epoch in range(config.epochs):
            began, valid_steps = time.perf_counter(), 0
            model.train()
            for number, batch in enumerate(batches(epoch)):
                step += 1
                value = loss(model, batch.to(device))
                optimizer.zero_grad()
                value.backward()
                norms, total = diagnostics.gradient_norms(groups)
                row = {"loss/train": value.item(), "grad_norm/total": total.item()}
                row |= dict(zip(norm_names, norms.tolist(), strict=True))
                row["schedule/learning_rate"] = schedule.get_last_lr()[0]
                if not math.isfinite(row["loss/train"]) or not math.isfinite(row["grad_norm/total"]):
                    run.log(step, row)
                    raise Diverged(
                        f"loss {row['loss/train']}, gradient norm {row['grad_norm/total']} "
                        f"at step {step}: batch {number + 1} of epoch {epoch + 1}"
                    )
                if config.clip:
                    clipped += row["grad_norm/total"] > config.clip
                    row["clip/fraction"] = clipped / step
                    nn.utils.clip_grads_with_norm_(parameters, config.clip, total)
                optimizer.step()
                schedule.step()
                valid_steps += int(batch.lengths.sum())
                if number + 1 < steps_per_epoch:
                    run.log(step, row)
                bar.update()
            seconds = time.perf_counter() - began
            row |= evaluate() | {"speed/valid_steps_per_second": valid_steps / seconds}
            run.log(step, row)
            best.offer(model, row[watch], epoch + 1)
            bar.set_description(f"epoch {epoch + 1}/{config.epochs}")
            bar.set_postfix(loss=f"{row['loss/train']:.3f}", metric=f"{row[watch]:.3f}")
            if report is not None:
                report(epoch + 1, row[watch])
            if config.patience and epoch + 1 - best.epoch >= config.patience:
                break
    best.restore(model)
    return Fitted(best.value, best.epoch, epoch + 1)


def scores(model: nn.Module, batches: Iterable[Batch], device: torch.device) -> tuple[Tensor, Tensor]:
    """What the model says of all batches, in evaluation mode, and their targets; both on the CPU, joined by example."""
    with diagnostics.evaluating(model):
        pairs = [(model(batch.inputs.to(device)).cpu(), batch.targets) for batch in batches]
    outputs, targets = zip(*pairs, strict=True)
    return torch.cat(outputs), torch.cat(targets)


class Best:
    """Keeps the weights of the best evaluation so far; the first of equal ones."""

    def __init__(self, metric: str):
        self.metric = metric
        self.value = float("-inf")
        self.epoch = 0
        self._weights: dict[str, Tensor] = {}

    def offer(self, model: nn.Module, value: float, epoch: int) -> None:
        """Take the model's weights if `value` is better than all before."""
        if value > self.value:
            self.value, self.epoch = value, epoch
            self._weights = copy.deepcopy(model.state_dict())

    def restore(self, model: nn.Module) -> None:
        """Give the model its best weights."""
        model.load_state_dict(self._weights)
