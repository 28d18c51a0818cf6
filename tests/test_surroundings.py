"""docs/machines/surroundings.md says what is done, of everything that is read."""

import re
import subprocess
import sys

import pytest

from rnnkit.core import processes, surroundings
from rnnkit.runs.manifest import _VARIABLES
from tests.helpers import ROOT, no_account, refused


PAGE = (ROOT / "docs" / "machines" / "surroundings.md").read_text(encoding="utf-8")
ROWS = [re.split(r"(?<=\S) \| ", line.strip("| \n")) for line in PAGE.splitlines() if line.startswith("| `")]
NAME = r"`([A-Za-z_0-9]+)`"


def said(what):
    """The variables of all rows whose last column says it."""
    return [name for *cells, last in ROWS if what(last) for name in re.findall(NAME, cells[0])]


def test_what_the_page_says_is_not_passed_on_is_not_and_the_rest_is():
    kept = said(lambda text: text.startswith("passed on"))
    left = said(lambda text: text.startswith("not passed on"))
    assert len(kept) > 50
    assert len(left) > 40
    assert sorted(surroundings.passed_on(dict.fromkeys(kept + left, "x"))) == sorted(kept)


def test_every_variable_that_the_code_reads_is_on_the_page():
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("rnnkit", "experiments", "sweeps", ".")
        for path in (ROOT / folder).glob("*.py" if folder == "." else "**/*.py")
    )
    read = set(re.findall(r"environ(?:\.get|\.setdefault|\.pop)?[\[(]\"([A-Z_]+)\"", code))
    assert {"RNNKIT_DATA", "WANDB_MODE", "MKL_CBWR", "CC"} <= read
    read |= set(_VARIABLES)
    assert read <= set(re.findall(NAME, PAGE))


def test_every_option_of_make_is_on_the_page():
    options = re.search(r"^OPTIONS := (.*)$", (ROOT / "Makefile").read_text(), flags=re.M)[1].split()
    assert said(lambda text: text.startswith("taken from the command line")) == options


UNUSUAL = {"PYTHONINSPECT": "1", "PYTHONWARNINGS": "error", "PYTHONVERBOSE": "1", "PYTHONIOENCODING": "utf-16"}
UNUSUAL |= {"PYTHONUTF8": "0", "PYTHONOPTIMIZE": "2", "TQDM_MININTERVAL": "junk", "PYTHON_TYRO_BACKEND": "junk"}


def test_a_process_that_is_started_here_is_as_in_plain_surroundings(monkeypatch):
    for name, value in UNUSUAL.items():
        monkeypatch.setenv(name, value)
    code = "import sys, tqdm; print(sys.flags, sys.warnoptions, sys.stdout.encoding, 'é')"
    words = [sys.executable, "-c", code]
    started = subprocess.run(words, env=processes.environment(), capture_output=True, check=True)
    plain = subprocess.run(words, env=no_account_without(UNUSUAL) | {"PYTHONUTF8": "1"}, capture_output=True)
    assert (started.stdout, started.stderr) == (plain.stdout, b"")


def no_account_without(names):
    return {name: value for name, value in no_account().items() if name not in names}


def test_a_user_without_a_home_has_one_for_what_is_started(monkeypatch, tmp_path):
    """In a container with a user whom it does not know."""

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(processes.Path, "home", unknown)
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("HOME", raising=False)
    (home,) = {processes.environment()["HOME"] for _ in range(2)}
    assert (tmp_path / home).stat().st_mode & 0o777 == 0o700
    (tmp_path / home).rmdir()
    (tmp_path / home).symlink_to(tmp_path)  # somebody else's doing
    assert processes.environment()["HOME"] == "/nonexistent"


@pytest.mark.parametrize("words", [["sweeps.show"], ["experiments.digits"]])
def test_a_flag_that_is_wrong_is_one_line_on_any_terminal(words):
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"COLUMNS": "5"}, {"COLUMNS": "junk"}, {"FORCE_COLOR": "1"}):
        done = refused(*words, "--no-such-flag", env=environment)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (2, "")
        assert line.startswith("error: ")
        assert line.endswith(f"(see: python -m {words[0]} --help)")
        assert line.isprintable()
        assert not set("│╭╮╰╯─") & set(line)
