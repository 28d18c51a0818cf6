"""What tests of looking at runs share: one folder with runs and studies of every kind."""

import contextlib
import dataclasses
import fcntl
import threading
import time

import pytest

from rnnkit.core import files
from sweeps import dashboard
from sweeps.reading import studies
from sweeps.reading.run_index import RunIndex
from tests.sweeps import made


@pytest.fixture(scope="session")
def kinds(tmp_path_factory):
    """Runs and studies of every kind: the folder that holds them, and the runs' folders by kind."""
    runs = tmp_path_factory.mktemp("kinds") / "runs"
    found = made.everything(runs)
    made.study(runs)
    told = studies.read(RunIndex(runs), "small").summary
    told = dataclasses.replace(told, importances={"hidden_size": 0.75, "depth": 0.25})
    files.write_json(runs / "studies" / "small" / "summary.json", told.as_dict())
    made.odd_studies(runs)
    made.lead_outside(runs, runs.parent / "outside")
    found["live"] = made._copy(found["finished"], "digits-s0-live", result=False)
    with (found["live"] / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield runs, found


@contextlib.contextmanager
def serving(runs):
    """The dashboard of a folder of runs, in a thread of this process; the port."""
    listener = dashboard.listening(0)
    pages = dashboard.server(RunIndex(runs))
    thread = threading.Thread(target=pages.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not pages.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        pages.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def port(kinds):
    """Where the dashboard of `kinds` answers."""
    with serving(kinds[0]) as found:
        yield found
