"""Runs side by side, each in a process of its own, that can be told to stop."""

import subprocess
import threading

from rnnkit.core import processes


class Trainings:
    """The runs that are under way, each a process, so that all can be told to stop."""

    def __init__(self) -> None:
        self._lock, self._running, self.stopped = threading.Lock(), set(), False

    def run(self, command: list[str]) -> subprocess.CompletedProcess | None:
        """Run a command to its end. None after `stop`, and where `stop` ended it."""
        pipe = subprocess.PIPE
        with self._lock:
            if self.stopped:
                return None
            # In a session of its own: Ctrl-C comes here alone, and is passed on once. A second one would kill.
            process = subprocess.Popen(
                command, stdout=pipe, stderr=pipe, text=True, env=processes.environment(), start_new_session=True
            )
            self._running.add(process)
        printed, errors = process.communicate()
        with self._lock:
            self._running.remove(process)
            return None if self.stopped else subprocess.CompletedProcess(command, process.returncode, printed, errors)

    def stop(self) -> None:
        """Begin no more, and have those that run save what they have and end."""
        with self._lock:
            self.stopped = True
            for process in self._running:
                process.terminate()
