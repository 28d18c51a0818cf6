"""How long the dashboard's list takes over thousands of runs, and how long a filter of it.

    python -m tests.bench.dashboard            # or: make bench BENCH=dashboard
    python -m tests.bench.dashboard --runs 500

The records are copies of those in tests/fixtures, under other names, seeds and studies. `list, cold` is from the start
of the command to the list in a browser that is open already; the files were just written, so that they are in the
memory of the system. `filter` is from a word, or a state, that is chosen to the rows that are left, painted. What the
dashboard's process spends of the processor stands below: other work on the machine disturbs it less.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import UserError, cli, files
from tests import browser


ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "tests" / "fixtures" / "records"
RUNS_A_STUDY = 250
# The script sets a filter and answers when the browser has painted what is left.
FILTER = """([name, value]) => new Promise((done) => {
    const form = document.querySelector("form.filters"), field = form.elements[name], began = performance.now();
    new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => done((performance.now() - began) / 1000))))
        .observe(document.querySelector("#runs tbody"), { childList: true });
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
})"""


@dataclass(frozen=True)
class Options:
    """What can be said to the benchmark."""

    runs: int = 5_000
    """How many runs the list has."""
    repeats: int = 3
    """How often each is measured; the median counts."""

    def __post_init__(self):
        if min(self.runs, self.repeats) < 1:
            raise UserError("--runs and --repeats must be at least 1")


def make_runs(folder: Path, count: int) -> None:
    """`count` runs in studies of 250."""
    finished = sorted(path.parent for path in RECORDS.glob("*/result.json"))
    for number in range(count):
        name, study = f"digits-s{number}-0123abcd", f"digits-s{number // RUNS_A_STUDY}"
        source = finished[number % len(finished)]
        (folder / name).mkdir(parents=True)
        manifest, result = (files.read_json(source / file) for file in ("manifest.json", "result.json"))
        manifest["config"]["seed"] = number
        member = {"study": study, "trial": number % RUNS_A_STUDY, "point": number % RUNS_A_STUDY, "confirms": None}
        manifest |= member | {"run": name, "seed": number}
        for file, values in {"manifest.json": manifest, "result.json": result | {"run": name}}.items():
            (folder / name / file).write_text(json.dumps(values), encoding="utf-8")
        shutil.copy(source / "metrics.jsonl", folder / name)
        if not (folder / "studies" / study).exists():
            shutil.copytree(RECORDS / "studies" / "old", folder / "studies" / study)


@contextlib.contextmanager
def dashboard(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of a dashboard of its own, and its process."""
    command = [sys.executable, "-m", "sweeps.dashboard", "--port=0", "--no-browser", f"--runs-dir={folder}"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield next(word for word in line.split() if word.startswith("http://")), process.pid
        finally:
            process.terminate()


def spent(process: int) -> float:
    """Seconds of the processor that a process has taken (Linux alone)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(tab: browser.Window, folder: Path) -> dict[str, float]:
    """Seconds of each thing, once."""
    began = time.perf_counter()
    with dashboard(folder) as (address, process):
        found = {"command, until it answers": time.perf_counter() - began}
        tab.address = address
        tab.open("")
        found["list, cold"] = time.perf_counter() - began
        processor = spent(process)
        time.sleep(5)  # while what reads studies is imported
        before, began = spent(process), time.perf_counter()
        tab.open("")
        found["list, again"] = time.perf_counter() - began
        again = spent(process) - before
        for what, filled in {"words": "s1234", "state": "finished"}.items():
            found[f"filter by {what}"] = tab.page.evaluate(FILTER, [what, filled])
            found[f"no filter by {what}"] = tab.page.evaluate(FILTER, [what, ""])
        found |= {"processor, until the list": processor, "processor, list again": again}
    return found


def main() -> None:
    """Make the runs, measure, and print."""
    options = cli.parse(Options, "python -m tests.bench.dashboard", sys.argv[1:], __doc__)
    executable = browser.path()
    if executable is None:
        raise UserError("this needs Chromium (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, browser.chromium(executable) as driven:
        make_runs(Path(folder), options.runs)
        tab = browser.Window(driven, "")
        times = [measure(tab, Path(folder)) for _ in range(options.repeats)]
    for what in times[0]:
        print(f"{what:28} {statistics.median(each[what] for each in times):8.3f} s")


if __name__ == "__main__":
    cli.main(main)
