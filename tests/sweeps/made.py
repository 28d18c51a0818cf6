"""A folder of runs of every kind, made in this process without any training: finished, broken, live, hostile."""

import dataclasses
import json
import math
import os
import shutil
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from experiments import digits
from experiments.digits import Config
from rnnkit.core import files
from rnnkit.runs import tracking
from rnnkit.runs.folders import RunContext
from rnnkit.runs.manifest import Membership


HOSTILE = "<img src=x onerror=\"document.title='broken into'\">"
STEPS = 60


def row(step: int, scale: float = 1.0) -> dict:
    """What a run logs in a step, at every tenth with what an evaluation adds."""
    found = {
        "loss/train": scale / step,
        "grad_norm/total": 0.5 + 0.1 * math.sin(step),
        "grad_norm/encoder.l0.f/hh": 0.1,
        "clip/fraction": 0.25,
    }
    if step % 10 == 0:
        found |= {"loss/valid": scale / step + 0.1, "metric/accuracy/valid": 1 - scale / step}
        found |= {"hidden/encoder.l0.f/rms": 0.4, "gate/encoder.l0.f/z/sensitivity": 0.7}
        found |= {"gate/encoder.l0.f/z/timescale_max": 12.0, "memory/encoder.l0.f/horizon": 9.0}
        found |= {"speed/valid_steps_per_second": 1e5, "memory/span": 33.0}
    return found


def run(runs: Path, end="finished", steps: int = STEPS, member: Membership | None = None, **settings) -> Path:
    """A run of digits that was recorded and ended so; its folder."""
    config = Config(runs_dir=runs, track="off", **settings)
    with tracking.start(config, {"digits": "abc"}, RunContext(member or Membership())) as recorded:
        for step in range(1, steps + 1):
            recorded.log(step, row(step, 1 + config.seed / 1_000))
        if end == "finished":
            recorded.finish(metrics={"metric/accuracy/test": 0.9 + config.seed / 1_000})
        else:
            recorded.end(end, reason=f"it {end}")
    return recorded.folder


def everything(runs: Path) -> dict[str, Path]:
    """Runs of every kind, by kind."""
    made = {end: run(runs, end, seed=i) for i, end in enumerate(("finished", "pruned", "diverged", "interrupted"))}
    made["failed"] = run(runs, "failed", seed=4)
    made["flagged"] = _flagged(runs)
    made["stopped"] = _copy(made["finished"], "digits-s0-killed", result=False)
    made["torn"] = _copy(made["finished"], "digits-s0-torn", result=False)
    with (made["torn"] / "metrics.jsonl").open("ab") as file:
        file.write(
            b'{"step": 40, "loss/train": 1.0}\nnot json\n[1]\n{"step": 61, "loss/train": "NaN"}\n{"step": 62, "los'
        )
    made["no result"] = _copy(made["finished"], "digits-s0-noresult")
    (made["no result"] / "result.json").write_text('{"run": ')
    made["odd result"] = _copy(made["finished"], "digits-s0-oddresult")
    files.write_json(
        made["odd result"] / "result.json", {"metrics": {}, "step": "x", "run": 1, "status": 2, "seconds": []}
    )
    made["no manifest"] = _copy(made["finished"], "digits-s0-nomanifest")
    (made["no manifest"] / "manifest.json").write_text("[]")
    made["bare manifest"] = _copy(made["finished"], "digits-s0-bare")
    (made["bare manifest"] / "manifest.json").write_text("{}")
    made["hostile"] = _hostile(made["finished"])
    return made


def _copy(folder: Path, name: str, result: bool = True) -> Path:
    copied = Path(shutil.copytree(folder, folder.with_name(name)))
    if not result:
        (copied / "result.json").unlink()
    return copied


def _flagged(runs: Path) -> Path:
    """A run whose record raises flags, with what `--observe full`, `sample` and `dynamics` leave."""
    folder = run(runs, seed=5, observe="full", cell="lstm")
    found = files.read_json(folder / "result.json")
    hot = {"name": "too hot", "value": 0.02, "threshold": 0.01, "advice": "Lower --learning-rate."}
    found["flags"] = [{**hot, "where": "encoder.l0.f/ih"}, {**hot, "where": "head", "value": "Infinity"}, {"odd": 1}]
    found["comparison"] = {"baseline": "logistic regression", "examples": 360, "ours": 0.9594, "theirs": 0.9694}
    found["comparison"] |= {"difference": -0.01, "low": -0.02, "high": 0.001}
    files.write_json(folder / "result.json", found)
    media = folder / "media"
    media.mkdir()
    for step in (10, 20):
        curves = {"lag/encoder.l0.f": [1.0, 0.1, "NaN", 0.0, 1e-12], "truncation/contexts": [1, 2, 4]}
        files.write_json(
            media / f"curves-{step:09}.json", {"step": step, **curves, "truncation/losses": [2.0, 1.5, 1.2]}
        )
    (media / "curves-000000030.json").write_text("{")
    (media / "samples.jsonl").write_text(
        json.dumps({"prompt": "a", "temperature": 0.5, "seed": 0, "text": "once <b>upon</b> a time"}) + "\n{}\ntorn"
    )
    files.write_json(media / "dynamics.json", {"encoder.l0.f": {"lyapunov": [-0.123456, -1.0], "hidden_size": 64}})
    (media / "timescales.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (media / "secret.png").symlink_to("/etc/hostname")
    return folder


def _hostile(folder: Path) -> Path:
    """A run whose name and settings hold tags."""
    copied = _copy(folder, HOSTILE)
    manifest = files.read_json(copied / "manifest.json")
    manifest["config"]["cell"] = HOSTILE
    manifest["study"] = HOSTILE
    files.write_json(copied / "manifest.json", manifest)
    result = files.read_json(copied / "result.json")
    result["flags"] = [{"name": HOSTILE, "where": HOSTILE, "value": 1.0, "threshold": 1.0, "advice": HOSTILE}]
    result["reason"] = HOSTILE
    files.write_json(copied / "result.json", result)
    with (copied / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": STEPS + 1, HOSTILE: 1.0}) + "\n")
    return copied


def new_study(runs: Path, name: str = "small") -> optuna.Study:
    """A study of digits without trials."""
    folder = runs / "studies" / name
    folder.mkdir(parents=True)
    described = {
        "study": name,
        "experiment": "digits",
        "seed": 0,
        "space": dataclasses.asdict(digits.OBJECTIVE) | dataclasses.asdict(digits.SPACE),
    }
    files.write_json(folder / "study.json", described)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    return optuna.create_study(storage=storage, study_name=name, direction="maximize")


def study(runs: Path) -> str:
    """A study of digits with a trial of every kind, and its runs; its name."""
    space, found = digits.SPACE, new_study(runs)
    plane = space.plane()
    for point, end in enumerate(["finished"] * 5 + ["pruned", "diverged", "failed", None, "running"]):
        found.enqueue_trial(plane[point], user_attrs={"point": point})
        trial = found.ask()
        space.suggest(trial)
        value = 0.5 + point / 20
        for epoch in range(1, 4):
            trial.report(value * epoch / 3, epoch)
        if end in ("finished", "pruned", "diverged"):
            config = {k: v for k, v in plane[point].items() if k != "cell"}
            member = Membership("small", trial.number, point)
            made = run(runs, end, member=member, seed=100 + point, steps=10, **config)
            trial.set_user_attr("run", made.name)
        if end in ("diverged", "failed"):
            trial.set_user_attr("reason", f"{end}: it {end}")
        if end == "finished":
            found.tell(trial, value)
        elif end != "running":
            pruned = end == "pruned"
            found.tell(trial, state=optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.FAIL)
    found.enqueue_trial(plane[10], user_attrs={"point": 10})
    return "small"


def summary(runs: Path) -> dict:
    """What a sweep of the study says in the end, with the best two again on fresh seeds; also written."""
    mean = {"mean": 0.68, "low": 0.66, "high": 0.7, "spread": 0.01, "count": 3, "parameters": 10}
    plane = digits.SPACE.plane()
    told = {
        "revision": 2,
        "metric": "metric/accuracy/valid",
        "trials": {"ended": 9, "finished": 5, "pruned": 1, "failed": 3, "again": 0},
        "best": {
            "trial": 3,
            "value": 0.68,
            "found": 0.65,
            "test": {"metric/accuracy/test": 0.67},
            "settings": plane[3],
            "fresh": True,
            "runs": ["digits-s9000-again", "digits-s9001-again", "digits-s9002-again"],
            "over": {"mean": 0.68, "low": 0.66, "high": 0.7, "spread": 0.01, "count": 3},
        },
        "confirmed": [
            {"trial": 3, "settings": plane[3], "found": 0.65, "values": {"0": 0.67, "1": 0.69}, **mean},
            {"trial": 4, "settings": plane[4], "found": 0.7, "values": {"0": 0.6}, **mean, "mean": 0.6, "low": None},
        ],
        "importances": {"hidden_size": 0.75, "depth": 0.25},
        "supported": ["Deeper is better <b>here</b>."],
        "not_supported": ["Wider is not clearly better."],
        "borders": [],
        "timing": "The same seed gives this study again.",
        "cost_minutes": 1.5,
    }
    files.write_json(runs / "studies" / "small" / "summary.json", told)
    return told


def odd_studies(runs: Path) -> None:
    """Studies that cannot be read, or hold nothing."""
    for name, described in (("torn", '{"study"'), ("empty", "{}"), (HOSTILE, '{"experiment": "<b>x</b>"}')):
        folder = runs / "studies" / name
        folder.mkdir(parents=True)
        (folder / "study.json").write_text(described)
    (runs / "studies" / "torn" / "journal.log").write_text("no journal\n{}\n")


def lead_outside(runs: Path, outside: Path) -> None:
    """Links that lead out of the folder of runs, in every place where one could stand."""
    outside.mkdir()
    run(outside, seed=9)
    (outside / "secret.txt").write_text("a secret")
    (outside / "secret.json").write_text('{"experiment": "a secret", "config": {}}')
    (runs / "linked").symlink_to(next(outside.glob("digits-s9*")))
    made = runs / "digits-s9-links"
    made.mkdir()
    (made / "manifest.json").symlink_to(outside / "secret.json")
    os.symlink(outside / "secret.txt", made / "metrics.jsonl")
