"""A few sequences, the same throughout a run, on which a network is looked into."""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit import sequences
from rnnkit.nn import Layers, evaluating, portable, recurrent_modules
from rnnkit.sequences import Examples


FEW = 8  # enough for medians over sequences, few enough to cost next to nothing


@dataclass(frozen=True)
class ProbeBatch:
    """A few sequences, and what a model makes of them."""

    run: Callable[[], object]  # runs the model on all of them, in whatever way it takes them
    # The loss of each, of shape (sequences,), from no more than so many steps after a fresh state: at its last step,
    # or, where there is a target at each step, the mean over all of them.
    costs: Callable[[int], Tensor]
    span: int  # their median length
    # The loss of each valid step, packed as the inputs are, or of each sequence; and the length of each one's sequence.
    losses: Callable[[], tuple[PackedSequence | Tensor, Tensor]] | None = None


def examples(
    model: nn.Module, among: Examples, device: torch.device, cost: Callable[[Tensor, Tensor], Tensor], few: int = FEW
) -> ProbeBatch:
    """Watch a model on examples of all lengths, from the shortest to the longest of `among`.

    `cost(outputs, targets)` is the loss of each row, of shape (rows,): of the examples where the model gives one output
    for each, of all valid steps where it gives packed ones.
    """
    by_length = sorted(range(len(among)), key=lambda i: len(among.inputs[i]))
    count = min(few, len(among))
    chosen = among.subset([by_length[(len(by_length) - 1) * i // max(count - 1, 1)] for i in range(count)])
    batch = sequences.collate(chosen).to(device)
    lengths = batch.lengths.tolist()

    def costs(context: int) -> Tensor:
        if not isinstance(chosen.targets, list):
            inputs = [sequence[-context:] for sequence in chosen.inputs]
            shortened = sequences.collate(Examples(inputs, chosen.targets)).to(device)
            return cost(model(shortened.inputs), shortened.targets)
        # In pieces of so many steps, each read by itself: every step counts, and no more is computed than for one run.
        inputs, targets = ([p for s in whole for p in s.split(context)] for whole in (chosen.inputs, chosen.targets))
        parts = torch.tensor([-(-len(s) // context) for s in chosen.inputs], device="cpu")
        whose = torch.arange(count, device="cpu").repeat_interleave(parts).to(device)
        pieces = sequences.collate(Examples(inputs, targets)).to(device)
        outputs = model(pieces.inputs)
        losses = cost(outputs.data, pieces.targets)
        return sequences.means(losses, whose[sequences.owners(outputs)], count)

    def losses() -> tuple[PackedSequence | Tensor, Tensor]:
        outputs = model(batch.inputs)
        if not isinstance(outputs, PackedSequence):
            return cost(outputs, batch.targets), batch.lengths
        return outputs._replace(data=cost(outputs.data, batch.targets)), sequences.lengths_of_rows(outputs)

    return ProbeBatch(lambda: model(batch.inputs), costs, sorted(lengths)[count // 2], losses)


def text(model: nn.Module, inputs: Tensor, targets: Tensor) -> ProbeBatch:
    """Watch a language model on ids of shape (sequences, steps), each followed by its target."""

    def costs(context: int) -> Tensor:
        context = min(context, inputs.shape[1])
        whole = inputs.shape[1] // context * context  # in pieces, as of examples; all are of one length, so some may go
        scores, _ = model(inputs[:, -whole:].reshape(-1, context))
        losses = portable.cross_entropy(scores.flatten(0, 1), targets[:, -whole:].flatten(), reduction="none")
        return losses.view(len(inputs), whole).mean(dim=1)

    def losses() -> tuple[PackedSequence, Tensor]:
        scores, _ = model(inputs)
        by_step = portable.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
        packed = nn.utils.rnn.pack_padded_sequence(by_step, [by_step.shape[1]] * len(by_step), batch_first=True)
        return packed, sequences.lengths_of_rows(packed)

    return ProbeBatch(lambda: model(inputs), costs, inputs.shape[1], losses)


class _AllRead(Exception):
    """What each module reads is known."""


# A recurrent module, what it reads, and the initial state that it is given, as a tuple that is empty for none.
Reading = tuple[Layers, PackedSequence | Tensor, tuple[Any, ...]]


def layer_inputs(model: nn.Module, run: Callable[[], object]) -> dict[str, Reading]:
    """What each recurrent module reads while `run()` runs.

    In evaluation mode and without gradients; where a module runs several times, the first. Nothing is computed beyond
    the input of the last module, which is most of what a run costs.
    """
    modules = recurrent_modules(model)
    readings: dict[str, Reading] = {}

    def reached(name: str, module: Layers, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        state = given.get("hx")  # an LSTM's pair may be a list
        initial = () if state is None else (tuple(state) if isinstance(state, (tuple, list)) else state,)
        readings.setdefault(name, (module, given["input"], initial))
        if len(readings) == len(modules):
            raise _AllRead

    hooks = [
        module.register_forward_pre_hook(functools.partial(reached, name), with_kwargs=True)
        for name, module in modules.items()
    ]
    try:
        with evaluating(model), contextlib.suppress(_AllRead):
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return readings
