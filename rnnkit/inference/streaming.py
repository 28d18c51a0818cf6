"""A sequence read step by step, its state carried along: what has come is never read again."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rnnkit.core import UserError
from rnnkit.inference import answering, architecture
from rnnkit.nn import LanguageModel, Members, SequenceClassifier, Tagger, embeddings, evaluating, heads
from rnnkit.sequences import Preprocessing, State, pack, preprocessing


class Stream:
    """One sequence: `step(value)` reads its next step and gives the answer for all that has come so far.

    What comes out after the last step is what `Model.predict` says of the whole sequence, bit for bit where the native
    kernel computes it; for tags it is that step's. Its memory does not grow. Raises `UserError` for nets that need the
    whole sequence: of both directions, with attention, of images, of forecasts.

    >>> stream = rnnkit.load(run).stream()                                 # doctest: +SKIP
    >>> for reading in sensor:                                             # doctest: +SKIP
    ...     print(stream.step(reading).prediction)
    """

    def __init__(self, net: nn.Module, known: Preprocessing, made: architecture.Architecture):
        self._nets: list[Any] = [*net.members] if isinstance(net, Members) else [net]
        self._known, self._alone, self.steps = known, dataclasses.replace(known, start="", longest=0), 0
        self._states: list[State] = [None] * len(self._nets)
        self._pools: list[list[Tensor]] = [[] for _ in self._nets]
        self._grams: list[Any] = [0.0 for _ in self._nets]  # the sums of what runs of symbols count for
        self._lags: list[Tensor] = []  # the last symbols, the latest first
        self._before: np.ndarray | None = None  # the last values that were there, of shape (1, channels)
        self._last: Tensor | None = None
        why = ""
        if made.config.bidirectional:
            why = "it reads from both ends: train one with --no-bidirectional"
        elif made.cut_recurrence:
            why = "its recurrence is cut: it carries no state"
        elif made.arguments.get("pool") == "attention":
            why = "its attention weighs all steps together: train one with --pool last, mean or max"
        elif known.reads == "images":
            why = "it reads images, which come whole"
        elif known.places:
            why = f"it reads {known.places} steps, each scaled by its place: train one with --scale channel"
        elif known.answers == "forecast":
            why = f"a forecast reads the last {known.context} steps together: give them to predict"
        if why:
            raise UserError(f"this net cannot be fed step by step: {why}")

    def step(self, value: Any) -> answering.Answer:
        """Read a step: numbers of shape (channels,), a word, a symbol, or a token. Raises `UserError` for another."""
        known = self._known
        if known.start and not self.steps:
            self._scores(known.start)
        if self._last is None or not known.longest or self.steps < known.longest:  # what lies beyond is not read
            self._last = self._scores(value)
        if not self._last.isfinite().all():
            raise UserError("the net's scores are not finite numbers: its weights, or these values, are too large")
        return answering.answer(known, self._last)

    def _scores(self, value: Any) -> Tensor:
        """The scores after a step, of shape (1, outputs)."""
        found: list[Tensor] = []
        for number, net in enumerate(self._nets):
            with answering.as_in_training(), evaluating(net):
                inputs = self._inputs(net, value).to(next(net.parameters()).device)
                found.append(self._one(number, net, inputs))
        if self._known.reads == "series":
            self._note(value)
        self.steps += 1
        return torch.cat(found, 1).cpu()

    def _inputs(self, net: nn.Module, value: Any) -> Tensor:
        """What a net reads of one step, of shape (1, ...)."""
        if self._known.reads == "series":
            row = preprocessing.numbers(value, "a step").reshape(1, -1)
            if row.shape[1] != len(names := self._known.channels):
                raise UserError(
                    f"a step has {row.shape[1]} numbers: give {len(names)}, one for each of {', '.join(names)}"
                )
            before = row if self._before is None else self._before
            return answering.read(net, self._known, [np.concatenate([before, row])])[0][-1:]
        rows = answering.read(net, self._alone, [[value] if self._known.reads == "tokens" else value])[0]
        if len(rows) > 1:
            raise UserError(f"{value!r} is {len(rows)} steps: give them one by one")
        return rows

    def _note(self, value: Any) -> None:
        row = np.asarray(value, np.float32).reshape(1, -1)
        before = row if self._before is None else self._before
        self._before = np.where(np.isnan(row), before, row)

    def _one(self, number: int, net: Any, inputs: Tensor) -> Tensor:
        if isinstance(net, LanguageModel):
            scores, self._states[number] = net.step(inputs, self._states[number])
            return scores
        assert isinstance(net, (SequenceClassifier, Tagger))
        output, state = net.encoder(embeddings.embedded_steps(net.embedding, pack([inputs])), self._states[number])
        self._states[number] = state
        if isinstance(net, Tagger):
            return net.head(output.data)
        last = (state[0] if isinstance(state, tuple) else state)[-1]
        scores = net.head(self._pooled(number, net.pool, output.data, last))
        return scores if net.grams is None else scores + self._straight(number, net.grams, inputs)

    def _straight(self, number: int, grams: heads.Grams, ids: Tensor) -> Tensor:
        """What the runs of symbols up to here count for, of which those that end now are new."""
        if number == 0:
            self._lags = [ids, *self._lags, *[ids * 0 - 1] * grams.longest][: grams.longest]
        self._grams[number] = self._grams[number] + grams.rows(self._lags)
        return self._grams[number] / ids.new_tensor([self.steps + 1]).sqrt()

    def _pooled(self, number: int, pool: nn.Module, row: Tensor, last: Tensor) -> Tensor:
        """The pooled states up to here: the sums, the largest and the last are all that it takes."""
        sums, largest = self._pools[number] or [torch.zeros_like(row), torch.full_like(row, float("-inf"))]
        sums, largest = sums + row, torch.maximum(largest, row)
        self._pools[number] = [sums, largest]
        parts = {heads.LastState: last, heads.MaxPool: largest, heads.MeanPool: sums / (self.steps + 1)}
        if isinstance(pool, heads.JoinedPool):
            return torch.cat([parts[type(part)] for part in pool.parts], 1)
        return parts[type(pool)]
