import os
import subprocess
import sys

from rnnkit.core import processes
from tests.helpers import ROOT


def test_a_child_finds_this_checkout_first_wherever_it_runs(tmp_path, monkeypatch):
    """Behind it stands what PYTHONPATH named before; the rest of the environment is this process's, but for `more`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("COLOUR", "red")
    monkeypatch.setenv("SHAPE", "round")
    environment = processes.environment(SHAPE="square")
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(ROOT), str(tmp_path)]
    code = "import os, rnnkit; print(os.path.dirname(rnnkit.__file__), os.environ['COLOUR'], os.environ['SHAPE'])"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(ROOT / "rnnkit"), "red", "square"]
