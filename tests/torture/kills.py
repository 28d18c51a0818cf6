"""Runs that are killed at random moments, taken up again, and compared with runs that nobody disturbed.

    python -m tests.torture.kills                    # 300 SIGKILLs, 100 SIGTERMs, 100 SIGINTs: some ten minutes
    python -m tests.torture.kills --number 30 --signals KILL

Each child is a fork that has the data already, so that what is hit is training: steps, saves, evaluations, ends.
"""

import dataclasses
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import char_lm, digits
from rnnkit import commands, records
from rnnkit.config import BaseConfig, run_name


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    number: int = 300
    """How many SIGKILLs; SIGTERM and SIGINT get a third of it each."""
    signals: tuple[str, ...] = ("KILL", "TERM", "INT")
    """Which signals."""
    seed: int = 0
    """Seed of the moments."""


def configurations(runs: Path) -> list[tuple[object, BaseConfig]]:
    """What is run: three cells, dropout, both directions, a carried state, patience; each a second or two."""
    shared = {"track": "off", "runs_dir": runs, "dropout": 0.2, "depth": 2, "hidden_size": 8}
    found = [
        (digits, digits.Config(view="rows", cell=cell, epochs=4, evaluate_every=9, save_every=5, patience=6, **shared))
        for cell in ("rnn", "gru", "lstm")
    ]
    reading = {"reading": "streams", "steps": 60, "batch_size": 96, "epochs": 1, "evaluate_every": 25, "save_every": 7}
    return [*found, (char_lm, char_lm.Config(embedding_size=8, keep="best", **{**shared, **reading}))]


def forked(module, config: BaseConfig) -> int:
    """Start a run in a fork of this process, and return the child's number."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        commands.main(lambda: module.run(config), settle=False)
        code = 0
    except SystemExit as stop:
        code = stop.code
    finally:
        os._exit(code)


def record(folder: Path) -> tuple:
    """What must come out the same: status, weights, and all rows but for speed, each step once."""
    result = records.Result.read(folder)
    rows = [{k: v for k, v in row.items() if not k.startswith("speed/")} for row in records.read_rows(folder)]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)), "a step is missing, or there twice"
    metrics = {k: v for k, v in result.metrics.items() if not k.startswith("speed/")}
    return result.status, result.weights_sha256, result.step, metrics, rows


def disturbed(module, config: BaseConfig, number: int, limit: float, moments: random.Random) -> Iterator[float]:
    """Kill a run again and again within `limit` seconds of its start, until it has ended; yields each moment."""
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    while True:
        child, moment = forked(module, config), moments.uniform(0.0, limit)
        began = time.monotonic()
        time.sleep(moment)
        os.kill(child, number)  # a child that has ended is a zombie, which takes it without harm
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        result = records.Result.read(config.runs_dir / run_name(config))
        if code == 0 or (result is not None and result.status == "finished"):  # a signal may come after the end
            return
        # A signal in the first instants, before any handler is in place, ends the process as the system does.
        assert code in (expected, -number), f"exited with {code}, not {expected}"
        assert time.monotonic() - began - moment < 5, "it took more than 5 seconds to end"
        yield moment


def torture(number: int, name: str, seed: int, runs: Path) -> str:
    """Disturb runs until there were so many kills, and say how it went. Raises `AssertionError` where bits differ."""
    moments, kills, compared = random.Random(seed), 0, 0
    kinds = configurations(runs)
    references, seconds = [], []
    for module, config in kinds:
        began = time.monotonic()
        module.run(dataclasses.replace(config, runs_dir=runs / "undisturbed"))  # here, so that forks have the data
        seconds.append(time.monotonic() - began)
        folder = runs / "undisturbed" / run_name(config)
        references.append(record(folder))
    turn = 0
    while kills < number:
        (module, config), limit = kinds[turn % len(kinds)], seconds[turn % len(kinds)]
        config = dataclasses.replace(config, runs_dir=runs / f"{name}-{turn}")
        kills += sum(1 for _ in disturbed(module, config, getattr(signal, f"SIG{name}"), limit, moments))
        folder = config.runs_dir / run_name(config)
        assert [path.name for path in config.runs_dir.iterdir()] == [folder.name]
        assert record(folder) == references[turn % len(kinds)], f"{folder} differs from the undisturbed run"
        compared += 1
        turn += 1
    return f"SIG{name}: {kills} signals, {compared} runs, all equal to undisturbed ones in weights and every metric"


def main() -> None:
    """Torture as the command line says."""
    options = commands.parse(Options, "python -m tests.torture.kills", sys.argv[1:], __doc__)
    with TemporaryDirectory() as runs:
        for name in options.signals:
            number = options.number if name == "KILL" else -(-options.number // 3)
            print(torture(number, name, options.seed, Path(runs)), flush=True)


if __name__ == "__main__":
    commands.main(main)
