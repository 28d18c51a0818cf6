"""One seed, many independent random streams.

Each use of randomness draws from a stream of its own, named after what it is for, so that a change in one (more
evaluation, another batch order) leaves all others as they were.
"""

import hashlib
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from torch import Generator


def stream(seed: int, name: str, *indices: int) -> int:
    """A 63-bit seed for the stream `name` of the run's `seed`, at the given indices (an epoch, say).

    The streams of different names, indices or seeds are unrelated: the number is the start of a SHA-256.

    >>> stream(0, "order", 3) == stream(0, "order", 3) != stream(0, "order", 4)
    True
    """
    text = "/".join(["rnnkit", str(seed), name, *map(str, indices)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, name: str, *indices: int) -> "Generator":
    """A `torch.Generator` on the CPU at the start of a stream; arguments as for `stream`."""
    import torch

    return torch.Generator().manual_seed(stream(seed, name, *indices))
