"""Files that a trained net is asked about: of the formats that it learned from, with the target or without it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnnkit.core import UserError
from rnnkit.datasets.own import files, reading, tables
from rnnkit.datasets.own.data import ASKED, GAP, How, with_gaps
from rnnkit.datasets.own.tables import IDS, TARGETS, TIMES, Rows, Table, assembled, roles_of


@dataclass(frozen=True)
class Asked:
    """Sequences in the order of the file, where each begins, from 1, and what it is called."""

    inputs: list[Any]
    lines: list[int]
    ids: list[str]


def read(path: Path, how: How, channels: tuple[str, ...] = ()) -> Asked:
    """The sequences of a file or folder; `how` is how the net's own data were read, `channels` what it reads of a step.

    A target in the file is passed over. Raises `UserError`, with file, line and field, for what cannot be read.
    """
    if not path.exists():
        raise UserError(f"{path} is not there: give a file or a folder to read")
    kind = how.format if how.format != "auto" else reading.format_of(path)
    asking = replace(how, target=ASKED, split="", group="")
    if kind in files.READERS:
        found = files.READERS[kind](path, asking)
        return Asked(found.inputs, found.lines, found.ids)
    table = tables.READERS[kind](path)
    if lacking := [name for name in (how.id, how.time, how.text) if name and name not in table.names]:
        raise UserError(f"{path} has no column {lacking[0]!r}, which the training data had")
    gaps, channels = GAP in channels, tuple(name for name in channels if name != GAP)
    named = set(channels) & set(table.names)
    if named:
        if lacking := [name for name in channels if name not in table.names]:
            raise UserError(f"{path} has no column {lacking[0]!r}, which the net reads")
        # With those that may say which steps belong together, and in which order, where no flag did.
        kept = {*channels, how.id, how.time, how.text} | {
            name for name in table.names if name.lower() in (*IDS, *TIMES)
        }
        asking = replace(asking, ignore=tuple(name for name in table.names if name not in kept))
    else:
        told = {how.target, *TARGETS} if table.has_header else {how.target}
        here = [name for name in table.names if name.lower() in told or name == how.target]
        asking = replace(asking, ignore=(*(name for name in how.ignore if name in table.names), *here[:1]))
    roles = roles_of(_with_target(table), asking)
    if named and roles.form == "long":  # in the order in which the net reads them
        roles = replace(roles, values=tuple(channels))
    found = assembled(_with_target(table), roles)
    if gaps and not found.gaps:
        raise UserError(f"{path} has no column of times, and the net reads the time since the step before: add one")
    return Asked(with_gaps(found.inputs, found.gaps) if gaps else found.inputs, found.lines, found.ids)


def _with_target(table: Table) -> Table:
    """The table with a column more, for the target that is asked for."""

    def rows() -> Iterator[Rows]:
        for some in table.rows():
            yield Rows(some.columns | {ASKED: list(itertools.repeat(ASKED, len(some.lines)))}, some.lines)

    return replace(table, names=(*table.names, ASKED), rows=rows)
