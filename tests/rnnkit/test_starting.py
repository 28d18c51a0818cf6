"""Ctrl-C before a command has begun: one line, whatever module is just being imported."""

import os
import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT, no_account, run_command
from tests.test_architecture import module_name, tracked


# Python imports it first wherever it stands on the way: here it sends a Ctrl-C once a certain module is looked for.
STOPS = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["STOP_AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


def commands() -> list[str]:
    """What users run by `python -m`, and one of the tests' own."""
    paths = tracked("experiments/*.py", "sweeps/*.py", "tests/torture/__main__.py")
    found = [path for path in paths if re.search(r'^if __name__ == "__main__":', (ROOT / path).read_text(), re.M)]
    return sorted(module_name(path).removesuffix(".__main__") for path in found)


def interrupted(folder, stop_at: str, *words: str) -> subprocess.CompletedProcess:
    """Run `python` with these words, and a Ctrl-C when it imports the module `stop_at`."""
    (folder / "sitecustomize.py").write_text(STOPS)
    env = no_account() | {"PYTHONPATH": f"{folder}:{ROOT}", "STOP_AT": stop_at}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", commands())
def test_ctrl_c_while_python_imports_is_one_line(command, tmp_path):
    done = interrupted(tmp_path, "rnnkit.core", "-m", command)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(("command", "stop_at"), [("sweeps.run", "optuna"), ("experiments.digits", "numpy")])
def test_ctrl_c_in_any_library_is_one_line(command, stop_at, tmp_path):
    done = interrupted(tmp_path, stop_at, "-m", command, "--track", "off", "--runs-dir", str(tmp_path / "runs"))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        ("experiments.digits", "tyro", "experiments"),
        ("sweeps.run", "optuna", "sweeps"),
        ("sweeps.show", "optuna", "sweeps"),
    ],
)
def test_a_python_without_the_packages_says_which_one_has_them(command, package, extra):
    """As where somebody leaves out the `.venv/bin/` of README: nothing is imported before."""
    words = [sys.executable, "-S", "-m", command, "--help"]  # without its site-packages
    done = subprocess.run(words, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {sys.executable} has no {package}: run .venv/bin/python -m {command}, which `make setup` makes, "
        f"or install it here: {sys.executable} -m pip install -c constraints.txt -e '.[{extra}]'\n"
    )


def test_ctrl_c_while_python_ends_is_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import atexit, os; atexit.register(os.kill, os.getpid(), 2)")
    env = no_account() | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", "experiments"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_other_processes_keep_their_own_handler(tmp_path):
    code = "import signal, experiments, sweeps; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "True\n"
    own = tmp_path / "own"
    own.mkdir()
    (own / "__init__.py").write_text("import experiments")
    (own / "__main__.py").write_text(code)
    env = no_account() | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-m", "own"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_a_shell_that_ignores_ctrl_c_is_obeyed(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import signal\nsignal.signal(2, signal.SIG_IGN)\n{STOPS}")
    env = no_account() | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "STOP_AT": "rnnkit.core"}
    done = subprocess.run([sys.executable, "-m", "experiments"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_junk_in_what_libraries_read_at_their_import_is_not_seen():
    junk = {"TQDM_MININTERVAL": "junk", "TQDM_DISABLE": "[", "TQDM_NCOLS": "x", "PYTHON_TYRO_BACKEND": "junk"}
    junk |= {"PYTHON_TYRO_UTF8_BOXES": "2"}
    for command in ("sweeps.run", "sweeps.show"):
        done = run_command(command, "--help", env=junk)
        assert (done.returncode, done.stderr) == (0, "")
