"""The training loop: batches, carried states, clipping, schedules, evaluation, early stopping, the record."""

import contextlib
import dataclasses
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from rnnkit.core import determinism, extras, seeding, signals
from rnnkit.core.config import BaseConfig
from rnnkit.core.errors import UserError
from rnnkit.diagnostics.monitor import Monitor
from rnnkit.diagnostics.norms import gradient_norms, snapshot
from rnnkit.diagnostics.probe import ProbeBatch
from rnnkit.nn.models import State
from rnnkit.nn.modules import evaluating
from rnnkit.runs import flags, plots
from rnnkit.runs.tracking import Diverged, Left, Pruned, Run
from rnnkit.sequences import Batch
from rnnkit.sequences.bptt_chunks import Chunk, detached
from rnnkit.training.optim import learning_rates, optimizer_of
from rnnkit.training.state import Best, Place, Training


__all__ = ["Diverged", "Fitted", "Pruned", "device_of", "fit", "learning_rates", "optimizer_of", "prepare", "scores"]


_prepared: ContextVar[list | None] = ContextVar("prepared", default=None)


@dataclass(frozen=True)
class Fitted:
    """How training went: the best value of the watched metric, the evaluation it was reached in, the epochs done."""

    best: float
    best_evaluation: int
    epochs: int


def device_of(config: BaseConfig) -> torch.device:
    """The device that the configuration asks for. Raises `UserError` for a GPU that is not there."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no GPU that torch can use; leave it out, or take cpu")
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)


def prepare(config: BaseConfig) -> torch.device:
    """Set the process up for a run, before it computes anything, and return the device.

    Numbers too small for full precision (below 1e-38 in float32) count as 0 from here on. Gradients that vanish through
    time become such numbers, and with them a processor takes several times as long: 4 times for an LSTM on film
    reviews of 238 words in the mean. Threads inherit it from the one that starts them, so it must come first.
    """
    torch.set_flush_denormal(True)
    device = device_of(config)
    for limit in determinism.settle(config.threads, device.type == "cuda"):
        print(limit, file=sys.stderr)
    return device


def fit(
    model: nn.Module,
    config: BaseConfig,
    run: Run,
    *,
    batches: Callable[[int], Iterator[Batch | Chunk]],
    steps_per_epoch: int,
    loss: Callable[[nn.Module, Batch | Chunk, State], tuple[Tensor, State]],
    evaluate: Callable[[], dict[str, float]],
    watch: str,
    lower_is_better: bool = False,
    rate: Callable[[float], float] | None = None,
    probe: ProbeBatch | None = None,
    report: Callable[[int, float], None] | None = None,
) -> Fitted:
    """Train `model` and leave it with the weights of its best evaluation, or its last (`config.keep`).

    Each step is one row of the record: the loss, the gradient norms before clipping, in all and by group, and where
    it evaluates (`config.evaluate_every`) what `evaluate()` returns.

    Args:
        batches: the batches of an epoch, by its number from 0.
        steps_per_epoch: how many batches an epoch has.
        loss: the mean loss of a batch, a scalar, and the recurrent state to carry to the next batch, or None. It gets
            what the batch before returned, cut from its graph; None at the start of an epoch.
        evaluate: metrics of the model as it is; must draw no random number and leave the model as it was.
        watch: the metric of `evaluate` that early stopping and the best weights follow.
        lower_is_better: whether `watch` is the better the lower it is.
        rate: a schedule of the experiment's own in place of `config.schedule`: what the learning rate is multiplied
            with, by the epochs done so far.
        watched: the sequences on which `config.observe` looks into the network; without any it does not.
        report: called after each evaluation with (its number from 1, watched value); it may raise `Pruned`.

    Raises:
        Left: where `config.screen` or `prepared` asks to stop before the first step.
        Diverged: at the first loss or gradient that is not finite, before it can touch the weights, and at the first
            evaluation that is not.
    """
    device = device_of(config)
    torch.manual_seed(seeding.stream(config.seed, "dropout"))
    monitor = Monitor(model, config, probe, run.folder)
    groups = monitor.groups
    norm_names = [f"grad_norm/{group}" for group in groups]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = optimizer_of(config, parameters)
    steps = config.epochs * steps_per_epoch
    factor = None if rate is None else lambda step: rate(step / steps_per_epoch)
    schedule = learning_rates(optimizer, config, steps, factor)
    best, place = Best(lower_is_better), Place()
    training = Training(model, optimizer, schedule, best, place)
    state = None if run.checkpoint is None else training.put_back(run.checkpoint, device)
    initial = monitor.before_training() if place.step == 0 else {}
    if config.screen:
        found = flags.before_training(initial)
        print(f"{run.name}, before training: {len(found) or 'no'} flag{'s' * (len(found) != 1)}")
        print("".join(f"  {flag}\n" for flag in found), end="")
        raise Left
    if _prepared.get() is not None:
        _prepared.get()[:] = [model, probe]
        raise Left
    valid_steps, began = 0, time.perf_counter()

    def remember():
        run.save(training.taken(state))

    def conclude():
        """Evaluate after a step, complete its row with what was found, and see whether patience has run out."""
        nonlocal valid_steps, began
        row = place.pending
        row["speed/valid_steps_per_second"] = valid_steps / (time.perf_counter() - began)
        try:
            with stop.at_once():
                found = evaluate()
                sound = all(map(math.isfinite, found.values()))  # what is not has no eigenvalues to look at
                inside = monitor.at_evaluation(place.step, last=place.step == steps) if sound else {}
        except (KeyboardInterrupt, SystemExit):
            remember()
            raise
        row |= found | inside
        place.pending = None
        place.evaluations += 1
        run.log(place.step, row)
        for name, value in found.items():
            if not math.isfinite(value):  # weights that a last step spoilt: no such run may win
                raise Diverged(f"{name} is {value} at the evaluation after step {place.step}")
        best.offer(model, row[watch], place.evaluations)
        bar.set_postfix(loss=f"{row['loss/train']:.3f}", metric=f"{row[watch]:.3f}")
        if report is not None:
            report(place.evaluations, row[watch])
        place.ended = bool(config.patience) and place.evaluations - best.evaluation >= config.patience
        valid_steps, began = 0, time.perf_counter()

    with extras.needed("experiments", "training"):
        from tqdm import tqdm

    model.train()
    bar = tqdm(total=steps, initial=place.step, unit="step", disable=not sys.stderr.isatty(), leave=False)
    with bar, signals.deferred() as stop:
        if place.pending is not None:  # a signal came after the last step, before its evaluation was done
            conclude()
            remember()
        for epoch, number, batch in remaining(batches, config.epochs, place):
            if place.ended:
                break
            if number == 0:
                state = None
            bar.set_description(f"epoch {epoch + 1}/{config.epochs}", refresh=False)
            value, state = loss(model, batch.to(device), state)
            optimizer.zero_grad()
            value.backward()
            state = detached(state)
            norms, total = gradient_norms(groups)
            row = {"loss/train": value.item(), "grad_norm/total": total.item()}
            row |= dict(zip(norm_names, norms.tolist(), strict=True))
            row["schedule/learning_rate"] = schedule.get_last_lr()[0]
            place.step += 1
            if place.step == 1:
                row |= initial
            place.epoch, place.batch = divmod(place.step, steps_per_epoch)
            if not math.isfinite(row["loss/train"]) or not math.isfinite(row["grad_norm/total"]):
                run.log(place.step, row)
                raise Diverged(
                    f"loss {row['loss/train']}, gradient norm {row['grad_norm/total']} "
                    f"at step {place.step}: batch {number + 1} of epoch {epoch + 1}"
                )
            if config.clip:
                place.clipped += row["grad_norm/total"] > config.clip
                row["clip/fraction"] = place.clipped / place.step
                nn.utils.clip_grads_with_norm_(parameters, config.clip, total)
            before = snapshot(groups) if monitor.looks_at(place.step) else None
            optimizer.step()
            schedule.step()
            if before is not None:
                row |= monitor.of_update(before)
            valid_steps += batch.valid_steps
            bar.update()
            last = place.step == steps
            evaluates = last or place.step % (config.evaluate_every or steps_per_epoch) == 0
            if evaluates:
                place.pending = row
                conclude()
            else:
                run.log(place.step, row)
            saves = place.step % config.save_every == 0 if config.save_every else evaluates
            if saves or last or place.ended or stop.number is not None:
                remember()
            stop.leave()
    if config.keep == "best":
        best.restore(model)
    if monitor.full and config.track == "off":  # else the mirror draws
        plots.draw_beside(run.folder)
    return Fitted(best.value, best.evaluation, -(-place.step // steps_per_epoch))


def prepared(run: Callable, config: BaseConfig) -> tuple[nn.Module, ProbeBatch]:
    """The model that an experiment's `run(config)` would train, with its initial weights, and what it is watched on.

    Nothing is trained, and no record left.
    """
    found: list = []
    token = _prepared.set(found)
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Left):
            run(dataclasses.replace(config, runs_dir=Path(folder), track="off", observe="off", screen=False))
    finally:
        _prepared.reset(token)
    model, probe = found
    return model, probe


def remaining(batches: Callable[[int], Iterator], epochs: int, place: Place) -> Iterator[tuple]:
    """The batches that are left from a place on, each with its epoch and its number there.

    Those before it are made once more and left out: what an epoch's batches are depends on the epoch alone.
    """
    first, done = place.epoch, place.batch
    for epoch in range(first, epochs):
        skipped = done if epoch == first else 0
        for number, batch in enumerate(itertools.islice(batches(epoch), skipped, None), start=skipped):
            yield epoch, number, batch


def scores(model: nn.Module, batches: Iterable[Batch], device: torch.device) -> tuple[Tensor, Tensor]:
    """What the model says of all batches, in evaluation mode, and their targets; both on the CPU, joined by example."""
    with evaluating(model):
        pairs = [(model(batch.inputs.to(device)).cpu(), batch.targets) for batch in batches]
    outputs, targets = zip(*pairs, strict=True)
    return torch.cat(outputs), torch.cat(targets)
