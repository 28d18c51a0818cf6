"""One worker of a study: a process that takes waiting trials, one after the other, and runs them.

    python -m sweeps.worker --study digits-s0
    python -m sweeps.worker --study digits-s0 --storage postgresql://me@host/sweeps

Any number can work on one study, started by a sweep (python -m sweeps.run), or by hand, SLURM, ssh or Kubernetes, on
any machine that reaches the storage. A worker ends when every trial has ended, or when it is told to (Ctrl-C, SIGTERM):
it then saves what it has in hand within a step, and another goes on with it. The address of the storage can also stand
in the environment variable RNNKIT_STORAGE.
"""

import contextlib
import dataclasses
import math
import os
import signal
import socket
import sys
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

import experiments
from rnnkit.core import BaseConfig, OutOfMemory, UserError, cli, surroundings, without_secrets
from rnnkit.runs import Interrupted, Membership, Mirror, Result, RunContext, Status, ended
from rnnkit.runs.foretelling import Foretold
from rnnkit.training import Experiment, Pruned
from sweeps.study import MOST_TRIALS, Claim, Study, limits, points, storage, suggestions
from sweeps.study import study as studies


@dataclass(frozen=True)
class Options:
    """What a worker can be told."""

    study: str
    """The study to work on."""
    storage: str = field(default_factory=lambda: os.environ.get("RNNKIT_STORAGE", "journal"))
    """Where the study is kept: journal, in the runs folder, or postgresql://user@host/database."""
    runs_dir: Path = Path("runs")
    """Folder that holds the runs; best one that all workers share."""
    track: Literal["auto", "offline", "online", "off"] = "auto"
    """Mirror each trial to Weights & Biases; auto is online where you are logged in, else offline."""
    save_every: int = 0
    """Save what a stopped trial goes on from after so many steps; 0 for after each evaluation. Changes no result."""

    def __post_init__(self):
        storage.check(self.storage)


class Lost(Interrupted):
    """The trial is not in this worker's hands any more: it seemed dead for too long, and another has it."""


def work(study: Study, worker: str) -> None:
    """Run trials until every one has ended."""
    run = experiments.load(study.folder.base.experiment).run
    mirror = Mirror()
    with study.storage.present(worker):
        while True:
            if (claimed := points.claim(study, worker)) is not None:
                run_trial(claimed, run, mirror)
            elif points.left(
                study
            ):  # others have in hand what the next is to know of, or all that is left, and may die
                study.storage.pause()
            else:
                return


def run_trial(claim: Claim, run: Experiment[Any, Any], mirror: Mirror | None = None) -> None:
    """Carry out one trial, and tell the study how it ended: complete, pruned, or failed with the reason.

    An error that the machine or the settings cause is no fault of the trial: it waits for another try, and the error is
    raised on. So it is when this worker is told to stop.
    """
    study, trial = claim.study, claim.trial
    try:
        with study.storage.beating(storage.id_of(trial)):
            config, member = study.storage.patiently(prepare, claim)
            size = within_limits(claim, config)
            if size is None:
                return
            result = ended(config, member) if trial.user_attrs.get("began") else None
            if result is None:  # else it was all done but for telling so
                study.storage.patiently(trial.set_user_attr, "began", True)
                hears = (lambda said: hear(claim, said)) if study.folder.foretell is not None else None
                told = {"admit": study.admit, "ends": lambda: require_ours(claim), "hears": hears}
                context = RunContext(member=member, mirror=mirror, **told)
                result = run(config, lambda step, value: report(claim, step, value), context)
    except OutOfMemory as error:  # the trial's own fault: smaller ones go on
        tell(claim, TrialState.FAIL, reason=str(error))
    except Lost:
        pass
    except (UserError, OSError, KeyboardInterrupt, SystemExit):
        study.storage.patiently(stop, claim)
        raise
    except Exception as error:  # noqa: BLE001 (recorded in the study and in the run; the other trials go on)
        tell(claim, TrialState.FAIL, reason=f"{type(error).__name__}: {error}")
    else:
        tell_result(claim, result, size)


def within_limits(claim: Claim, config: BaseConfig) -> limits.Size | None:
    """The size of a trial's net, where the study limits it; None where it is beyond, and the trial ends as pruned."""
    most = claim.study.folder.limits
    if not most.any or claim.repeat is not None:
        return limits.Size()
    size = limits.measured(config, most)
    if (why := size.beyond(most)) is None:
        return size
    facts = {"run": None, "status": Status.PRUNED, **dataclasses.asdict(size)}
    tell(claim, TrialState.PRUNED, facts, reason=f"too large: {why}")
    return None


def prepare(claim: Claim) -> tuple[BaseConfig, Membership]:
    """The configuration of a trial, and what its run is to be known as."""
    folder, values = claim.study.folder, claim.trial.params
    started = experiments.load(folder.base.experiment).run.started  # which `--init auto` leaves to each net
    if claim.repeat is not None:
        config = started(folder.config(MOST_TRIALS + claim.repeat, values))
        return config, Membership(study=folder.name, confirms=claim.confirms)
    member = Membership(study=folder.name, trial=claim.number, point=claim.number)
    return started(folder.config(claim.number, values)), member


def report(claim: Claim, step: int, value: float) -> None:
    """Tell the study the value at an evaluation. Raises `Pruned` where the trial is not worth going on with."""

    def say() -> bool:
        found = claim.ours()
        if found is None:
            raise Lost(f"trial {claim.number} has gone to another worker")
        if step not in found.intermediate_values:  # going on from a checkpoint it may come by an evaluation again
            claim.trial.report(value, step)
        reported = {step: value} | found.intermediate_values
        return claim.peers is not None and suggestions.is_poor(reported, step, claim.peers)

    if claim.study.storage.patiently(say):
        raise Pruned


def hear(claim: Claim, said: Foretold) -> None:
    """Tell the study a trial's chance to learn. Raises `Pruned` where it is small beside those of other trials."""

    def say() -> None:
        if claim.ours() is None:
            raise Lost(f"trial {claim.number} has gone to another worker")
        claim.trial.set_user_attr("chance", said.chance)

    claim.study.storage.patiently(say)
    if said.chance < claim.least_chance:
        raise Pruned(f"not half the chance that another trial had after as many steps: {said}")


def require_ours(claim: Claim) -> None:
    """Raise `Lost` where the trial is not in this worker's hands any more: another one ends it."""
    if claim.study.storage.patiently(claim.ours) is None:
        raise Lost(f"trial {claim.number} has gone to another worker")


def stop(claim: Claim) -> None:
    """Have the trial wait for another worker."""
    if (found := claim.ours()) is not None:
        points.give_back(claim.study, found, "stopped")


def tell_result(claim: Claim, result: Result, size: limits.Size) -> None:
    """End a trial as its run ended, with the size of its net where it was measured.

    A value that is not finite never wins: the trial has failed.
    """
    facts = {
        "run": result.run,
        "status": result.status,
        "flags": [flag.name for flag in result.flags or []],
        "parameters": result.parameters if size.parameters is None else size.parameters,
        **({} if size.milliseconds is None else {"milliseconds": size.milliseconds}),
        "seconds": result.seconds,
        "steps": result.step,
        "resumed_after": result.resumed_after or [],
        "weights_sha256": result.weights_sha256,
        "test": {k: v for k, v in result.metrics.items() if k.startswith("metric/") and k.endswith("/test")},
        "references": result.references and [dataclasses.asdict(reference) for reference in result.references],
        "comparison": result.comparison and dataclasses.asdict(result.comparison),
    }
    name = claim.study.folder.objective.metric
    if result.status == Status.PRUNED:
        tell(claim, TrialState.PRUNED, facts, reason=result.reason)
    elif result.status != Status.FINISHED:
        tell(claim, TrialState.FAIL, facts, reason=f"{result.status}: {result.reason}")
    elif math.isfinite(value := result.metrics[name]):
        tell(claim, TrialState.COMPLETE, facts, value)
    else:
        tell(claim, TrialState.FAIL, facts, reason=f"diverged: {name} is {value}")


def tell(
    claim: Claim, state: TrialState, facts: dict | None = None, value: float | None = None, reason: str | None = None
) -> None:
    """End a trial, once: what is said stays where it was said before, or another worker has said it."""

    def say() -> None:
        if (found := claim.ours()) is not None:
            for name, said in (("run", facts and facts["run"]), ("result", facts), ("reason", reason)):
                if said is not None:
                    claim.trial.set_user_attr(name, without_secrets(said) if name == "reason" else said)
            values = None if value is None else [value]
            if state == TrialState.PRUNED and found.last_step is not None:  # with its last value, as Optuna does it
                values = [found.intermediate_values[found.last_step]]
            claim.study.storage.optuna.set_trial_state_values(storage.id_of(claim.trial), state, values)

    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # another has just said it, and the same
        claim.study.storage.patiently(say)


def end_with_input() -> None:
    """End as after SIGTERM once standard input ends: the sweep at its other side is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Work on the study that the command line names."""
    surroundings.count_in_utc()
    options = cli.parse(Options, "python -m sweeps.worker", sys.argv[1:], __doc__)
    name = os.environ.get("RNNKIT_WORKER")  # what the sweep that started it calls it
    if name is not None:
        end_with_input()
    try:
        placement = {"track": options.track, "save_every": options.save_every}
        study = studies.join(options.runs_dir, options.study, options.storage, patience=60.0, **placement)
        work(study, name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    except OSError as error:
        raise UserError(str(error)) from None  # it names the file


if __name__ == "__main__":
    cli.main(main)
