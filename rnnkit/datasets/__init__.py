"""One file a data set, or a kind of texts: what it is, where it comes from, and how it becomes sequences.

`formats` reads files of one's own, `generated` makes data from a seed, `store` fetches what is not there and checks it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar


P = TypeVar("P")


@dataclass(frozen=True)
class Parts(Generic[P]):
    """What to train, to validate and to test with, in this order. `sha256` is the checksum of what it came from."""

    train: P
    valid: P
    test: P
    sha256: str

    def __iter__(self) -> Iterator[P]:
        return iter((self.train, self.valid, self.test))
