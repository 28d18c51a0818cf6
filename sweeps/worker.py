"""One worker of a study: a process that takes planned points, one after the other, and runs them.

Started by sweeps.run as `python -m sweeps.worker <study's folder> --runs-dir ... --track ...`; any number can work on
one study. It stops when no point is left, when it is told to (SIGTERM), or when the process that started it is gone.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

import optuna
from optuna.trial import TrialState

from rnnkit import commands, tracking
from rnnkit.errors import OutOfMemory, UserError
from rnnkit.records import Membership, Result
from sweeps import study as studies
from sweeps.study import StudyFolder


def work(folder: StudyFolder, parent: int) -> None:
    """Run points until none is left or the process `parent` is gone."""
    study = studies.load(folder)
    experiment = studies.experiment(folder.base.experiment)
    while os.getppid() == parent and (claimed := studies.claim(folder, study)) is not None:
        trial, point = claimed
        run_point(folder, study, experiment.run, trial, point, parent)


def run_point(folder: StudyFolder, study: optuna.Study, run, trial: optuna.Trial, point: int, parent: int) -> None:
    """Carry out one trial, and tell the study how it ended: complete, pruned, or failed with the reason.

    An error that the machine or the settings cause is no fault of the point: its trial fails without a reason, so that
    the point stays open, and the error is raised on.
    """
    prunes = point >= len(folder.space.plane())  # the plane is the table at the end: every point of it is trained out

    def report(step: int, value: float) -> None:
        if os.getppid() != parent:  # the run ends as interrupted, and the next sweep takes it up
            sys.exit("the sweep is gone")
        trial.report(value, step)
        if prunes and trial.should_prune():
            raise tracking.Pruned

    try:
        config = folder.config(point, folder.space.suggest(trial))
        with tracking.belonging_to(Membership(study=folder.name, trial=trial.number, point=point)):
            result = run(config, report)
    except OutOfMemory as error:  # the point's own fault: smaller ones go on
        trial.set_user_attr("reason", str(error))
        study.tell(trial, state=TrialState.FAIL)
        return
    except (UserError, OSError):
        with contextlib.suppress(OSError):  # the journal may lie on the same full disk; the parent tells it then
            study.tell(trial, state=TrialState.FAIL)
        raise
    except Exception as error:  # noqa: BLE001 (recorded in the study and in the run; the other points go on)
        trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
        study.tell(trial, state=TrialState.FAIL)
        return
    trial.set_user_attr("run", result.run)
    trial.set_user_attr("flags", [flag["name"] for flag in result.flags or []])
    tell(study, trial, result, folder.space.metric)


def tell(study: optuna.Study, trial: optuna.Trial, result: Result, metric: str) -> None:
    """End a trial as its run ended."""
    if result.status == "finished":
        study.tell(trial, result.metrics[metric])
    elif result.status == "pruned":
        study.tell(trial, state=TrialState.PRUNED)
    else:
        trial.set_user_attr("reason", f"{result.status}: {result.reason}")
        study.tell(trial, state=TrialState.FAIL)


def main() -> None:
    """Work on the study that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m sweeps.worker", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the study's folder, runs/studies/<study>")
    parser.add_argument("--runs-dir", type=Path, required=True, help="where its runs are placed")
    parser.add_argument("--track", default="auto", help="auto, offline, online or off")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="the process that it must not outlive")
    given = parser.parse_args()
    folder = studies.read_folder(given.folder, given.runs_dir, given.track)
    try:
        with studies.present(folder):
            work(folder, given.parent)
    except OSError as error:
        raise UserError(str(error)) from None  # it names the file


if __name__ == "__main__":
    commands.main(main)
