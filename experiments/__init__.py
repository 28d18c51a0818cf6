"""One script an experiment, each run as `python -m experiments.<name>`; and the commands on one run.

A file here that states an OBJECTIVE is an experiment: nothing lists it.
"""

import functools
import importlib
import re
from pathlib import Path
from types import ModuleType

from rnnkit import starting  # noqa: F401 (for what it does)
from rnnkit.core import UserError, wording


@functools.cache
def names(folder: Path = Path(__file__).parent) -> list[str]:
    """The names of all experiments. None is loaded for it."""
    scripts = sorted(folder.glob("[!_]*.py"))
    return [path.stem for path in scripts if re.search(r"^OBJECTIVE\b", path.read_text(encoding="utf-8"), re.MULTILINE)]


def load(name: str) -> ModuleType:
    """The module of an experiment, which has `Config`, `OBJECTIVE`, `SPACE` and `run`.

    Raises `UserError` where there is no experiment of this name, or where it goes by another.
    """
    if name not in names():
        raise UserError(missing(name))
    module = importlib.import_module(f"experiments.{name}")
    if module.Config.experiment != name:
        raise UserError(
            f"experiments/{name}.py: its Config says experiment = {module.Config.experiment!r}: say {name!r}"
        )
    return module


def missing(name: str) -> str:
    """Why an experiment of this name cannot be run, in a sentence that says what to do."""
    if re.fullmatch(r"[a-z]\w*", name) and Path(__file__).with_name(f"{name}.py").is_file():
        return f"experiments/{name}.py states no OBJECTIVE: an experiment states Config, OBJECTIVE, setup and conclude"
    close = wording.meant(name, names())
    return f"there is no experiment {name!r}{close or ':'} choose one of {', '.join(names())}"
