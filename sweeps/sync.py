"""Send runs that were recorded offline to Weights & Biases, one by one, so that a bad one stops no other.

    python -m sweeps.sync

A run whose mirror is missing or incomplete is first mirrored anew from its record. What was sent before is skipped.
"""

import shutil
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rnnkit import commands, mirror, records, tracking
from rnnkit.errors import UserError


@dataclass(frozen=True)
class Options:
    """What can be said to sync."""

    runs_dir: Path = Path("runs")
    """Folder that holds the runs."""


def mend(folder: Path) -> dict:
    """Complete the offline mirror of a run that has ended, from its record; return its state."""
    state = tracking.mirror_state(folder)
    if state.get("state") == "complete":
        return state
    shutil.rmtree(folder / "wandb", ignore_errors=True)  # a part of it; the record holds all
    gone = threading.Event()
    gone.set()
    return mirror.follow(folder, "offline", gone)


def send(log: Path) -> str | None:
    """Send one offline run; None where the server has it now, else the reason why not."""
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", str(log.parent)], capture_output=True, text=True, check=False
    )
    if Path(f"{log}.synced").exists():  # the exit code says nothing
        return None
    said = (done.stderr + done.stdout).strip().splitlines()
    return said[-1] if said else f"wandb sync ended with {done.returncode}"


def sync(folder: Path) -> tuple[str, str | None]:
    """What became of one run: live, untracked, sent, sent before or failed; and the reason of a failure."""
    manifest = records.read_json(folder / "manifest.json")
    if tracking.is_live(folder):
        return "still running", None
    if manifest["track"] == "off":
        return "not to be tracked", None
    state = mend(folder)
    if state["state"] != "complete":
        return "failed", state.get("reason")
    if state["mode"] == "disabled":
        return "not to be tracked", None
    if state["mode"] != "offline":
        return "sent before", None
    (log,) = (folder / state["folder"]).glob("*.wandb")
    if Path(f"{log}.synced").exists():
        return "sent before", None
    reason = send(log)
    return ("failed", reason) if reason else ("sent", None)


def main() -> None:
    """Sync all runs, and report."""
    import wandb

    options = commands.parse(Options, "python -m sweeps.sync", sys.argv[1:], __doc__)
    folders = sorted(path.parent for path in options.runs_dir.glob("*/manifest.json"))
    if not folders:
        raise UserError(f"there are no runs in {options.runs_dir}: choose another folder with --runs-dir")
    try:
        known = wandb.login(prompt=False, verify=False)
    except wandb.errors.Error as error:
        raise UserError(f"W&B does not accept the login: {error}") from None
    if not known:
        raise UserError(f"no W&B login: run `{sys.executable} -m wandb login` first (needs an account)")
    counts: Counter[str] = Counter()
    for folder in folders:
        try:
            outcome, reason = sync(folder)
        except Exception as error:  # noqa: BLE001 (reported; the other runs are sent all the same)
            outcome, reason = "failed", f"{type(error).__name__}: {error}"
        counts[outcome] += 1
        if reason:
            print(f"{folder.name}: {reason}", file=sys.stderr)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    commands.main(main)
