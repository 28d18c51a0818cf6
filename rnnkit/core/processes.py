"""Processes that this one starts."""

import os
import subprocess
import sys
import threading
from pathlib import Path


def start_beside(module: str, *words: str, stdin: int = subprocess.DEVNULL, **more: str) -> "subprocess.Popen[bytes]":
    """Start `python -m module words` as a process that nobody waits for, and that prints nowhere.

    It runs in a session of its own: a Ctrl-C is meant for this process. Raises `OSError` where none can be started.
    """
    command, env, none = [sys.executable, "-m", module, *words], environment(**more), subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=stdin, stdout=none, stderr=none, start_new_session=True, env=env)
    threading.Thread(target=process.wait, daemon=True).start()  # else it stays behind as a zombie when it ends
    return process


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that is to find the same packages, this checkout's first: this one's, and `more`."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}
