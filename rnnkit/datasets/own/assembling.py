"""Rows of a table to sequences: a row a step, a row a sequence, a text, or lists in a field. Read in one pass."""

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnkit.core import UserError, terminal, wording
from rnnkit.datasets.own import fields
from rnnkit.datasets.own.data import place
from rnnkit.datasets.own.roles import PARTS, Roles
from rnnkit.datasets.own.tables import Rows, Table


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


def assembled(table: Table, roles: Roles) -> Assembled:
    """The sequences of a table, in the order of the file. Raises `UserError`, with line and field."""
    return {"long": long, "wide": wide, "texts": texts, "nested": nested}[roles.form](table, roles)


def _pieces(table: Table) -> Any:
    """The rows of a table, with a bar on a terminal."""
    with terminal.bar(unit="row", unit_scale=True, desc=f"reading {table.path.name}") as bar:
        for rows in table.rows():
            yield rows
            bar.update(len(rows.lines))


def _words(rows: Rows, table: Table, name: str) -> list[str]:
    return [sys.intern(one) for one in fields.words(rows.columns[name], table.path, rows.lines, name)]


def _parts(rows: Rows, table: Table, name: str) -> list[str]:
    found = [word.lower() for word in _words(rows, table, name)]
    for word, line in zip(found, rows.lines, strict=True):
        if word not in PARTS:
            raise UserError(f"{place(table.path, line, name)}: {word!r} is none of train, valid and test")
    return [PARTS[word] for word in found]


class _Column:
    """Numbers of one type that come piece by piece; joining the pieces at the end would hold them twice."""

    def __init__(self, dtype: type[np.generic]):
        self._dtype, self._bytes = dtype, bytearray()

    def extend(self, values: Sequence[Any] | np.ndarray) -> None:
        """Take some more."""
        self._bytes += np.ascontiguousarray(values, self._dtype).tobytes()

    def array(self) -> np.ndarray:
        """All of them, one after the other; none is left in the column."""
        found, self._bytes = self._bytes, bytearray()
        return np.frombuffer(found, self._dtype)


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
            self.targets += _words(rows, table, roles.target)
        if roles.split:
            self.parts += _parts(rows, table, roles.split)
        if roles.group:
            self.groups += _words(rows, table, roles.group)
        self.ids += _words(rows, table, roles.id) if roles.id else map(str, rows.lines)

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
    for rows in _pieces(table):
        sheet.take(rows)
        values = _numbers(table, roles, rows)
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
    for rows in _pieces(table):
        sheet.take(rows)
        inputs += fields.words(rows.columns[roles.values[0]], table.path, rows.lines, roles.values[0])
    return sheet.with_inputs(inputs)


def nested(table: Table, roles: Roles) -> Assembled:
    """A row a sequence, its steps a list in one field: numbers, lists of numbers, or tokens; tags are a list too."""
    sheet, inputs, tags = _Sheet(table, roles), [], []
    name = roles.values[0]
    for rows in _pieces(table):
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


def _numbers(table: Table, roles: Roles, rows: Rows) -> np.ndarray:
    """The values of some rows, of shape (rows, values)."""
    columns = [fields.numbers(rows.columns[name], table.path, rows.lines, name) for name in roles.values]
    return np.stack(columns, axis=1) if columns else np.empty((len(rows.lines), 0), np.float32)


@dataclass(frozen=True)
class _Read:
    """The rows of a table of steps. Words are numbered as they first come, those of the id under the name ""."""

    codes: dict[str, np.ndarray]  # of each column of words, the number of each row's word
    words: dict[str, list[str]]  # the words, by their numbers
    values: Any  # of shape (rows, values), or a list of tokens
    times: np.ndarray | None
    begins: dict[int, int]  # of each sequence, by the number of its id, the line of its first row

    def sorted(self, order: np.ndarray) -> "_Read":
        """The same with its rows in another order."""
        values = [self.values[i] for i in order] if isinstance(self.values, list) else self.values[order]
        times = None if self.times is None else self.times[order]
        return replace(self, values=values, times=times, codes={name: part[order] for name, part in self.codes.items()})


def long(table: Table, roles: Roles) -> Assembled:
    """A row a step: rows of the same id are one sequence, in the order of their times, or of the file."""
    read = _read(table, roles)
    order, notes = _order(read.codes[""], read.times, roles)
    if order is not None:
        read = read.sorted(order)
    edges = _edges(read.codes[""])
    cuts = [0, *edges.tolist(), len(read.codes[""])]
    cut = lambda rows: [rows[low:high] for low, high in itertools.pairwise(cuts)]
    firsts = [int(code) for code in read.codes[""][cuts[:-1]]]
    changes = _edges(read.codes[roles.target])
    by_step = bool(np.setdiff1d(changes, edges, assume_unique=True).size)
    words, codes = read.words[roles.target], read.codes[roles.target]
    targets: list[Any] = [words[code] for code in codes[cuts[:-1]]]
    if by_step or (roles.has_words and not roles.id):
        targets = cut([words[code] for code in codes])
    gaps: list[np.ndarray] = []
    if read.times is not None and not roles.has_words:
        spans = np.empty(len(read.times), np.float32)
        np.subtract(read.times[1:], read.times[:-1], out=spans[1:])
        spans[cuts[:-1]] = 0
        gaps = cut(spans)
    return Assembled(
        inputs=cut(read.values),
        targets=targets,
        lines=[read.begins[code] for code in firsts],
        ids=[read.words[""][code] or "1" for code in firsts],
        by_step=by_step,
        groups=_of_sequences(table, read, roles.group, cuts),
        parts=_of_sequences(table, read, roles.split, cuts),
        notes=[*roles.notes, *notes],
        gaps=gaps,
    )


def _read(table: Table, roles: Roles) -> _Read:
    known = {name: dict[str, int]() for name in ("", *filter(None, (roles.target, roles.split, roles.group)))}
    codes = {name: _Column(np.int32) for name in known}
    words, numbers, times = list[str](), _Column(np.float32), _Column(np.float64)
    begins: dict[int, int] = {}
    for rows in _pieces(table):
        for name, seen in known.items():
            if name and name == roles.split:
                found = _parts(rows, table, name)
            elif name or roles.id:
                found = _words(rows, table, name or roles.id)
            else:
                found = [""] * len(rows.lines)
            numbered = [seen.setdefault(word, len(seen)) for word in found]
            codes[name].extend(numbered)
            if not name:
                for row in fields.starts(numbered):
                    begins.setdefault(numbered[row], rows.lines[row])
        if roles.time:
            times.extend(fields.times(rows.columns[roles.time], table.path, rows.lines, roles.time))
        if roles.has_words:
            words += _words(rows, table, roles.values[0])
        else:
            numbers.extend(_numbers(table, roles, rows))
    arrays = {name: column.array() for name, column in codes.items()}
    values = words if roles.has_words else numbers.array().reshape(len(arrays[""]), len(roles.values))
    spelled = {name: list(found) for name, found in known.items()}
    return _Read(arrays, spelled, values, times.array() if roles.time else None, begins)


def _of_sequences(table: Table, read: _Read, name: str, cuts: Sequence[int]) -> list[str]:
    """The word of each sequence in a column, in which all its rows have the same."""
    if not name:
        return []
    codes = read.codes[name]
    for low, high in itertools.pairwise(cuts):
        if (codes[low:high] != codes[low]).any():
            line = read.begins[int(read.codes[""][low])]
            raise UserError(f"{place(table.path, line, name)}: the sequence that begins here has two values of it")
    return [read.words[name][code] for code in codes[cuts[:-1]]]


def _edges(codes: np.ndarray) -> np.ndarray:
    """The places of the rows whose code is another than that of the row before."""
    return np.flatnonzero(codes[1:] != codes[:-1]) + 1


def _order(codes: np.ndarray, times: np.ndarray | None, roles: Roles) -> tuple[np.ndarray | None, list[str]]:
    """In which order rows are read, None for that of the file; and what is to be said of it."""
    notes: list[str] = []
    runs = codes[[0, *_edges(codes)]]
    back = len(runs) - len(np.unique(runs))
    if back:
        times_back = wording.count(back, "time")
        notes.append(f"ids in {roles.id!r} come back after others, {times_back}: their rows are joined")
    if times is None:
        return (np.argsort(codes, kind="stable") if back else None), notes
    late = int(((codes[1:] == codes[:-1]) & (times[1:] < times[:-1])).sum())
    if not late and not back:
        return None, notes
    if late:
        notes.append(
            f"times in {roles.time!r} go back within a sequence, {wording.count(late, 'time')}: rows are sorted"
        )
    return np.lexsort((times, codes)), notes
