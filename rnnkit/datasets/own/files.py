"""Formats that are no tables: arrays in .npz, .ts of the time-series archives, folders, tokens a line."""

import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.core import UserError, wording
from rnnkit.datasets.own import fields, source, tables
from rnnkit.datasets.own.data import ASKED, Format, How, place
from rnnkit.datasets.own.tables import PARTS, Assembled


def arrays(path: Path, how: How) -> Assembled:
    """An .npz file: `X` of shape (sequences, steps[, channels]), or (all steps, channels) with `lengths`, and `y`.

    Trailing steps that are all NaN say that a sequence is shorter. Nothing is unpickled. Raises `UserError`.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"{path} cannot be read as .npz ({fields.shown(str(error))}): no objects, arrays alone"
        ) from None
    values = _array(path, found, "", ("X", "x", "inputs", "data"))
    if how.target == ASKED and ASKED not in found:  # it is what is asked
        found[ASKED] = np.zeros(len(found.get("lengths", values)), np.int64)
    target = _array(path, found, how.target, ("y", "Y", "target", "targets", "label", "labels"))
    if values.dtype.kind not in "fiub":
        raise UserError(f"{path}: X holds {values.dtype}, no numbers")
    numbers = values.astype(np.float32)
    if np.isinf(numbers).any():
        spot = tuple(int(i) for i in np.argwhere(np.isinf(numbers))[0])
        raise UserError(f"{path}: X{list(spot)} is not a finite number of single precision")
    if "lengths" in found:
        lengths = found["lengths"].astype(np.int64).reshape(-1)
        if lengths.sum() != len(numbers) or (lengths < 1).any():
            raise UserError(f"{path}: lengths add up to {lengths.sum()}, and X has {len(numbers)} rows")
        inputs = np.split(numbers.reshape(len(numbers), -1), lengths.cumsum()[:-1])
    else:
        if numbers.ndim not in (2, 3) or not numbers.size:
            raise UserError(
                f"{path}: X has the shape {numbers.shape}: give (sequences, steps) or (sequences, steps, channels)"
            )
        inputs = [_without_tail(one.reshape(len(one), -1)) for one in numbers]
    if len(target) != len(inputs):
        raise UserError(f"{path}: {len(inputs)} sequences and {len(target)} targets")
    if empty := [number for number, one in enumerate(inputs) if not len(one)]:
        raise UserError(f"{path}: sequence {empty[0]} of X has no value")
    by_step = target.ndim == 2 and target.shape[1] > 1
    words: list[Any] = [fields.word(one) for one in target.reshape(-1).tolist()]
    if by_step:
        width = target.shape[1]
        words = [words[width * row :][: len(one)] for row, one in enumerate(inputs)]
    parts = [PARTS.get(str(part).lower(), "") for part in found["split"].tolist()] if "split" in found else []
    groups = [str(one) for one in found["groups"].tolist()] if "groups" in found else []
    rows = list(range(1, len(inputs) + 1))
    return Assembled(list(inputs), words, rows, list(map(str, rows)), by_step, groups, parts, [])


def _array(path: Path, found: dict[str, np.ndarray], told: str, usual: Sequence[str]) -> np.ndarray:
    name = told or next((name for name in usual if name in found), "")
    if name not in found:
        raise UserError(f"{path} has no array {told or usual[0]!r}: it has {', '.join(found) or 'none'}")
    return found[name]


def _without_tail(steps: np.ndarray) -> np.ndarray:
    there = np.asarray(~np.isnan(steps).all(1))
    return steps[: len(steps) - int(there[::-1].argmax()) if there.any() else 0]


def archive(path: Path, how: How) -> Assembled:
    """A .ts file of the time-series archives: channels parted by colons, values by commas, then the class or number.

    Channels of unequal length are refused, and so are time stamps. Raises `UserError`, with the line.
    """
    del how
    inputs: list[np.ndarray] = []
    targets: list[str] = []
    lines: list[int] = []
    is_data = says_target = False
    for number, line in enumerate(map(str.strip, source.lines(path)), start=1):
        if not line or line.startswith("#"):
            continue
        if not is_data:
            name, *words = line.lower().split()
            if name in ("@classlabel", "@targetlabel"):
                says_target = words[:1] == ["true"]
            if name == "@timestamps" and words[:1] == ["true"]:
                raise UserError(f"{path}, line {number}: time stamps are not read: save the values alone")
            if not name.startswith("@"):
                raise UserError(f"{path}, line {number}: {fields.shown(line)} stands before @data")
            is_data = name == "@data"
            continue
        *channels, target = line.split(":")
        if not says_target or not channels or not target.strip():
            raise UserError(f"{path}, line {number}: no target at the end: @classLabel or @targetLabel must be true")
        columns: list[np.ndarray] = []
        for channel in channels:
            values = [value.strip() for value in channel.split(",")]
            columns.append(fields.numbers(values, path, [number] * len(values), f"channel {len(columns) + 1}"))
        if len({len(column) for column in columns}) > 1:
            raise UserError(
                f"{path}, line {number}: its channels have different lengths: {[len(c) for c in columns][:9]}"
            )
        inputs.append(_without_tail(np.stack(columns, 1)))
        if not len(inputs[-1]):
            raise UserError(f"{path}, line {number}: the sequence has no value")
        if inputs[-1].shape[1] != inputs[0].shape[1]:
            raise UserError(f"{path}, line {number}: {len(columns)} channels where the first has {inputs[0].shape[1]}")
        targets.append(target.strip())
        lines.append(number)
    if not inputs:
        raise UserError(f"{path} has no sequence after @data")
    return Assembled(inputs, targets, lines, list(map(str, lines)), False, [], [], [])


def tokens(path: Path, how: How) -> Assembled:
    """A token and its tag a line, blank lines between sentences; of several columns the first and the last.

    Of CoNLL-U, ten columns of which the first is a number, the form and the universal tag; its comments are passed
    over, and so are words that stand for several and such as are not there (1-2, 1.1).
    """
    least = 1 if how.target == ASKED else 2
    inputs: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    lines: list[int] = []
    width, number, token, tag = 0, 0, 0, -1
    is_conllu = path.suffix.lower() == ".conllu"
    for number, line in enumerate(source.lines(path), start=1):
        if is_conllu and (line.startswith("#") or re.match(r"\d+[-.]\d+\t", line)):
            continue
        if not line.strip():
            if inputs[-1]:
                inputs.append([])
                tags.append([])
            continue
        parts = [part.strip() for part in line.rstrip("\r\n").split("\t")] if "\t" in line else line.split()
        if not width and len(parts) == 10 and parts[0].isdigit():
            token, tag, is_conllu = 1, 3, True
        width = width or len(parts)
        if len(parts) != width or width < least or not parts[token] or not parts[tag]:
            need = f"{width} columns" if width > 1 else "a token and a tag"
            raise UserError(f"{path}, line {number}: {fields.shown(line.strip())} where {need} were expected")
        if not inputs[-1]:
            lines.append(number)
        inputs[-1].append(sys.intern(parts[token]))
        tags[-1].append(sys.intern(parts[tag]))
    if not inputs[-1]:
        inputs.pop()
        tags.pop()
    if not inputs:
        raise UserError(f"{path} holds no tokens")
    which = (
        "the second is the token and the fourth the tag" if tag == 3 else "the first is the token and the last the tag"
    )
    notes = [f"of {width} columns {which}"] if width > 2 else []
    return Assembled(inputs, tags, lines, list(map(str, lines)), True, [], [], notes)


def folder(path: Path, how: How) -> Assembled:
    """A folder with a subfolder for each class, of texts (.txt) or numbers (.csv, .tsv, .npy), a file a sequence.

    Folders named train, valid and test, with those of the classes in them, are the parts. Raises `UserError`.
    """
    del how
    files = source.members(path)
    inputs: list[Any] = []
    targets: list[str] = []
    parts: list[str] = []
    left: list[Path] = []
    for file in files:
        above = file.relative_to(path).parts[:-1]
        part = PARTS.get(above[0].lower(), "") if len(above) == 2 else ""
        if len(above) != (2 if part else 1) or file.suffix not in (".txt", ".csv", ".tsv", ".npy"):
            left.append(file)
            continue
        inputs.append(_text(file) if file.suffix == ".txt" else _numbers(file))
        targets.append(above[-1])
        parts.append(part)
    if not inputs:
        raise UserError(f"{path} has no subfolder with .txt, .csv, .tsv or .npy files: one for each class is expected")
    if len({isinstance(one, str) for one in inputs}) > 1:
        raise UserError(f"{path} holds texts and numbers: keep the files of one kind")
    if any(parts) and not all(parts):
        apart = [file for file in files if file not in left][parts.index("")]
        raise UserError(f"{path}: some files stand in train, valid or test, and {apart} does not")
    if not isinstance(inputs[0], str):
        for file, one in zip((f for f in files if f not in left), inputs, strict=True):
            if one.shape[1] != inputs[0].shape[1]:
                raise UserError(f"{file}: {one.shape[1]} columns where the first file has {inputs[0].shape[1]}")
    named = ", ".join(file.relative_to(path).as_posix() for file in left[:3]) + (" ..." if len(left) > 3 else "")
    notes = [f"not used: {wording.count(len(left), 'file')} ({named})"] if left else []
    ids = [file.relative_to(path).as_posix() for file in files if file not in left]
    given = parts if any(parts) else []
    return Assembled(inputs, targets, list(range(1, len(ids) + 1)), ids, False, [], given, notes)


def _text(file: Path) -> str:
    text = "".join(source.lines(file)).strip()
    if not text:
        raise UserError(f"{file} holds nothing but white space")
    return text


def _numbers(file: Path) -> np.ndarray:
    """A file of numbers, of shape (steps, columns)."""
    if file.suffix == ".npy":
        try:
            found = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{file} cannot be read as .npy ({fields.shown(str(error))})") from None
        if found.dtype.kind not in "fiub" or found.ndim not in (1, 2) or not found.size:
            raise UserError(
                f"{file}: an array of {found.dtype} of shape {found.shape}: give numbers, (steps, channels)"
            )
        single = found.reshape(len(found), -1).astype(np.float32)
        if np.isinf(single).any():
            raise UserError(
                f"{file}: {place(file, int(np.argwhere(np.isinf(single))[0][0]) + 1)} is not a finite number"
            )
        return single
    table = tables.separated(file, file.suffix == ".tsv")
    pieces = [
        np.stack([fields.numbers(rows.columns[name], file, rows.lines, name) for name in table.names], 1)
        for rows in table.rows()
    ]
    if not pieces:
        raise UserError(f"{file} has no rows of numbers")
    return np.concatenate(pieces)


READERS: dict[Format, Callable[[Path, How], Assembled]] = {
    "npz": arrays,
    "ts": archive,
    "folder": folder,
    "tokens": tokens,
}
