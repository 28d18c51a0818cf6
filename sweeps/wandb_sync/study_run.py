"""The summary of a study as one run at Weights & Biases, beside those of its trials: tables, figures, the answer.

    python -m sweeps.wandb_sync.study_run runs/studies/digits-s0

A sweep starts it in the end. It reads what the sweep wrote, and always makes the same run of one study: when a study
has gone on, its summary takes the place of the one before.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import tyro

from rnnkit.core import UserError, cli, decoration, error_in_words, files, locks, records
from rnnkit.mirror import follow
from rnnkit.runs import mirror_client
from sweeps.analysis import Summary, words
from sweeps.reading import RunIndex, described, studies


@dataclass(frozen=True)
class Options:
    """Which study."""

    folder: Annotated[Path, tyro.conf.Positional]
    """The study's folder."""
    track: Literal["auto", "offline", "online"] = "auto"
    """Online, offline, or online where you are logged in."""


def send(folder: Path, track: str) -> dict:
    """Carry the summary of the study in `folder` to W&B, and return what became of it (`mirror_client.state`)."""
    stored = files.read_json(folder / "study.json")
    study, damage = described.told(stored)
    records.require_sound([*damage, *["started is not there"] * (not study.started)], folder / "study.json")
    summary, damage = Summary.told(files.read_json(folder / "summary.json"))
    records.require_sound(damage, folder / "summary.json")
    summary = studies.read(RunIndex(folder.parent.parent), folder.name).summary  # an older one says less well
    facts = summary.as_dict()
    goes_on = mirror_client.state(folder).get("mode") == "online"
    if not goes_on:
        shutil.rmtree(folder / "wandb", ignore_errors=True)
    (folder / "wandb").mkdir(exist_ok=True)
    mode = follow.mode_for(track)
    if mode == "disabled":
        return _note(folder, {"state": "complete", "mode": mode})
    started = int(datetime.fromisoformat(study.started).timestamp() * 1000)
    kept = ("experiment", "seed", "sampler", "pruner", "config", "space", "versions")
    options = {
        "project": os.environ.get("WANDB_PROJECT", "rnnkit"),
        "id": f"{folder.name}-study-{started:x}",
        "name": f"study {folder.name}",
        "group": folder.name,
        "job_type": "study",
        "tags": [facts["experiment"]],
        "config": {key: stored.get(key) for key in kept},
    }
    run = follow.Server().begin(options, folder, mode, goes_on)
    offline = run.settings.mode == "offline"
    state = {"mode": "offline"} if offline else {"mode": "online", "url": run.url}
    state["folder"] = str(Path(run.settings.sync_file).parent.relative_to(folder))
    missing: list[str] = []
    try:
        run.log(tables(summary) | pictures(folder, missing))
        run.summary.update(figures(summary))
        run.finish()
    except Exception as error:  # noqa: BLE001 (recorded, and raised on; `make sync` tries again)
        _note(folder, {**state, "state": "failed", "reason": error_in_words(error)})
        raise
    return _note(folder, {**state, "state": "complete", "rows": 1, "missing": missing})


def pictures(folder: Path, missing: list[str]) -> dict:
    """The study's figures for W&B; to `missing`, a line for each that is none."""
    import wandb

    found = {}
    for path in sorted((folder / "figures").glob("*.png")):
        with decoration(f"the figure {path.stem} is not copied", missing.append):
            found[f"figures/{path.stem}"] = wandb.Image(str(path))
    return found


def tables(summary: Summary) -> dict:
    """The trials, the plane, and what was run again, as W&B's tables."""
    import wandb

    facts = summary.as_dict()

    def table(columns: list[str], rows: list[dict]) -> wandb.Table:
        return wandb.Table(columns=[*columns], data=[[row[name] for name in columns] for row in rows])

    names = list(dict.fromkeys(name for trial in facts["list"] for name in trial["settings"]))
    rows = [dict.fromkeys(names) | trial["settings"] | trial for trial in facts["list"]]
    rows = [{name: str(v) if isinstance(v, bool) else v for name, v in row.items()} for row in rows]
    found = {"trials": table(["trial", "state", "value", "reason", "parameters", "seconds", "run", *names], rows)}
    found["plane"] = table(["hidden_size", "depth", "value", "spread", "parameters"], facts["plane"])
    for name, sizes in (("points", ["spread", "parameters"]), ("front", ["trial", "parameters", "milliseconds"])):
        if facts[name]:
            settings = list(dict.fromkeys(setting for row in facts[name] for setting in row["settings"]))
            of_it = [dict.fromkeys(settings) | row["settings"] | row for row in facts[name]]
            found[name] = table([*settings, "value", *sizes], of_it)
    if facts["confirmed"]:
        means = ["trial", "found", "mean", "low", "high", "spread", "count", "parameters"]
        tests = words.confirmed_columns(summary.confirmations)
        rows = [{**row, **{name: row["test"][name]["mean"] for name in tests}} for row in facts["confirmed"]]
        rows = [{**row, "runs": ", ".join(row["runs"])} for row in rows]
        found["again"] = table([*means, *tests, "runs"], rows)
    return found


def figures(summary: Summary) -> dict:
    """What stands in the run's summary: the same figures and sentences as in summary.md."""
    facts, best = summary.as_dict(), summary.best
    values = {f"trials/{name}": count for name, count in facts["trials"].items()}
    values |= {"minutes": summary.minutes, "cost_minutes": summary.cost_minutes, "status": "finished"}
    values |= {f"importance/{name}": share for name, share in summary.importances.items()}
    said = words.nothing_in_words(summary)
    if best:
        values |= {"best/trial": best.trial, "best/value": best.value, "best/run": best.run}
        values |= {"best/runs": ", ".join(best.runs)} | best.test
        said = [words.best_in_words(summary, best), *words.test_in_words(summary, best)]
    values["answer"] = "\n".join(said)
    values |= {name: "\n".join(facts[name]) for name in ("supported", "not_supported", "borders")}
    return values


def _note(folder: Path, state: dict) -> dict:
    files.write_json(folder / "wandb" / "mirror.json", state)
    return state


def main() -> None:
    """Send the summary that the command line names."""
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    options = cli.parse(Options, "python -m sweeps.wandb_sync.study_run", sys.argv[1:], __doc__)
    try:
        with locks.exclusive(options.folder / "mirror.lock"):
            send(options.folder, options.track)
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 (said in one line)
        sys.exit(error_in_words(error))


if __name__ == "__main__":
    cli.main(main)
