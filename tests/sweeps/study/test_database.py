"""Studies in PostgreSQL: a real server, started here, killed and come back; workers that are killed."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
import sqlalchemy.exc
from optuna.trial import TrialState

from experiments import digits
from experiments.digits import Config
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs import Result, Status
from sweeps import worker
from sweeps.study import folders, points, progress, storage
from sweeps.study import study as studies
from tests import database
from tests.conftest import SETTINGS
from tests.helpers import ROOT, lacking, no_account, tell
from tests.torture.sweeps import children


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server; where one cannot be started here, what asks for it is skipped, but not where CI says so."""
    lacks = database.lacking()
    if lacks:
        lacking(lacks)
    with database.server() as found:
        yield found


def new_study(server, runs, name, total=1):
    base = Config(runs_dir=runs, track="off", view="rows", epochs=1, batch_size=64)
    study = studies.create(folders.open_folder(runs, name, base, 0, address=server.address))
    study.ask_for(total)
    points.plan(study)
    return study


def test_a_study_outlives_a_killed_worker_and_its_servers_restart(server, swept, tmp_path):
    """One worker of the sweep's, one started by hand. What comes out is what the journal's study has, bit for bit."""
    runs = tmp_path / "runs"
    words = ["sweeps.run", "digits", "--trials", "6", "--workers", "1", "--study", "cluster", "--confirm", "0"]
    words += ["--runs-dir", str(runs), "--track", "off", "--", *SETTINGS]
    environment = no_account() | {"RNNKIT_STORAGE": server.address}

    def start(*words):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=environment, text=True, **pipes)

    def ended(number):
        end = time.monotonic() + 90
        while sum(path.exists() for path in runs.glob("*/result.json")) < number:
            assert time.monotonic() < end, "nothing moves"
            time.sleep(0.05)

    sweep = start(*words)
    ended(1)
    (child,) = children(sweep.pid)
    os.kill(child, signal.SIGKILL)
    hand = start("sweeps.worker", "--study", "cluster", "--runs-dir", str(runs), "--track", "off")
    ended(2)
    server.away(2.0)
    printed, errors = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, errors
    assert "worker 0 was killed by signal 9" in printed
    said = hand.communicate(timeout=60)[1].splitlines()
    assert all(line.startswith(storage.WAITING) for line in said), said
    assert hand.returncode == 0

    study = studies.join(runs, "cluster", server.address, track="off")
    reference = studies.join(swept[0], "small", "journal", track="off").trials.trials
    trials = study.trials.trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    assert [(t.params, t.value, t.user_attrs["result"]["weights_sha256"]) for t in trials] == [
        (t.params, t.value, t.user_attrs["result"]["weights_sha256"]) for t in reference[:6]
    ]
    assert len(list(runs.glob("*/manifest.json"))) == 6
    assert files.read_json(runs / "studies" / "cluster" / "summary.json")["storage"] == "postgresql"
    for path in filter(lambda path: path.is_file(), runs.rglob("*")):
        assert b"a-very-secret-word" not in path.read_bytes(), path


def test_a_trial_without_heartbeats_goes_to_another_and_one_with_them_does_not(server, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "BEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 2)
    study = new_study(server, tmp_path, "beats", total=2)
    alive, dead = (points.claim(study, name) for name in ("alive", "dead"))
    assert (alive.number, dead.number) == (0, 1)
    with study.storage.beating(alive.trial._trial_id):
        assert points.claim(study, "another") is None
        time.sleep(3.5)
        taken = points.claim(study, "another")
        assert taken.number == 1
        assert points.claim(study, "another") is None
        with pytest.raises(worker.Lost):
            worker.report(dead, 1, 0.5)
        worker.tell(dead, TrialState.FAIL, reason="too late")
        worker.report(alive, 1, 0.5)
    tell(taken, 0.25)
    assert study.trials.trials[1].value == 0.25
    assert study.trials.trials[1].user_attrs["cut_off"] == [["killed", 0]]


# A worker that is stopped, as a machine's sleep stops it, at the first value of trial 0 and at the end of trial 1.
SLEEPER = """
import os, signal, sys
from rnnkit.runs import tracking
from sweeps import worker
from sweeps.study import storage

storage.BEAT, storage.GRACE = 0.5, 2
slept, report, finish = [], worker.report, tracking.Run.finish

def sleep(moment):
    if moment not in slept:
        slept.append(moment)
        os.kill(os.getpid(), signal.SIGSTOP)

def report_asleep(claim, step, value):
    if claim.number == 0:
        sleep("report")
    report(claim, step, value)

def finish_asleep(run, *given, **words):
    if slept and run.config.seed:
        sleep("finish")
    return finish(run, *given, **words)

worker.report, tracking.Run.finish = report_asleep, finish_asleep
sys.argv[0] = "worker"
worker.main()
"""


def test_a_worker_stopped_beyond_its_heartbeat_loses_its_trial_to_another_and_ends_none_twice(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(storage, "BEAT", 0.5)
    monkeypatch.setattr(storage, "GRACE", 2)
    study = new_study(server, tmp_path, "sleeping", total=2)
    command = [sys.executable, "-c", SLEEPER, "--study", "sleeping", "--runs-dir", str(tmp_path), "--track", "off"]
    sleeper = subprocess.Popen(command, cwd=ROOT, env=no_account() | {"RNNKIT_STORAGE": server.address})
    for number in range(2):
        _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        time.sleep(2.5)
        taken = points.claim(study, "another")
        assert taken.number == number
        worker.run_trial(taken, digits.run)
        sleeper.send_signal(signal.SIGCONT)
    assert sleeper.wait(60) == 0
    assert [trial.state for trial in study.trials.trials] == [TrialState.COMPLETE] * 2
    assert all(trial.user_attrs["worker"] == "another" for trial in study.trials.trials)
    results = [Result.read(path.parent) for path in tmp_path.glob("*/result.json")]
    told = {trial.user_attrs["run"] for trial in study.trials.trials}
    assert {result.run for result in results if result.status == Status.FINISHED} == told


def test_nobody_is_taken_for_dead_by_one_who_was_cut_off_too(server, tmp_path, monkeypatch):
    """After the database was away all heartbeats are old, and those who send them need time to do so again."""
    monkeypatch.setattr(storage, "BEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 2)
    study = new_study(server, tmp_path, "away")
    points.claim(study, "cut-off")
    server.stop()
    time.sleep(2.5)
    server.start()
    study.storage.patiently(lambda: study.trials.trials)
    assert study.storage._last_failure < 0  # the pool noticed by itself that its connections were dead
    study.storage._last_failure = time.monotonic()
    assert points.claim(study, "another") is None
    study.storage._last_failure -= 4
    assert points.claim(study, "another").number == 0


@pytest.mark.parametrize(
    "error", [sqlalchemy.exc.PendingRollbackError("dropped"), sqlalchemy.exc.InterfaceError("", {}, None)]
)
def test_what_the_database_dropped_is_done_again(error, server, tmp_path, capsys):
    study = new_study(server, tmp_path, f"dropped-{type(error).__name__}")
    outcomes = iter([error, "done"])

    def action():
        outcome = next(outcomes)
        if outcome is error:
            raise error
        return outcome

    assert study.storage.patiently(action) == "done"
    assert capsys.readouterr().err.startswith(storage.WAITING)


def test_a_sweep_that_starts_while_the_database_goes_away_waits_for_it(server, tmp_path, monkeypatch):
    """Whatever it was just about to read or write."""
    study = new_study(server, tmp_path, "starting")
    attributes, away = type(study.trials).user_attrs, []

    def at_first_away(self):
        if away:
            raise away.pop()
        return attributes.fget(self)

    def goes_away():
        away.append(sqlalchemy.exc.OperationalError("", {}, ValueError("gone")))

    monkeypatch.setattr(type(study.trials), "user_attrs", property(at_first_away))
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    goes_away()
    study.ask_for(3)
    goes_away()
    assert studies.create(study.folder).trials.study_name == "starting"
    goes_away()
    seen = progress.Progress(study)
    goes_away()
    with seen:
        goes_away()
        seen.look()
    assert not away


def test_what_will_not_pass_is_not_waited_for(server, tmp_path):
    study = new_study(server, tmp_path, "lasting")

    def action():
        raise sqlalchemy.exc.ProgrammingError("SELECT nothing", {}, ValueError("no such table"))

    with pytest.raises(UserError, match="--storage: the database cannot be used: no such table"):
        study.storage.patiently(action)


def test_a_study_is_continued_with_its_own_settings_only(server, tmp_path):
    study = new_study(server, tmp_path / "one", "mine")
    other = dataclasses.replace(study.folder, base=dataclasses.replace(study.folder.base, epochs=3))
    with pytest.raises(UserError, match=r"study mine was started with another config \(epochs 1, not 3\)"):
        studies.create(other)  # from a runs folder that has no study.json
    with pytest.raises(UserError, match="--storage holds no study yours: start it with python -m sweeps.run"):
        studies.join(tmp_path, "yours", server.address, track="off")


def test_what_is_wrong_with_a_database_is_one_line(server, monkeypatch, tmp_path):
    wrong = server.address.replace("secret", "wrong")
    with pytest.raises(UserError, match="--storage: the database cannot be used: .*password authentication failed"):
        storage.Database(wrong, "s")
    with pytest.raises(UserError, match="--storage: the database cannot be used: ") as caught:
        storage.Database("postgresql://me:hidden-word@127.0.0.1:9/none", "s")
    assert "\n" not in str(caught.value)
    assert "hidden-word" not in str(caught.value)


def test_a_missing_driver_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"postgresql://\.\.\. needs psycopg, which is not installed: .*\[postgres\]"):
        storage.Database("postgresql://me@host/none", "s")
