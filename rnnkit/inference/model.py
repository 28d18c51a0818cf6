"""A trained net with all that using it takes, from a run's folder or a file of weights."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from rnnkit.core import UserError
from rnnkit.inference import answering, architecture, reading, weights
from rnnkit.inference.streaming import Stream
from rnnkit.runs import Manifest, Result, Status, checkpoints, folders
from rnnkit.sequences import Preprocessing, preprocessing


if TYPE_CHECKING:
    from rnnkit.datasets.own.asking import Asked


@dataclass(frozen=True)
class Model:
    """A trained net: `settings` it was trained with, and `preprocessing` between sequences as they come and the net.

    Sequences are what the run learned from: arrays of shape (steps, channels), rows of pixels, texts, lists of tokens.
    A sequence gets the same bits alone and among any others.
    """

    net: nn.Module
    preprocessing: Preprocessing
    architecture: architecture.Architecture
    settings: dict[str, Any]
    experiment: str = ""
    name: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of what is answered, in the order of probabilities; none for numbers."""
        return self.preprocessing.classes

    def predict(self, sequences: Iterable[Any]) -> list[Any]:
        """For each sequence a label, a number, a list of tags, the next symbol, or an array of numbers.

        >>> import rnnkit
        >>> rnnkit.load("runs/digits-s0-62719430").predict([image])            # doctest: +SKIP
        ['7']
        """
        return [one.prediction for one in answering.answers(self, sequences)]

    def predict_proba(self, sequences: Iterable[Any]) -> list[np.ndarray]:
        """For each sequence the probability of each class, of shape (classes,), or (steps, classes).

        Raises `UserError` for a net that answers with numbers.
        """
        if not self.classes:
            raise UserError("this net answers with numbers, which have no probabilities: use predict")
        found = [one.probabilities for one in answering.answers(self, sequences)]
        return [one for one in found if one is not None]

    def read(self, path: str | Path) -> "Asked":
        """What a file or folder holds, as `python -m experiments.predict` reads it: `inputs`, `ids`, and their `lines`.

        `inputs` are sequences for `predict`. Raises `UserError`, with the line, for what cannot be read.
        """
        return reading.sequences(self, Path(path))

    def stream(self) -> Stream:
        """A sequence that is read step by step, its state carried along. `UserError` for a net of both directions."""
        return Stream(self.net, self.preprocessing, self.architecture)


def load(run: str | Path, runs_dir: str | Path = "runs") -> Model:
    """The model of a run: by its name in `runs_dir`, its folder, or a `.safetensors` file that was exported.

    Nothing is unpickled. Raises `UserError` where there is no such run, where it has not finished, and for one of a
    version that did not keep what using its net takes.
    """
    path = Path(run)
    if path.suffix == ".safetensors":
        return _of_file(path)
    folder = folders.find(str(run), Path(runs_dir))
    manifest, result = Manifest.read(folder), Result.read(folder)
    if result is None or result.status != Status.FINISHED:
        raise UserError(
            f"{folder.name} has not finished: there are no trained weights; make resume RUN={folder.name} lets it go on"
        )
    state = checkpoints.trained(folder, result.weights_sha256)
    again = f"train it again ({manifest.command}), then use the new run"
    if not isinstance(state.get("preprocessing"), dict):
        raise UserError(
            f"{folder.name} keeps weights alone, without what using them takes (classes, scaling, vocabulary): it was "
            f"recorded by an earlier version ({again}), or its experiment's `conclude` gives no `preprocessing` "
            "(an rnnkit.sequences.Preprocessing: see experiments/digits.py)"
        )
    if not isinstance(state.get("net"), dict):
        raise UserError(
            f"{folder.name} does not say how its net is made, as rnnkit.nn.models did not make it: make it in Python, "
            f"and load the weights in {folder / 'checkpoint.pt'}"
        )
    told = {"settings": manifest.config, "experiment": manifest.experiment, "name": manifest.run}
    return of_parts(state["weights"], {**told, "net": state["net"], "preprocessing": state["preprocessing"]})


def of_parts(tensors: dict[str, Any], told: dict[str, Any]) -> Model:
    """A model from its weights and what is `told` of it. Raises `UserError` where they do not fit."""
    found = architecture.read(told.get("net"))
    net = architecture.made(found, tensors)
    known = preprocessing.read(told.get("preprocessing"))
    name, experiment = str(told.get("name", "")), str(told.get("experiment", ""))
    return Model(net, known, found, dict(told.get("settings") or {}), experiment, name)


def description(model: Model) -> dict[str, Any]:
    """What `of_parts` takes beside the weights, as plain values."""
    plain = architecture.of(model.net)
    told = {"net": plain, "preprocessing": asdict(model.preprocessing), "settings": model.settings}
    return json.loads(json.dumps(told | {"experiment": model.experiment, "name": model.name}))


def _of_file(path: Path) -> Model:
    tensors, told = weights.read(path)
    return of_parts(tensors, told)
