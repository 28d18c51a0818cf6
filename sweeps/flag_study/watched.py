"""One run of the bank: trained as its experiment trains it, evaluated on few examples, and looked into on its way."""

import dataclasses
import functools
import importlib
import itertools
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from experiments import char_lm, digits, memory, music
from rnnkit import sequences
from rnnkit.core import BaseConfig
from rnnkit.datasets.digits import CLASSES
from rnnkit.diagnostics import monitor, norms
from rnnkit.evaluation import ngram
from rnnkit.nn import evaluating
from rnnkit.runs import Membership, RunContext, Status, read_rows
from rnnkit.runs.foretelling import signs
from rnnkit.sequences import Examples, bptt_chunks
from rnnkit.training import Experiment, Final, Objective, Task, screening
from sweeps.flag_study import scores
from sweeps.flag_study.drawn import EVERY, MOMENTS, Point
from sweeps.flag_study.entries import Entry


VARIED = ("cell", "init", "hidden_size", "depth", "learning_rate", "clip", "seed")
VALID, TEST = 128, 1_000  # examples, or places of a text: an evaluation costs about as much as a step of training


Prepare = Callable[[nn.Module, Callable[[], object]], None]
"""Changes a model before it is looked into and trained, by what it reads while the second is called."""


@dataclass
class Watched:
    """An experiment's settings, and what was seen of the net while it was trained."""

    config: Any  # of the experiment's kind
    prepare: Prepare | None = None
    curve: list[float] = field(default_factory=list)  # validation losses: before training, and every `EVERY` steps
    looks: list[dict[str, float]] = field(default_factory=list)  # one for each moment that was reached
    seconds: float = 0.0  # of the processor, that looks took
    seconds_of_scores: float = 0.0  # ... and what others published, before training

    def setup(self, config: BaseConfig, device: torch.device) -> Task[Any]:
        """The experiment's task, to be evaluated on few examples, after the look before training."""
        self.task = task = self.experiment.setup(config, device)
        self.valid, self.test = (self.some(part, n) for part, n in ((task.data.valid, VALID), (task.data.test, TEST)))
        if self.prepare is not None:
            self.prepare(task.model, lambda: self.loss(self.valid))
        self.groups = norms.parameter_groups(task.model)
        self.start = norms.snapshot(self.groups)
        self.evaluate()
        began = time.process_time()
        self.looks[0] |= scores.of_untrained(task.model, lambda: self.loss(self.valid), config.learning_rate)
        self.seconds_of_scores = time.process_time() - began
        return dataclasses.replace(task, objective=Objective("metric/loss/valid"), evaluate=self.evaluate)

    @property
    def experiment(self) -> Any:
        """The module of the experiment."""
        return importlib.import_module(f"experiments.{self.config.experiment}")

    def some(self, part: Any, count: int) -> Any:
        """The first examples of a part as one batch, or the first chunk at so many places of a text."""
        if isinstance(part, Examples):
            return sequences.collate(part.subset(range(min(count, len(part)))))
        return next(bptt_chunks.contiguous(part, min(count, len(part) // 2), self.config.steps))

    def loss(self, batch: Any) -> float:
        """The loss of the net as it is."""
        with evaluating(self.task.model):
            return self.task.loss(self.task.model, batch, None)[0].item()

    def evaluate(self) -> dict[str, float]:
        """The validation loss; at one of the moments, the net is looked into."""
        loss = self.loss(self.valid)
        if math.isfinite(loss):
            self.curve.append(loss)
            if (len(self.curve) - 1) * EVERY in MOMENTS:
                began = time.process_time()
                self.looks.append(self.look())
                self.seconds += time.process_time() - began
        return {"metric/loss/valid": loss}

    def look(self) -> dict[str, float]:
        """The signs of the net as it is."""
        watched = self.task.probe
        assert watched is not None
        seen = monitor.look(self.task.model, watched).numbers
        found = screening.of_look(self.task.model, watched, seen)
        if self.looks:
            return found | signs.rounded({"distance from the start": signs.log(self.moved())})
        known = self.config
        return found | signs.of_settings(known.learning_rate, known.hidden_size, known.depth, watched.span)

    def moved(self) -> float:
        """How far the weights are from where they started, as a share of how large they were."""
        size = sum(float(w.square().sum()) for group in self.start.values() for w in group)
        return math.hypot(*norms.distances(self.groups, self.start)) / math.sqrt(size)

    def conclude(self, config: BaseConfig, task: Task[Any]) -> Final:
        """The test loss of the best weights."""
        return Final({"metric/loss/test": self.loss(self.test)})


def measured(point: Point, prepare: Prepare | None = None) -> Entry:
    """Train the net of a point, in a folder that is gone afterwards, and keep what was seen of it."""
    watched = Watched(point.config, prepare)
    kind = watched.experiment.Config
    with tempfile.TemporaryDirectory() as folder:
        config = dataclasses.replace(point.config, runs_dir=Path(folder))
        began = time.process_time()
        of_bank = RunContext(Membership(study="bank"))  # no run that the user is told how to go on with
        result = Experiment(kind, watched.setup, watched.conclude)(config, context=of_bank)
        seconds = time.process_time() - began
        rows = read_rows(result.folder)
    finished = result.status == Status.FINISHED
    looks = []
    for look, (begin, end) in zip(watched.looks, itertools.pairwise((0, *MOMENTS)), strict=False):
        steps = rows[begin:end] if end else rows[:1]  # the gradient of the first step is that of the untrained net
        looks.append(look | signs.of_steps(steps, rows[0], config.clip))
    return Entry(
        number=point.number,
        task=point.task.name,
        family=point.task.family,
        settings={name: getattr(config, name) for name in VARIED},
        status=result.status,
        loss=float(f"{result.metrics['metric/loss/test']:.4g}") if finished else None,
        limits=limits(config),
        curve=[float(f"{loss:.4g}") for loss in watched.curve[: MOMENTS[-1] // EVERY + 1]],
        signs=looks,
        seconds=(round(seconds, 1), round(watched.seconds, 2), round(watched.seconds_of_scores, 2)),
    )


@functools.cache
def _of_text(text: str) -> tuple[float, float]:
    """What each symbol's frequency and counts of 6 symbols need for a symbol of the test part, in nats."""
    config = char_lm.Config(text=text)
    whole = char_lm.load(text, None).text
    train, _, test = char_lm.parts(whole, config)
    bits = [ngram.bits_per_character(train, test, len(set(whole)), order) for order in (1, 6)]
    return bits[0] * math.log(2), bits[1] * math.log(2)


# A step of the music costs who knows its rules so much: one chord in four is open, see `made_chords`.
RULES_OF_MUSIC = 1.1819


def limits(config: BaseConfig) -> tuple[float, float]:
    """The test loss of a cheap baseline, which remembers nothing, and the best known one, in the loss's unit."""
    match config:
        case memory.Config():
            task = memory.task_of(config)
            return task.without_memory, task.best
        case digits.Config():
            return math.log(CLASSES), 0.0
        case music.Config():
            return music.baselines(config.data, None)["each key's frequency"], RULES_OF_MUSIC
        case char_lm.Config():
            return _of_text(config.text)
        case _:
            raise ValueError(f"no limits are known of {config.experiment}")
