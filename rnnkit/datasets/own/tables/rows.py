"""What rows of a table say, piece by piece, and what they become."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnkit.core import UserError, terminal
from rnnkit.datasets.own import fields
from rnnkit.datasets.own.data import place
from rnnkit.datasets.own.tables.reading import Rows, Table
from rnnkit.datasets.own.tables.roles import PARTS, Roles


@dataclass(frozen=True)
class Assembled:
    """Sequences of a table. `targets` are words, one a sequence, or where `by_step` lists of them."""

    inputs: list[Any]
    targets: list[Any]
    lines: list[int]
    ids: list[str]
    by_step: bool
    groups: list[str]
    parts: list[str]
    notes: list[str]
    gaps: list[np.ndarray] = field(default_factory=list[np.ndarray])


def pieces(table: Table) -> Iterator[Rows]:
    """The rows of a table, with a bar on a terminal."""
    with terminal.counting(unit="row", unit_scale=True, desc=f"reading {table.path.name}") as count:
        for rows in table.rows():
            yield rows
            count(len(rows.lines))


def words(rows: Rows, table: Table, name: str) -> list[str]:
    """A column of some rows as words. Raises `UserError`, with line and field, for an empty one."""
    return [sys.intern(one) for one in fields.words(rows.columns[name], table.path, rows.lines, name)]


def targets(rows: Rows, table: Table, roles: Roles) -> list[str]:
    """The targets of some rows; tags of tokens may be any words."""
    if roles.has_words:
        return words(rows, table, roles.target)
    found = fields.targets(rows.columns[roles.target], table.path, rows.lines, roles.target)
    return [sys.intern(one) for one in found]


def parts(rows: Rows, table: Table, name: str) -> list[str]:
    """To which part each of some rows belongs: train, valid or test. Raises `UserError` for another word."""
    found = [word.lower() for word in words(rows, table, name)]
    for word, line in zip(found, rows.lines, strict=True):
        if word not in PARTS:
            raise UserError(f"{place(table.path, line, name)}: {word!r} is none of train, valid and test")
    return [PARTS[word] for word in found]


def numbers(table: Table, roles: Roles, rows: Rows) -> np.ndarray:
    """The values of some rows, of shape (rows, values)."""
    columns = [fields.numbers(rows.columns[name], table.path, rows.lines, name) for name in roles.values]
    return np.stack(columns, axis=1) if columns else np.empty((len(rows.lines), 0), np.float32)
