"""Sequences with a tag for each step, in three parts: what `ud_ewt`, `python_source` and a file of yours become."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """Sequences of words or characters, and the tags of each one's steps."""

    sequences: list[Sequence[str]]
    tags: list[Sequence[str]]

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def steps(self) -> int:
        """The steps of all sequences together."""
        return sum(map(len, self.sequences))


@dataclass(frozen=True)
class Tagged:
    """Three parts, the names of the tags, and the checksum of what they came from.

    `left_out` counts what the source holds that is no step of a sequence, by what it is.
    """

    train: Part
    valid: Part
    test: Part
    names: tuple[str, ...]
    sha256: str
    left_out: dict[str, int] = field(default_factory=dict)
