"""What signals do while a model is trained, in processes of their own."""

import signal
import subprocess
import sys
import threading

import pytest

from rnnkit.core import signals
from tests.helpers import ROOT


def ends(code: str) -> subprocess.CompletedProcess:
    """Run code that has `stopping`, `signal` and `me()`, which sends this process a signal."""
    head = "import os, signal\nfrom rnnkit.core import signals\ndef me(number): os.kill(os.getpid(), number)\n"
    head += "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # whatever this process was started by: nohup ignores it
    return subprocess.run([sys.executable, "-c", head + code], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SystemExit"), ("SIGHUP", "SystemExit")]
)
def test_a_signal_waits_until_it_is_asked_for(name, raised):
    code = f"""
with signals.deferred() as stop:
    stop.leave()
    me(signal.{name})
    print("the step is finished, and saved")
    try:
        stop.leave()
    except {raised} as error:
        print("left", getattr(error, "code", None), flush=True)
"""
    done = ends(code)
    assert done.stdout == f"the step is finished, and saved\nleft {dict(SIGTERM=143, SIGHUP=129).get(name)}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_on_the_spot(number):
    done = ends(f"with signals.deferred():\n    me({number})\n    me({number})\n    print('never')")
    assert (done.returncode, done.stdout) == (-number, "")


def test_what_changes_nothing_does_not_wait():
    code = """
with signals.deferred() as stop:
    try:
        with stop.at_once():
            me(signal.SIGTERM)
            print("never")
    except SystemExit as error:
        print(error.code)
"""
    assert ends(code).stdout == "143\n"


def test_a_signal_after_the_last_step_is_not_lost():
    assert ends("with signals.deferred():\n    me(signal.SIGTERM)\nprint('never')").returncode == 143


def test_a_process_that_is_to_outlive_its_terminal_does():
    code = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does it
with signals.deferred() as stop:
    me(signal.SIGHUP)
    stop.leave()
print("went on")
"""
    assert ends(code).stdout == "went on\n"


def test_what_is_said_after_the_terminal_was_closed_is_no_error():
    """It then fails every write."""
    code = """
import pty, sys
terminal, other = pty.openpty()
child = os.fork()
if not child:
    os.dup2(other, 1)
    os.dup2(other, 2)
    with signals.deferred() as stop:
        os.close(terminal)
        os.close(other)
        me(signal.SIGHUP)
        print("a step more", flush=True)
        print("and its bar", file=sys.stderr, flush=True)
        os._exit(5 if stop.number == signal.SIGHUP else 6)
os.close(terminal)
os.close(other)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = ends(code)
    assert (done.returncode, done.stderr) == (5, "")


def test_handlers_are_put_back_and_other_threads_do_without():
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    with signals.deferred():
        assert [signal.getsignal(number) for number in signals.SIGNALS] != before
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before
    seen = []

    def elsewhere():
        with signals.deferred() as stop:
            seen.append(stop.number)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [None]
