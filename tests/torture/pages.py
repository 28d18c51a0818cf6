"""How long the dashboard takes with many runs: 500 of 1,000 logged steps, in a real Chromium, from cold.

    python -m tests.torture.pages
    python -m tests.torture.pages 2000

A dashboard is started anew for each try. Timed are the start of its process up to the first answer, the list in a
browser that has shown no page yet, until its last row stands, and then a run's page, until all charts in sight are
drawn and until all of them are. Fails where the list takes 2 seconds or more, or a run's charts 2 more.
"""

import json
import math
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rnnkit.core import cli, files
from rnnkit.core.errors import UserError
from tests import browser
from tests.helpers import ROOT, no_account


STEPS = 1_000
TRIES = 5
LIMIT = 2.0  # seconds for the list, and for a run's charts


def rows(seed: int) -> str:
    """The record of a run of two layers in both directions: what each step logs, and each twentieth, an evaluation."""
    lines = []
    places = [f"encoder.l{layer}.{direction}" for layer in (0, 1) for direction in "fb"]
    for step in range(1, STEPS + 1):
        noise = math.sin(step * (seed + 1))
        row = {"step": step, "loss/train": 1 / step + 0.01 * noise, "grad_norm/total": 1 + 0.5 * noise}
        row |= {f"grad_norm/{place}/{part}": 0.1 + 0.05 * noise for place in places for part in ("ih", "hh", "bias")}
        row |= {"grad_norm/head": 0.2, "clip/fraction": 0.1, "schedule/learning_rate": 0.01}
        if step % 20 == 0:
            row |= {"loss/valid": 1 / step, "metric/accuracy/valid": 1 - 1 / step, "metric/macro_f1/valid": 0.5}
            for place in places:
                for name in (
                    "rms",
                    "rms_std",
                    "saturated",
                    "dead",
                    "participation_ratio",
                    "effective_rank",
                    "k90",
                    "drift",
                ):
                    row[f"hidden/{place}/{name}"] = 0.3 + 0.01 * noise
                for gate in "rz":
                    row |= {f"gate/{place}/{gate}/{name}": 0.4 for name in ("left", "right", "sensitivity", "std")}
                row |= {f"update/{place}/{part}": 1e-3 for part in ("ih", "hh", "bias")}
            row["speed/valid_steps_per_second"] = 1e5
        lines.append(json.dumps(row))
    return "\n".join(lines) + "\n"


def make(runs: Path, count: int) -> list[str]:
    """So many runs, most of them finished, some pruned, some without an end; their names."""
    recorded = [rows(seed) for seed in range(4)]
    last = json.loads(recorded[0].splitlines()[-1])
    flag = {"name": "too hot", "where": "head", "value": 0.02, "threshold": 0.01, "advice": "Lower --learning-rate."}
    names = []
    for i in range(count):
        name = f"digits-s{i}-0123abcd"
        folder = runs / name
        folder.mkdir(parents=True)
        config = {"seed": i, "cell": "gru", "hidden_size": 8 + i % 64, "depth": 1 + i % 3, "learning_rate": 0.01}
        started = f"2026-01-{1 + i % 28:02}T{i % 24:02}:{i % 60:02}:00+00:00"
        manifest = {"format": 1, "run": name, "experiment": "digits", "config": config, "seed": i, "started": started}
        manifest |= {"command": "python -m experiments.digits", "study": None, "trial": None, "track": "off"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "lock").touch()
        (folder / "metrics.jsonl").write_text(recorded[i % 4])
        if i % 10:
            status = "pruned" if i % 7 == 0 else "finished"
            result = {"run": name, "status": status, "step": STEPS, "seconds": 60.0, "flags": [flag]}
            files.write_json(folder / "result.json", result | {"metrics": last})
        names.append(name)
    return names


def tried(runs: Path, names: list[str], executable: str) -> dict[str, float]:
    """One try: seconds for each thing that is timed."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "sweeps.dashboard", "--port", "0", "--runs-dir", str(runs), "--no-browser"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=no_account())
    try:
        address = re.search(r"http://\S+/", server.stdout.readline())[0].rstrip("/")
        found = {"dashboard started": time.perf_counter() - began}
        with browser.chromium(executable) as chromium:
            watched = browser.Watched(chromium, address)
            began = time.perf_counter()
            watched.page.goto(f"{address}/")
            watched.page.wait_for_function(
                "(count) => document.querySelectorAll('#runs tbody tr').length >= count", arg=len(names)
            )
            watched.page.wait_for_selector("html[data-ready]", state="attached")
            found["list of all runs"] = time.perf_counter() - began
            began = time.perf_counter()
            watched.page.locator("#runs tbody tr:not([hidden]) a").first.click()  # of the runs, the latest are laid out
            watched.page.wait_for_url("**/runs/*")
            watched.page.wait_for_selector("html[data-ready]", state="attached")
            watched.page.wait_for_function(
                "() => [...document.querySelectorAll('.chart')].every("
                "(chart) => chart.dataset.drawn || chart.getBoundingClientRect().top > innerHeight)"
            )
            found["a run's charts in sight"] = time.perf_counter() - began
            charts = watched.draw_all()
            found[f"all its {charts} charts, scrolling"] = time.perf_counter() - began
            if watched.errors or watched.left_the_machine():
                raise UserError(f"the pages had errors: {watched.errors} {watched.left_the_machine()}")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(10)
        server.stdout.close()
    return found


def main() -> None:
    """Make the runs, try, print a table, and fail where a limit is passed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    executable = browser.path()
    if executable is None:
        raise UserError("the pages are timed in Chromium, which is not here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        names = make(runs, count)
        tries = [tried(runs, names, executable) for _ in range(TRIES)]
    print(f"{count} runs of {STEPS:,} steps, {TRIES} tries, seconds (least, median, most):")
    medians = {}
    for what in tries[0]:
        seconds = sorted(one[what] for one in tries)
        medians[what] = statistics.median(seconds)
        print(f"  {what:32} {seconds[0]:6.2f} {medians[what]:6.2f} {seconds[-1]:6.2f}")
    late = [what for what in ("list of all runs", "a run's charts in sight") if medians[what] >= LIMIT]
    if late:
        sys.exit(f"error: {' and '.join(late)} took {LIMIT} seconds or more")


if __name__ == "__main__":
    cli.main(main, settle=False)
