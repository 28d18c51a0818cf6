"""What files of all formats become: sequences, what is to be said of each, and where it came from."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np


Reads = Literal["series", "text", "tokens"]
Answers = Literal["label", "number", "tags", "forecast"]
Task = Literal["auto", "label", "number", "tags", "forecast"]
Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "npz", "ts", "folder", "tokens"]


ASKED = "(asked)"  # the target of files whose targets a net is asked for
GAP = "time since the step before"  # the channel of it


@dataclass(frozen=True)
class How:
    """How a file is to be read, as far as the user says; "" and "auto" leave it to what the file shows."""

    target: str = ""
    id: str = ""
    time: str = ""
    text: str = ""
    split: str = ""
    group: str = ""
    ignore: tuple[str, ...] = ()
    task: Task = "auto"
    format: Format = "auto"


@dataclass(frozen=True)
class OwnData:
    """Sequences in the order of the file.

    `inputs` are arrays of shape (steps, channels), float32, NaN where a value is missing; texts; or lists of tokens.
    `targets` are labels, numbers, or lists of tags, one a step; empty for forecasts, whose targets are in the series.
    `parts`, where the file says it, are train, valid and test; `groups` are those who must not stand in two parts.
    """

    reads: Reads
    answers: Answers
    inputs: Sequence[Any]
    targets: Sequence[Any]
    lines: Sequence[int]  # where each begins, from 1: a line, or a row
    ids: Sequence[str]
    sha256: str
    channels: tuple[str, ...] = ()
    groups: Sequence[str] = ()
    parts: Sequence[str] = ()
    gaps: Sequence[np.ndarray] = ()  # where steps have times: the time since the step before, of shape (steps,) each
    target: str = ""
    guessed: tuple[tuple[str, str], ...] = ()  # flags, each with the column that it would name, which values alone said
    notes: tuple[str, ...] = field(default=())  # what was guessed, mended or left out, in sentences

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def lengths(self) -> np.ndarray:
        """How many steps each has, of shape (sequences,); of texts, how many characters."""
        return np.array([len(one) for one in self.inputs], dtype=np.int64)

    def with_gaps(self) -> "OwnData":
        """With a channel of the time since the step before, where steps have times; else as it is."""
        if not len(self.gaps):
            return self
        inputs = with_gaps(self.inputs, self.gaps)
        return replace(self, inputs=inputs, channels=(*self.channels, GAP))

    def subset(self, chosen: Iterable[int]) -> "OwnData":
        """Those at the places that are named, in that order."""
        places = [int(i) for i in chosen]

        def picked(values: Sequence[Any]) -> Sequence[Any]:
            return [values[i] for i in places] if len(values) else values

        names = ("inputs", "targets", "lines", "ids", "groups", "parts", "gaps")
        parts = {name: picked(getattr(self, name)) for name in names}
        return replace(self, **parts)


def named(text: str) -> tuple[str, ...]:
    """The names in a text that are parted by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def are_columns(channels: Sequence[str]) -> bool:
    """Whether channels are called as a file's columns, not by their numbers, as those of arrays are."""
    return not all(re.fullmatch(r"channel \d+", name) for name in channels)


def flag(role: str, *names: str) -> str:
    """A flag with the columns that it names, as a shell takes it: `--ignore 'Patient ID'`."""
    return f"--{role} {shlex.quote(','.join(names))}"


def place(path: Path, line: int, name: str = "") -> str:
    """Where something stands: `sales.csv, line 3, field 'price'`."""
    return f"{path}, line {line}" + (f", field {name!r}" if name else "")


def with_gaps(inputs: Sequence[np.ndarray], gaps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Sequences with a channel more, the logarithm of 1 and the time since the step before: spans differ by powers."""
    columns = (np.log1p(np.maximum(gap, 0))[:, None].astype(np.float32) for gap in gaps)
    return [np.concatenate([one, column], 1) for one, column in zip(inputs, columns, strict=True)]
