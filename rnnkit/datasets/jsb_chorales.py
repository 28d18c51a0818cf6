"""Bach's chorales in four parts, a step a quarter note: 229 to train, 76 to validate and 77 to test with.

They have 25 to 160 steps, 60 in the mean. Pieces of your own can be read in the same form.

Origin: N. Boulanger-Lewandowski, Y. Bengio, P. Vincent, Modeling Temporal Dependencies in High-Dimensional Sequences,
ICML 2012, from M. Allan, C. Williams, Harmonising Chorales by Probabilistic Inference, 2005; as JSON by C.-Z. Huang.
No licence is stated; the music is in the public domain.

A file is a JSON object of three lists, "train", "valid" and "test"; each piece in them is a list of steps, each step
the list of the notes that sound, as MIDI numbers of the 88 keys of a piano. A step without notes is a rest.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnkit.core import UserError
from rnnkit.datasets import Parts, store
from rnnkit.datasets.formats import text_file
from rnnkit.sequences import Examples


ORIGIN = store.Origin(
    name="jsb_chorales",
    addresses=("https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/master/jsb-chorales-quarter.json",),
    wanted=r"(?:^|/)(jsb-chorales-quarter\.json)$",
    sha256="09f3317edf43206fe95e57e47e7033a0702434cbf4af645f9facd8b3020fd359",
    most_bytes=2**24,
)
PARTS = ("train", "valid", "test")
LOWEST, HIGHEST = 21, 108
KEYS = HIGHEST - LOWEST + 1


Music = Parts[list[Tensor]]  # each piece of shape (steps, 88), 1 where a key sounds, else 0


def load(data_dir: Path | None = None) -> Music:
    """The chorales."""
    (content,) = store.contents(ORIGIN, data_dir).values()
    return parsed(content, ORIGIN.name, ORIGIN.sha256)


def read(path: Path) -> Music:
    """Pieces of your own, from a JSON file of the form above. Raises `UserError`, with the place, for any other."""
    content = text_file.content_of(path)
    return parsed(content, str(path), hashlib.sha256(content).hexdigest())


def parsed(content: bytes, name: str, sha256: str) -> Music:
    """The pieces that a JSON file holds. Raises `UserError`, with part, piece and step, for what is none."""
    try:
        parts = json.loads(content, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:  # no JSON, no text at all, or brackets without end
        raise UserError(f"{name} is not JSON: {error}") from None
    if not isinstance(parts, dict) or sorted(parts) != sorted(PARTS):
        raise UserError(f"{name} must hold one object with the lists {', '.join(PARTS)}")
    return Music(**{part: _pieces(parts[part], f"{name}, {part}") for part in PARTS}, sha256=sha256)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands in it twice")
    return dict(pairs)


def next_steps(pieces: list[Tensor]) -> Examples:
    """Each piece without its last step as the input; as the target of each step, the one that follows it."""
    return Examples([piece[:-1] for piece in pieces], [piece[1:] for piece in pieces])


def _pieces(pieces: object, where: str) -> list[Tensor]:
    if not isinstance(pieces, list) or not pieces:
        raise UserError(f"{where} must be a list of one piece or more")
    return [_piece(piece, f"{where}, piece {i}") for i, piece in enumerate(pieces)]


def _piece(steps: object, where: str) -> Tensor:
    if not isinstance(steps, list) or len(steps) < 2:
        raise UserError(f"{where} must be a list of two steps or more: there is nothing to predict")
    roll = torch.zeros(len(steps), KEYS, dtype=torch.float32, device="cpu")
    for i, notes in enumerate(steps):
        if not isinstance(notes, list):
            raise UserError(f"{where}, step {i} must be a list of notes, not {json.dumps(notes)[:40]}")
        for note in notes:
            if type(note) is not int or not LOWEST <= note <= HIGHEST:
                text = json.dumps(note)[:40]
                raise UserError(f"{where}, step {i}: note {text} is not a whole number in {LOWEST}..{HIGHEST}")
            roll[i, note - LOWEST] = 1
    return roll
