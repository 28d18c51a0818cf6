"""What must be so before the modules of a command are imported.

Ctrl-C is one line, and exit code 130, as from `rnnkit.core.cli` later; and what tqdm and tyro read of the environment
when they are imported, and may end on, is not there. Whatever is run as `python -m` imports this first, by its package,
and for what it does. In any other process, one that imports the library say, it does nothing.
"""

import os
import signal
import sys


COMMANDS = ("experiments", "sweeps", "tests")
READ_AT_IMPORT = ("TQDM_", "PYTHON_TYRO_")  # commands heed none of them, see docs/surroundings.md


def end(number: int, frame: object) -> None:
    """End the process on the spot, as a handler of SIGINT: nothing is open yet, and libraries may hide an exception."""
    os.write(2, b"interrupted\n")
    os._exit(130)


def is_command() -> bool:
    """Whether Python is looking for a module of this checkout that it was told to run: `python -m sweeps.run`."""
    words = sys.orig_argv
    named = [word for option, word in zip(words, words[1:], strict=False) if option == "-m"]
    return sys.argv[:1] == ["-m"] and named[:1] != [] and named[0].partition(".")[0] in COMMANDS


if is_command():
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)
    for name in [name for name in os.environ if name.startswith(READ_AT_IMPORT)]:
        del os.environ[name]
