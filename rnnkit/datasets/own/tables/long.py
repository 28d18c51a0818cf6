"""Tables in which a row is a step: put in order, and cut into sequences. Read in one pass."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnkit.core import UserError, wording
from rnnkit.datasets.own import fields
from rnnkit.datasets.own.data import place
from rnnkit.datasets.own.tables import rows
from rnnkit.datasets.own.tables.reading import Table
from rnnkit.datasets.own.tables.roles import Roles
from rnnkit.datasets.own.tables.rows import Assembled


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
    cut = lambda steps: [steps[low:high] for low, high in itertools.pairwise(cuts)]
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
    for some in rows.pieces(table):
        for name, seen in known.items():
            if name and name == roles.split:
                found = rows.parts(some, table, name)
            elif name == roles.target:
                found = rows.targets(some, table, roles)
            elif name or roles.id:
                found = rows.words(some, table, name or roles.id)
            else:
                found = [""] * len(some.lines)
            numbered = [seen.setdefault(word, len(seen)) for word in found]
            codes[name].extend(numbered)
            if not name:
                for row in fields.starts(numbered):
                    begins.setdefault(numbered[row], some.lines[row])
        if roles.time:
            times.extend(fields.times(some.columns[roles.time], table.path, some.lines, roles.time))
        if roles.has_words:
            words += rows.words(some, table, roles.values[0])
        else:
            numbers.extend(rows.numbers(table, roles, some))
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
            raise UserError(
                f"{place(table.path, line, name)}: the sequence that begins here has two values in this column"
            )
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
