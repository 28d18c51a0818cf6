"""Commands run as a person would, and what a run's mirror wrote."""

import functools
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import NoReturn

import pytest
from optuna.trial import TrialState

from experiments.digits import Config
from rnnkit.runs import mirror_client
from sweeps import worker
from sweeps.study import folders, points
from sweeps.study import study as studies


ROOT = Path(__file__).resolve().parents[1]
WORKER = "this-process"


def no_account() -> dict[str, str]:
    """This process's environment without anything that W&B would take for a login."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WANDB") and k != "MKL_CBWR"}
    return clean | {"NETRC": os.devnull, "PYTHONPATH": str(ROOT), "WANDB_ERROR_REPORTING": "false"}


def run_command(*words, env=None, cwd=ROOT, timeout=120) -> subprocess.CompletedProcess:
    """Run `python -m <words>` with no W&B account and no terminal."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env=no_account() | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_here(module, monkeypatch, capsys, *words) -> tuple[int, str]:
    """Run a command's `main` in this process: its exit code and what it printed."""
    monkeypatch.setattr("sys.argv", ["command", *map(str, words)])
    code = 0
    try:
        module.main()
    except SystemExit as stop:
        code = stop.code
    return code, capsys.readouterr().out


def refused(*words, env=None, cwd=ROOT) -> subprocess.CompletedProcess:
    """`run_command` for what ends before anything is trained: in a fork of this process, which has imported torch.

    Importing it takes longer than all else that such a command does.
    """
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child does not need
            child = os.fork()
        if not child:
            _become([str(word) for word in words], no_account() | (env or {}), cwd, (printed.fileno(), said.fileno()))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        printed.seek(0)
        said.seek(0)
        return subprocess.CompletedProcess(words, code, printed.read(), said.read())


def _become(words: list[str], environment: dict[str, str], folder: Path, outputs: tuple[int, int]) -> NoReturn:
    """Run `python -m <words>` in this process, which is a fork, and end it."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        warnings.resetwarnings()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.argv = [words[0], *words[1:]]
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 (as Python does at the end of a process)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@functools.cache
def agreeing_threads() -> int:
    """2 where a run on two threads gives the bits of one; 1 where it says that it does not."""
    code = "from rnnkit.core import determinism as s; s.settle_numerics(); print(1 if s.settle(2, gpu=False) else 2)"
    return int(
        subprocess.run([sys.executable, "-c", code], env=no_account(), stdout=subprocess.PIPE, check=True).stdout
    )


def lacking(what: str) -> None:
    """Skip the test that asks, for want of something beyond Python; where RNNKIT_TEST_ALL is set, as in CI, fail it."""
    (pytest.fail if os.environ.get("RNNKIT_TEST_ALL") else pytest.skip)(what)


def data_at_hand(name: str) -> Path:
    """The data folder that RNNKIT_DATA names, if it holds the data set `name`; skips the test that asks, if not."""
    named = os.environ.get("RNNKIT_DATA")
    if not named or not Path(named, name).is_dir():
        pytest.skip(f"needs the data set {name} in the folder that RNNKIT_DATA names")
    return Path(named)


def mirrored(folder: Path, limit: float = 30) -> dict:
    """The state of a run's mirror once it has ended its work."""
    end = time.monotonic() + limit
    while (state := mirror_client.state(folder)).get("state") not in ("complete", "failed"):
        assert time.monotonic() < end, f"the mirror of {folder.name} did not end: {state}"
        time.sleep(0.05)
    return state


def offline_log(folder: Path) -> Path:
    """The .wandb file that the mirror of an offline run wrote."""
    (log,) = (folder / mirrored(folder)["folder"]).glob("*.wandb")
    return log


def new_study(
    runs: Path, total: int = 1, sampler="plane-then-tpe", confirm=(0, 0), lag: int = folders.LAG, **settings
) -> studies.Study:
    """A study of digits without trials, made in this process, which is to have `total` points."""
    base = Config(runs_dir=runs, track="off", **settings)
    asked = folders.StudyFolder(runs / "studies" / "small", base, 0, sampler, lag=lag)
    study = studies.create(folders.opened(asked))
    study.ask_for(total, confirm)
    return study


def a_trial(study: studies.Study) -> points.Claim:
    """The next trial of a study, all of whose points are planned, in the hands of this process."""
    points.plan(study)
    return points.claim(study, WORKER)


def tell(claim: points.Claim, value: float) -> None:
    """End a trial with a value."""
    worker.prepare(claim)
    worker.tell(claim, TrialState.COMPLETE, {"run": "none"}, value)


def load(runs, name="small"):
    """The folder of a study on a journal, and its trials."""
    study = studies.join(runs, name, "journal", track="off")
    return study.folder, study.trials
