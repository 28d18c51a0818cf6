"""Rows of a table to sequences: a row a step, a row a sequence, a text, or lists in a field. Read in one pass."""

import itertools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.core import UserError
from rnnkit.datasets.own import fields
from rnnkit.datasets.own.data import place
from rnnkit.datasets.own.tables.long import long
from rnnkit.datasets.own.tables.reading import Rows, Table
from rnnkit.datasets.own.tables.roles import Roles
from rnnkit.datasets.own.tables.rows import Assembled, numbers, parts, pieces, targets, words


def assembled(table: Table, roles: Roles) -> Assembled:
    """The sequences of a table, in the order of the file. Raises `UserError`, with line and field."""
    return {"long": long, "wide": wide, "texts": texts, "nested": nested}[roles.form](table, roles)


class _Sheet:
    """What a table says of its rows beside their values, in the order of the file."""

    def __init__(self, table: Table, roles: Roles):
        self.table, self.roles = table, roles
        self.targets: list[str] = []
        self.parts: list[str] = []
        self.groups: list[str] = []
        self.ids: list[str] = []
        self.lines: list[int] = []

    def take(self, rows: Rows) -> None:
        """Note a piece more."""
        roles, table = self.roles, self.table
        self.lines.extend(rows.lines)
        if roles.form != "nested" or not isinstance(rows.columns[roles.target][0], list):
            self.targets += targets(rows, table, roles)
        if roles.split:
            self.parts += parts(rows, table, roles.split)
        if roles.group:
            self.groups += words(rows, table, roles.group)
        self.ids += words(rows, table, roles.id) if roles.id else map(str, rows.lines)

    def with_inputs(self, inputs: list[Any], targets: list[Any] | None = None, notes: Sequence[str] = ()) -> Assembled:
        """All of it, with the sequences."""
        by_step = targets is not None
        told = targets if targets is not None else self.targets
        return Assembled(
            inputs, told, self.lines, self.ids, by_step, self.groups, self.parts, [*self.roles.notes, *notes]
        )


def wide(table: Table, roles: Roles) -> Assembled:
    """A row a sequence of one channel; missing fields at its end say that it is shorter."""
    if not roles.values:
        raise UserError(f"{table.path} has no column of numbers or words to predict {roles.target!r} from")
    sheet, inputs = _Sheet(table, roles), []
    for rows in pieces(table):
        sheet.take(rows)
        values = numbers(table, roles, rows)
        there = ~np.isnan(values)
        lengths = values.shape[1] - there[:, ::-1].argmax(1)
        if (empty := ~there.any(1)).any():
            row = int(empty.argmax())
            raise UserError(f"{place(table.path, rows.lines[row])}: the row has no values: fill it in, or delete it")
        inputs += [row[:length, None].copy() for row, length in zip(values, lengths, strict=True)]
    return sheet.with_inputs(inputs)


def texts(table: Table, roles: Roles) -> Assembled:
    """A row a text."""
    sheet, inputs = _Sheet(table, roles), []
    for rows in pieces(table):
        sheet.take(rows)
        inputs += fields.words(rows.columns[roles.values[0]], table.path, rows.lines, roles.values[0])
    return sheet.with_inputs(inputs)


def nested(table: Table, roles: Roles) -> Assembled:
    """A row a sequence, its steps a list in one field: numbers, lists of numbers, or tokens; tags are a list too."""
    sheet, inputs, tags = _Sheet(table, roles), [], []
    name = roles.values[0]
    for rows in pieces(table):
        sheet.take(rows)
        for value, line in zip(rows.columns[name], rows.lines, strict=True):
            inputs.append(_tokens(table, value, line, name) if roles.has_words else _steps(table, value, line, name))
            if not roles.has_words and inputs[-1].shape[1] != inputs[0].shape[1]:
                found, first = inputs[-1].shape[1], inputs[0].shape[1]
                raise UserError(f"{place(table.path, line, name)}: {found} channels a step where the first has {first}")
        if isinstance(rows.columns[roles.target][0], list):
            for value, line in zip(rows.columns[roles.target], rows.lines, strict=True):
                tags.append(_tokens(table, value, line, roles.target))
                steps = len(inputs[len(tags) - 1])
                if len(tags[-1]) != steps:
                    raise UserError(f"{place(table.path, line, roles.target)}: {len(tags[-1])} tags for {steps} steps")
    return sheet.with_inputs(inputs, tags or None)


def _tokens(table: Table, value: Any, line: int, name: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, (str, int)) and str(v).strip() for v in value):
        raise UserError(
            f"{place(table.path, line, name)}: {fields.shown(value)} is not a list of words with one at least"
        )
    return [sys.intern(fields.word(one)) for one in value]


def _steps(table: Table, value: Any, line: int, name: str) -> np.ndarray:
    """A field with a list of steps, of shape (steps, channels)."""
    where = place(table.path, line, name)
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: {fields.shown(value)} is not a list of steps with one at least")
    rows = [one if isinstance(one, list) else [one] for one in value]
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        raise UserError(f"{where}: its steps have different numbers of channels")
    flat = list(itertools.chain.from_iterable(rows))
    return fields.numbers(flat, table.path, [line] * len(flat), name).reshape(len(rows), -1)
