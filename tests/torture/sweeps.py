"""Sweeps whose workers and parents are killed at random moments, compared with sweeps that nobody disturbed.

    python -m tests.torture.sweeps                          # 60 kills of workers, 10 of parents, on both storages
    python -m tests.torture.sweeps --parts journal --kills 10 --parents 2 --points 12

The sweep is the command itself, in a process of its own, with workers of its own. In the end every point must have one
finished trial, no trial be left, and every result be the same to the last bit. With pruning, runs must be the same up
to the step at which they were pruned.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from optuna.trial import TrialState

from rnnkit.core import cli, files
from rnnkit.runs.rows import read_rows
from sweeps.study import study as studies
from tests import database
from tests.helpers import ROOT, no_account


SETTINGS = ["--view", "rows", "--batch-size", "64"]
EPOCHS = 9  # of each trial: with 6 a study on PostgreSQL once ended before the last of the kills
PRUNED_EPOCHS = 18  # where trials are pruned: else a study would end before all are killed that are to be


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    points: int = 60
    """Points of each study."""
    kills: int = 60
    """How many workers are killed in each."""
    parents: int = 10
    """How many parents are killed in each."""
    workers: int = 3
    """Workers side by side."""
    parts: tuple[Literal["journal", "postgresql", "away", "pruned"], ...] = ("journal", "postgresql", "away", "pruned")
    """Kills on either storage, a database that is away for half a minute, kills where trials are pruned."""
    seed: int = 0
    """Seed of the moments."""
    pause: tuple[float, float] = (0.3, 1.5)
    """Seconds between two kills, at least and at most: with up to 6 a fast machine ends the study before them."""


def command(options: Options, name: str, runs: Path, *words: str, epochs: int = EPOCHS) -> list[str]:
    """The sweep as a command."""
    started = [sys.executable, "-m", "sweeps.run", "digits", "--trials", str(options.points), "--study", name]
    started += ["--workers", str(options.workers), "--confirm", "0", "--runs-dir", str(runs), "--track", "off"]
    return [*started, *words, "--", *SETTINGS, "--epochs", str(epochs)]


def children(parent: int) -> list[int]:
    """The workers of a sweep: its child processes that run."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


@dataclass
class Killed:
    """How many were killed."""

    workers: int = 0
    parents: int = 0


def disturbed(words: list[str], options: Options, environment: dict, log: Path) -> Killed:
    """Run a sweep to its end, again and again, while its workers and itself are killed at random moments."""
    moments, killed = random.Random(options.seed), Killed()
    turns = ["worker"] * options.kills + ["parent"] * options.parents
    moments.shuffle(turns)
    while True:
        with log.open("a") as said:
            process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=said, stderr=said)
        while process.poll() is None:
            if not turns:
                process.wait()
                break
            time.sleep(moments.uniform(*options.pause))
            if process.poll() is not None:
                break
            if turns[-1] == "parent":
                process.kill()
                process.wait()
                killed.parents += 1
                turns.pop()
            elif workers := children(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(moments.choice(workers), signal.SIGKILL)
                    killed.workers += 1
                    turns.pop()
        if process.returncode == 0:
            assert not turns, (
                f"the study ended before {len(turns)} of the kills: give it more --points, or less --pause"
            )
            return killed
        assert process.returncode == -signal.SIGKILL, f"the sweep ended with {process.returncode}: see {log}"


def outcome(runs: Path, name: str, address: str) -> dict[int, tuple]:
    """What came of each point. Raises `AssertionError` where a trial is left, or there are more than points."""
    study = studies.join(runs, name, address, track="off")
    found = {}
    for trial in study.trials.get_trials(deepcopy=False):
        assert trial.state.is_finished(), f"trial {trial.number} is {trial.state.name}"
        assert trial.state in (TrialState.COMPLETE, TrialState.PRUNED), trial.user_attrs.get("reason")
        result = trial.user_attrs["result"]
        folder = runs / trial.user_attrs["run"]
        manifest = files.read_json(folder / "manifest.json")
        assert (manifest["study"], manifest["trial"]) == (name, trial.number)
        rows = [{k: v for k, v in row.items() if not k.startswith("speed/")} for row in read_rows(folder)]
        assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)), "a step is missing, or there twice"
        found[trial.number] = (trial.state.name, trial.params, trial.value, result["weights_sha256"], rows)
    runs_of_it = [
        path.parent.name for path in runs.glob("*/result.json") if files.read_json(path)["status"] == "finished"
    ]
    finished = sum(state == "COMPLETE" for state, *_ in found.values())
    assert len(runs_of_it) == finished, f"{len(runs_of_it)} runs finished for {finished} points"
    assert sorted(found) == list(range(study.total))
    return found


def torture(options: Options, storage: str, runs: Path, reference: dict[int, tuple]) -> str:
    """Disturb a study that prunes nothing, and compare. Returns what happened in words."""
    with database.server() if storage == "postgresql" else contextlib.nullcontext() as server:
        address = server.address if server else "journal"
        environment = no_account() | {"RNNKIT_STORAGE": address}
        began = time.monotonic()
        words = command(options, "killed", runs, "--sampler", "grid")
        killed = disturbed(words, options, environment, runs / "said.log")
        seconds = time.monotonic() - began
        found = outcome(runs, "killed", address)
    for number, expected in reference.items():
        assert found[number] == expected, f"trial {number} differs from that of the undisturbed study"
    return (
        f"{storage}: {killed.workers} workers and {killed.parents} parents killed in {seconds:.0f} s; "
        f"{len(found)} points, one finished trial each, all equal to undisturbed ones in weights and every metric"
    )


def torture_away(options: Options, runs: Path, reference: dict[int, tuple]) -> str:
    """Have the database be away for half a minute while trials are run: none is lost, or starts again."""
    with database.server() as server, (runs / "said.log").open("w") as said:
        words = command(options, "away", runs, "--sampler", "grid")
        environment = no_account() | {"RNNKIT_STORAGE": server.address}
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=said, stderr=said)
        end = time.monotonic() + 300
        while len(list(runs.glob("*/result.json"))) < 3:
            assert time.monotonic() < end, "nothing moves"
            time.sleep(0.1)
        server.away(30)
        assert process.wait() == 0, (runs / "said.log").read_text()
        found = outcome(runs, "away", server.address)
        trials = studies.join(runs, "away", server.address, track="off").trials.get_trials(deepcopy=False)
    assert not any("cut_off" in trial.user_attrs or trial.user_attrs["result"]["resumed_after"] for trial in trials)
    assert all(found[number] == expected for number, expected in reference.items())
    return f"PostgreSQL away for 30 s: {len(found)} points, one finished trial each, none cut off"


def torture_pruned(options: Options, runs: Path, reference: dict[int, tuple]) -> str:
    """Disturb a study that prunes, and compare each run as far as it got."""
    words = command(options, "pruned", runs, "--sampler", "random", "--pruner", "percentile", epochs=PRUNED_EPOCHS)
    killed = disturbed(words, options, no_account(), runs / "said.log")
    found = outcome(runs, "pruned", "journal")
    pruned = 0
    for number, (_, params, _, _, rows) in reference.items():
        state, its_params, *_, its_rows = found[number]
        assert its_params == params, f"trial {number} has other settings"
        assert its_rows == rows[: len(its_rows)], f"trial {number} differs from that of the undisturbed study"
        assert len(its_rows) == len(rows) or state == "PRUNED"
        pruned += state == "PRUNED"
    assert pruned, "nothing was pruned"
    return (
        f"with pruning: {killed.workers} workers and {killed.parents} parents killed; {len(found)} points, "
        f"{pruned} pruned, all equal to undisturbed ones up to their last step"
    )


def undisturbed(options: Options, runs: Path, sampler: str, epochs: int = EPOCHS) -> dict[int, tuple]:
    """What comes of the study when nobody is killed."""
    words = command(options, "whole", runs, "--sampler", sampler, "--pruner", "none", epochs=epochs)
    runs.mkdir(parents=True)
    with (runs / "said.log").open("w") as said:
        subprocess.run(words, cwd=ROOT, env=no_account(), stdout=said, stderr=said, check=True)
    return outcome(runs, "whole", "journal")


@contextlib.contextmanager
def folders() -> Iterator[Path]:
    """Where all of it lies."""
    with TemporaryDirectory() as place:
        yield Path(place)


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.sweeps", sys.argv[1:], __doc__)
    with folders() as place:
        for part in options.parts:
            (place / part).mkdir()
        if set(options.parts) - {"pruned"}:
            reference = undisturbed(options, place / "whole", "grid")
        for part in options.parts:
            if part == "away":
                print(torture_away(options, place / part, reference), flush=True)
            elif part == "pruned":
                drawn = undisturbed(options, place / "random", "random", PRUNED_EPOCHS)
                print(torture_pruned(options, place / part, drawn), flush=True)
            else:
                print(torture(options, part, place / part, reference), flush=True)


if __name__ == "__main__":
    cli.main(main)
