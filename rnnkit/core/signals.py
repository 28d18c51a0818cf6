"""Ctrl-C, SIGTERM and a closed terminal while a model is trained: the step in hand is finished and saved first.

A second signal kills. A process that is to outlive its terminal (nohup) takes no notice of its end.
"""

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Generator


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heeded() -> list[signal.Signals]:
    """The signals that stop a training here: all, but the end of a terminal that the process is to outlive.

    What a shell starts in the background of a script ignores SIGINT too; whoever sends one there means it all the same.
    """
    return [n for n in SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]


def leave_terminal(number: int) -> None:
    """After SIGHUP, have what is still said lead nowhere: a terminal that is gone fails whoever writes to it."""
    if number == signal.SIGHUP:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
        os.close(nowhere)


class Stop:
    """Whether a signal has asked to stop."""

    def __init__(self):
        self.number: int | None = None
        self._raises = False

    def leave(self) -> None:
        """End as a signal asked to, if one did: `KeyboardInterrupt` for SIGINT, else `SystemExit` of 128 and it."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number is not None:
            raise SystemExit(128 + self.number)

    @contextlib.contextmanager
    def at_once(self) -> Generator[None]:
        """A signal that comes inside does not wait: nothing is changed there that would have to be saved."""
        self._raises = True
        try:
            self.leave()
            yield
        finally:
            self._raises = False

    def take(self, number: int, frame: object) -> None:
        """Take notice of a signal, as its handler."""
        self.number = number
        leave_terminal(number)
        for each in heeded():
            signal.signal(each, signal.SIG_DFL)  # the next one ends the process on the spot
        if self._raises:
            self.leave()


@contextlib.contextmanager
def deferred() -> Generator[Stop]:
    """Have signals wait for whoever asks the yielded `Stop`. Outside the main thread, where none arrive, do nothing."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.take) for number in heeded()}
    try:
        yield stop
        stop.leave()  # it came after the last step
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
