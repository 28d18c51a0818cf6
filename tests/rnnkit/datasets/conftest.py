"""No test of a data set reads this machine's data or asks the network, but for those that want the real data."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data(request):
    """The data folder that RNNKIT_DATA names, for tests of the data set that their parameter names."""
    named, name = os.environ.get("RNNKIT_DATA"), request.param
    if not named:
        pytest.skip(f"RNNKIT_DATA is not set: it would name the folder that holds {name}/")
    if not Path(named, name).is_dir():
        pytest.skip(f"RNNKIT_DATA names {named}, which has no folder {name}")
    return Path(named)


@pytest.fixture
def on_its_own(monkeypatch):
    """No data folder but the test's, and the loopback address without a proxy."""
    monkeypatch.delenv("RNNKIT_DATA", raising=False)
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
