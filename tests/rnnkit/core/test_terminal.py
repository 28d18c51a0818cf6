"""What is printed, on terminals of any kind, full disks and closed streams."""

import io
import os
import subprocess
import sys

import pytest

from rnnkit.core import cli, terminal
from tests.helpers import no_account


PRINTS = "import sys; from rnnkit.core import cli; cli.main(lambda: print({text!a}), settle=False, prints={prints})"


def printing(text, prints=False, redirect="", **environment):
    """Print a text as a command does, in a process of its own whose streams are redirected as a shell does it."""
    code = PRINTS.format(text=text, prints=prints)
    words = ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, code]
    return subprocess.run(words, env=no_account() | environment, capture_output=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("encoding", "seen"),
    [
        ("utf-8", "± ▁█ 你 é".encode()),
        ("latin-1", "± ?? ? é".encode("latin-1")),
        ("ascii", b"? ?? ? ?"),
        ("cp1252", "± ?? ? é".encode("cp1252")),
    ],
)
def test_a_sign_that_the_terminal_lacks_costs_a_question_mark(encoding, seen):
    done = printing("± ▁█ 你 é", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout, done.stderr) == (0, seen + b"\n", b"")


def test_a_text_moves_no_cursor_and_turns_no_line_around():
    obeyed = ["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\r", "\b", "\u202e", "\ud800", "\u2028"]
    shown = ["?[31m", "?]0;title?", "?2J", "?", "?", "?", "?", "?"]
    assert printing("a\tb\n" + " ".join(obeyed)).stdout.decode() == "a\tb\n" + " ".join(shown) + "\n"


def test_nor_does_it_on_standard_error_where_a_bar_goes_back_to_the_start_of_its_line():
    code = "import sys; from rnnkit.core import cli, decoration\n"
    code += "def action():\n    with decoration('a figure'):\n        raise ValueError('of \\x1b[2J')\n"
    code += "    print('changed: \\x9b2J\\rgone', file=sys.stderr)\n"
    done = subprocess.run([sys.executable, "-c", code + "cli.main(action)"], env=no_account(), capture_output=True)
    assert done.stderr.decode() == "a figure: ValueError: of ?[2J\nchanged: ?2J\rgone\n"


def test_what_people_write_with_is_shown_as_it_is():
    """A space of no width belongs to Persian, a wide one to Chinese, and one that does not break to French."""
    text = "می\u200cخواهم 你\u3000好 10\u00a0% 👩\u200d🔬 naïve"
    assert printing(text).stdout.decode() == f"{text}\n"


@pytest.mark.parametrize(
    ("prints", "code", "said"), [(False, 0, "the work itself is done, and recorded"), (True, 2, "make room")]
)
def test_a_full_disk_costs_what_was_printed_and_no_more(prints, code, said):
    done = printing("x" * 100_000, prints, "> /dev/full")
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == code
    assert line.startswith("error: " * prints + "what was to be printed is lost (No space left on device)")
    assert said in line


def test_with_no_room_for_the_word_either_the_exit_code_is_that_of_the_work():
    assert [printing("x", prints, "> /dev/full 2> /dev/full").returncode for prints in (False, True)] == [0, 2]


@pytest.mark.parametrize("closed", ["<&- ", "2>&-", "<&- 2>&-"])
def test_streams_that_are_closed_are_nothing_to_a_command(closed):
    done = printing("done", redirect=closed)
    assert (done.returncode, done.stdout) == (0, b"done\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_file_that_is_opened_never_takes_the_place_of_a_closed_stream(closed, tmp_path):
    """Else what a library, or a process that is started here, says on standard error gets into a record."""
    code = (
        "import os, subprocess, sys; from rnnkit.core import cli\n"
        "def action():\n"
        "    with open('record', 'w', buffering=1) as record:\n"
        "        record.write('row\\n')\n"
        "        print('said', file=sys.stderr), print('said'), sys.stderr.isatty(), sys.stdin.isatty()\n"
        "        os.write(1, b'warning'), os.write(2, b'warning')\n"
        "        subprocess.run(['sh', '-c', 'echo child && echo child >&2'], check=True)\n"
        "cli.main(action, settle=False)"
    )
    words = ["/bin/sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
    done = subprocess.run(words, env=no_account(), cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert (tmp_path / "record").read_text() == "row\n"


def test_a_reader_who_leaves_ends_a_command_without_a_word():
    code = PRINTS.format(text="x", prints=True).replace("'x'", "'x' * 10**6")
    words = ["/bin/sh", "-c", '"$0" -c "$1" | head -c 1', sys.executable, code]
    done = subprocess.run(words, env=no_account(), capture_output=True)
    assert (done.stdout, done.stderr) == (b"x", b"")


def test_in_a_locale_of_another_encoding_a_path_is_the_same_text():
    """W&B takes no other, and the name of a run depends on it."""
    code = "import sys; from rnnkit.core import cli; cli.main(lambda: print(ascii(sys.argv[1])), settle=False)"
    words = [sys.executable, "-c", code, "é"]
    other = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    seen = [subprocess.run(words, env=no_account() | extra, capture_output=True).stdout for extra in ({}, other)]
    assert seen == [b"'\\xe9'\n"] * 2


def test_streams_are_as_they_were_after_a_command(capsys):
    before = sys.stdout, sys.stderr, sys.stdout.errors
    cli.main(lambda: print("done"), settle=False)
    assert (sys.stdout, sys.stderr, sys.stdout.errors) == before
    assert capsys.readouterr().out == "done\n"


def test_can_show_asks_for_every_sign(monkeypatch):
    for encoding, shows in (("utf-8", True), ("latin-1", False), ("ascii", False)):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
        assert terminal.can_show("▁█") is shows


def test_no_descriptor_is_left_open_by_a_full_disk():
    open_files = lambda: len(os.listdir("/proc/self/fd"))
    with open("/dev/full", "w") as full:
        before = open_files()
        output = terminal.Output(full)
        output.write("x")
        output.flush()
        assert output.take_failure() is not None
        assert output.take_failure() is None
        assert open_files() == before
