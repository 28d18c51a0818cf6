"""Runs that are killed at random and at chosen moments, taken up again, and compared with runs that nobody disturbed.

    python -m tests.torture.kills                    # 300 SIGKILLs, 100 SIGTERMs, 100 SIGINTs, 40 second signals
    python -m tests.torture.kills --number 30 --signals KILL

Each run is a fork of a process that has imported everything: what is hit is reading the data, training, saving,
evaluating, ending. Every other signal comes at a random moment, the others inside a save, at an epoch's end, in an
evaluation, and where a row is half written.
"""

import os
import random
import select
import signal
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from experiments import char_lm, digits
from rnnkit.core import cli
from rnnkit.core.config import BaseConfig, run_name
from rnnkit.runs import checkpoints, tracking
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.helpers import ROOT
from tests.torture import forks


QUICK = 0.5  # seconds within which a second signal has ended a process
PATIENT = 5.0  # seconds within which a first one has


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    number: int = 300
    """How many SIGKILLs; SIGTERM and SIGINT get a third of it each."""
    signals: tuple[str, ...] = ("KILL", "TERM", "INT")
    """Which signals."""
    twice: int = 20
    """How many runs get a second SIGTERM, and how many a second SIGINT."""
    seed: int = 0
    """Seed of the moments."""


@dataclass(frozen=True)
class Kind:
    """An experiment with its settings, and what it gives undisturbed, in how many seconds."""

    module: object
    config: BaseConfig
    reference: tuple = ()
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """Steps in an epoch."""
        return self.reference[2] // self.config.epochs


def kinds(runs: Path) -> list[Kind]:
    """What is run: three cells, dropout, both directions, a carried state, patience; each a second or two.

    One of them evaluates and saves as a run does by default: at the end of each epoch.
    """
    shared = {"track": "off", "runs_dir": runs, "dropout": 0.2, "depth": 2, "hidden_size": 8}
    often = {"evaluate_every": 9, "save_every": 5}
    found = [
        Kind(digits, digits.Config(view="rows", cell="rnn", epochs=2, patience=7, **shared, **often)),
        Kind(digits, digits.Config(view="rows", cell="gru", epochs=3, patience=0, **shared)),
        Kind(digits, digits.Config(view="rows", cell="lstm", epochs=2, patience=7, **shared, **often)),
    ]
    reading = {"text": str(ROOT / "README.md"), "reading": "streams", "steps": 40, "batch_size": 8}
    reading |= {"embedding_size": 8, "keep": "best", "evaluate_every": 25, "save_every": 7}
    return [*found, Kind(char_lm, char_lm.Config(epochs=1, **{**shared, **reading}))]


def undisturbed(kind: Kind, runs: Path) -> Kind:
    """The kind with what it gives when nobody disturbs it."""
    folder = forks.rehearse(kind.module, replace(kind.config, runs_dir=runs / "undisturbed"))
    began = time.monotonic()
    forks.run(kind.module, replace(kind.config, runs_dir=runs / "again"))
    return replace(kind, reference=forks.record(folder), seconds=time.monotonic() - began)


def reaching(owner: object, name: str, at: int, act: Callable[..., None], where: Callable[..., bool]) -> None:
    """Call `act` before the call `at` of those to `owner.name` that `where` holds for, with the same arguments."""
    original, calls = getattr(owner, name), Counter()

    def reached(*given, **options):
        calls[name] += where(*given)
        if calls[name] == at and where(*given):
            act(*given)
        return original(*given, **options)

    setattr(owner, name, reached)


def always(*_) -> bool:
    """Whatever the arguments are."""
    return True


def aimed(number: int, kind: Kind, moments: random.Random) -> tuple[str, Callable[[], None]]:
    """One of the places to hit, and what a child does to hit itself there with the signal `number`."""

    def hit(*_):
        os.kill(os.getpid(), number)

    def torn_file(descriptor, *_):
        if number == signal.SIGKILL and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        hit()

    def torn_row(run, *_):
        if number == signal.SIGKILL:
            run._rows.write(b'{"step": ')
        hit()

    def ends_epoch(run, step, row):
        return step % kind.epoch == 0

    save = moments.choice([(os, "fsync", torn_file), (os, "replace", hit), (checkpoints, "discard", hit)])
    place, (owner, name, act), most, where = moments.choice(
        [
            ("in a save", save, 12 if save[1] != "discard" else 1, always),
            ("at an epoch's end", (tracking.Run, "log", torn_row), kind.config.epochs, ends_epoch),
            ("after an epoch's end", (tracking.Run, "save", hit), 4, always),
            ("in an evaluation", (nn.Module, "eval", hit), 4, always),
            ("in a row", (tracking.Run, "log", torn_row), 12, always),
        ]
    )
    at = moments.randint(1, most)
    return place, lambda: reaching(owner, name, at, act, where)


def at_random(child: int, number: int, moment: float) -> None:
    """Hit a child after so many seconds, if it has not ended by then."""
    descriptor = os.pidfd_open(child)
    try:
        if not select.select([descriptor], [], [], moment)[0]:
            os.kill(child, number)
    finally:
        os.close(descriptor)


def disturbed(kind: Kind, number: int, moments: random.Random, tally: Counter) -> None:
    """Hit a run again and again, until it has ended; counts the hits by place."""
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    folder = kind.config.runs_dir / run_name(kind.config)
    while True:
        random_moment = moments.random() < 0.5
        place, before = ("at random", lambda: None) if random_moment else aimed(number, kind, moments)
        child = forks.started(kind.module.main, forks.words(kind.config), before)
        if random_moment:
            at_random(child, number, moments.uniform(0.0, kind.seconds))
        signalled = time.monotonic()
        code = forks.ended(child)
        if code == 0:  # before its signal came
            return
        # A signal in the first instants, before any handler is in place, ends the process as the system does.
        assert code in (expected, -number), f"exited with {code}, not {expected}, hit {place}"
        if random_moment and number != signal.SIGKILL:
            took = time.monotonic() - signalled
            assert took < PATIENT, f"it took {took:.1f} seconds to end"
            tally["slowest"] = max(tally["slowest"], round(1000 * took))
        tally[place] += 1
        if (result := Result.read(folder)) is not None and result.status == "finished":
            checkpoints.discard(folder)  # it came after the end, when all that was left to do was this
            return
        if code == expected and number != signal.SIGKILL:
            no_step_lost(folder)


def no_step_lost(folder: Path) -> None:
    """See that what is saved is the last step that was logged."""
    if not folder.exists():
        return
    saved, _ = checkpoints.latest(folder)
    rows = read_rows(folder)
    assert (saved["record"]["step"] if saved else 0) == (rows[-1]["step"] if rows else 0), "a step was lost"


def same_as_undisturbed(kind: Kind) -> None:
    """See that a run came out as if nothing had happened, and left nothing else behind."""
    folder = kind.config.runs_dir / run_name(kind.config)
    assert [path.name for path in kind.config.runs_dir.iterdir()] == [folder.name]
    assert forks.record(folder) == kind.reference, f"{folder} differs from the undisturbed run"
    left = {"checkpoint.pt", "lock", "manifest.json", "media", "metrics.jsonl", "result.json"}
    assert {path.name for path in folder.iterdir()} <= left, sorted(path.name for path in folder.iterdir())


def torture(number: int, name: str, seed: int, runs: Path, of: list[Kind]) -> str:
    """Disturb runs until there were so many hits, and say how it went. Raises `AssertionError` where bits differ."""
    moments, tally, turn = random.Random(seed), Counter(), 0
    while tally.total() - tally["slowest"] < number:
        kind = of[turn % len(of)]
        kind = replace(kind, config=replace(kind.config, runs_dir=runs / f"{name}-{turn}"))
        disturbed(kind, getattr(signal, f"SIG{name}"), moments, tally)
        same_as_undisturbed(kind)
        turn += 1
    slowest = tally.pop("slowest", 0)
    places = ", ".join(f"{count} {place}" for place, count in tally.most_common())
    latency = f"; the slowest ended after {slowest} ms" if slowest else ""
    return f"SIG{name}: {tally.total()} signals ({places}), {turn} runs, all equal to undisturbed ones{latency}"


def twice(number: int, name: str, seed: int, runs: Path, kind: Kind) -> str:
    """Send signals to runs in steps that never end, then a second one; then let the run go on."""
    signalled, slowest, moments = getattr(signal, f"SIG{name}"), 0.0, random.Random(seed)
    for turn in range(number):
        of_turn = replace(kind, config=replace(kind.config, runs_dir=runs / f"twice-{name}-{turn}"))
        asked, told = os.pipe()

        def hang(*_, told=told):
            os.kill(os.getpid(), signalled)
            os.write(told, b".")
            time.sleep(60)

        at = moments.randint(1, kind.reference[2])
        child = forks.started(
            kind.module.main,
            forks.words(of_turn.config),
            lambda at=at, hang=hang: reaching(tracking.Run, "log", at, hang, always),
        )
        os.read(asked, 1)
        time.sleep(moments.uniform(0.0, 0.1))
        began = time.monotonic()
        os.kill(child, signalled)
        code, took = forks.ended(child), time.monotonic() - began
        os.close(asked)
        os.close(told)
        assert code == -signalled, f"exited with {code}, not {-signalled}, after a second SIG{name}"
        assert took < QUICK, f"a second SIG{name} took {took:.2f} seconds"
        slowest = max(slowest, took)
        forks.run(kind.module, of_turn.config)
        same_as_undisturbed(of_turn)
    return f"SIG{name} twice: {number} runs ended at once, the slowest after {1000 * slowest:.0f} ms, and went on"


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.kills", sys.argv[1:], __doc__)
    with TemporaryDirectory() as folder:
        runs = Path(folder)
        of = [undisturbed(kind, runs) for kind in kinds(runs)]
        for name in options.signals:
            number = options.number if name == "KILL" else -(-options.number // 3)
            print(torture(number, name, options.seed, runs, of), flush=True)
        for name in set(options.signals) - {"KILL"} if options.twice else ():
            print(twice(options.twice, name, options.seed, runs, of[0]), flush=True)


if __name__ == "__main__":
    cli.main(main)
