"""Two runs beside each other: whether they are the same to the last bit, and what they ran under if they are not."""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import files, wording
from rnnkit.runs.manifest import ELSEWHERE, SURROUNDINGS, Manifest, differences
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

    difference: str | None  # in words; None where every bit agrees that is promised
    surroundings: list[tuple[str, object, object]]  # in which manifests differ: field, original, replay
    compared: int  # how many values were compared
    # On another processor, what is seen inside the net is not promised: how many such values, and how many are alike.
    inside: tuple[int, int] | None = None


def compare(original: Path, replay: Path) -> ReplayCheck:
    """Compare two runs' folders: every metric of every step but `speed/...`, the results, and the weights.

    Where both have portable bits and ran on other processors, or under other settings of libraries, what is seen inside
    the net is compared within rounding, and apart.
    """
    manifests = [Manifest.read(folder) for folder in (original, replay)]
    rows = [read_rows(folder) for folder in (original, replay)]
    results = [Result.of(folder) for folder in (original, replay)]
    values = [dataclasses.asdict(manifest) for manifest in manifests]
    elsewhere = any(what.startswith(ELSEWHERE) for what, *_ in differences(values[0], values[1], SURROUNDINGS))
    portable = elsewhere and all(manifest.is_portable for manifest in manifests)
    chosen = promised if portable else comparable
    difference = difference_in_rows(rows[0], rows[1], chosen) or difference_in_results(results[0], results[1], chosen)
    compared = sum(len(chosen(row)) for row in (*rows[0], results[0].metrics)) + 1  # and the weights
    inside = alike_inside(rows[0], rows[1]) if portable else None
    return ReplayCheck(difference, surroundings(values[0], values[1]), compared, inside)


def comparable(row: Row) -> dict[str, str]:
    """A row's metrics as text that tells all floats apart, without those that may differ."""
    return {k: json.dumps(v) for k, v in files.encode(row).items() if not k.startswith("speed/")}


def promised(row: Row) -> dict[str, str]:
    """Those of `comparable` that a run with portable bits has on every machine: all but what is seen inside the net."""
    return {name: value for name, value in comparable(row).items() if not name.startswith(INSIDE)}


def alike_inside(original: list[Row], replay: list[Row]) -> tuple[int, int]:
    """How many values of two records were seen inside the net, and how many of them agree in six digits."""
    every = [
        (value, other.get(name))
        for one, other in zip(original, replay, strict=False)
        for name, value in one.items()
        if name.startswith(INSIDE)
    ]
    alike = sum(b is not None and (a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)) for a, b in every)
    return len(every), alike


Chosen = Callable[[Row], dict[str, str]]  # `comparable` or `promised`


def difference_in_rows(original: list[Row], replay: list[Row], chosen: Chosen = comparable) -> str | None:
    """The first step and metric in which two records differ, among those that `chosen` gives of a row."""
    for one, other in itertools.zip_longest(original, replay):
        if one is None or other is None:
            ends = " and ".join(wording.count(len(rows), "row") for rows in (original, replay))
            shorter = original if one is None else replay
            return f"the records have {ends}: they agree up to step {shorter[-1]['step'] if shorter else 0}"
        if found := _first_difference(one, other, chosen):
            return f"step {one['step']}, {found}"
    return None


def _first_difference(original: Row, replay: Row, chosen: Chosen) -> str | None:
    """The first metric in which two rows differ, and what both say."""
    first, second = chosen(original), chosen(replay)
    differ = (name for name in first | second if first.get(name) != second.get(name))
    return next((f"{name}: {first.get(name, 'nothing')} and {second.get(name, 'nothing')}" for name in differ), None)


def difference_in_results(original: Result, replay: Result, chosen: Chosen = comparable) -> str | None:
    """The first thing in which two results differ."""
    if original.status != replay.status:
        return f"the original {original.status}, the replay {replay.status}"
    if found := _first_difference(original.metrics, replay.metrics, chosen):
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
