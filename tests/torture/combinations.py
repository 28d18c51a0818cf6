"""Tracker, bar, looking inside, evaluating and saving, on and off in every combination: the same weights 32 times.

    python -m tests.torture.combinations
    python -m tests.torture.combinations --every 8     # each eighth of them

Every run is a process of its own, and the bar is shown on a terminal. Compared are the weights, and what each step of
training recorded: loss, gradient norms, learning rate.
"""

import itertools
import os
import pty
import sys
import termios
import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import digits
from rnnkit.core import cli
from rnnkit.core.errors import UserError
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.helpers import mirrored, offline_log
from tests.torture import forks


SWITCHES = {
    "track": ("off", "offline"),
    "bar": (False, True),
    "observe": ("off", "full"),
    "evaluate_every": (16, 8),
    "save_every": (10, 5),
}
OF_A_STEP = ("loss/train", "grad_norm/", "clip/fraction", "schedule/learning_rate")


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    every: int = 1
    """Try each so-manieth combination alone."""

    def __post_init__(self):
        if self.every < 1:
            raise UserError(f"--every must be at least 1, not {self.every}")


def shown(main_of_run) -> tuple[Path, bytes]:
    """What `main_of_run`, given a terminal, returned, and what was shown on the terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))  # a bar has no room on a terminal without columns
    said: list[bytes] = []

    def read() -> None:
        while block := _block(ours):
            said.append(block)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        folder = main_of_run(theirs)
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    return folder, b"".join(said)


def _block(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO where the other end is closed
        return b""


def steps(folder: Path) -> list[dict]:
    """What each step of training recorded."""
    rows = read_rows(folder)
    return [{k: v for k, v in row.items() if k == "step" or k.startswith(OF_A_STEP)} for row in rows]


def combinations(every: int = 1) -> list[dict]:
    """The settings of each combination; the first has everything off."""
    found = [dict(zip(SWITCHES, values, strict=True)) for values in itertools.product(*SWITCHES.values())]
    return found[::every]


def trained(settings: dict, runs: Path) -> Path:
    """Run one combination, see that what it switches on was on, and return its folder."""
    bar, rest = settings["bar"], {k: v for k, v in settings.items() if k != "bar"}
    config = digits.Config(
        view="rows", cell="lstm", hidden_size=8, dropout=0.2, epochs=2, patience=0, keep="last", runs_dir=runs, **rest
    )
    if bar:
        folder, said = shown(lambda terminal: forks.run(digits, config, to=terminal))
        assert b"epoch 2/2" in said, said
    else:
        folder = forks.run(digits, config)
    if settings["track"] == "offline":
        assert mirrored(folder)["rows"] == len(read_rows(folder))
        assert offline_log(folder).exists()
    assert any((folder / "media").glob("curves-*.json")) == (settings["observe"] == "full")
    return folder


def torture(every: int, runs: Path) -> str:
    """Run the combinations, and say how it went. Raises `AssertionError` where bits differ."""
    tried = combinations(every)
    first = None
    for number, settings in enumerate(tried):
        folder = trained(settings, runs / str(number))
        found = Result.read(folder).weights_sha256, steps(folder)
        first = first or found
        assert found[0] == first[0], f"{settings}: other weights than with everything off"
        assert found[1] == first[1], f"{settings}: other steps than with everything off"
    return f"{len(tried)} of {len(tried)} combinations: equal weights, and equal losses and gradients in every step"


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.combinations", sys.argv[1:], __doc__)
    with TemporaryDirectory(ignore_cleanup_errors=True) as runs:  # pictures may still be drawn there
        print(torture(options.every, Path(runs)), flush=True)


if __name__ == "__main__":
    cli.main(main)
