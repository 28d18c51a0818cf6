"""The start of the process that mirrors runs to Weights & Biases (`rnnkit.mirror`), and what it says of them.

The training process writes orders to the mirror and never waits for it. Nothing that happens to it can reach the run.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnkit.core import UserError, files, processes, records


class Mirror:
    """The process that mirrors runs: started for the first, and where it died; it ends after `close`, or with us."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, folder: Path, track: str) -> None:
        """Have the mirror follow the run in a folder. Never waits, never fails."""
        if self._process is None or self._process.poll() is not None:
            try:
                self._process = processes.start_beside("rnnkit.mirror", stdin=subprocess.PIPE, OMP_NUM_THREADS="1")
            except OSError as error:  # no process or memory is left; the run does without
                reason = error.strerror or error
                print(f"W&B: no mirror could be started ({reason}); `make sync` does its work", file=sys.stderr)
                return
        orders = self._process.stdin
        assert orders is not None
        os.set_blocking(orders.fileno(), False)
        order = json.dumps({"folder": str(folder), "track": track}) + "\n"
        with contextlib.suppress(BrokenPipeError, BlockingIOError):  # a mirror that died or hangs: `make sync` mends it
            os.write(orders.fileno(), order.encode())

    def close(self) -> None:
        """Have no more runs mirrored. The mirror goes on until it has all of those that it was told of."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


@dataclass(frozen=True)
class Said:
    """What a mirror can say of a run in its mirror.json."""

    state: str | None = None  # following, complete, failed
    mode: str | None = None
    folder: str | None = None  # W&B's, in the run's
    url: str | None = None
    reason: str | None = None
    rows: int | None = None
    missing: list[str] | None = None  # what W&B's copy is without, a line each


def state(folder: Path) -> dict[str, Any]:
    """What the mirror last said of a run, of the names in `Said` those that are there; {} if nothing."""
    try:
        said = files.read_json(folder / "wandb" / "mirror.json")
    except UserError:  # not there, or damaged
        return {}
    fitting = records.read(Said, said)[0] or Said()
    return {name: value for name, value in dataclasses.asdict(fitting).items() if value is not None}


def wait(folder: Path, limit: float = 10.0, patience: float = 0.5) -> dict[str, Any]:
    """Wait until the mirror has all of an ended run, and return its last word, as `state` does.

    Gives up after `limit` seconds, or once the mirror has not stirred for `patience`: it goes on, or `make sync` does.
    """
    end = time.monotonic() + limit
    path = folder / "wandb" / "mirror.json"
    while (last := state(folder)).get("state") not in ("complete", "failed"):
        stirred = path.stat().st_mtime if path.exists() else 0
        if time.monotonic() > end or time.time() - stirred > patience:  # whatever the clock does, `limit` holds
            break
        time.sleep(0.02)
    return last
