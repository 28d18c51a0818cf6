"""What makes the same bits come again: set when a run starts, and said where it cannot be had."""

import json
import os
import subprocess
import sys

import pytest
import torch

from experiments.digits import Config
from rnnkit.core import determinism
from rnnkit.runs.manifest import Manifest, Membership
from rnnkit.training import loop
from tests.helpers import ROOT, no_account


LATE = """
import importlib, json, pkgutil, sys
from pathlib import Path
import rnnkit
for module in pkgutil.walk_packages(rnnkit.__path__, "rnnkit."):
    importlib.import_module(module.name)
print("imported", file=sys.stderr)
import torch
torch.ones(3, 3) @ torch.ones(3, 3)
from experiments import digits
config = digits.Config(view="rows", epochs=1, hidden_size=4, depth=1, track="off", runs_dir=Path(sys.argv[1]))
folder = digits.run(config).folder
print(json.dumps(rnnkit.core.files.read_json(folder / "manifest.json")["numerics"]))
"""


def test_importing_never_warns_and_a_run_says_where_it_comes_too_late(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LATE, str(tmp_path)],
        env=no_account(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    numerics = json.loads(done.stdout)
    assert numerics["MKL_CBWR"] == "AUTO,STRICT"
    said = ["imported"]
    if determinism.in_force() is not None:  # else torch has another library
        assert numerics["MKL_CBWR_in_force"] is False
        said.append(determinism.TOO_LATE)
    assert done.stderr.splitlines() == said


def test_in_time_nothing_is_said(capsys):
    assert determinism.in_force() is not False
    loop.prepare(Config())
    assert capsys.readouterr().err == ""


@pytest.fixture
def a_gpu(monkeypatch):
    """A machine that seems to have a GPU, and whose settings are put back."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    # PyTorch's own test cases, where they ran before in this process, forbid to change cuDNN's settings.
    with torch.backends.__allow_nonbracketed_mutation():
        yield monkeypatch
    torch.use_deterministic_algorithms(False)


def test_a_run_on_a_gpu_takes_deterministic_algorithms_and_says_what_is_not_promised(a_gpu, capsys):
    """The settings alone: without a GPU nothing is computed on one."""
    assert loop.prepare(Config(device="cuda")) == torch.device("cuda")
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":16:8", ":4096:2")  # those that PyTorch's notes on RNNs name
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "the same bits come again on the same model of GPU" in said
    assert "not even that" not in said


def test_a_gpu_that_was_used_before_the_run_is_said(a_gpu, capsys):
    a_gpu.setattr(torch.cuda, "is_initialized", lambda: True)
    loop.prepare(Config(device="auto"))
    assert "this process used the GPU before the run: not even that is certain" in capsys.readouterr().err


def test_the_manifest_holds_what_was_in_force():
    numerics = Manifest.of(Config(), "run", {}, Membership()).numerics
    assert numerics["MKL_CBWR"] == os.environ["MKL_CBWR"]
    assert numerics["MKL_CBWR_in_force"] is determinism.in_force()
    assert numerics["deterministic_algorithms"] is False
