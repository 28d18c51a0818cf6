"""A run's metrics.jsonl as columns, read on while it grows; rows that are damaged are counted and left out."""

import contextlib
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from rnnkit.runs import read_row


TAIL = 1 << 18  # bytes at the end of a file within which the last row that holds a metric is looked for


@dataclass
class Columns:
    """`series` maps each metric to its steps and its values, in order; `rows` are counted, `damaged` ones too."""

    series: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    last_step: int = 0
    rows: int = 0
    damaged: int = 0
    position: int = 0
    file: int = 0


def read_columns(path: Path | None, before: Columns | None = None) -> Columns:
    """All rows of a file, or those that follow what was read `before`. A last line without its end is not there yet."""
    if path is None:
        return Columns()
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        columns = before
        if columns is None or columns.file != about.st_ino or about.st_size < columns.position:
            columns = Columns(file=about.st_ino)
        if about.st_size == columns.position:
            return columns
        file.seek(columns.position)
        content = file.read()
    damaged = columns.damaged
    _add(columns, content[: content.rfind(b"\n") + 1])
    if before is columns and columns.damaged > damaged:  # a run that went on may have cut it, and written it anew
        return read_columns(path)
    return columns


def _add(columns: Columns, lines: bytes) -> None:
    columns.position += len(lines)
    for line in lines.splitlines():
        row = _row(line)
        if row is None or row["step"] <= columns.last_step:
            columns.damaged += 1
            continue
        columns.rows += 1
        columns.last_step = step = row.pop("step")
        for name, value in row.items():
            if isinstance(value, (int, float)):
                steps, values = columns.series.setdefault(name, ([], []))
                steps.append(step)
                values.append(float(value))


def _row(line: bytes) -> dict | None:
    with contextlib.suppress(ValueError):
        return read_row(line)
    return None


def last_row(path: Path | None, metric: str) -> tuple[dict, int]:
    """The last row that holds `metric`, or any score where it is "", and the last step (0 where there is none).

    {} where no row at the end of the file does.
    """
    if path is None:
        return {}, 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - TAIL, 0))
        content = file.read()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    step, asked = 0, json.dumps(metric).encode() if metric else b'"metric/'
    for line in reversed(lines):
        if step and asked not in line:
            continue
        row = _row(line)
        if row is not None:
            step = step or row["step"]
            if metric in row or (not metric and any(name.startswith("metric/") for name in row)):
                return row, step
    return {}, step


def thinned(steps: list[int], values: list[float], most: int = 1_000) -> tuple[list[int], list[float]]:
    """At most about `most` points of a curve: the lowest and the highest of each stretch, so that no spike is lost."""
    if len(steps) <= most:
        return steps, values
    width = math.ceil(len(steps) / (most // 2))
    kept = []
    for start in range(0, len(steps), width):
        stretch = range(start, min(start + width, len(steps)))
        finite = [i for i in stretch if math.isfinite(values[i])]
        odd = [i for i in stretch if not math.isfinite(values[i])][:1]  # a gap stays a gap
        ends = {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)} if finite else set()
        kept += sorted({*ends, *odd})
    if kept[-1] != len(steps) - 1:
        kept.append(len(steps) - 1)
    return [steps[i] for i in kept], [values[i] for i in kept]
