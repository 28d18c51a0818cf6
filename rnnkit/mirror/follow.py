"""The mirror process: reads a run's record while it grows and carries it to Weights & Biases, online or offline.

Started by rnnkit.runs as `python -m rnnkit.mirror`. Each line on its standard input is an order, {"folder": ...,
"track": ...}; they are carried out one after the other. The end of the input says that the training process is gone.
What the mirror knows of a run stands in the run's wandb/mirror.json, whose time of change is its sign of life.
"""

import contextlib
import dataclasses
import json
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.core import UserError, decoration, error_in_words, extras, files, locks
from rnnkit.mirror import wandb_log
from rnnkit.runs import Manifest, Result, mirror_client, plots, read_row


if TYPE_CHECKING:
    from wandb import Run


POLL = 0.1  # seconds between two looks at the record
INIT_TIMEOUT = 20  # seconds within which the server must take a new run; else it is recorded offline
FLUSHED = 5  # seconds within which W&B's file holds all rows of a run that is finished

# W&B takes no longer ones. The end of a run's name, which is kept, tells it from others.
LONGEST_TAG, LONGEST_NAME = 64, 128

# What WANDB_MODE can say, and what it means here.
_MODES = {"online": "online", "offline": "offline", "disabled": "disabled", "dryrun": "offline", "shared": "online"}


def mode_for(track: str) -> str:
    """online, offline or disabled; never asks.

    `auto` obeys WANDB_MODE, then what `wandb disabled` and `wandb offline` have set, then whether there is a login.
    """
    if track != "auto":
        return track
    wanted = os.environ.get("WANDB_MODE")
    if wanted and wanted not in _MODES:
        raise UserError(f"WANDB_MODE is {wanted!r}: it must be one of {', '.join(_MODES)}")
    if wanted:
        return _MODES[wanted]
    with extras.needed("wandb", "a mirror to W&B"):
        import wandb
    set_up = _MODES.get(wandb.setup(wandb.Settings(silent=True)).settings.mode, "online")
    if set_up != "online":
        return set_up
    try:
        return "online" if wandb.login(prompt=False, verify=False) else "offline"
    except wandb.Error:  # a malformed key
        return "offline"


def follow(folder: Path, track: str, gone: threading.Event, server: "Server") -> dict[str, Any]:
    """Carry one run to W&B, from its first row to its end, and return what became of it.

    The end is result.json, or that the training process is `gone`. The file that wandb wrote is read back: rows that
    it does not hold make the state `failed`. A run that was stopped and goes on stays one run: offline it is written
    anew from its first row, online the rows that the server has are left out.
    """
    manifest = Manifest.read(folder)
    goes_on = mirror_client.state(folder).get("mode") == "online"
    if not goes_on:
        shutil.rmtree(folder / "wandb", ignore_errors=True)
    (folder / "wandb").mkdir(exist_ok=True)
    mode = mode_for(track)
    if mode == "disabled":
        return _say(folder, state="complete", mode=mode)
    run = server.begin(_options(manifest), folder, mode, goes_on)
    run.define_metric("step", hidden=True)
    run.define_metric("*", step_metric="step")
    sent_before = run.starting_step if run.resumed else 0
    offline = run.settings.mode == "offline"
    log = Path(run.settings.sync_file)
    place: dict[str, Any] = {"mode": "offline" if offline else "online", "folder": str(log.parent.relative_to(folder))}
    if not offline:
        place["url"] = run.url
    _say(folder, state="following", **place)

    count, missing = 0, list[str]()
    for row in tail(folder, gone):
        if count >= sent_before:
            run.log(row | histograms(folder, row["step"], missing.append))
        count += 1
    result = Result.read(folder)
    if result is not None:
        raised = {f"flag/{flag.name}": str(flag) for flag in result.flags or []}
        ending = {"status": str(result.status), "reason": result.reason, "resumed_after": result.resumed_after}
        run.summary.update({**ending, "foretold": result.foretold, **result.metrics, **raised})
        run.summary["flags"] = len(result.flags or [])
    else:
        run.summary.update({"status": "killed"})
    missing += pictures(run, folder, draws=manifest.config.get("observe") == "full")
    place["missing"] = list(dict.fromkeys(missing))
    try:
        run.finish(exit_code=0 if result is not None and result.status in ("finished", "pruned") else 1)
    except TimeoutError:
        return _say(folder, state="failed", reason="the server did not take the end of the run", **place)

    sent = max(count - sent_before, 0)
    end = time.monotonic() + FLUSHED  # wandb writes the last ones a moment after it says that the run is finished
    while (held := wandb_log.count(log)) < sent and time.monotonic() < end:
        time.sleep(POLL / 2)
    if held < sent:
        return _say(folder, state="failed", reason=f"W&B's file holds {held} of {sent} rows", **place)
    return _say(folder, state="complete", rows=count, **place)


def _options(manifest: Manifest) -> dict[str, Any]:
    """What `wandb.init` is told of a run."""
    member = manifest.member
    config = {name: getattr(manifest, name) for name in ("experiment", "command", "git", "versions", "data")}
    began = datetime.fromisoformat(manifest.started).timestamp() if manifest.started else 0
    name, ending = manifest.run, f"-{int(began * 1000):x}"
    return {
        "project": os.environ.get("WANDB_PROJECT") or "rnnkit",
        # A run repeated elsewhere has the same name; what was sent before must not be overwritten by it.
        "id": name[-(LONGEST_NAME - len(ending)) :] + ending,
        "name": name[-LONGEST_NAME:],
        "group": member.study,
        "job_type": "run" if member.study is None else "trial" if member.confirms is None else "again",
        "tags": [manifest.experiment[:LONGEST_TAG], str(manifest.config.get("cell"))],
        "config": {**manifest.config, **config, **dataclasses.asdict(member)},
    }


@dataclass
class Server:
    """W&B's server: once it could not be reached, later runs do not wait for it again."""

    reachable: bool = True

    def begin(self, options: dict[str, Any], folder: Path, mode: str, goes_on: bool) -> "Run":
        """Start or go on with a W&B run with files in `folder`; offline where there is no server, or it refuses."""
        with extras.needed("wandb", "a mirror to W&B"):
            import wandb
            from wandb.errors import CommError, UsageError

        try:
            str(folder).encode()
        except UnicodeEncodeError:
            raise UserError("W&B takes no path that is not UTF-8: choose another folder with --runs-dir") from None
        options = {**options, "dir": str(folder), "reinit": "finish_previous"}
        settings: dict[str, Any] = {"init_timeout": INIT_TIMEOUT, "finish_timeout": 30, "console": "off"}
        settings |= dict.fromkeys(("finish_timeout_raises", "silent", "disable_git", "disable_code"), True)
        # They would describe this process, not the run; the list of packages takes longer than 500 rows.
        settings |= {"x_disable_meta": True, "x_disable_stats": True, "x_save_requirements": False}
        settings["x_transaction_log_flush_interval"] = 1  # seconds; a kill loses no more than that
        if mode == "online" and self.reachable:
            try:
                resume = "allow" if goes_on else None
                return wandb.init(mode="online", resume=resume, settings=wandb.Settings(**settings), **options)
            except (CommError, UsageError):
                self.reachable = False
                wandb.teardown()  # else W&B's service holds on to the run's id, and refuses it
                for started in (folder / "wandb").glob("run-*"):  # and this would look like a second run
                    shutil.rmtree(started)
        return wandb.init(mode="offline", settings=wandb.Settings(**settings), **options)


def pictures(run: "Run", folder: Path, draws: bool) -> list[str]:
    """Put a run's pictures into its summary, drawn first where it is to have some; what is missing, in lines."""
    import wandb

    missing: list[str] = []
    with decoration("pictures are not drawn", missing.append):
        if draws:
            plots.draw(folder)
        missing += plots.not_drawn(folder)
    for path in plots.picture_files(folder):
        with decoration(f"the picture {path.stem} is not copied", missing.append):
            run.summary.update({f"pictures/{path.stem}": wandb.Image(str(path))})
    return missing


def histograms(folder: Path, step: int, say: Callable[[str], None] | None = None) -> dict[str, Any]:
    """What W&B shows of a step's curves: the timescales of units, and how often their gates are shut and open.

    Where they cannot be read, a line to `say` is all.
    """
    path = folder / "media" / f"curves-{step:09}.json"
    drawn: dict[str, Any] = {}
    if not path.exists():
        return drawn
    import wandb

    with decoration("histograms are missing", say):
        curves, damage = plots.told(files.read_json(path))
        if damage and say is not None:
            say(f"histograms are missing: {path.name} is damaged: its {damage[0]}")
        for name, points in curves.items():
            if name.startswith(("timescale/", "left/", "right/")):
                values = np.array(plots.numbers(points))
                if name.startswith("timescale/"):
                    name, values = f"log10 {name}", np.log10(values[values > 0])
                values = values[np.isfinite(values)]
                if len(values):
                    drawn[f"histogram/{name}"] = wandb.Histogram(np_histogram=np.histogram(values, bins=32))
    return drawn


def tail(folder: Path, gone: threading.Event) -> Iterator[dict[str, Any]]:
    """The rows of a run's metrics.jsonl as they are written, until the run has ended or its process is gone."""
    path = folder / "metrics.jsonl"
    position, rest = 0, b""
    while True:
        ended = gone.is_set() or (folder / "result.json").exists()  # asked first: rows come before the end
        if path.is_file():  # a pipe would be waited for
            with path.open("rb") as file:
                file.seek(position)
                content = file.read()
            position += len(content)
            *lines, rest = (rest + content).split(b"\n")
            for line in lines:
                yield read_row(line)
        if ended:
            return
        with contextlib.suppress(FileNotFoundError):
            os.utime(folder / "wandb" / "mirror.json")
        time.sleep(POLL)


def _say(run_folder: Path, /, **state: Any) -> dict[str, Any]:
    files.write_json(run_folder / "wandb" / "mirror.json", state)
    return state


def _orders(gone: threading.Event) -> "queue.Queue[dict[str, str] | None]":
    """The orders that come on standard input; None after the last."""
    orders: queue.Queue[dict[str, str] | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            orders.put(json.loads(line))
        gone.set()
        orders.put(None)

    threading.Thread(target=read, daemon=True).start()
    return orders


def main() -> None:
    """Carry out orders until there are no more."""
    os.nice(5)  # the runs come first
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    gone, server = threading.Event(), Server()
    orders = _orders(gone)
    while (order := orders.get()) is not None:
        folder = Path(os.fsdecode(os.fsencode(order["folder"])))  # written by a process that may have another encoding
        try:
            with locks.exclusive(folder / "mirror.lock"):
                follow(folder, order["track"], gone, server)
        except Exception as error:  # noqa: BLE001 (recorded; the next run is mirrored all the same)
            with contextlib.suppress(OSError):  # the run's folder may be gone, and then nobody asks
                (folder / "wandb").mkdir(exist_ok=True)
                reason = " ".join(error_in_words(error).split())
                _say(folder, **{**mirror_client.state(folder), "state": "failed", "reason": reason})
        with decoration(f"pictures of {folder.name} are not drawn"):
            _draw_what_is_left(folder, gone)


def _draw_what_is_left(folder: Path, gone: threading.Event) -> None:
    """Draw the pictures of a run that are still to be drawn, once it has ended: W&B may take no copy of it."""
    if Manifest.read(folder).config.get("observe") != "full":
        return
    for _ in tail(folder, gone):
        pass
    if not any(plots.picture_files(folder)):
        plots.draw(folder)
