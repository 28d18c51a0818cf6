"""The set-up: what is stated in several places agrees, and the Makefile says clearly what it lacks."""

import importlib.metadata
import os
import re
import shlex
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

NOT_SET_UP = {"rocket"}  # a hundred megabytes for one more baseline


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirement):
    """The package, and each of its extras, that are asked for."""
    return {(canonical(requirement.name), extra) for extra in ("", *requirement.extras)}


def test_the_pins_satisfy_the_project_and_name_everything():
    pinned = {canonical(name): version for name, version in PINS.items()}
    set_up = {name: stated for name, stated in PROJECT["optional-dependencies"].items() if name not in NOT_SET_UP}
    extras = [text for extra in set_up.values() for text in extra]
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
    assert own.extras == set(PROJECT["optional-dependencies"]) - {"dev"} - NOT_SET_UP


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
    assert " training docs experiments gpu sweeps sweeps/analysis " in line


INSTALLED = ["-n", "-o", ".venv/.rnnkit-installed"]


def printed(*words, **environment):
    """The command that make would run, as the shell takes it apart."""
    done = make(*INSTALLED, *words, **environment)
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout)[1:]


def test_what_the_shell_has_exported_is_no_option():
    """SEED and RUN are names that other programs have; with `make -e` too."""
    exported = {"SEED": "4", "TRIALS": "3", "EXPERIMENT": "other", "ARGS": "--x", "RUN": "a", "STUDY": "b"}
    exported |= {"STORAGE": "c", "WORKERS": "9", "PART": "core", "PYTHON": "none", "ROW": "x", "BENCH": "y"}
    for also in ([], ["-e"]):
        assert printed(*also, "sweep", **exported) == ["-m", "sweeps.run", "digits"]
        assert make(*INSTALLED, *also, "show", **exported).returncode == 2  # it needs one of its own
        assert printed(*also, "evidence", **exported) == ["-m", "sweeps.evidence"]
        assert printed(*also, "bench", **exported) == ["-m", "tests.bench.layers"]
    assert printed("train", "SEED=5", **exported) == ["-m", "experiments", "digits", "--seed", "5"]


@pytest.mark.parametrize("name", ["my run", "it's", "a$b $(x) `y`", 'a "b"', "a;b", "é*"])
def test_an_option_is_one_word_whatever_stands_in_it(name):
    assert printed("show", f"RUN={name}") == ["-m", "sweeps.show", name]
    assert printed("report", f"STUDY={name}") == ["-m", "sweeps.report", name]
    assert printed("compare", "STUDIES=a digits-s*:cell=lstm b'c") == [
        "-m",
        "sweeps.compare",
        "a",
        "digits-s*:cell=lstm",
        "b'c",
    ]
    assert printed("table", "STUDY=a", "ARGS=--by cell") == ["-m", "sweeps.table", "a", "--by", "cell"]
    assert printed("table", "STUDIES=a b") == ["-m", "sweeps.table", "a", "b"]
    assert printed("show", "ARGS=a") == ["-m", "sweeps.show", "a"]
    assert printed("sweep", f"STORAGE={name}") == ["-m", "sweeps.run", "digits", "--storage", name]


@pytest.mark.parametrize(
    ("goal", "needs"),
    [
        *((goal, "RUN") for goal in ("predict", "show", "reproduce", "resume")),
        *(("report", "STUDY"), ("table", "STUDY"), ("compare", "STUDIES")),
    ],
)
def test_a_target_that_works_on_a_run_or_study_asks_for_it(goal, needs):
    done = make(*INSTALLED, goal)
    assert done.returncode == 2
    assert f"make {goal} needs {needs}=name: make runs lists them" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_options_of_the_command_are_words_of_the_shell():
    assert printed("train", "ARGS=--text 'my file' --depth 2")[3:] == ["--text", "my file", "--depth", "2"]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["sweep", "TRIAL=3"], "TRIAL"),
        (["sweep", "seed=3"], "seed"),
        (["sweep", "DEPTH=3", "SEED=1"], "DEPTH"),
        (["train", "TRIALS=3"], "TRIALS"),
        (["runs", "STUDY=x"], "STUDY"),
        (["check", "ARGS=x"], "ARGS"),
        (["RUNS=x"], "RUNS"),
    ],
)
def test_a_slip_of_the_pen_is_refused_with_what_there_is(words, wrong):
    done = make(*INSTALLED, *words)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert f"knows no option {wrong}: its options are " in line
    assert "PYTHON=" in line


def test_a_variable_of_the_environment_can_be_given_to_make():
    assert printed("runs", "WANDB_MODE=offline", "RNNKIT_DATA=/x", "CC=gcc") == ["-m", "sweeps.runs"]


def test_what_would_change_python_or_the_shell_is_hidden_from_commands(bare):
    (bare / ".venv" / "bin").mkdir(parents=True)
    python = bare / ".venv" / "bin" / "python"
    python.write_text("#!/bin/bash\nenv\n")
    python.chmod(0o755)
    (bare / "startup").write_text("echo started")
    unwanted = {"PYTHONSAFEPATH": "1", "PYTHONINSPECT": "1", "PYTHON_TYRO_BACKEND": "x", "TQDM_DISABLE": "1"}
    unwanted |= {"BASH_ENV": str(bare / "startup"), "CDPATH": "/"}
    kept = {"PYTHONPATH": "/x", "WANDB_MODE": "offline", "LANG": "C"}
    done = make("-o", ".venv/.rnnkit-installed", "runs", path=bare, **unwanted, **kept)
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "started" not in done.stdout
    assert not names & unwanted.keys()
    assert kept.keys() <= names


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
    path.write_text("\n".join([*lines, "echo No module named venv >&2", f"exit {int(not venv)}", ""]))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"old": True}, "rnnkit needs Python 3.11 or newer, and found none at "),
        (
            {"venv": False},
            "This Python cannot make a virtual environment: No module named venv (where its venv module is missing, "
            "install it",
        ),
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
    conda = ["conda/rnnkit", "my envs/rnnkit", "it's/rnnkit"]
    for folder in (".venv", *conda):
        environment = {"CONDA_PREFIX": str(bare / folder)} if folder in conda else {}
        fake = bare / folder / "bin" / "python"
        fake.parent.mkdir(parents=True)
        fake.write_text(f'#!/bin/bash\necho "{folder} called with $*"\n')
        fake.chmod(0o755)
        words = ["setup", f"PYTHON={python(bare)}"]
        first, second = (make(*words, path=bare, **environment) for _ in range(2))
        assert first.returncode == second.returncode == 0, first.stderr
        assert f"{folder} called with -m pip install -q" in first.stdout
        assert "-c constraints.txt --config-settings editable_mode=compat -e .[dev]" in first.stdout
        assert "pip" not in second.stdout
