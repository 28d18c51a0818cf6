"""The bank's file: one line of JSON for each run that is done, short enough to be kept with the source.

Its first line names the signs; in the others they stand as lists, null where a net does not have one.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rnnkit.core import UserError, files, writing
from sweeps.flag_study.scores import NAMES


FORMAT = 2


@dataclass(frozen=True)
class Entry:
    """A run of the bank, and what was seen of it."""

    number: int  # in the order of `drawn.points`
    task: str
    family: str
    settings: dict[str, Any]
    status: str
    loss: float | None  # of the test, None where it diverged
    limits: tuple[float, float]  # the loss of a cheap baseline, and the best known one
    curve: list[float]  # validation losses: before training, then every 1 % of the steps up to the last moment
    signs: list[dict[str, float]]  # by name, for each moment that was reached
    seconds: tuple[float, float, float]  # of the processor: all of the run, and in it looks, and published scores


def read(path: Path) -> list[Entry]:
    """All entries of a file, none where there is no file. Raises `UserError` for one of another format."""
    if not path.exists():
        return []
    head, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    if head.get("format") != FORMAT:
        raise UserError(f"{path.name} is of another format: move it away, and the bank begins anew")
    entries = []
    for line in lines:
        looks = [dict(zip(head["signs"], values, strict=True)) for values in line.pop("signs")]
        there = [{name: value for name, value in look.items() if value is not None} for look in looks]
        entries.append(Entry(**line | {name: tuple(line[name]) for name in ("limits", "seconds")}, signs=there))
    return entries


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write a file as a whole, so that who stops the bank finds the old one or the new one."""
    lines: list[dict[str, Any]] = [{"format": FORMAT, "signs": list(NAMES)}]
    for entry in entries:
        lines.append(asdict(entry) | {"signs": [[look.get(name) for name in NAMES] for look in entry.signs]})
    text = "".join(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n" for line in lines)
    with writing(path.parent):
        files.write_whole(path, text.encode())
