"""The training loop: batches, carried states, clipping, schedules, evaluation, early stopping, the record."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rnnkit.core import BaseConfig, UserError, determinism, files, seeding, signals, terminal
from rnnkit.diagnostics import Monitor, gradient_norms, snapshot
from rnnkit.runs import Diverged, Run, foretelling, plots, read_rows
from rnnkit.sequences import bptt_chunks
from rnnkit.training.experiment import Report, Task
from rnnkit.training.optimizers import Optimizer, schedule_of
from rnnkit.training.state import BestWeights, Progress, TrainingState


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


def fit(task: Task[Any], config: BaseConfig, run: Run, report: Report | None = None) -> TrainingState:
    """Train the task's model and leave it with the weights of its best evaluation, or its last (`config.keep`).

    Each step is one row of the record: the loss, the gradient norms before clipping, in all and by group, and where it
    evaluates (`config.evaluate_every`) what the task's `evaluate()` returns.

    Raises `Diverged` at the first loss or gradient that is not finite, before it touches the weights, or evaluation.
    """
    return _Loop(task, config, run, report).fit()


class _Loop:
    def __init__(self, task: Task[Any], config: BaseConfig, run: Run, report: Report | None):
        self.task, self.config, self.run, self.report = task, config, run, report
        self.device = device_of(config)
        torch.manual_seed(seeding.stream(config.seed, "dropout"))
        self.monitor = Monitor(task.model, config, task.probe, run.folder)
        self.norm_names = [f"grad_norm/{group}" for group in self.monitor.groups]
        self.parameters = [p for p in task.model.parameters() if p.requires_grad]
        self.steps = config.epochs * task.steps_per_epoch
        optimizer = Optimizer(config.optimizer, self.parameters)
        rate = task.rate
        factor = None if rate is None else lambda step: rate(step / task.steps_per_epoch)
        self.schedule = schedule_of(config, self.steps, factor)
        self.state = TrainingState(task.model, optimizer, BestWeights(task.objective), Progress())
        if run.checkpoint is not None:
            self.state.load_state_dict(run.checkpoint, self.device)
        self.initial = self.monitor.before_training() if self.state.progress.step == 0 else {}
        self.valid_steps, self.began = 0, time.perf_counter()  # since the last evaluation

    def fit(self) -> TrainingState:
        """Go through the batches that are left, and return the state at the end."""
        config, task, progress = self.config, self.task, self.state.progress
        task.model.train()
        bar = terminal.bar(total=self.steps, initial=progress.step, unit="step")
        with bar, signals.deferred() as stop:
            if progress.pending is not None:  # a signal came after the last step, before its evaluation was done
                self.evaluate(stop)
                self.save()
            for epoch, number, batch in progress.remaining(task.batches, config.epochs, task.steps_per_epoch):
                if progress.ended:
                    break
                bar.set_description(f"epoch {epoch + 1}/{config.epochs}", refresh=False)
                row = self.step(epoch, number, batch.to(self.device))
                self.valid_steps += batch.valid_steps
                bar.update()
                last = progress.step == self.steps
                evaluates = last or progress.step % (config.evaluate_every or task.steps_per_epoch) == 0
                if evaluates:
                    progress.pending = row
                    value = self.evaluate(stop)
                    bar.set_postfix(loss=f"{row['loss/train']:.3f}", metric=f"{value:.3f}")
                else:
                    self.run.log(progress.step, row)
                saves = progress.step % config.save_every == 0 if config.save_every else evaluates
                if saves or last or progress.ended or stop.number is not None:
                    self.save()
                stop.leave()
        if config.keep == "best":
            task.model.load_state_dict(self.state.best.weights)
        if self.monitor.full and config.track == "off":  # else the mirror draws
            plots.draw_beside(self.run.folder)
        return self.state

    def step(self, epoch: int, number: int, batch: Any) -> dict[str, float]:
        """One step of training: its row of the record."""
        state, progress, monitor = self.state, self.state.progress, self.monitor
        carried = None if number == 0 else state.carried
        value, after = self.task.loss(self.task.model, batch, carried)
        for parameter in self.parameters:
            parameter.grad = None
        value.backward()
        state.carried = bptt_chunks.mapped(Tensor.detach, after)
        norms, total = gradient_norms(monitor.groups)
        rate, beta = self.schedule(progress.step)
        row: dict[str, float] = {"loss/train": value.item(), "grad_norm/total": total}
        row |= dict(zip(self.norm_names, norms, strict=True))
        row["schedule/learning_rate"] = rate
        progress.step += 1
        if progress.step == 1:
            row |= self.initial
        progress.epoch, progress.batch = divmod(progress.step, self.task.steps_per_epoch)
        if not math.isfinite(row["loss/train"]) or not math.isfinite(row["grad_norm/total"]):
            self.run.log(progress.step, row)
            raise Diverged(
                f"loss {row['loss/train']}, gradient norm {row['grad_norm/total']} "
                f"at step {progress.step}: batch {number + 1} of epoch {epoch + 1}"
            )
        scale = 1.0
        if clip := self.config.clip:
            progress.clipped += total > clip
            row["clip/fraction"] = progress.clipped / progress.step
            scale = min(clip / (total + 1e-6), 1.0)  # as torch's clip_grad_norm_ has it
        before = snapshot(monitor.groups) if monitor.looks_at(progress.step) else None
        state.optimizer.step(rate, scale, beta)
        return row if before is None else row | monitor.of_update(before)

    def evaluate(self, stop: signals.Stop) -> float:
        """Evaluate after a step, log its row with what came out, and see whether patience has run out."""
        progress, best, watched = self.state.progress, self.state.best, self.task.objective.metric
        row = progress.pending
        assert row is not None
        row["speed/valid_steps_per_second"] = self.valid_steps / (time.perf_counter() - self.began)
        try:
            with stop.at_once():
                metrics = files.plain_numbers(self.task.evaluate())
                if watched not in metrics:
                    given = ", ".join(metrics) or "nothing"
                    raise UserError(f"evaluate() gives no {watched}, which OBJECTIVE names, but {given}")
                sound = all(map(math.isfinite, metrics.values()))  # what is not has no eigenvalues to look at
                last = progress.step == self.steps
                inside = self.monitor.at_evaluation(progress.step, last=last) if sound else {}
        except (KeyboardInterrupt, SystemExit):
            self.save()
            raise
        row |= metrics | inside
        progress.pending = None
        progress.evaluations += 1
        self.run.log(progress.step, row)
        for name, value in metrics.items():
            if not math.isfinite(value):  # weights that a last step spoilt: no such run may win
                raise Diverged(f"{name} is {value} at the evaluation after step {progress.step}")
        loss = metrics.get("loss/valid", math.nan) if self.config.ties == "loss" else math.nan
        best.offer(self.task.model, row[watched], progress.evaluations, loss)
        if self.report is not None:
            self.report(progress.evaluations, row[watched])
        if self.run.context.hears is not None:
            self.foretell(self.run.context.hears)
        patience = self.config.patience
        progress.ended = bool(patience) and progress.evaluations - best.evaluation >= patience
        progress.ended |= self.task.late is not None and self.task.late()
        self.valid_steps, self.began = 0, time.perf_counter()
        return row[watched]

    def foretell(self, hears: Callable[[foretelling.Foretold], None]) -> None:
        """Say whether the net will learn, by a fifth of the steps, at the first evaluation after them."""
        step, every = self.state.progress.step, self.config.evaluate_every or self.task.steps_per_epoch
        if step == foretelling.speaks_after(range(every, step + 1, every), self.steps):
            said = foretelling.early(read_rows(self.run.folder), self.steps, self.config)
            if said is not None:
                hears(said)

    def save(self) -> None:
        """Keep what the run can go on from."""
        self.run.save(self.state.state_dict())
