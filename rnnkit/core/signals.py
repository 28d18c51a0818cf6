"""Ctrl-C and SIGTERM while a model is trained: the step in hand is finished and saved first, a second signal kills."""

import contextlib
import signal
import threading
from collections.abc import Generator


SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether a signal has asked to stop."""

    def __init__(self):
        self.number: int | None = None
        self._raises = False

    def leave(self) -> None:
        """End as a signal asked to, if one did: `KeyboardInterrupt` for SIGINT, `SystemExit(143)` for SIGTERM."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number == signal.SIGTERM:
            raise SystemExit(143)

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
        for each in SIGNALS:
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
    before = {number: signal.signal(number, stop.take) for number in SIGNALS}
    try:
        yield stop
        stop.leave()  # it came after the last step
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
