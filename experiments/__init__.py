"""One script an experiment, each run as `python -m experiments.<name>`; and the commands on one run.

A file here, or a package, that states an OBJECTIVE is an experiment: nothing lists it.
"""

import functools
import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from rnnkit import starting  # noqa: F401 (for what it does)
from rnnkit.core import BaseConfig, UserError, wording
from rnnkit.training import Objective, Space


@functools.cache
def names(folder: Path = Path(__file__).parent) -> list[str]:
    """The names of all experiments. None is loaded for it."""
    scripts = {path.stem: path for path in folder.glob("[!_]*.py")}
    scripts |= {path.parent.name: path for path in folder.glob("[!_]*/__init__.py")}
    states = re.compile(r"^(def )?OBJECTIVE\b", re.MULTILINE)
    return [name for name in sorted(scripts) if states.search(scripts[name].read_text(encoding="utf-8"))]


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


def objective_of(config: BaseConfig) -> Objective:
    """What runs with these settings are judged by: OBJECTIVE, or what it gives where it is a function of settings."""
    stated: Any = load(config.experiment).OBJECTIVE
    return stated if isinstance(stated, Objective) else stated(config)


def space_of(config: BaseConfig) -> Space:
    """What a sweep of these settings searches: SPACE, or what it gives where it is a function of settings.

    The plane has all that is searched: what SPACE gives no start is there as these settings have it.
    """
    stated: Any = load(config.experiment).SPACE
    return (stated if isinstance(stated, Space) else stated(config)).completed(config)


def missing(name: str) -> str:
    """Why an experiment of this name cannot be run, in a sentence that says what to do."""
    if re.fullmatch(r"[a-z]\w*", name) and Path(__file__).with_name(f"{name}.py").is_file():
        return f"experiments/{name}.py states no OBJECTIVE: an experiment states Config, OBJECTIVE, setup and conclude"
    if name == "estimator":
        return "this run is a fit of an estimator, on X and y that were in memory: fit it again in Python"
    close = wording.meant(name, names())
    return f"there is no experiment {name!r}{close or ':'} choose one of {', '.join(names())}"
