"""From a file or a folder to `OwnData`: which format it is, and what is to be foretold."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.core import UserError
from rnnkit.datasets.own import fields, files, source, tables
from rnnkit.datasets.own.data import Answers, Format, How, OwnData
from rnnkit.datasets.own.tables import Assembled, assembled, roles_of


_SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".npz": "npz"}
_SUFFIXES |= {".parquet": "parquet", ".pq": "parquet", ".ts": "ts"}
_SUFFIXES |= dict.fromkeys((".conll", ".conllu", ".iob", ".bio", ".tok", ".tags"), "tokens")
MOST_CLASSES = 5_000


def read(path: Path, how: How) -> OwnData:
    """The sequences of a file or folder, with what is to be said of each.

    Raises `UserError`, in a line with file, line and field, for what cannot be used.
    """
    if not path.exists():
        raise UserError(f"{path} is not there: give --data a file or a folder")
    kind = how.format if how.format != "auto" else format_of(path)
    target, channels, guessed = how.target, (), ()
    if kind in files.READERS:
        found = files.READERS[kind](path, how)
    else:
        table = tables.READERS[kind](path)
        roles = roles_of(table, how)
        found, target, channels, guessed = assembled(table, roles), roles.target, roles.values, roles.guessed
        if roles.form != "long" or roles.has_words:
            channels = ()
    if not found.inputs:
        raise UserError(f"{path} has no rows")
    return replace(_of(path, how, found, target, channels), guessed=guessed)


def format_of(path: Path) -> Format:
    """The format of a file, by its suffix; of a .txt by its first lines. `UserError` where that says nothing."""
    if path.is_dir():
        return "folder"
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix in (".txt", ".data"):
        first = next(source.lines(path))
        if len(first.split()) in range(2, 12) and fields.as_number(first.split()[0]) is None:
            return "tokens"
        return "tsv" if "\t" in first else "csv"
    known = ", ".join(_SUFFIXES)
    raise UserError(f"{path}: what format is it? Say it with --format, or give it one of the suffixes {known}")


def _of(path: Path, how: How, found: Assembled, target: str, channels: tuple[str, ...]) -> OwnData:
    reads = "text" if isinstance(found.inputs[0], str) else "tokens" if isinstance(found.inputs[0], list) else "series"
    notes = list(found.notes)
    answers = _answers(path, how, found, notes)
    inputs, targets = found.inputs, found.targets
    if reads == "series" and not inputs[0].shape[1] and answers != "forecast":
        raise UserError(f"{path} has no column of numbers beside {target!r}: there is nothing to predict it from")
    if answers == "forecast":
        inputs, channels = _with_target(path, found, target, channels)
        targets = []
    elif answers == "number":
        targets = [float(value) for value in map(fields.as_number, targets) if value is not None]
    elif answers == "label":
        targets = _whole(targets)
    else:
        flat = _whole([tag for tags in targets for tag in tags])
        cuts = np.cumsum([0, *map(len, targets)])
        targets = [flat[low:high] for low, high in zip(cuts[:-1], cuts[1:], strict=True)]
    if reads == "series" and not channels:
        channels = tuple(f"channel {number}" for number in range(1, inputs[0].shape[1] + 1))
    told = {"channels": tuple(channels), "groups": found.groups, "parts": found.parts, "target": target}
    told["gaps"] = found.gaps
    return OwnData(
        reads, answers, inputs, targets, found.lines, found.ids, source.checksum(path), notes=tuple(notes), **told
    )


def _answers(path: Path, how: How, found: Assembled, notes: list[str]) -> Answers:
    """What is to be foretold: as the user says, else by the targets."""
    words = [tag for tags in found.targets for tag in tags] if found.by_step else found.targets
    values = [fields.as_number(word) for word in words]
    is_number = all(value is not None and np.isfinite(value) for value in values)
    is_series = not isinstance(found.inputs[0], (str, list))
    if how.task in ("number", "forecast") and not is_number:
        bad = next(w for w, value in zip(words, values, strict=True) if value is None or not np.isfinite(value))
        raise UserError(f"{path}: the target {fields.shown(bad)} is not a number, and --task is {how.task}")
    if how.task in ("label", "number") and found.by_step:
        raise UserError(
            f"{path}: the target differs within a sequence, and --task is {how.task}: choose tags or forecast"
        )
    if how.task == "forecast" and not is_series:
        raise UserError(f"{path}: forecasts are of series of numbers, and these are words")
    if how.task == "tags" and not found.by_step:
        raise UserError(f"{path}: --task tags needs a target for each step, and here each sequence has one")
    if how.task != "auto":
        return how.task
    different = Counter(words)
    is_whole = is_number and all(float(value or 0).is_integer() for value in values)
    few = len(different) <= 2 or (is_whole and len(different) <= 30 and len(words) >= 4 * len(different))
    few = few and not (is_series and found.by_step and not found.inputs[0].shape[1])  # nothing else to tell it from
    if found.by_step and is_series and is_number and not few:
        notes.append(
            "the target differs from step to step: its next values are predicted (for labels of steps: --task tags)"
        )
        return "forecast"
    if found.by_step:
        return "tags"
    if not is_number or few:
        if is_number and len(different) > 2:
            notes.append(
                f"the {len(different)} whole numbers that occur are taken for labels (for numbers: --task number)"
            )
        return "label"
    if is_whole:
        notes.append("targets are taken for numbers (for labels: --task label)")
    return "number"


def _whole(words: list[str]) -> list[str]:
    """Labels, one way of writing each: `1.0000e+00` and `1` are the same where all are whole numbers."""
    different = {word: fields.as_number(word) for word in set(words)}
    if all(value is not None and np.isfinite(value) and value.is_integer() for value in different.values()):
        return [str(int(different[word] or 0)) for word in words]
    return list(words)


def _with_target(
    path: Path, found: Assembled, target: str, channels: tuple[str, ...]
) -> tuple[list[Any], tuple[str, ...]]:
    """Series with the target for their first channel, as forecasts read it."""
    if not found.by_step:
        raise UserError(
            f"{path}: the target {target!r} stays the same within each sequence: there is nothing to forecast"
        )
    inputs = []
    for one, words in zip(found.inputs, found.targets, strict=True):
        values = np.array([fields.as_number(word) for word in words], np.float32)[:, None]
        inputs.append(np.concatenate([values, one], 1))
    return inputs, (target, *channels)
