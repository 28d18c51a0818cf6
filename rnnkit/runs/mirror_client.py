"""The start of the process that mirrors runs to Weights & Biases (`rnnkit.mirror`), and what it says of them.

The training process writes orders to the mirror and never waits for it. Nothing that happens to it can reach the run.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from rnnkit.core import files, processes
from rnnkit.core.errors import UserError


process: subprocess.Popen | None = None


def begin(folder: Path, track: str) -> None:
    """Have this process's mirror follow the run; start it where there is none, or none any more."""
    global process
    if process is None or process.poll() is not None:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "rnnkit.mirror"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is meant for the run, and the mirror has to see its end
                env=processes.environment(OMP_NUM_THREADS="1"),
            )
        except OSError as error:  # no process or memory is left; the run does without
            reason = error.strerror or error
            print(f"W&B: no mirror could be started ({reason}); `make sync` does its work", file=sys.stderr)
            return
        os.set_blocking(process.stdin.fileno(), False)
    order = json.dumps({"folder": str(folder), "track": track}) + "\n"
    with contextlib.suppress(BrokenPipeError, BlockingIOError):  # a mirror that died or hangs: `make sync` mends it
        os.write(process.stdin.fileno(), order.encode())


def state(folder: Path) -> dict:
    """What the mirror last said of a run: `state` (following, complete, failed), `mode`, `folder`; {} if nothing."""
    try:
        return files.read_json(folder / "wandb" / "mirror.json")
    except UserError:  # not there, or damaged
        return {}


def wait(folder: Path, limit: float = 10.0, patience: float = 0.5) -> dict:
    """Wait until the mirror has all of an ended run, and return its last word, as `state` does.

    Gives up after `limit` seconds, and at once where the mirror has not stirred for `patience` seconds: it goes on by
    itself, or `make sync` completes its work.
    """
    end = time.monotonic() + limit
    path = folder / "wandb" / "mirror.json"
    while (said := state(folder)).get("state") not in ("complete", "failed"):
        stirred = path.stat().st_mtime if path.exists() else 0
        if time.monotonic() > end or time.time() - stirred > patience:
            break
        time.sleep(0.02)
    return said
