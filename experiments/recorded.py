"""A run that was recorded: found by its name, and its configuration read back. For the commands on one run."""

import dataclasses
import importlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import experiments
from rnnkit import commands, records
from rnnkit import config as configuration
from rnnkit.config import BaseConfig
from rnnkit.errors import UserError


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
    name = Path(run).name
    candidates = [Path(run), *Path(run).absolute().parents] if Path(run).exists() else []
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


def settings(folder: Path, **placement) -> BaseConfig:
    """The configuration of the run in a folder, placed as `placement` says.

    Raises `UserError` for one that does not fit the run's name: the manifest was changed by hand, and it says where.
    """
    manifest = records.read_json(folder / "manifest.json")
    kind = experiment(manifest).Config
    try:
        values, command, name = manifest["config"], manifest["command"], manifest["run"]
    except KeyError as error:
        raise UserError(f"{folder / 'manifest.json'} is damaged: it has no {error}") from None
    config = configuration.restored(kind, values, **placement)
    if not configuration.names(name, config):
        said = commands.parse(kind, "", shlex.split(command)[3:])
        for field in dataclasses.fields(kind):
            one, other = getattr(config, field.name), getattr(said, field.name)
            if not field.metadata.get("placement") and one != other:
                flag = field.name.replace("_", "-")
                raise UserError(
                    f"{folder / 'manifest.json'} was changed: --{flag} is {one} in its config, {other} in its command"
                )
    return config
