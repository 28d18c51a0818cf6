"""Sweep over hidden size and depth of an experiment, then over the settings around them, and say what came out.

    python -m sweeps.run digits
    python -m sweeps.run digits --trials 40 --workers 2 --seed 1
    python -m sweeps.run digits --sampler grid                 # the plane alone, three seeds a point
    python -m sweeps.run digits --grid cell=lstm,gru hidden_size=16,32 --seeds 5
    python -m sweeps.run digits --grid cell=lstm,gru depth=1,2 --parameters 50000
    python -m sweeps.run digits --space hidden_size=8..128 cell=gru,lstm
    python -m sweeps.run digits --study quick -- --epochs 5
    python -m sweeps.run digits --storage postgresql://me@host/sweeps --workers 0     # workers elsewhere

First the complete plane hidden size x depth, other settings fixed; then TPE over all of them, poor trials pruned. In
the end the best configurations are run again on fresh seeds. The same command goes on where it stopped; a larger
--trials adds to what is there. What follows -- sets the experiment's own settings for all trials.

The study depends on its seed alone, bit for bit, whatever the number of workers and whatever is killed on the way: a
point learns from those up to --lag before it, and waits until they have ended. More workers than that help in the
plane and on fresh seeds alone.
"""

import contextlib
import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

from optuna.trial import TrialState

import experiments
from rnnkit.core import UserError, cli, processes, surroundings, writing
from sweeps.options import Options, again, base_config, likeliest_first, searched_by, total
from sweeps.study import MOST_TRIALS, Study, StudyFolder, budget, folders, limits, local_workers
from sweeps.study import study as studies


def sweep(options: Options, flags: list[str]) -> None:
    """Create or continue the study, work on it until all its trials have ended, and write its summary."""
    from sweeps.analysis import summary

    began = time.monotonic() - time.process_time()  # what came before this function counts too
    base = base_config(options, flags)
    if options.gpus and base.device == "cpu":
        raise UserError("--gpus has no effect with --device cpu: leave one of them out")
    gpus = visible_gpus(options.gpus)
    if base.device == "cuda" and options.workers:  # checked before a study is made that could not work
        from rnnkit.training import loop  # and torch: what is refused before is refused at once

        loop.device_of(base)
    name = options.study or f"{base.title}-s{options.seed}"
    most = limits.Limits(options.most_parameters, options.most_ms)
    told = options.seed, options.kind, options.pruner, options.storage, options.lag
    path = options.runs_dir / "studies" / name
    wanted = StudyFolder(path, base, *told, searched_by(options, base), limits=most)
    if options.study is None:
        wanted = folders.with_its_space(wanted)
        if wanted.name != name:
            print(f"What is searched has changed since study {name} began: this is study {wanted.name}")
            name = wanted.name
    with folders.held(options.runs_dir, name), contextlib.ExitStack() as stack:
        if options.foretell:
            known = (path.with_name(name) / "study.json").exists()
            wanted = dataclasses.replace(wanted, foretell=() if known else likeliest_first(base, wanted.space))
        folder = folders.opened(wanted)
        stack.enter_context(writing(folder.path))
        stack.enter_context(folders.nothing_half_made(folder))
        study = studies.create(folder)
        if options.from_ is not None:
            study.start_from(earlier(options, folder))
        slots, fresh = local_workers.slots(options.workers, gpus), again(options, study.folder)
        if options.minutes is None:
            study.ask_for(total(options, study.folder), fresh)
            local_workers.carry_out(study, slots)
        else:
            study.ask_for(study.trials.user_attrs.get("total", 1))
            mirrored = budget.TO_TRACKER if options.track != "off" else 0.0
            trials = total(options, study.folder) if options.trials or options.kind == "grid" else MOST_TRIALS
            until = began + 60 * options.minutes
            spent = budget.Budget(until, len(slots), trials, fresh, budget.ANSWER + mirrored)
            reason = local_workers.carry_out(study, slots, spent)
            study.say_why_it_ended(reason)
            print(f"no further trial: {reason}")
        print(summary.write(study))
        patience = 90.0 if options.minutes is None else max(until - time.monotonic(), 2.0)
        if options.track != "off" and (problem := mirror(folder.path, options.track, patience)):
            print(f"the study's run at W&B is not complete ({problem}); `make sync` tries again")
        if not study.storage.patiently(lambda: study.all_of((TrialState.COMPLETE,))):
            sys.exit(1)  # as a run that diverged does


def earlier(options: Options, folder: StudyFolder) -> Study:
    """The study of --from. Raises `UserError` for one that has nothing to say of this one."""
    other = studies.join(options.runs_dir, str(options.from_), options.storage, track="off")
    ours, theirs = folder.objective.metric, other.folder.objective.metric
    if (folder.base.experiment, ours) != (other.folder.base.experiment, theirs):
        raise UserError(f"--from {options.from_}: it is a study of {other.folder.base.experiment}, judged by {theirs}")
    return other


def mirror(folder: Path, track: str, patience: float = 90.0) -> str | None:
    """Carry the study's summary to W&B, by a process of its own, as runs are; return what went wrong, if anything."""
    command = [sys.executable, "-m", "sweeps.wandb_sync.study_run", str(folder), "--track", track]
    said = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "env": processes.environment()}
    try:
        done = subprocess.run(command, **said, timeout=patience)
    except subprocess.TimeoutExpired:
        return f"it took more than {patience:.0f} seconds"
    except OSError as error:  # no process or memory is left
        return error.strerror or str(error)
    return (done.stderr.strip().splitlines() or ["no reason given"])[-1] if done.returncode else None


def visible_gpus(given: str) -> list[str]:
    """The GPUs of --gpus, as CUDA_VISIBLE_DEVICES names them. Raises `UserError` for such that are not there."""
    if not given:
        return []
    import torch

    known = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = known.split(",") if known else [str(number) for number in range(torch.cuda.device_count())]
    if not torch.cuda.is_available():
        raise UserError(f"--gpus {given}: this machine has no GPU that torch can use; leave it out")
    chosen = names if given == "all" else given.split(",")
    for gpu in chosen:
        if gpu not in names:
            raise UserError(f"--gpus {given}: there is no GPU {gpu!r}, only {', '.join(names)}")
    return chosen


def main() -> None:
    """Sweep as the command line says."""
    surroundings.count_in_utc()
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    try:
        options = cli.parse(Options, "python -m sweeps.run", words[:cut], __doc__)
    except UserError as error:
        name = _of_the_experiment(words[:cut]) if str(error).startswith("Unrecognized") else ""
        if not name:
            raise
        raise UserError(f'{name} is a setting of the experiment: give it after `--` (ARGS="-- {name} ...")') from None
    sweep(options, words[cut + 1 :])


def _of_the_experiment(words: list[str]) -> str:
    """The first flag that is one of the experiment's settings, and no option of a sweep; "" for none."""
    named = next((word for word in words if word in experiments.names()), "digits")
    kinds = experiments.load(named).Config, Options
    own, ours = ({cli.flag(field.name) for field in dataclasses.fields(kind)} for kind in kinds)
    return next((name for word in words if (name := word.partition("=")[0]) in own - ours), "")


if __name__ == "__main__":
    cli.main(main)
