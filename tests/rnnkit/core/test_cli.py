"""How a command ends."""

import os
import signal
import subprocess
import sys

import pytest

from rnnkit.core import cli
from rnnkit.core.errors import UserError


def while_imported():
    """What NumPy makes of a Ctrl-C that comes while it is imported."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise ImportError("cannot load module more than once per process")  # noqa: B904 (as NumPy does it)


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "code", "said"),
    [
        (raising(UserError("--seed must be 0 or more")), 2, "error: --seed must be 0 or more\n"),
        (raising(KeyboardInterrupt()), 130, "interrupted\n"),
        (while_imported, 130, "interrupted\n"),
        (raising(MemoryError()), 2, "error: out of memory: lower the settings"),
        (raising(RuntimeError("bad_alloc")), 2, "error: out of memory: lower the settings"),
    ],
)
def test_what_ends_a_command_is_one_line_and_an_exit_code(action, code, said, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(action, settle=False)
    assert stop.value.code == code
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("error", [ImportError("no module"), RuntimeError("a bug")])
def test_what_is_no_fault_of_the_user_is_not_hidden(error):
    with pytest.raises(type(error), match=str(error)):
        cli.main(raising(error), settle=False)


def test_what_a_file_or_a_server_says_cannot_play_with_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit):
        cli.main(raising(UserError("cannot read \x1b[2J\ud800.csv")))
    assert capsys.readouterr().err == "error: cannot read ?[2J?.csv\n"


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error_and_take_no_files_number(closed, tmp_path):
    code = (
        "import sys; from rnnkit.core import cli\n"
        "def action():\n"
        "    file = open('record', 'w')\n"
        "    print('said', file=sys.stderr), sys.stderr.isatty(), print('said')\n"
        "    file.write(str(file.fileno() > 2))\n"
        "cli.main(action, settle=False)"
    )
    command = f'"{sys.executable}" -c "$CODE" {closed}'
    environment = {**os.environ, "CODE": code, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0
    assert (tmp_path / "record").read_text() == "True"
