"""How many trials an hour a sweep gets through, beside the same study written by hand, and what the difference is.

    python -m tests.bench.sweep                        # or: make bench BENCH=sweep
    python -m tests.bench.sweep --only machinery

Both train the same configurations, drawn at random from the experiment's space, without pruning, with as many processes
of one thread each, and log to W&B, offline. By hand: Optuna on a journal, torch.nn on packed sequences, wandb in the
loop (tests/bench/plain_sweep.py). Ours: `python -m sweeps.run`, with all that it records. Time is from the start of the
command to its end. Variants show the shares: by hand with our layers, ours without a mirror, and for the digits, where
it weighs most, by hand without wandb.
`machinery` is what a trial costs in a worker that is up when nothing is trained.

The tasks: digits (16 to 42 steps), temporal-order (100 to 110), adding (all of 200: where all lengths are equal torch's
packed LSTM is as fast as its padded one, and as ours). A trial of the last two is 300 steps of training, where the
experiment takes 4,000: by hand these would last for hours. What a trial costs but for the layers weighs the more.
"""

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna

from experiments import digits, memory
from rnnkit.core import cli, files, seeding
from rnnkit.runs.manifest import processor
from rnnkit.runs.result import Result
from sweeps import worker
from sweeps.study import folders, points, suggestions
from sweeps.study import study as studies
from tests.helpers import ROOT, WORKER, no_account


@dataclass(frozen=True)
class Options:
    """What can be said to the benchmark."""

    points: int = 24
    """Configurations."""
    workers: int = 2
    """Processes side by side."""
    epochs: int = 15
    """Epochs of the digits."""
    repeats: int = 3
    """How often ours is timed, which takes a few minutes at most and varies by up to a fifth: the median counts."""
    rounds: int = 3
    """Rounds of 100 batches of the memory tasks."""
    only: str = ""
    """Comma-separated parts: digits, temporal-order, adding, machinery; all by default."""
    json: Path | None = None
    """Write the figures to this file too."""


def ours(options: Options, task: str, track: str, place: Path) -> float:
    """Seconds that our sweep takes."""
    words = [sys.executable, "-m", "sweeps.run", "digits" if task == "digits" else "memory", "--sampler", "random"]
    words += ["--trials", str(options.points), "--workers", str(options.workers), "--confirm", "0", "--track", track]
    words += ["--runs-dir", str(place), "--"]
    if task == "digits":
        words += ["--epochs", str(options.epochs), "--patience", "0"]
    else:
        words += ["--task", task, "--epochs", str(options.rounds), "--patience", "0"]
    began = time.monotonic()
    subprocess.run(words, cwd=ROOT, env=no_account(), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def typical(options: Options, task: str, track: str, place: Path) -> float:
    """The median of the seconds that our sweep takes."""
    return statistics.median(ours(options, task, track, place / str(number)) for number in range(options.repeats))


def plain(options: Options, task: str, layers: str, wandb: bool, place: Path) -> float:
    """Seconds that the sweep written by hand takes, with the same configurations."""
    place.mkdir()
    journal = str(place / "journal.log")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(journal))
    study = optuna.create_study(storage=storage, study_name="plain")
    space = (digits if task == "digits" else memory).SPACE
    for number in range(options.points):
        settings = suggestions.drawn(space, seeding.stream(0, "random point", number) % 2**32)
        study.enqueue_trial(settings, user_attrs={"settings": settings})
    said = {"task": task, "layers": layers, "wandb": wandb, "journal": journal, "folder": str(place)}
    said |= {"epochs": options.epochs if task == "digits" else options.rounds}
    (place / "options.json").write_text(json.dumps(said))
    environment = no_account() | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "WANDB_SILENT": "true"}
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.bench.plain_sweep", str(place / "options.json")]
    processes = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(options.workers)]
    assert [process.wait() for process in processes] == [0] * options.workers
    return time.monotonic() - began


def compare(options: Options, task: str, place: Path) -> dict[str, float]:
    """Trials an hour of each variant, printed as they are found."""
    variants = {
        "ours": lambda folder: typical(options, task, "offline", folder),
        "ours, no mirror": lambda folder: typical(options, task, "off", folder),
        "by hand": lambda folder: plain(options, task, "torch", True, folder),
        "by hand, our layers": lambda folder: plain(options, task, "rnnkit", True, folder),
    }
    if task == "digits":
        variants["by hand, no wandb"] = lambda folder: plain(options, task, "torch", False, folder)
    print(f"{task}, {options.points} configurations, {options.workers} processes")
    found = {}
    for name, run in variants.items():
        seconds = run(place / name.replace(" ", "-").replace(",", ""))
        found[name] = 3600 * options.points / seconds
        print(f"  {name:<22}{seconds:8.1f} s {found[name]:8.0f} trials an hour", flush=True)
    print(f"  ours over by hand: {found['ours'] / found['by hand']:.2f}")
    shares = {
        "layers": found["by hand, our layers"] / found["by hand"],
        "the mirror beside ours": found["ours"] / found["ours, no mirror"],
    }
    if "by hand, no wandb" in found:
        shares["wandb out of the loop"] = found["by hand, no wandb"] / found["by hand"]
    print("  of which " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in shares.items()), flush=True)
    return found | shares


def machinery(options: Options, place: Path) -> dict[str, float]:
    """Milliseconds that a trial takes in a worker when nothing is trained: claimed, suggested, 15 reports, told."""
    found = {}
    for sampler in ("random", "tpe"):
        base = digits.Config(runs_dir=place, track="off")
        study = studies.create(folders.open_folder(place, sampler, base, 0, sampler, "none"))
        study.ask_for(100)
        points.plan(study)
        result = Result("none", "finished", 1, 0.0, {}, place)

        def run(config, report, result=result):
            for step in range(1, 16):
                report(step, 0.5 + config.learning_rate)
            return dataclasses.replace(result, metrics={"metric/accuracy/valid": 0.5 + config.learning_rate})

        wall, busy = [], []
        with study.storage.present(WORKER):
            while True:
                began = time.perf_counter(), time.process_time()
                if (claim := points.claim(study, WORKER)) is None:
                    break
                worker.run_trial(claim, run)
                wall.append(1000 * (time.perf_counter() - began[0]))
                busy.append(1000 * (time.process_time() - began[1]))
        assert len(wall) == 100
        found[sampler] = statistics.median(wall)
        print(
            f"machinery, {sampler:<8}{found[sampler]:6.1f} ms a trial (median; the longest of 100 {max(wall):.0f} ms), "
            f"{statistics.median(busy):.1f} ms of processor time",
            flush=True,
        )
    return found


def main() -> None:
    """Measure, print, and write the figures where they are asked for."""
    options = cli.parse(Options, "python -m tests.bench.sweep", sys.argv[1:], __doc__)
    machine = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}\n")
    chosen = options.only.split(",") if options.only else ["digits", "temporal-order", "adding", "machinery"]
    figures: dict[str, object] = {"machine": machine}
    with TemporaryDirectory() as folder:
        for part in chosen:
            place = Path(folder) / part
            place.mkdir()
            figures[part] = machinery(options, place) if part == "machinery" else compare(options, part, place)
    if options.json:
        files.write_json(options.json, figures)


if __name__ == "__main__":
    cli.main(main)
