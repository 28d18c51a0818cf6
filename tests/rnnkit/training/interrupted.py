"""Runs that are killed or stopped at a chosen step."""

import dataclasses
import os
import signal

import pytest

from experiments import digits
from rnnkit.core.config import run_name
from rnnkit.runs import tracking


CONFIG = digits.Config(
    view="rows", epochs=3, hidden_size=6, dropout=0.2, evaluate_every=9, save_every=5, patience=9, track="off"
)


class Killed(BaseException):
    """Stands for kill -9: nothing is written after it."""


def at(runs, **changes):
    return dataclasses.replace(CONFIG, runs_dir=runs, **changes)


def let_go(run, *_, **__):
    """What the system does with the files of a process that was killed."""
    run._rows.close()
    run._claim.release()


def killed_at(step, config, monkeypatch):
    """Run until this step is logged, end as kill -9 would, and return the run's folder."""
    log = tracking.Run.log

    def dies(run, at_step, row):
        log(run, at_step, row)
        if at_step == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(tracking.Run, "log", dies)
        patch.setattr(tracking.Run, "end", let_go)
        with pytest.raises(Killed):
            digits.run(config)
    return config.runs_dir / run_name(config)


def stopped_after(step, config, monkeypatch):
    """Run until a Ctrl-C in this step, and return the run's folder."""
    log = tracking.Run.log

    def asks(run, at_step, row):
        log(run, at_step, row)
        if at_step == step:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(tracking.Run, "log", asks)
        with pytest.raises(KeyboardInterrupt):
            digits.run(config)
    return config.runs_dir / run_name(config)
