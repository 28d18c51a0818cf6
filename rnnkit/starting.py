"""What must be so before the modules of a command are imported.

Ctrl-C is one line, and exit code 130, as from `rnnkit.core.cli` later; what tqdm and tyro read of the environment when
they are imported, and may end on, is not there; and a Python without the packages that it takes says so. Whatever is
run as `python -m` imports this first, by its package, and for what it does. In any other process, one that imports the
library say, it does nothing.
"""

import importlib.util
import os
import signal
import sys


# What cannot be done without, in any command of a package, and the extra that brings it.
COMMANDS = {"experiments": ("experiments", "tyro"), "sweeps": ("sweeps", "optuna"), "tests": ("dev", "optuna")}
READ_AT_IMPORT = ("TQDM_", "PYTHON_TYRO_")  # commands heed none of them, see docs/machines/surroundings.md


def end(number: int, frame: object) -> None:
    """End the process on the spot, as a handler of SIGINT: nothing is open yet, and libraries may hide an exception."""
    os.write(2, b"interrupted\n")
    os._exit(130)


def command() -> str | None:
    """The module of this checkout that Python is looking for, as it was told to run it: `sweeps.run`; else None."""
    words = sys.orig_argv
    named = [word for option, word in zip(words, words[1:], strict=False) if option == "-m"]
    found = named[0] if sys.argv[:1] == ["-m"] and named else ""
    return found if found.partition(".")[0] in COMMANDS else None


def require_packages(module: str) -> None:
    """End the process, in a line that says what to do, where this Python lacks what the command's package takes."""
    extra, package = COMMANDS[module.partition(".")[0]]
    if importlib.util.find_spec(package) is None:
        print(
            f"error: {sys.executable} has no {package}: run .venv/bin/python -m {module}, which `make setup` makes, "
            f"or install it here: {sys.executable} -m pip install -c constraints.txt -e '.[{extra}]'",
            file=sys.stderr,
        )
        sys.exit(2)


if (module := command()) is not None:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)
    for name in [name for name in os.environ if name.startswith(READ_AT_IMPORT)]:
        del os.environ[name]
    require_packages(module)
