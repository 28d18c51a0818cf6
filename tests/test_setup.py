"""The set-up: what is stated in several places agrees, and the Makefile says clearly what it lacks."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from tests.helpers import ROOT


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().split("\n") if line and not line.startswith("#")
)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirement):
    """The package, and each of its extras, that are asked for."""
    return {(canonical(requirement.name), extra) for extra in ("", *requirement.extras)}


def test_the_pins_satisfy_the_project_and_name_everything():
    pinned = {canonical(name): version for name, version in PINS.items()}
    extras = [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
    stated = [text for text in [*PROJECT["dependencies"], *extras] if not text.startswith("rnnkit[")]
    todo = set()
    for requirement in map(Requirement, stated):
        assert pinned[canonical(requirement.name)] in requirement.specifier, requirement
        todo |= named(requirement)
    seen = set()
    while todo:  # all that they bring, from what is installed
        name, extra = todo.pop()
        seen.add((name, extra))
        assert name in pinned, f"{name} is not pinned"
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                todo |= named(requirement) - seen


def test_whoever_develops_has_all_extras():
    (own,) = [Requirement(t) for t in PROJECT["optional-dependencies"]["dev"] if t.startswith("rnnkit[")]
    assert own.extras == set(PROJECT["optional-dependencies"]) - {"dev"}


def test_torch_is_pinned_plainly():
    """For whoever runs experiments: bits belong to a version. Whoever has another torch can use the layers with it."""
    assert "torch>=2.9,<3" in PROJECT["dependencies"]
    assert PINS["torch"] == "2.13.0"
    for name, version in PINS.items():
        assert "+" not in version
        assert not re.match(r"nvidia|cuda|triton", name)


def test_what_is_installed_is_what_is_pinned():
    for name, version in PINS.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a package that another system needs
        assert installed.split("+")[0] == version, name


def test_environment_yml_installs_the_project_with_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "rnnkit"
    python, pip, packages = environment["dependencies"]
    assert python == f"python{PROJECT['requires-python']}"
    assert pip == "pip"
    assert packages == {"pip": ["-c constraints.txt", "-e .[dev]"]}


def make(*words, path=ROOT, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "CONDA"))}
    return subprocess.run(["make", *words], cwd=path, env=clean | environment, capture_output=True, text=True)


def test_make_help_lists_every_target():
    listed = re.findall(r"^  make (\S+)", make("help").stdout, flags=re.M)
    text = (ROOT / "Makefile").read_text()
    assert listed == re.findall(r"^([a-z-]+):.*##", text, flags=re.M)
    assert sorted(listed) == sorted(re.search(r"^\.PHONY: (.*)", text, flags=re.M)[1].split())
    assert {"setup", "sweep", "train", "test", "check", "sync"} <= set(listed)


def test_a_part_is_a_package_a_folder_or_an_experiment_and_a_wrong_one_is_said_in_a_line():
    installed = ["-o", ".venv/.rnnkit-installed", "-o", f"{os.environ.get('CONDA_PREFIX', '')}/.rnnkit-installed"]
    for part, path in {
        "sequences": "tests/rnnkit/sequences",
        "sweeps/web": "tests/sweeps/web",
        "digits": "tests/experiments/test_digits.py",
    }.items():
        assert make("-n", *installed, "test", f"PART={part}").stdout.split()[-1] == path
    done = make(*installed, "test", "PART=sequence")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert line.startswith("there are no tests of sequence: choose one of core datasets diagnostics ")
    assert " training experiments gpu sweeps sweeps/analysis " in line


@pytest.fixture
def bare(tmp_path):
    """A checkout without an environment."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def python(folder, *, old=False, venv=True):
    """A stand-in for Python that is too old, or has no venv module."""
    path = folder / "fakepython"
    lines = ["#!/bin/bash", f"[[ $1 == -c ]] && exit {int(old)}", "[[ $1 == -V ]] && echo Python 3.12 && exit"]
    path.write_text("\n".join([*lines, f"exit {int(not venv)}", ""]))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"old": True}, "rnnkit needs Python 3.11 or newer, and found none at "),
        ({"venv": False}, "This Python cannot make a virtual environment: install its venv module"),
    ],
)
def test_a_missing_python_or_venv_gets_one_clear_line(bare, kind, message):
    done = make("setup", f"PYTHON={python(bare, **kind)}", path=bare)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1
    assert said[0].startswith(message)
    assert not (bare / ".venv").exists()


def test_a_second_set_up_does_nothing_and_the_conda_environment_is_used_where_it_is_active(bare):
    for folder, environment in ((".venv", {}), ("conda/rnnkit", {"CONDA_PREFIX": str(bare / "conda" / "rnnkit")})):
        fake = bare / folder / "bin" / "python"
        fake.parent.mkdir(parents=True)
        fake.write_text(f"#!/bin/bash\necho {folder} called with $*\n")
        fake.chmod(0o755)
        words = ["setup", f"PYTHON={python(bare)}"]
        first, second = (make(*words, path=bare, **environment) for _ in range(2))
        assert first.returncode == second.returncode == 0, first.stderr
        assert f"{folder} called with -m pip install -q" in first.stdout
        assert "-c constraints.txt -e .[dev]" in first.stdout
        assert "pip" not in second.stdout
