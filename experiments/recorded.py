"""A run that was recorded: its experiment, its configuration, its trained model. For the commands on one run."""

import contextlib
import dataclasses
import io
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

import experiments
from rnnkit.core import BaseConfig, RunsOptions, UserError, cli
from rnnkit.core import config as configuration
from rnnkit.runs import Manifest, Result, Status, checkpoints
from rnnkit.training import Task


@dataclass(frozen=True)
class Options(RunsOptions):
    """What all commands on one run can be told; each adds its own."""

    run: Annotated[str, tyro.conf.Positional]
    """The run: its name, its folder or one inside it, or its id at Weights & Biases."""
    data_dir: Path | None = None
    """Folder that holds the data sets; else the environment variable RNNKIT_DATA says, else it is ~/.cache/rnnkit."""


def settings(folder: Path, **placement: Any) -> BaseConfig:
    """The configuration of the run in a folder, placed as `placement` says.

    Raises `UserError` for one that does not fit the run's name: the manifest was changed by hand, and it says where.
    """
    manifest = Manifest.read(folder)
    kind = experiments.load(manifest.experiment).Config
    config = configuration.restored(kind, manifest.config, **placement)
    if not configuration.names(manifest.run, config):
        where = "; ".join(
            f"--{flag} is {one} in its config, {other} in its command" for flag, one, other in changed(manifest)
        )
        raise UserError(f"{folder / 'manifest.json'} was changed: {where or 'its config is not that of its run'}")
    return config


def changed(manifest: Manifest) -> list[tuple[str, object, object]]:
    """In what a manifest's config and its command differ, each as (flag, config, command).

    Nothing in one that was not changed by hand, as long as the experiment has the same defaults as then.
    """
    kind = experiments.load(manifest.experiment).Config
    config = configuration.restored(kind, manifest.config)
    absent = configuration.younger(kind).keys() - manifest.config.keys()  # which its command cannot state
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # --help is of no use here
            stated = cli.parse(kind, "", shlex.split(manifest.command)[3:])
    except (UserError, ValueError):  # it was the command that was changed
        return []
    except SystemExit as stop:
        if stop.code:  # a signal
            raise
        return []  # changed to --help
    return [
        (field.name.replace("_", "-"), getattr(config, field.name), getattr(stated, field.name))
        for field in dataclasses.fields(kind)
        if not field.metadata.get("placement")
        and field.name not in absent
        and getattr(config, field.name) != getattr(stated, field.name)
    ]


def trained(folder: Path, data_dir: Path | None) -> tuple[Task[Any], dict[str, Any]]:
    """The task of a run, its model with the trained weights, and all that was kept with them.

    Raises `UserError` where the run has none.
    """
    manifest, result = Manifest.read(folder), Result.read(folder)
    if result is None or result.status != Status.FINISHED:
        raise UserError(f"{folder.name} has not finished: there are no trained weights")
    task = experiments.load(manifest.experiment).run.prepared(settings(folder, data_dir=data_dir))
    checkpoint = checkpoints.trained(folder, result.weights_sha256)
    task.model.load_state_dict(checkpoint["weights"])
    return task, checkpoint
