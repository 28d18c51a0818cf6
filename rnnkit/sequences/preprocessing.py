"""What stands between one's own sequences and a net: fitted on the training part alone, kept with the weights.

A `Preprocessing` holds plain values; JSON has them too. `inputs` makes of a sequence what the net reads, `classes` and
`values` make of scores what is answered.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from rnnkit.core import UserError, extras, records, wording
from rnnkit.sequences import images, vocabulary


Reads = Literal["series", "words", "characters", "tokens", "images"]
Answers = Literal["label", "number", "tags", "forecast", "next", "keys"]
SINCE = "time since the step before"  # a channel of which the net reads the logarithm, as own data have it


@dataclass(frozen=True)
class Preprocessing:
    """How sequences become what a net reads, and its scores what is answered.

    Of series each channel is standardised by `means` and `deviations` of the training part's steps, with `places` each
    channel of each of so many steps by those of that place, one place after the other, and with `table` all places are
    read in one step; a missing value is the one before it, or the mean, and with `mask` a further channel is 1 where it
    was missing. With `differences` what
    each channel has changed by since the step before, divided by these deviations, is a further one. Words, characters
    and tokens are numbers by `vocabulary`. `members` nets answer together, by the mean of their probabilities or
    values.
    Images are rows of pixels, read as `images` says. Answers are one for a sequence (a label, a number, the next values
    or the next symbol), or at each step (a tag, or which keys sound next).
    """

    reads: Reads
    answers: Answers
    channels: tuple[str, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    places: int = 0
    table: bool = False
    mask: bool = False
    differences: tuple[float, ...] = ()  # of each channel's steps, the deviation of those that are read too; or nothing
    vocabulary: tuple[str, ...] = ()
    longest: int = 0  # steps that are read of a text, from its beginning; 0 for all
    classes: tuple[str, ...] = ()
    target_mean: float = 0.0
    target_deviation: float = 1.0
    horizon: int = 1
    context: int = 0  # steps that a forecast reads
    # Of forecasts, for each value ahead: what the steps read count for in a linear forecast, which the net adds to.
    linear: tuple[tuple[float, ...], ...] = ()
    members: int = 1
    lower: bool = False  # tokens are alike in either case
    letters: tuple[str, ...] = ()  # by number, where tokens are read letter by letter too
    start: str = ""  # what comes before the first token of each text
    pixels: images.Pixels | None = None

    @property
    def by_step(self) -> bool:
        """Whether there is an answer at each step."""
        return self.answers in ("tags", "keys")

    @property
    def features(self) -> int:
        """Numbers a step, of a series; 0 where steps are numbers of words."""
        of_step = len(self.channels) * (1 + self.mask + bool(self.differences))
        return of_step * self.places if self.table else of_step

    @property
    def outputs(self) -> int:
        """Scores of one net, for a sequence or a step."""
        return len(self.classes) or self.horizon


def read(values: object) -> Preprocessing:
    """A preprocessing from the plain values that were kept. Raises `UserError` for others."""
    found, damage = records.read(Preprocessing, json.loads(json.dumps(values)))  # a tuple is a list there
    if found is None or damage:
        raise UserError(f"the preprocessing is of another version: {'its ' + damage[0] if damage else 'it is empty'}")
    return found


def inputs(preprocessing: Preprocessing, sequences: Iterable[Any]) -> list[Tensor]:
    """What the net reads of sequences: arrays of shape (steps, channels), images, texts, or lists of tokens.

    Tensors of shape (steps, features), or (steps,) of numbers of words. Raises `UserError`, with the sequence, for
    another number of channels, for none, and for a symbol that the net has no number for.
    """
    if preprocessing.reads == "series":
        return [_series(preprocessing, one, number) for number, one in enumerate(sequences)]
    if preprocessing.pixels is not None:
        scale_by = preprocessing.means, preprocessing.deviations
        return [images.steps(preprocessing.pixels, *scale_by, one, place) for place, one in enumerate(sequences)]
    numbers = {word: number for number, word in enumerate(preprocessing.vocabulary)}
    return [
        torch.tensor([_known(numbers, word, place) for word in steps_of(preprocessing, one)], device="cpu")
        for place, one in enumerate(sequences)
    ]


def steps_of(preprocessing: Preprocessing, one: Any) -> list[str]:
    """The steps of a text as the net knows them: in lower case, after a start, and cut, where it is so."""
    found = units(preprocessing.reads, one)
    if preprocessing.lower:
        found = [word.lower() for word in found]
    if preprocessing.start:
        found = [preprocessing.start, *filter(None, found)]
    return found[: preprocessing.longest or None]


def spellings(preprocessing: Preprocessing, sequences: Iterable[Any]) -> tuple[list[Tensor], list[Tensor]]:
    """For nets that read letters: inputs of shape (steps, 2), as `nn.embeddings.Spelled` has them, and spellings."""
    numbers = {letter: number for number, letter in enumerate(preprocessing.letters)}
    places: dict[str, int] = {}
    rows: list[Tensor] = []
    as_written = [units(preprocessing.reads, one) for one in sequences]
    for ids, words in zip(inputs(preprocessing, as_written), as_written, strict=True):
        chosen = [places.setdefault(word, len(places)) for word in words]
        rows.append(torch.stack([ids, torch.tensor(chosen, device="cpu")], 1))
    ids_of = [[numbers.get(letter, vocabulary.UNKNOWN) for letter in word] or [vocabulary.UNKNOWN] for word in places]
    return rows, [torch.tensor(ids, device="cpu") for ids in ids_of]


def _known(numbers: dict[str, int], word: str, place: int) -> int:
    found = number_of(numbers, word)
    if found == vocabulary.UNKNOWN and word not in numbers and "<unk>" not in numbers:
        raise UserError(f"sequence {place}: the net has never read {word!r}, and has nothing in its place")
    return numbers["<unk>"] if found == vocabulary.UNKNOWN and word not in numbers else found


def numbers(one: Any, name: str) -> np.ndarray:
    """A series as float32, of shape (steps, channels). Raises `UserError`, with its name, for what is not a number.

    NaN is a missing value; what is infinite, or becomes so in float32, is refused.
    """
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(one, np.float32)
    except (TypeError, ValueError):
        raise UserError(f"{name} holds something that is not a number, or steps of unlike sizes") from None
    if np.isinf(values).any():
        raise UserError(
            f"{name} holds a value that is infinite, or too large: leave it empty (NaN) where it is missing"
        )
    return values[:, None] if values.ndim == 1 else values


def _series(preprocessing: Preprocessing, one: Any, number: int) -> Tensor:
    values = numbers(one, f"sequence {number}")
    if values.ndim != 2 or not len(values) or values.shape[1] != len(preprocessing.channels):
        since = " (ln(1 + it), 0 at the first step)" if SINCE in preprocessing.channels else ""
        raise UserError(
            f"sequence {number} has the shape {values.shape}: give (steps, {len(preprocessing.channels)}), one column "
            f"for each of {', '.join(preprocessing.channels)}{since}"
        )
    if preprocessing.places and len(values) != preprocessing.places:
        raise UserError(
            f"sequence {number} has {wording.count(len(values), 'step')}: give {preprocessing.places}, as each of them "
            "is scaled by itself (--scale)"
        )
    missing = np.isnan(values)
    means, deviations = (
        np.array(part, np.float32).reshape(-1, values.shape[1])
        for part in (preprocessing.means, preprocessing.deviations)
    )
    with np.errstate(over="ignore"):
        scaled = (values - means) / deviations
    if np.isinf(scaled).any():
        raise UserError(f"sequence {number} holds a value that is too large beside those of training")
    if preprocessing.table:
        scaled = np.where(missing, np.float32(0), scaled)
    elif missing.any():
        last = np.where(missing, -1, np.arange(len(values))[:, None])
        np.maximum.accumulate(last, axis=0, out=last)
        scaled = np.where(last < 0, np.float32(0), np.take_along_axis(scaled, np.maximum(last, 0), 0))
    found = [scaled, missing.astype(np.float32)] if preprocessing.mask else [scaled]
    if preprocessing.differences:
        found.append(np.diff(scaled, axis=0, prepend=scaled[:1]) / np.array(preprocessing.differences, np.float32))
    steps = np.ascontiguousarray(np.concatenate(found, 1), np.float32)
    return torch.from_numpy(steps.reshape(1, -1) if preprocessing.table else steps)


def units(reads: Reads, one: Any) -> list[str]:
    """What a text is read by: its words, its characters, or the tokens that it comes in; at least one.

    Of a text, tokens are what stands between blanks.
    """
    if reads == "words":
        return vocabulary.words(one) or [""]
    if reads == "tokens" and isinstance(one, str):
        return one.split() or [""]
    return list(one) or [""]


def number_of(numbers: dict[str, int], word: str) -> int:
    """The number of a word; of one that is not known that of its shape, else that of the unknown word."""
    found = numbers.get(word)
    if found is None:
        found = numbers.get(shape(word), vocabulary.UNKNOWN)
    return found


def shape(word: str) -> str:
    """What rare words have in common: capitals, digits, and their last three letters (`<Xx-ing>`).

    Rare words are read as such classes in Collins, A New Statistical Parser, 1996, and many taggers since.
    """
    kinds = re.sub(
        r"(.)\1+", r"\1", re.sub(r"[^\W\d_]", lambda c: "X" if c[0].isupper() else "x", re.sub(r"\d", "0", word))
    )
    return f"<{kinds[:4]}-{word[-3:].lower() if len(word) > 4 and word[-1:].isalpha() else ''}>"


def known_words(reads: Reads, sequences: Iterable[Any], least_count: int) -> tuple[str, ...]:
    """The vocabulary of training sequences; of tokens with the shapes of those that come less often."""
    counts: Counter[str] = Counter()
    for one in sequences:
        counts.update(units(reads, one))
    if reads == "tokens":
        rare = Counter[str]()
        for word, count in counts.items():
            if count < max(least_count, 2):
                rare[shape(word)] += count
        counts = Counter({word: count for word, count in counts.items() if count >= max(least_count, 2)}) + rare
        least_count = 1
    words = [word for word, count in counts.most_common() if count >= least_count and word not in ("<pad>", "<unk>")]
    return ("<pad>", "<unk>", *words)


def probabilities(preprocessing: Preprocessing, scores: Tensor) -> np.ndarray:
    """The mean of the members' probabilities, of shape (rows, classes); scores are (rows, members x classes).

    A single score for two classes is how likely the second is; of keys each has its own.
    """
    if preprocessing.answers == "keys":
        return torch.sigmoid(scores.double()).numpy(force=True)
    if scores.shape[1] == 1 and preprocessing.outputs == 2:
        return torch.softmax(torch.cat([torch.zeros_like(scores), scores], 1).double(), 1).numpy(force=True)
    by_member = scores.double().view(len(scores), preprocessing.members, preprocessing.outputs)
    return torch.softmax(by_member, 2).mean(1).numpy(force=True)


def filled(windows: Sequence[np.ndarray]) -> np.ndarray:
    """The first channel of windows of one length, of shape (windows, steps); a missing value is the one before it."""
    found = np.stack([np.asarray(one, np.float64).reshape(len(one), -1)[:, 0] for one in windows])
    missing = np.isnan(found)
    if missing.any():
        last = np.where(missing, -1, np.arange(found.shape[1]))
        np.maximum.accumulate(last, axis=1, out=last)
        first = np.argmin(missing, axis=1)[:, None]
        found = np.take_along_axis(found, np.where(last < 0, first, last), 1)
    return np.where(np.isnan(found), 0.0, found)


def linear_weights(windows: np.ndarray, targets: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Ridge regression from windows, (rows, steps), to the values after them, (rows, horizon), all less the last step.

    Rounded to six digits, so that all machines have the same.
    """
    with extras.needed("experiments", "a forecast"):
        from sklearn.linear_model import RidgeCV

    last = windows[:, -1:]
    model = RidgeCV(np.logspace(-2, 4, 13), fit_intercept=False).fit(windows - last, targets - last)
    rows = np.reshape(np.array(model.coef_), (targets.shape[1], -1))
    return tuple(tuple(float(f"{weight:.6g}") for weight in row) for row in rows)


def linear_forecast(preprocessing: Preprocessing, windows: Sequence[np.ndarray]) -> np.ndarray:
    """The last value and a weighted sum of the steps' differences from it, of shape (windows, horizon).

    What the net gives is added to it, as in Lai et al., Modeling Long- and Short-Term Temporal Patterns (LSTNet), 2018.
    """
    steps = filled(windows)
    last = steps[:, -1:]
    weights = np.array(preprocessing.linear)
    return last + ((steps - last)[:, None, :] * weights[None]).sum(2)


def values(preprocessing: Preprocessing, scores: Tensor, base: np.ndarray | None = None) -> np.ndarray:
    """The members' mean as numbers, of shape (rows, horizon), for scores of shape (rows, members x horizon).

    Of forecasts it is added to `base`, of that shape: `linear_forecast`.
    """
    by_member = scores.double().view(len(scores), preprocessing.members, preprocessing.outputs)
    found = by_member.mean(1).numpy(force=True) * preprocessing.target_deviation + preprocessing.target_mean
    return found if base is None else found + base
