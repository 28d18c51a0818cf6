"""Pieces of chords that a few rules make: no download, and a net that remembers more than one step can be right.

Each piece is in one of five keys and has 3 to 8 phrases. A phrase is one of three rows of four chords (`PHRASES`), all
three equally likely, each chord one bass note and three notes above it. So only the second chord of a phrase is open;
but whether a chord on the first degree begins a phrase or ends it is told by what came before.

>>> made = load(seed=0)
>>> len(made.train), len(made.valid), len(made.test), made.train[0].shape
(120, 40, 40, torch.Size([24, 88]))
"""

import hashlib
import json
import random

from rnnkit.datasets import jsb_chorales


SIZES = {"train": 120, "valid": 40, "test": 40}
TONICS = (0, 2, 5, 7, 10)  # C, D, F, G, B flat: semitones above C
PHRASES = (("I", "IV", "V", "I"), ("I", "vi", "IV", "V"), ("I", "ii", "V", "I"))
_CHORDS = {"I": (0, 4, 7), "ii": (2, 5, 9), "IV": (5, 9, 0), "V": (7, 11, 2), "vi": (9, 0, 4)}  # the root first
_BASS, _TREBLE = 36, 60  # the lowest C of either


def load(seed: int = 0) -> jsb_chorales.Music:
    """The pieces that a seed gives, through the same file form as the chorales."""
    generator = random.Random(seed)
    parts = {part: [_piece(generator) for _ in range(size)] for part, size in SIZES.items()}
    content = json.dumps(parts).encode()
    return jsb_chorales.parsed(content, "made", hashlib.sha256(content).hexdigest())


def notes(chord: str, tonic: int) -> list[int]:
    """The four notes of a chord in a key, as MIDI numbers: its root in the bass, and all three above."""
    pitches = [(tonic + tone) % 12 for tone in _CHORDS[chord]]
    return [_BASS + pitches[0], *sorted(_TREBLE + pitch for pitch in pitches)]


def _piece(generator: random.Random) -> list[list[int]]:
    tonic = generator.choice(TONICS)
    phrases = [generator.choice(PHRASES) for _ in range(generator.randrange(3, 9))]
    return [notes(chord, tonic) for phrase in phrases for chord in phrase]
