"""What a net answers to sequences, in their order: the same bits for each, alone or among any others."""

import contextlib
import itertools
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

from rnnkit.core import UserError
from rnnkit.inference.surroundings import flushes_denormals, kept_out
from rnnkit.nn import LanguageModel, Members, embeddings, evaluating, promise
from rnnkit.sequences import Preprocessing, pack, preprocessing


if TYPE_CHECKING:
    from rnnkit.inference.model import Model


AT_ONCE = 64  # sequences of a batch


@dataclass(frozen=True)
class Answer:
    """What a net says of a sequence.

    `prediction` is a label, a number, the next symbol, an array of the next values, or a list with one for each step;
    `probabilities` are those of the classes, of shape (classes,), or (steps, classes), and None where there are none.
    """

    prediction: Any
    probabilities: np.ndarray | None = None


def answers(model: "Model", sequences: Iterable[Any], names: Sequence[str] = ()) -> list[Answer]:
    """An answer for each sequence, in their order.

    Sequences are read in batches where the kernel gives each the same bits in any batch, else one by one. Raises
    `UserError` for what cannot be read: with its name, or its place from 0 where there are no `names`.
    """
    known = model.preprocessing
    if isinstance(sequences, (str, bytes)):
        raise UserError("give a list of sequences: of a single text, a list with it alone")
    given = list(sequences)
    names = names or [f"sequence {place}" for place in range(len(given))]
    for place, one in enumerate(given):
        if not hasattr(one, "__len__"):
            raise UserError(f"{names[place]} is {one!r:.40}, not a sequence: give a list of sequences")
    if known.answers == "forecast":
        given = [_window(known, one, name) for one, name in zip(given, names, strict=True)]
    at_once = AT_ONCE if is_batched(model) else 1
    found: dict[int, Answer] = {}
    with as_in_training(), evaluating(model.net):
        for places, scores in _scored(model.net, known, given, names, at_once):
            for place, rows in zip(places, scores, strict=True):
                if not rows.isfinite().all():
                    why = "its weights, or these values, are too large"
                    raise UserError(f"{names[place]}: the net's scores are not finite numbers: {why}")
                found[place] = answer(known, rows, given[place])
    return [found[place] for place in range(len(given))]


@contextlib.contextmanager
def as_in_training() -> Generator[None]:
    """Inside, numbers too small for full precision count as 0, as they did in training; afterwards as before."""
    before = flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        with kept_out():
            yield
    finally:
        torch.set_flush_denormal(before)


def is_batched(model: "Model") -> bool:
    """Whether a sequence has the same bits in any batch, so that many can be read at once."""
    device = next(model.net.parameters()).device
    return not isinstance(model.net, LanguageModel) and not promise.limits(model.architecture.config, model.net, device)


def answer(known: Preprocessing, scores: Tensor, sequence: Any = None) -> Answer:
    """What scores mean, of shape (1, outputs), or (steps, outputs) where there is an answer at each step."""
    if not known.classes:
        base = None
        if known.answers == "forecast":
            base = preprocessing.linear_forecast(known, [sequence])
        values = preprocessing.values(known, scores, base)[0]
        return Answer(values if known.answers == "forecast" else float(values[0]))
    shares = preprocessing.probabilities(known, scores)
    if known.answers == "keys":
        chosen = [tuple(known.classes[i] for i in np.flatnonzero(row > 0.5)) for row in shares]
        return Answer(chosen, shares)
    names = [known.classes[i] for i in shares.argmax(1)]
    return Answer(names, shares) if known.by_step else Answer(names[0], shares[0])


def _scored(
    net: nn.Module, known: Preprocessing, sequences: Sequence[Any], names: Sequence[str], at_once: int
) -> Iterator[tuple[list[int], list[Tensor]]]:
    """The places of some sequences, and the scores of each: of shape (1, outputs), or (steps, outputs)."""
    order = sorted(range(len(sequences)), key=lambda place: len(sequences[place]))
    device = next(net.parameters()).device
    for start in range(0, len(order), at_once):
        places = order[start : start + at_once]
        try:
            rows = read(net, known, [sequences[place] for place in places])
        except UserError:
            for place in places:  # which one it is, by its own place
                _read_alone(net, known, sequences[place], names[place])
            raise
        if isinstance(net, LanguageModel):
            yield places, [net(rows[0].unsqueeze(0).to(device))[0][0, -1:].cpu()]
            continue
        batch = cast(PackedSequence, pack(rows).to(device))  # pyright: ignore[reportArgumentType, reportCallIssue]
        given = net(batch)
        if isinstance(given, PackedSequence):
            yield places, [one.cpu() for one in unpack_sequence(given)]
        else:
            yield places, list(given.cpu().split(1))


def read(net: nn.Module, known: Preprocessing, sequences: Sequence[Any]) -> list[Tensor]:
    """What the net reads of sequences; one that reads letters gets their spellings, too."""
    if not known.letters:
        return preprocessing.inputs(known, sequences)
    rows, spellings = preprocessing.spellings(known, sequences)
    for part in itertools.chain([net], net.members if isinstance(net, Members) else []):
        embedding = getattr(part, "embedding", None)
        if isinstance(embedding, embeddings.Spelled):
            embedding.spellings = spellings
    return rows


def _read_alone(net: nn.Module, known: Preprocessing, sequence: Any, name: str) -> None:
    try:
        read(net, known, [sequence])
    except UserError as error:
        raise UserError(re.sub(r"^(sequence|image) 0", name.replace("\\", r"\\"), str(error))) from None


def _window(known: Preprocessing, sequence: Any, name: str) -> np.ndarray:
    """The last steps of a series, as many as a forecast reads, of shape (steps, channels)."""
    values = preprocessing.numbers(sequence, name)
    if len(values) < known.context:
        raise UserError(f"{name} has {len(values)} steps: a forecast reads {known.context}")
    return values[-known.context :] if known.context else values
