"""What experiments have in common: a task on examples or on a text, and what a model makes of a part of the data."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit import sequences
from rnnkit.core import BaseConfig, seeding
from rnnkit.diagnostics import probe
from rnnkit.evaluation import classification
from rnnkit.nn import evaluating, portable
from rnnkit.sequences import Batch, Examples, State, bptt_chunks, vocabulary
from rnnkit.training.experiment import Task
from rnnkit.training.objective import Objective


T = TypeVar("T")


def on_examples(
    config: BaseConfig,
    objective: Objective,
    model: nn.Module,
    data: Any,
    name: str,
    measure: Callable[..., tuple[dict[str, float], Any]],
    cost: Callable[..., Tensor] | None = None,
    order: Callable[[int], Sequence[Tensor]] | None = None,
    word_dropout: float = 0.0,
    heard: Callable[[PackedSequence], PackedSequence] = lambda inputs: inputs,
) -> Task[Any]:
    """The task to learn `data.train`, examples from the set `name`: at random, or in batches that `order` names.

    `measure(model, examples, split)` is as `classified`: what it gives first for `data.valid` is the evaluation.
    `cost(scores, targets, reduction="mean")` is as torch's losses are, for rows of scores; without it, the
    cross-entropy. `word_dropout` is the share
    of words read as unknown in training; words are rows, or come first in them. `heard(inputs)` is what training reads
    in place of a batch's inputs.
    """
    count = len(data.train)
    of_rows: Callable[..., Tensor] = cost or portable.losses(config.bits).cross_entropy
    order = order or (lambda epoch: sequences.epoch_order(count, config.seed, epoch).split(config.batch_size))

    joined = functools.cache(lambda: sequences.Joined(data.train))

    def batches(epoch: int) -> Iterator[Batch]:
        noise = seeding.generator(config.seed, "word dropout", epoch)
        for batch in joined().batches(order(epoch)):
            rows = batch.inputs.data
            words = rows if rows.dim() == 1 else rows[:, 0]
            if word_dropout:
                words[torch.rand(len(words), generator=noise, dtype=torch.float32, device="cpu") < word_dropout] = (
                    vocabulary.UNKNOWN
                )
            yield batch

    def loss(model: nn.Module, batch: Batch, state: None) -> tuple[Tensor, None]:
        given = model(heard(batch.inputs))
        return of_rows(given.data if isinstance(given, PackedSequence) else given, batch.targets), None

    return Task(
        data=data,
        checksums={name: data.sha256},
        objective=objective,
        model=model,
        batches=batches,
        steps_per_epoch=-(-count // config.batch_size),
        loss=loss,
        evaluate=lambda: measure(model, data.valid, "valid")[0],
        probe=probe.examples(model, data.valid, _device(model), functools.partial(of_rows, reduction="none")),
    )


def on_text(
    config: BaseConfig,
    objective: Objective,
    model: nn.Module,
    data: Any,
    name: str,
    steps: int,
    measure: Callable[[nn.Module, Tensor, str], dict[str, float]],
    round: int = 0,
    rate: Callable[[float], float] | None = None,
) -> Task[Any]:
    """The task to say what comes next in `data.train`, a text of numbers of shape (length,) from the set `name`.

    It is read `steps` symbols at a time at `config.batch_size` places side by side, the state carried along; or, with a
    `round`, in so many batches of chunks from anywhere, each from a zero state. `measure(model, ids, split)` gives the
    metrics of a text: those of `data.valid` are the evaluation.
    """
    train, valid = data.train, data.valid
    cost = portable.losses(config.bits).cross_entropy

    def batches(epoch: int) -> Iterator[bptt_chunks.Chunk]:
        if round:
            return bptt_chunks.chunks_at_random(train, config.batch_size, steps, round, config.seed, epoch)
        return bptt_chunks.contiguous(train, config.batch_size, steps)

    def loss(model: nn.Module, chunk: bptt_chunks.Chunk, state: State) -> tuple[Tensor, State]:
        scores, after = model(chunk.inputs, None if round else state)
        return cost(scores.flatten(0, 1), chunk.targets.flatten()), after

    chunk = next(bptt_chunks.contiguous(valid, min(32, len(valid) - 1), steps)).to(_device(model))
    watched = probe.text(model, chunk.inputs[: probe.FEW], chunk.targets[: probe.FEW])
    return Task(
        data=data,
        checksums={name: data.sha256},
        objective=objective,
        model=model,
        batches=batches,
        steps_per_epoch=round or -(-((len(train) - 1) // config.batch_size) // steps),
        loss=loss,
        evaluate=lambda: measure(model, valid, "valid"),
        probe=watched,
        rate=rate,
    )


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def of_batches(model: nn.Module, batches: Iterable[Batch], find: Callable[[Any, Batch], T]) -> list[T]:
    """`find(what the model gives, batch)` for each batch, on the model's device and in evaluation mode."""
    device = _device(model)
    with evaluating(model):
        return [find(model(batch.inputs), batch) for batch in (batch.to(device) for batch in batches)]


def nats_of_text(model: nn.Module, ids: Tensor, steps: int, nats: Callable[[Tensor, Tensor], Tensor]) -> float:
    """What a model needs for all symbols of a text after its first, the state carried from beginning to end.

    It reads `steps` symbols at a time, and `nats(scores, targets)` adds up what they take.
    """
    device, total, state = _device(model), 0.0, None
    with evaluating(model):
        for chunk in bptt_chunks.contiguous(ids, 1, steps):
            chunk = chunk.to(device)
            scores, state = model(chunk.inputs, state)
            total += nats(scores[0], chunk.targets[0]).item()
    return total


def classified(
    model: nn.Module,
    examples: Examples,
    split: str,
    cost: Callable[[Tensor, Tensor], Tensor] = portable.cross_entropy,
    decide: Callable[[Tensor], Tensor] = lambda scores: scores.argmax(1),
    order: Sequence[Tensor] | None = None,
) -> tuple[dict[str, float], np.ndarray]:
    """Loss, accuracy and F1 of a part, and which of its examples are classified rightly, of shape (examples,).

    `decide` makes classes of scores; batches are those that `order` names.
    """
    order = order or torch.arange(len(examples), device="cpu").split(256)
    pairs = of_batches(model, sequences.gathered(examples, order), lambda given, batch: (given.cpu(), batch.targets))
    outputs, targets = (torch.cat(parts).cpu() for parts in zip(*pairs, strict=True))
    predicted = decide(outputs)
    right = torch.empty(len(examples), dtype=torch.bool, device="cpu")
    right[torch.cat(list(order))] = predicted == targets
    row = {f"loss/{split}": cost(outputs, targets).item()}
    return row | classification(targets, predicted, split), right.numpy()
