"""Commands in forks of this process: it has imported everything and computed nothing, so that each starts at once."""

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from rnnkit.core import cli
from rnnkit.core import config as configuration
from rnnkit.core.config import BaseConfig
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows


def words(config: BaseConfig) -> list[str]:
    """The command line of an experiment that gives this configuration, placement included."""
    placed = {"runs-dir": config.runs_dir, "track": config.track, "save-every": config.save_every}
    placed |= {"threads": config.threads}
    placement = [word for name, value in placed.items() for word in (f"--{name}", str(value))]
    return [*configuration.flags(config), *placement]


def started(
    main: Callable[[], None], argv: list[str], before: Callable[[], None] = lambda: None, to: int | None = None
) -> int:
    """Start a command in a fork, after `before`, and return the child's number. What it says goes to `to`."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        said = to if to is not None else os.open(os.devnull, os.O_WRONLY)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        sys.argv = ["command", *argv]
        before()
        cli.main(main)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a child, and return its exit code; for one that a signal ended, minus the signal's number."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def rehearse(module, config: BaseConfig) -> Path:
    """Run an experiment as `run` does, and import all that it imported, so that the forks that follow need not."""
    names, said = os.pipe()

    def main() -> None:
        try:
            module.main()
        finally:
            with open(said, "w") as file:
                file.write("\n".join(sys.modules))

    child = started(main, words(config))
    os.close(said)
    with open(names) as file:
        found = file.read().splitlines()
    code = ended(child)
    assert code == 0, f"{configuration.command(config)} exited with {code}"
    for name in found:
        if name not in sys.modules:
            with contextlib.suppress(ImportError, AttributeError, ValueError):
                importlib.import_module(name)
    return config.runs_dir / configuration.run_name(config)


def run(module, config: BaseConfig, before: Callable[[], None] = lambda: None, to: int | None = None) -> Path:
    """Run an experiment in a fork to its end, and return the folder of its record."""
    code = ended(started(module.main, words(config), before, to))
    assert code == 0, f"{configuration.command(config)} exited with {code}"
    return config.runs_dir / configuration.run_name(config)


def record(folder: Path) -> tuple:
    """What must come out the same: status, weights, and all rows but for speed, each step once."""
    result = Result.read(folder)
    rows = [{k: v for k, v in row.items() if not k.startswith("speed/")} for row in read_rows(folder)]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)), "a step is missing, or there twice"
    metrics = {k: v for k, v in result.metrics.items() if not k.startswith("speed/")}
    return result.status, result.weights_sha256, result.step, metrics, rows
