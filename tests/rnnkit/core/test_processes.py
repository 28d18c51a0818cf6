import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept by glibc alone")
def test_memory_that_was_freed_goes_back_to_the_system():
    def held():
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024

    blocks = [bytearray(60_000) for _ in range(2_000)]  # 114 MiB, of sizes that come from the heap
    kept = blocks[::50]  # which holds the top of the heap, as weights do after training
    del blocks
    before = held()
    processes.give_back_memory()
    assert before - held() > 60
    assert len(kept) == 40
