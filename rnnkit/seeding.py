"""One seed, many independent random streams.

Each use of randomness draws from a stream of its own, named after what it is for, so that a change in one (more
evaluation, another batch order) leaves all others as they were.
"""

import hashlib
import os


def stream(seed: int, name: str, *indices: int) -> int:
    """A 63-bit seed for the stream `name` of the run's `seed`, at the given indices (an epoch, say).

    The streams of different names, indices or seeds are unrelated: the number is the start of a SHA-256.

    >>> stream(0, "order", 3) == stream(0, "order", 3) != stream(0, "order", 4)
    True
    """
    text = "/".join(["rnnkit", str(seed), name, *map(str, indices)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, name: str, *indices: int):
    """A `torch.Generator` on the CPU at the start of a stream; arguments as for `stream`."""
    import torch

    return torch.Generator().manual_seed(stream(seed, name, *indices))


def settle_numerics() -> None:
    """Ask the matrix library for results that do not depend on the number of threads, and idle threads to sleep.

    Threads that wait in a loop would take the cores from other runs. Both are heard only before a process's first
    matrix product, so commands call this before anything else. A value that the user chose stays.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


# Matrix products that a library which does not keep the above divides among threads, as rows x inner x columns.
_TRIED = ((10, 64, 16), (512, 16, 24), (192, 4000, 64), (1000, 256, 1024))


def depend_on_threads(threads: int) -> bool:
    """Whether matrix products come out otherwise on `threads` threads than on one: on some processors they do.

    The matrix library heeds `settle_numerics` on Intel's processors alone. Takes some milliseconds.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    pairs = [(torch.randn(m, k, generator=generator), torch.randn(k, n, generator=generator)) for m, k, n in _TRIED]
    before = torch.get_num_threads()
    found = []
    try:
        for number in (1, threads):
            torch.set_num_threads(number)
            found.append([a @ b for a, b in pairs])
    finally:
        torch.set_num_threads(before)
    return not all(torch.equal(one, other) for one, other in zip(*found, strict=True))
