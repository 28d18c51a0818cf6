"""Own data as examples: read, divided, and made into what a net reads."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnnkit.datasets import Parts
from rnnkit.datasets.own import How, OwnData, named, parts, read
from rnnkit.datasets.own import windows as cutting
from rnnkit.nn import portable
from rnnkit.sequences import Examples, Preprocessing, check, preprocessing, scaling


if TYPE_CHECKING:
    from experiments.own import Config


@dataclass(frozen=True)
class Prepared(Parts[Examples]):
    """The parts as a net reads them; the data, their places, and of forecasts the windows, as they are.

    A target is a row: labels, numbers or tags in its first columns, the fold in its last.
    """

    own: OwnData
    places: parts.Places
    preprocessing: Preprocessing
    windows: "cutting.Windows | None" = None


def _read(config: "Config") -> OwnData:
    """The data: the same for a task that is left open and for the one that the file then shows."""
    roles = {name: getattr(config, name) for name in ("target", "id", "time", "text", "split", "group", "format")}
    how = How(ignore=named(config.ignore), **roles)
    known = _known(config.data, config.test, how)
    if (config.task, config.gaps) not in known:
        data = known.get((config.task, "auto")) or _of_files(config.data, config.test, replace(how, task=config.task))
        known.clear()  # of each sequence one copy is enough, and times that are not read are none
        if config.gaps != "auto":
            data = data.with_gaps() if config.gaps == "on" else replace(data, gaps=())
        known |= dict.fromkeys([(config.task, config.gaps), (data.answers, config.gaps)], data)
        if data.guessed:  # the settings that follow name them
            _known(config.data, config.test, replace(how, **dict(data.guessed))).update(known)
    return known[config.task, config.gaps]


@functools.lru_cache(maxsize=2)  # with columns that were guessed, and named; the trials of a sweep share it
def _known(path: str, test: str, how: How) -> dict[tuple[str, str], OwnData]:
    """What was read last, by task and gaps: filled where it is asked for."""
    del path, test, how
    return {}


def _of_files(path: str, test: str, how: How) -> OwnData:
    data = read(Path(path), how)
    return parts.joined(data, read(Path(test), replace(how, **dict(data.guessed)))) if test else data


def divided(config: "Config") -> tuple[OwnData, parts.Places]:
    """The data, and the places of each part; of forecasts those of `windows` hold."""
    data = _read(config)
    folds = config.folds if config.folds > 1 else 0
    if data.answers == "forecast":
        nothing = np.arange(len(data))
        return data, parts.Places(nothing, nothing, nothing, np.zeros(len(data), int))
    return data, parts.divided(data, config.split_seed, folds)


def season(config: "Config", data: OwnData) -> int:
    """The season of series to forecast: as told, else by the part that training may see; 1 for none."""
    if config.season or data.answers != "forecast":
        return config.season or 1
    return cutting.season_of(max(cutting.first_part(data), key=len)[:, 0])


def windows(config: "Config", data: OwnData) -> cutting.Windows:
    """The windows of series to forecast."""
    period = season(config, data)
    context = config.context or cutting.context_of(data, config.horizon, period)
    return cutting.cut(data, context, config.horizon, period)


def _prepared(config: "Config") -> Prepared:
    data, places = divided(config)
    cut = windows(config, data) if data.answers == "forecast" else None
    own, places = (cut.data, cut.places) if cut else (data, places)
    found = _fitted(config, own, places, cut)
    inputs = preprocessing.inputs(found, own.inputs)
    if own.reads == "series":  # slices of one tensor, from which batches are gathered without a copy
        inputs = list(torch.cat(inputs).split([len(one) for one in inputs]))
    everything = Examples(inputs, targets(found, own, places, cut))
    of_parts = [everything.subset(part.tolist()) for part in (places.train, places.valid, places.test)]
    for part in of_parts:
        check(part, vocabulary=len(found.vocabulary) or None)
    return Prepared(*of_parts, sha256=data.sha256, own=own, places=places, preprocessing=found, windows=cut)


# What the examples depend on.
_KEYS = ("data", "test", "target", "id", "time", "text", "split", "group", "task", "format", "ignore", "unit")
_KEYS += ("folds", "split_seed", "horizon", "context", "season", "least_count", "gaps", "differences", "scale")
_READING = ("unit", "least_count", "differences", "scale")
# What baselines depend on: they read in their own way.
BESIDE = (*(name for name in _KEYS if name not in _READING), "watch")


class ByKey:
    """A configuration that equals any other with the same settings of these names: by default, the same examples."""

    def __init__(self, config: "Config", names: tuple[str, ...] = _KEYS):
        self.config, self.key = config, tuple((name, getattr(config, name)) for name in names)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByKey) and self.key == other.key


def prepared(config: "Config") -> Prepared:
    """The parts as a net reads them. Raises `UserError` for data that cannot be used."""
    return _prepared_once(ByKey(config))


@functools.lru_cache(maxsize=1)  # the trials of a sweep share it
def _prepared_once(keyed: ByKey) -> Prepared:
    return _prepared(keyed.config)


def _fitted(config: "Config", own: OwnData, places: parts.Places, cut: "cutting.Windows | None") -> Preprocessing:
    """What is fitted on the training part alone."""
    train = [own.inputs[i] for i in places.train]
    told: dict[str, object] = {"reads": "series" if config.unit == "values" else config.unit, "answers": own.answers}
    told["members"] = max(config.folds, 1)
    if own.reads == "series":
        by_place = config.scale in ("place", "table")
        means, deviations, mask = (scaling.scale_by_place if by_place else scaling.scale)(train)
        told |= {"places": len(train[0]) if by_place else 0, "table": config.scale == "table"}
        told |= {"channels": own.channels, "means": means, "deviations": deviations, "mask": mask}
        if config.differences:
            known = Preprocessing(**told)  # type: ignore[arg-type]
            told["differences"] = scaling.deviations_of_differences(known, train)
    else:
        told["vocabulary"] = preprocessing.known_words(told["reads"], train, config.least_count)  # type: ignore[arg-type]
    if own.answers in ("label", "tags"):
        found = set(parts.flat([own.targets[i] for i in places.train]))
        told["classes"] = tuple(sorted(found, key=lambda name: (len(name), name) if name.isdigit() else (0, name)))
    elif cut is None:
        told |= _scale(np.array([own.targets[i] for i in places.train], float))
    if cut is not None:
        wanted = cut.targets[places.train]
        told["linear"] = preprocessing.linear_weights(preprocessing.filled(train), wanted)
        told |= _scale(wanted - preprocessing.linear_forecast(Preprocessing(**told), train))  # type: ignore[arg-type]
        told |= {"horizon": config.horizon, "context": len(own.inputs[0])}
    return Preprocessing(**told)  # type: ignore[arg-type]


def _scale(values: np.ndarray) -> dict[str, float]:
    return {"target_mean": float(values.mean()), "target_deviation": float(values.std()) or 1.0}


def targets(
    found: Preprocessing, own: OwnData, places: parts.Places, cut: "cutting.Windows | None"
) -> torch.Tensor | list[torch.Tensor]:
    """Targets as rows of numbers: what is to be foretold, and the fold."""
    folds = np.zeros(len(own), int)
    folds[places.train] = places.fold
    if own.answers in ("label", "tags"):
        numbers = {name: number for number, name in enumerate(found.classes)}
        if own.answers == "label":
            labels = np.array([numbers.get(name, portable.LEFT_OUT) for name in own.targets])
            return torch.from_numpy(np.stack([labels, folds], 1))
        rows = zip(own.targets, folds, strict=True)
        return [
            torch.tensor([[numbers.get(t, portable.LEFT_OUT), fold] for t in tags], device="cpu") for tags, fold in rows
        ]
    if cut is None:
        values = np.array(own.targets, float)[:, None]
    else:
        values = cut.targets - preprocessing.linear_forecast(found, own.inputs)
    scaled = (values - found.target_mean) / found.target_deviation
    return torch.from_numpy(np.concatenate([scaled, folds[:, None]], 1).astype(np.float32))
