"""Checkpoints with flipped bits, cut short, and with zeros at their end: whether any is loaded all the same.

    python -m tests.torture.damage                    # 1,000 bits, 300 cuts, 100 tails: a minute
    python -m tests.torture.damage --number 20

What is damaged is the newest checkpoint of a run that was killed; the run has to name it and fall back on the one
before. As a control, the same files are given to torch alone.
"""

import io
import os
import random
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import digits
from rnnkit.core import cli
from rnnkit.core.config import run_name
from rnnkit.runs import checkpoints, tracking
from tests.torture import forks, kills


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    number: int = 1_000
    """How many flipped bits; three tenths as many cuts, and a tenth as many tails of zeros."""
    seed: int = 0
    """Seed of the places."""


def killed(runs: Path) -> Path:
    """The folder of a run that was killed when it had been saved twice."""
    words = {"view": "rows", "cell": "lstm", "hidden_size": 8, "dropout": 0.2, "save_every": 5}
    config = digits.Config(track="off", runs_dir=runs, **words)

    def before():
        kills.reaching(tracking.Run, "log", 23, lambda *_: os.kill(os.getpid(), signal.SIGKILL), kills.always)

    assert forks.ended(forks.started(digits.main, forks.words(config), before)) == -signal.SIGKILL
    return runs / run_name(config)


def damages(whole: bytes, number: int, places: random.Random):
    """Damaged copies of a file, each with its kind."""
    for _ in range(number):
        place, bit = places.randrange(len(whole)), 1 << places.randrange(8)
        yield "flipped bits", whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
    for _ in range(3 * number // 10):
        yield "cuts", whole[: places.randrange(len(whole))]
    for _ in range(number // 10):
        zeros = places.randint(1, len(whole))
        yield "zeroed tails", whole[:-zeros] + bytes(zeros)


def loaded_by_torch(content: bytes) -> bool:
    """Whether torch alone takes a file for a whole one."""
    import torch

    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001 (of many kinds, by what it stumbles over)
        return False
    return True


def torture(folder: Path, number: int, seed: int) -> str:
    """Damage the newest checkpoint of a run, and say how it went. Raises `AssertionError` where it is loaded."""
    path = folder / checkpoints.LATEST
    whole = path.read_bytes()
    before = checkpoints.load(folder / checkpoints.PREVIOUS)["record"]["step"]
    assert checkpoints.latest(folder)[0]["record"]["step"] > before
    noticed, silent = Counter(), Counter()
    for kind, content in damages(whole, number, random.Random(seed)):
        path.write_bytes(content)
        state, wrong = checkpoints.latest(folder)
        assert wrong == [f"{path} is damaged or not a checkpoint: its checksum does not fit"], f"{kind}: {wrong}"
        assert state["record"]["step"] == before
        noticed[kind] += 1
        silent[kind] += loaded_by_torch(content)
    path.write_bytes(whole)
    of_each = ", ".join(f"{count} {kind}" for kind, count in noticed.items())
    by_torch = ", ".join(f"{count} {kind}" for kind, count in silent.items())
    return f"noticed and named: {of_each}, none loaded; torch.load alone takes {by_torch} of them"


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.damage", sys.argv[1:], __doc__)
    with TemporaryDirectory() as runs:
        print(torture(killed(Path(runs)), options.number, options.seed), flush=True)


if __name__ == "__main__":
    cli.main(main)
