"""A run that was recorded: found by its name, and its configuration read back. For the commands on one run."""

import dataclasses
import importlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import experiments
from rnnkit.core import cli, files
from rnnkit.core import config as configuration
from rnnkit.core.config import BaseConfig
from rnnkit.core.errors import UserError


# What the commands on a run need of its manifest.
_NEEDED = {"run": str, "experiment": str, "config": dict, "command": str, "threads": int, "track": str}


@dataclass(frozen=True)
class Options:
    """What all commands on one run can be told; each adds its own."""

    run: Annotated[str, tyro.conf.Positional]
    """The run: its name, its folder or one inside it, or its id at Weights & Biases."""
    data_dir: Path | None = None
    """Folder that holds the data sets; else the environment variable RNNKIT_DATA says, else it is ~/.cache/rnnkit."""
    runs_dir: Path = Path("runs")
    """Folder that holds the runs."""


def find(run: str, runs_dir: Path) -> Path:
    """The folder of a run: by its name, its path or one inside it, or its id at Weights & Biases.

    Raises `UserError` where there is none.
    """
    path = Path(os.path.abspath(run))  # `.` has no name
    name = Path(run).name
    candidates = [path, *path.parents] if path.exists() else []
    candidates += [runs_dir / run, runs_dir / re.sub(r"-[0-9a-f]{9,}$", "", name)]  # W&B's id ends with the time
    for folder in candidates:
        if (folder / "manifest.json").is_file():
            return folder
    raise UserError(f"there is no run {run} (looked in {runs_dir})")


def experiment(manifest: dict):
    """The module of the experiment that a manifest names."""
    name = manifest.get("experiment")
    experiments.require(name)
    return importlib.import_module(f"experiments.{name}")


def manifest(folder: Path) -> dict:
    """A run's manifest. Raises `UserError` where it is damaged, or was changed by hand to another experiment's."""
    path = folder / "manifest.json"
    values = files.read_json(path)
    for name, kind in _NEEDED.items():
        if not isinstance(values.get(name), kind):
            raise UserError(f"{path} is damaged: its {name} is {values.get(name)!r}")
    if not values["run"].startswith(f"{values['experiment'].replace('_', '-')}-s"):
        raise UserError(f"{path} was changed: its experiment is {values['experiment']}, its run {values['run']}")
    return values


def settings(folder: Path, **placement) -> BaseConfig:
    """The configuration of the run in a folder, placed as `placement` says.

    Raises `UserError` for one that does not fit the run's name: the manifest was changed by hand, and it says where.
    """
    found = manifest(folder)
    config = configuration.restored(experiment(found).Config, found["config"], **placement)
    if not configuration.names(found["run"], config):
        where = "; ".join(
            f"--{flag} is {one} in its config, {other} in its command" for flag, one, other in changed(found)
        )
        raise UserError(f"{folder / 'manifest.json'} was changed: {where or 'its config is not that of its run'}")
    return config


def changed(manifest: dict) -> list[tuple[str, object, object]]:
    """In what a manifest's config and its command differ, each as (flag, config, command).

    Nothing in one that was not changed by hand, as long as the experiment has the same defaults as then.
    """
    kind = experiment(manifest).Config
    config = configuration.restored(kind, manifest["config"])
    try:
        said = cli.parse(kind, "", shlex.split(manifest["command"])[3:])
    except (UserError, ValueError):  # it was the command that was changed
        return []
    return [
        (field.name.replace("_", "-"), getattr(config, field.name), getattr(said, field.name))
        for field in dataclasses.fields(kind)
        if not field.metadata.get("placement") and getattr(config, field.name) != getattr(said, field.name)
    ]
