"""Two runs beside each other: whether they are the same to the last bit, and what they ran under if they are not."""

import dataclasses
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import files
from rnnkit.runs.manifest import SURROUNDINGS, Manifest, differences
from rnnkit.runs.result import Result
from rnnkit.runs.rows import Row, read_rows


# What a manifest says of the surroundings that a result can depend on, and what follows from `config`, which is the
# same by construction: it differs where one of them was changed by hand.
COMPARED = (*SURROUNDINGS, "data", "format", "seed", "command")


# Seen inside a network by operations of torch, whose order depends on the processor.
INSIDE = ("hidden/", "gate/", "memory/")


@dataclass(frozen=True)
class ReplayCheck:
    """How a replay stands to its original."""

    difference: str | None  # in words; None where every bit agrees
    surroundings: list[tuple[str, object, object]]  # in which manifests differ: field, original, replay
    compared: int  # how many values were compared


def compare(original: Path, replay: Path) -> ReplayCheck:
    """Compare two runs' folders: every metric of every step but `speed/...`, the results, and the weights."""
    manifests = [dataclasses.asdict(Manifest.read(folder)) for folder in (original, replay)]
    rows = [read_rows(folder) for folder in (original, replay)]
    results = [Result.of(folder) for folder in (original, replay)]
    difference = difference_in_rows(*rows) or difference_in_results(*results)
    compared = sum(len(comparable(row)) for row in (*rows[0], results[0].metrics)) + 1  # and the weights
    return ReplayCheck(difference, surroundings(*manifests), compared)


def comparable(row: Row) -> dict[str, str]:
    """A row's metrics as text that tells all floats apart, without those that may differ."""
    return {k: json.dumps(v) for k, v in files.encode(row).items() if not k.startswith("speed/")}


def promised(row: Row) -> dict[str, str]:
    """Those of `comparable` that a run with portable bits has on every machine: all but what is seen inside the net."""
    return {name: value for name, value in comparable(row).items() if not name.startswith(INSIDE)}


def difference_in_rows(original: list[Row], replay: list[Row]) -> str | None:
    """The first step and metric in which two records differ."""
    for one, other in itertools.zip_longest(original, replay):
        if one is None or other is None:
            ends = " and ".join(f"{len(rows)} rows" for rows in (original, replay))
            shorter = original if one is None else replay
            return f"the records have {ends}: they agree up to step {shorter[-1]['step'] if shorter else 0}"
        if found := _first_difference(one, other):
            return f"step {one['step']}, {found}"
    return None


def _first_difference(original: Row, replay: Row) -> str | None:
    """The first metric in which two rows differ, and what both say."""
    first, second = comparable(original), comparable(replay)
    differ = (name for name in first | second if first.get(name) != second.get(name))
    return next((f"{name}: {first.get(name, 'nothing')} and {second.get(name, 'nothing')}" for name in differ), None)


def difference_in_results(original: Result, replay: Result) -> str | None:
    """The first thing in which two results differ."""
    if original.status != replay.status:
        return f"the original {original.status}, the replay {replay.status}"
    if found := _first_difference(original.metrics, replay.metrics):
        return f"in the end, {found}"
    if original.weights_sha256 != replay.weights_sha256:
        return f"weights: {original.weights_sha256} and {replay.weights_sha256}"
    return None


def surroundings(original: Row, replay: Row) -> list[tuple[str, object, object]]:
    """In what two manifests differ that a result can depend on; their parts, too, each beside the other's beginning."""
    found = differences(original, replay, COMPARED)
    pairs = [(part["after"], part, replay) for part in original["parts"]]
    pairs += [(part["after"], original, part) for part in replay["parts"]]
    for after, one, other in pairs:
        found += [(f"{what} after step {after}", a, b) for what, a, b in differences(one, other, SURROUNDINGS)]
    return found
