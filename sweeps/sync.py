"""Send runs that were recorded offline to Weights & Biases, one by one, so that a bad one stops no other.

    python -m sweeps.sync

A run whose mirror is missing or incomplete is first mirrored anew from its record, offline; that needs no login. What
was sent before is skipped. The summaries of studies are runs too.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import RunsOptions, UserError, cli, error_in_words, extras, locks, processes, surroundings
from rnnkit.mirror import follow
from rnnkit.runs import Manifest, is_live, mirror_client
from sweeps.wandb_sync import study_run


TIMEOUT = 120  # seconds within which the server must have taken a run
TO_SEND, UNTRACKED = "to send", "not to be tracked"


@dataclass(frozen=True)
class Options(RunsOptions):
    """What can be said to sync."""


def prepare(folder: Path) -> str:
    """Make the offline copy of one run whole, and say in few words what is left to do. Raises what prevents it."""
    return alone_with(folder, lambda log, lock: TO_SEND)


def send_once(folder: Path) -> str:
    """Send one run, unless another process is at it or has done so by now; what became of it. Raises why it failed."""
    return alone_with(folder, send)


def alone_with(folder: Path, action: Callable[[Path, int], str]) -> str:
    """What `action` says of a run that is to be sent, of W&B's file and the lock on it; else why none is to be sent."""
    if is_live(folder):
        return "still running"
    is_study = (folder / "study.json").exists()
    if not (folder / "wandb").exists() if is_study else Manifest.read(folder).track == "off":
        return UNTRACKED
    try:
        with locks.exclusive(folder / "mirror.lock", busy="in the hands of another process") as lock:
            state = mend(folder, is_study)
            if state.get("mode") == "disabled":
                return UNTRACKED
            if state.get("mode") == "online" or synced(log := log_of(folder)):
                return "sent before"
            return action(log, lock)
    except locks.Busy as busy:  # its mirror's, or another sync's
        return str(busy)


def mend(folder: Path, is_study: bool) -> dict:
    """The state of the mirror of a run or study that has ended, whose work is done first where it is not complete."""
    state = mirror_client.state(folder)
    if state.get("state") == "complete":
        return state
    if is_study:
        return study_run.send(folder, "offline")
    shutil.rmtree(folder / "wandb", ignore_errors=True)  # a part of it; the record holds all
    gone = threading.Event()
    gone.set()
    state = follow.follow(folder, "offline", gone, follow.Server())
    if state["state"] != "complete":
        raise UserError(state["reason"])
    print(f"{folder.name}: mirrored offline, {state['rows']} rows", flush=True)
    return state


def log_of(folder: Path) -> Path:
    """The file of W&B's that holds a run which was mirrored offline."""
    place = folder / mirror_client.state(folder).get("folder", "")
    logs = list(place.glob("*.wandb")) if place.resolve().is_relative_to(folder.resolve()) else []
    if len(logs) != 1:
        raise UserError(f"{folder / 'wandb'} is damaged: remove it, and the run is mirrored anew")
    return logs[0]


def synced(log: Path) -> bool:
    """Whether the server has the run that the file holds. Only this says it: `wandb sync` exits with 0 in any case."""
    return Path(f"{log}.synced").exists()


def log_in() -> None:
    """Log in to W&B without asking anything, and see that its server answers.

    Raises `UserError` where there is no login, and exits with 1 where the server is out of reach or refuses it.
    """
    with extras.needed("wandb", "a login at W&B"):
        import wandb.errors

    wandb.teardown()  # else what was found out before is not asked again
    wandb.setup(wandb.Settings(silent=True))
    try:
        logged_in = wandb.login(prompt=False, verify=True)
    except wandb.errors.Error as error:
        sys.exit(f"error: the W&B server is out of reach, or refuses the login ({first_line(error)}): try again later")
    if not logged_in:
        raise UserError(f"no W&B login: run `{shlex.quote(sys.executable)} -m wandb login` first (needs an account)")


def first_line(error: Exception) -> str:
    """What an error says, in a line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def send(log: Path, lock: int) -> str:
    """Send one offline run. Raises `UserError` with the reason where the server does not have it then.

    `lock` is the descriptor of the lock on the run: what sends it holds it too, though this process be killed.
    """
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8", errors="replace"
    ) as output:  # no pipe: W&B's service may hold it open after its parent's end
        command = [sys.executable, "-m", "wandb", "sync", str(log.parent)]
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "pass_fds": [lock]}
        process = subprocess.Popen(command, **streams, env=processes.environment(), start_new_session=True)
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise UserError(f"the server did not take it within {TIMEOUT} seconds") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        lines = output.read().strip().splitlines() or [f"wandb sync ended with {process.returncode}"]
    if not synced(log):
        raise UserError(lines[-1])
    return "sent"


def send_all(folders: list[Path]) -> list[str]:
    """Send one run after the other, with a line for each, and return what became of them."""
    outcomes = []
    for number, folder in enumerate(folders, start=1):
        print(f"[{number}/{len(folders)}] {folder.name}: ", end="", flush=True)
        try:
            outcome = send_once(folder)
            print(outcome, flush=True)
        except Exception as error:  # noqa: BLE001 (said; the other runs are sent all the same)
            outcome = "failed"
            print(error_in_words(error), flush=True)
            log_in()  # is the server still there? Else the others would wait as long, for nothing
        outcomes.append(outcome)
    return outcomes


def main() -> None:
    """Sync all runs, and report."""
    surroundings.leave_behind()  # W&B is used in this process too
    options = cli.parse(Options, "python -m sweeps.sync", sys.argv[1:], __doc__)
    folders = sorted(path.parent for path in options.runs_dir.glob("*/manifest.json"))
    folders += sorted(path.parent for path in options.runs_dir.glob("studies/*/summary.json"))
    if not folders:
        raise UserError(f"there are no runs in {options.runs_dir}: choose another folder with --runs-dir")
    counts: Counter[str] = Counter()
    ready = []
    for folder in folders:
        try:
            outcome = prepare(folder)
        except Exception as error:  # noqa: BLE001 (reported; the other runs are sent all the same)
            outcome = "failed"
            print(f"{folder.name}: {error_in_words(error)}", file=sys.stderr)
        if outcome == TO_SEND:
            ready.append(folder)
        else:
            counts[outcome] += 1
    if ready:
        log_in()
        counts.update(send_all(ready))
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    cli.main(main)
