"""Processes that this one starts, and what this one may use and need no longer."""

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from rnnkit.core import surroundings


def start_beside(module: str, *words: str, stdin: int = subprocess.DEVNULL, **more: str) -> "subprocess.Popen[bytes]":
    """Start `python -m module words` as a process that nobody waits for, and that prints nowhere.

    It runs in a session of its own: a Ctrl-C is meant for this process. Raises `OSError` where none can be started.
    """
    command, env, none = [sys.executable, "-m", module, *words], environment(**more), subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=stdin, stdout=none, stderr=none, start_new_session=True, env=env)
    with contextlib.suppress(RuntimeError):  # no thread is left: it stays behind as a zombie when it ends, no worse
        threading.Thread(target=process.wait, daemon=True).start()
    return process


def cores() -> int:
    """How many cores this process may use: fewer than the machine has, where it was told so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def give_back_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it for itself (glibc).

    Training leaves 77 MB of it behind where 131 MB of own data are learned: what comes then would need its own on top.
    """
    if hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that is to find the same packages, this checkout's first, and read and write UTF-8.

    It has this process's variables, but for those that would change how libraries behave (`surroundings`), and `more`.
    """
    path = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]))
    home = {} if _has_home() else {"HOME": _stand_in()}
    return {**surroundings.passed_on(os.environ), **home, "PYTHONPATH": path, "PYTHONUTF8": "1", **more}


def _has_home() -> bool:
    try:
        Path.home()
    except RuntimeError:  # a user whom the machine does not know, in a container: W&B would end there
        return False
    return True


def _stand_in() -> str:
    """A folder that is as good as a home, and nobody else's; where there is none, a name that leads nowhere."""
    folder = Path(tempfile.gettempdir()) / f"rnnkit-home-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
            return str(folder)
    return "/nonexistent"
