"""rnnkit in another project: what the base install brings works without the extras, and its versions agree."""

import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from setuptools import find_packages

import rnnkit
from rnnkit.core import extras
from rnnkit.core.errors import UserError
from tests.helpers import ROOT, no_account


PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# A Python in which only torch and NumPy, and what they bring, can be imported.
WITHOUT_EXTRAS = """
import sys

REFUSED = {"matplotlib", "optuna", "scipy", "sklearn", "tqdm", "tyro", "wandb", "plotly", "starlette", "psycopg"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
"""

USED_ELSEWHERE = """
import numpy
import torch

import rnnkit
from rnnkit.core.errors import UserError
from rnnkit.datasets import digits
from rnnkit.diagnostics import credit_horizon, dynamics, monitor, norms, probe, states
from rnnkit.evaluation import comparison, metrics, ngram
from rnnkit.sequences import Examples, collate

batch = rnnkit.sequences.collate(Examples([torch.randn(n, 3) for n in (5, 2, 9)], torch.tensor([0, 1, 1])))
for layer in (rnnkit.RNN(3, 4), rnnkit.GRU(3, 4, num_layers=2), rnnkit.LSTM(3, 4, bidirectional=True)):
    model = torch.nn.ModuleDict({"encoder": layer})
    with rnnkit.observe(model) as trace:
        output, _ = layer(batch.inputs)
        output.data.square().sum().backward()
    seen = trace["encoder"]["l0.f"]
    assert seen.hidden_gradient.data.abs().sum() > 0
    assert states.magnitude(seen.hidden.data)[0] > 0
    assert norms.gradient_norms(norms.parameter_groups(model))[1] > 0
    assert dynamics.spectrum(layer.weight_hh_l0[:4]).henrici > 0

assert metrics.classification([0, 1], [0, 1], "test")["metric/accuracy/test"] == 1
for use in (
    lambda: comparison.compare("a baseline", numpy.array([1, 0]), numpy.array([0, 1])),
    lambda: digits.load(),
):
    try:
        use()
    except UserError as error:
        print(error)
"""


def without_extras(code, *words):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS + code, *words],
        cwd=ROOT,
        env=no_account(),
        capture_output=True,
        text=True,
    )


def test_layers_observe_batches_and_diagnostics_need_torch_and_numpy_alone():
    done = without_extras(USED_ELSEWHERE)
    assert done.returncode == 0, done.stderr
    needs = ["a comparison needs scipy", "the data set digits needs sklearn"]
    lines = done.stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == needs
    assert all(line.endswith("'.[experiments]'") for line in lines)


def test_an_experiment_without_its_extra_ends_in_one_line():
    code = 'import runpy; sys.argv = ["digits"]; runpy.run_module("experiments.digits", run_name="__main__")'
    done = without_extras(code)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: the command line needs tyro, which is not installed: ")
    assert done.stderr.count("\n") == 1


def test_what_is_installed_names_the_package_and_a_checkout_its_pins(monkeypatch, tmp_path):
    assert extras.command("sweeps").endswith("-m pip install -c constraints.txt -e '.[sweeps]'")
    monkeypatch.setattr(extras, "_CHECKOUT", tmp_path)
    assert extras.command("sweeps").endswith("-m pip install 'rnnkit[sweeps]'")


def test_only_what_is_not_ours_is_an_extra():
    with (
        pytest.raises(UserError, match="a thing needs nosuchpackage, which is not installed"),
        extras.needed("x", "a thing"),
    ):
        import nosuchpackage.part  # noqa: F401
    with pytest.raises(ModuleNotFoundError), extras.needed("x", "a thing"):
        import rnnkit.nosuchmodule  # noqa: F401


def test_every_extra_that_the_code_names_is_there():
    named = set()
    for folder in ("rnnkit", "experiments", "sweeps"):
        for path in (ROOT / folder).rglob("*.py"):
            named |= {part.partition('"')[0] for part in path.read_text().split('extras.needed("')[1:]}
    assert named <= set(PYPROJECT["project"]["optional-dependencies"])
    assert "experiments" in named


def test_the_base_install_needs_torch_and_numpy_alone():
    assert {Requirement(text).name for text in PYPROJECT["project"]["dependencies"]} == {"torch", "numpy"}


def test_the_version_is_one():
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "rnnkit.__version__"}
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == rnnkit.__version__
    assert f"\n## {rnnkit.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_a_wheel_holds_every_package_and_says_that_it_is_typed():
    folders = {path.parent for path in (ROOT / "rnnkit").rglob("*.py")}
    packages = find_packages(ROOT, **PYPROJECT["tool"]["setuptools"]["packages"]["find"])
    assert sorted(packages) == sorted(".".join(folder.relative_to(ROOT).parts) for folder in folders)
    assert (ROOT / "rnnkit" / "py.typed").exists()
    assert "py.typed" in PYPROJECT["tool"]["setuptools"]["package-data"]["rnnkit"]
