"""Measure the rows of docs/evidence.md, each with its seeds, and write the tables.

    python -m sweeps.evidence                         # all rows that are not measured yet
    python -m sweeps.evidence --row jsb-lstm          # one row, or all whose name begins so: --row jsb
    python -m sweeps.evidence --list                  # the rows, and how many of their seeds are measured

What is measured is kept in docs/evidence.json, seed by seed, and belongs to the repository: the same command goes on
where it stopped, here or elsewhere. A run of the same settings that is found finished under --runs-dir counts too.
Where the settings behind a row have changed, it is measured again when it is asked for; --again does so in any case.
"""

import dataclasses
import functools
import shlex
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import experiments
from rnnkit.core import Checked, UserError, cli, config, files, locks, processes, wording, writing
from rnnkit.runs import Reference, Result, printing
from sweeps.evidence import tables
from sweeps.evidence.rows import ROWS, EvidenceRow


ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options(Checked):
    """What can be said to evidence."""

    row: str = ""
    """Measure this row alone, or all whose name begins so."""
    list: bool = False
    """Show the rows and how far they are, and measure nothing."""
    again: bool = False
    """Measure also what is measured already."""
    jobs: int = 1
    """Runs side by side, one thread each."""
    data_dir: Path | None = None
    """Folder that holds the data sets; else the environment variable RNNKIT_DATA says, else it is ~/.cache/rnnkit."""
    runs_dir: Path = Path("runs/evidence")
    """Folder that holds the runs."""
    to: Path = ROOT / "docs"
    """Folder of evidence.json and evidence.md."""

    def __post_init__(self) -> None:
        self._require_counts("jobs")


@dataclass(frozen=True)
class Measurement:
    """One seed of a row: the run it comes from, its scores on the test part, and where and how long it ran.

    `value` is the row's metric, None for a run that diverged. `minutes` are a processor's, on one thread.
    """

    row: str
    seed: int
    run: str
    status: str
    value: float | None
    metrics: dict[str, float]
    minutes: float
    processor: str
    torch: str
    commit: str | None
    references: list[dict]
    comparison: dict | None

    def check(self) -> None:
        """Raise `TypeError` or `ValueError` where a field is not of its kind, as it can be in a file."""
        number = int | float
        kinds = [(value, str) for value in (self.row, self.run, self.status, self.processor, self.torch)]
        kinds += [(self.commit, str | None), (self.seed, int), (self.value, number | None), (self.minutes, number)]
        kinds += [(self.metrics, dict), (self.references, list), (self.comparison, dict | None)]
        if self.comparison is not None:
            kinds += [(self.comparison.get("baseline"), str), (self.comparison.get("theirs"), number)]
        if not all(isinstance(value, kind) for value, kind in kinds) or isinstance(self.seed, bool):
            raise TypeError
        if self.seed < 0 or [dataclasses.asdict(Reference(**values)) for values in self.references] != self.references:
            raise ValueError


def chosen(name: str) -> list[EvidenceRow]:
    """The row of this name, or all rows whose names begin with it. Raises `UserError` where there is none."""
    rows = [row for row in ROWS if row.name == name] or [row for row in ROWS if row.name.startswith(name)]
    if not rows:
        raise UserError(f"--row {name}: there is no such row; there are {', '.join(row.name for row in ROWS)}")
    return rows


@functools.cache
def configuration(row: EvidenceRow, seed: int) -> config.BaseConfig:
    """The settings of one seed of a row."""
    kind = experiments.load(row.experiment).Config
    prog = f"python -m experiments.{row.experiment}"
    return cli.parse(kind, prog, [*shlex.split(row.flags), "--seed", str(seed)])


def read(folder: Path, asked: list[EvidenceRow]) -> dict[tuple[str, int], Measurement]:
    """What is measured so far, by row and seed; of the rows that are asked for only with the settings they now have.

    What others have of earlier settings is kept until they are measured again.
    """
    path = folder / "evidence.json"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--to {folder} is not a folder")
    if not path.exists():
        return {}
    advice = "get its last version, or delete it to measure all anew"
    values = files.read_json(path, advice).get("measurements")
    if not isinstance(values, list):
        raise UserError(f"{path} is damaged (it holds no measurements): {advice}")
    measurements = []
    for number, fields in enumerate(values):
        try:
            measurements.append(Measurement(**fields))
            measurements[-1].check()
        except (TypeError, ValueError, AttributeError):
            raise UserError(f"{path}, measurement {number} is damaged: {advice}") from None
    rows = {row.name: row for row in ROWS}
    known = [m for m in measurements if m.row in rows and m.seed < rows[m.row].seeds]
    names = {row.name for row in asked}

    def holds(m: Measurement) -> bool:
        return m.row not in names or config.names(m.run, configuration(rows[m.row], m.seed))

    return {(m.row, m.seed): m for m in known if holds(m)}


def write(folder: Path, measured: dict[tuple[str, int], Measurement]) -> None:
    """Write evidence.json and evidence.md, rows in their order."""
    ordered = [measured[row.name, seed] for row in ROWS for seed in range(row.seeds) if (row.name, seed) in measured]
    page = tables.page(ordered).encode()
    with writing(folder, "--to"):
        folder.mkdir(parents=True, exist_ok=True)
        values = [dataclasses.asdict(m) for m in ordered]
        files.write_json(folder / "evidence.json", {"format": 1, "measurements": values})
        files.write_whole(folder / "evidence.md", page)


def finished(runs_dir: Path, row: EvidenceRow, seed: int) -> Measurement | None:
    """The measurement that a run under `runs_dir` holds already, the latest where there are several."""
    name = config.run_name(configuration(row, seed))
    folders = [runs_dir / name, *sorted(runs_dir.glob(f"{name}-*"))]
    results = [(folder, Result.read(folder)) for folder in folders if folder.is_dir()]
    ended = [(folder, result) for folder, result in results if result and result.status in ("finished", "diverged")]
    try:
        found = [(files.read_json(folder / "manifest.json"), result) for folder, result in ended]
        return measurement(row, seed, *max(found, key=lambda pair: pair[0]["started"])) if found else None
    except (KeyError, TypeError):
        folders = " or ".join(str(folder) for folder, _ in ended)
        raise UserError(f"the run in {folders} is damaged (something is missing in it): delete it") from None


def measurement(row: EvidenceRow, seed: int, manifest: dict, result: Result) -> Measurement:
    """What a run says of a row."""
    seconds = result.seconds if result.processor_seconds is None else result.processor_seconds
    return Measurement(
        row=row.name,
        seed=seed,
        run=result.run,
        status=result.status,
        value=result.metrics[row.metric] if result.status == "finished" else None,
        metrics={n: v for n, v in result.metrics.items() if n.startswith("metric/") and n.endswith("/test")},
        minutes=round(seconds / 60, 2),
        processor=manifest["machine"]["processor"],
        torch=manifest["versions"]["torch"],
        commit=commit(manifest["git"]),
        references=[dataclasses.asdict(reference) for reference in result.references or []],
        comparison=result.comparison and dataclasses.asdict(dataclasses.replace(result.comparison, pairs="")),
    )


def commit(git: dict) -> str | None:
    """The commit that ran, and whether Python files differed from it. (evidence.json does, and says nothing by it.)"""
    return git["commit"] and git["commit"] + (" with changes" if git["changes"] else "")


class Trainings:
    """The runs that are under way, each a process, so that all can be told to stop."""

    def __init__(self) -> None:
        self._lock, self._running, self.stopped = threading.Lock(), set(), False

    def run(self, command: list[str]) -> tuple[int, str] | None:
        """Run a command to its end: its exit code and what it said on stderr. None where `stop` ended it."""
        with self._lock:
            if self.stopped:
                return None
            # In a session of its own: Ctrl-C comes here alone, and is passed on once. A second one would kill.
            pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
            reads = {"encoding": "utf-8", "errors": "replace"}
            process = subprocess.Popen(command, env=processes.environment(), **reads, **pipes)
            self._running.add(process)
        _, errors = process.communicate()
        with self._lock:
            self._running.remove(process)
            return None if self.stopped else (process.returncode, errors)

    def stop(self) -> None:
        """Begin no more, and have those that run save what they have and end."""
        with self._lock:
            self.stopped = True
            for process in self._running:
                process.terminate()


def train(options: Options, row: EvidenceRow, seed: int, trainings: Trainings) -> Measurement | None:
    """Run one seed of a row in its own process; None where it was stopped. Raises `UserError` with what it said."""
    command = [sys.executable, "-m", f"experiments.{row.experiment}", *shlex.split(row.flags), "--seed", str(seed)]
    command += ["--track", "off", "--runs-dir", str(options.runs_dir.absolute())]
    command += ["--data-dir", str(options.data_dir.absolute())] if options.data_dir else []
    if (done := trainings.run(command)) is None:
        return None
    code, printed = done
    new = finished(options.runs_dir, row, seed) if code in (0, 1) else None
    if new is None:
        errors = printed.strip().splitlines() or [f"it ended with {code}"]
        raise UserError(f"row {row.name}, seed {seed}: {errors[-1].removeprefix('error: ')}")
    return new


def measure(options: Options) -> int:
    """Measure what is asked for and missing, in the order of the rows, and return how many runs failed."""
    rows = chosen(options.row)
    measured = read(options.to, rows)
    missing = [(row, s) for row in rows for s in range(row.seeds) if options.again or (row.name, s) not in measured]
    for row, seed in missing:
        configuration(row, seed)  # reading flags catches what the whole process says: not for threads side by side
    write(options.to, measured)  # where that cannot be, it is said now and not after an hour of training
    failed, trainings = 0, Trainings()

    def outcome(row: EvidenceRow, seed: int) -> Measurement | UserError | None:
        try:
            there = None if options.again else finished(options.runs_dir, row, seed)
            return there or train(options, row, seed, trainings)
        except UserError as error:
            return error

    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            for (row, seed), new in zip(missing, pool.map(outcome, *zip(*missing, strict=True)), strict=True):
                if isinstance(new, UserError):
                    failed += 1
                    print(f"error: {new}", file=sys.stderr, flush=True)
                elif new is not None:
                    measured[row.name, seed] = new
                    write(options.to, measured)
                    value = new.status if new.value is None else tables.figure(new.value)
                    print(f"{row.name}, seed {seed}: {value} ({new.minutes:.1f} minutes)", flush=True)
        except BaseException:
            trainings.stop()
            raise
    return failed


def main() -> None:
    """Measure, and say where the tables are."""
    options = cli.parse(Options, "python -m sweeps.evidence", sys.argv[1:], __doc__)
    if options.list:
        rows = chosen(options.row)
        measured = read(options.to, rows)
        for row in rows:
            count = sum((row.name, seed) in measured for seed in range(row.seeds))
            print(f"{row.name:24} {count} of {row.seeds} seeds   python -m experiments.{row.experiment} {row.flags}")
        return
    with writing(options.runs_dir):
        options.runs_dir.mkdir(parents=True, exist_ok=True)
    with locks.exclusive(options.runs_dir / "evidence.lock", busy="the evidence is being measured by another process"):
        failed = measure(options)
    print(f"tables: {printing.shown(options.to / 'evidence.md')}")
    if failed:
        print(f"error: {wording.count(failed, 'run')} failed; the same command tries again", file=sys.stderr)
        sys.exit(2)
