"""Tables, read some thousand rows at a time: CSV, TSV, JSON Lines, Parquet. No more is in memory than that."""

import csv
import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnnkit.core import UserError, extras, wording
from rnnkit.datasets.own import fields, source
from rnnkit.datasets.own.data import Format


AT_ONCE = 2_000  # rows: of 20,000, 13 MB stay behind in Python's own store of small objects
HEAD = 20_000  # rows that show what columns are
_MOST_FIELDS = 1_000_000  # of the head, however wide a table is; at once as much less as rows
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Rows:
    """Some rows: the fields of each column, as many as there are lines, and where each row begins, from 1."""

    columns: dict[str, Sequence[Any]]
    lines: Sequence[int]


@dataclass(frozen=True)
class Table:
    """A table: the names of its columns, and its rows from the beginning whenever they are asked for."""

    path: Path
    names: tuple[str, ...]
    rows: Callable[[], Iterator[Rows]]
    has_header: bool = True
    notes: tuple[str, ...] = ()


def head(table: Table) -> Rows | None:
    """The first rows, some thousand, which show what columns are; None where there are none."""
    most = _rows_of(HEAD, len(table.names))
    pieces: list[Rows] = []
    for rows in table.rows():
        pieces.append(rows)
        if sum(len(piece.lines) for piece in pieces) >= most:
            break
    if not pieces:
        return None
    joined = lambda parts: list(itertools.islice(itertools.chain.from_iterable(parts), most))
    columns: dict[str, Sequence[Any]] = {name: joined(piece.columns[name] for piece in pieces) for name in table.names}
    return Rows(columns, joined(piece.lines for piece in pieces))


def _rows_of(most: int, columns: int) -> int:
    """So many rows, or fewer of a wide table."""
    return max(1, min(most, _MOST_FIELDS * most // HEAD // max(columns, 1)))


def separated(path: Path, tabs: bool) -> Table:
    """A table with a row a line, its fields parted by commas, semicolons, bars or tabs, as the first line shows.

    Without a header, which is where all fields of the first line are numbers, columns are named by their numbers
    from 1. Raises `UserError`, with the line, for a header with a name twice.
    """
    first = next(source.lines(path))
    delimiter = "\t" if tabs else delimiter_of(first)
    head = next(_parsed(path, delimiter))[1]
    has_header = not all(fields.as_number(field if delimiter == "," else _pointed(field)) is not None for field in head)
    names = _names(path, head) if has_header else [str(number) for number in range(1, len(head) + 1)]
    named = {" ": "blanks"}.get(delimiter, repr(delimiter))
    notes = () if tabs or delimiter == "," else (f"fields are separated by {named}",)

    def rows() -> Iterator[Rows]:
        return _in_pieces(_checked(path, delimiter, names, has_header), names)

    table = Table(path, tuple(names), rows, has_header, notes)
    return table if delimiter == "," else _with_points(table)


def _pointed(field: str) -> str:
    """A field with a point for its decimal comma, where it is a number with one."""
    return field.replace(",", ".") if re.fullmatch(r"\s*[-+]?\d+,\d+([eE][-+]?\d+)?\s*", field) else field


def _with_points(table: Table) -> Table:
    """The table with points for decimal commas, in columns where most fields are numbers if these are read so."""
    some = head(table)
    if some is None:
        return table
    changed: list[str] = []
    for name in table.names:
        there = [value for value in some.columns[name] if not fields.is_missing(value)]
        read = [value for value in map(_pointed, there) if fields.as_number(value) is not None]
        if 2 * len(read) > len(there) and read != [value for value in there if fields.as_number(value) is not None]:
            changed.append(name)
    if not changed:
        return table

    def rows() -> Iterator[Rows]:
        for piece in table.rows():
            yield replace(
                piece, columns=piece.columns | {name: list(map(_pointed, piece.columns[name])) for name in changed}
            )

    note = f"decimal commas are read in {wording.listed([repr(name) for name in changed])}"
    return replace(table, rows=rows, notes=(*table.notes, note))


def delimiter_of(line: str) -> str:
    """What parts the fields of a line: the most frequent of the usual signs outside quotes, a comma where none is.

    A line of numbers with nothing but blanks between them is parted by these.
    """
    outside = "".join(line.split('"')[::2])
    numbers = [fields.as_number(word) for word in outside.split()]
    if len(numbers) > 1 and None not in numbers:
        return " "
    return max(_DELIMITERS, key=lambda sign: (outside.count(sign), -_DELIMITERS.index(sign)))


def _names(path: Path, head: list[str]) -> list[str]:
    names = [name.strip() or f"column {number}" for number, name in enumerate(head, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{path}, line 1: the header has the column {twice[0]!r} twice: give each a name of its own")
    return names


def _parsed(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(1 << 30)  # csv's own, 131,072 characters, is a long text
    # Between numbers any count of blanks is one.
    reader = csv.reader(source.lines(path), delimiter=delimiter, strict=True, skipinitialspace=delimiter == " ")
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        if "new-line character" in str(error):
            raise UserError(
                f"{path}, line {line}: a carriage return without a line feed: end lines with a line feed"
            ) from None
        raise UserError(
            f"{path}, line {line}: a quote opens in the row that begins here, and does not close as it should ({error})"
        ) from None


def _checked(path: Path, delimiter: str, names: list[str], has_header: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with a field for each column. Empty lines at the end are none."""
    empty, header = 0, None
    for line, row in _parsed(path, delimiter):
        if header is None and has_header:
            header = row
            continue
        if not row or (len(row) == 1 and not row[0].strip() and len(names) > 1):
            empty = empty or line
            continue
        if empty:
            raise UserError(f"{path}, line {empty}: an empty line where a row was expected: delete it")
        if len(row) != len(names):
            what = "header" if has_header else "first row"
            raise UserError(f"{path}, line {line}: {len(row)} fields where the {what} has {len(names)}")
        if row == header:
            raise UserError(f"{path}, line {line}: the header stands here again: delete the line")
        yield line, row


def _in_pieces(rows: Iterator[tuple[int, list[Any]]], names: Sequence[str]) -> Iterator[Rows]:
    most = _rows_of(AT_ONCE, len(names))
    lines: list[int] = []
    kept: list[list[Any]] = []
    for line, row in rows:
        lines.append(line)
        kept.append(row)
        if len(kept) == most:
            yield Rows(dict(zip(names, zip(*kept, strict=True), strict=True)), lines)
            lines, kept = [], []
    if kept:
        yield Rows(dict(zip(names, zip(*kept, strict=True), strict=True)), lines)


def json_lines(path: Path) -> Table:
    """A table with a JSON object a line; its columns are the names that the first 1,000 have, a missing one is None.

    Raises `UserError`, with the line, for what is no object, and for a name that none of the first has.
    """
    names: dict[str, None] = {}
    for number, (_, row) in enumerate(_objects(path)):
        names |= dict.fromkeys(row)
        if number == 1_000:
            break
    if not names:
        raise UserError(f"{path} holds no rows")

    def rows() -> Iterator[tuple[int, list[Any]]]:
        for line, row in _objects(path):
            if strange := row.keys() - names.keys():
                raise UserError(f"{path}, line {line}: the name {min(strange)!r}, which no row before has: correct it")
            yield line, [row.get(name) for name in names]

    return Table(path, tuple(names), lambda: _in_pieces(rows(), tuple(names)))


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(source.lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(": line")[0]
            raise UserError(
                f"{path}, line {number}: no JSON ({reason}): each line must be an object in braces"
            ) from None
        if not isinstance(row, dict):
            what = "a list: write each object on a line of its own" if isinstance(row, list) else "no object in braces"
            raise UserError(f"{path}, line {number}: {fields.shown(row)} is {what}")
        yield number, row


def parquet(path: Path) -> Table:
    """A table in Parquet, by pyarrow, a group of rows at a time; rows count from 1."""
    with extras.needed("parquet", "a Parquet file"):
        import pyarrow
        import pyarrow.parquet

    def rows() -> Iterator[Rows]:
        done = 0
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_rows_of(AT_ONCE, len(names))):
                    columns = {name: column.to_pylist() for name, column in zip(names, batch.columns, strict=True)}
                    yield Rows(columns, range(done + 1, done + batch.num_rows + 1))
                    done += batch.num_rows
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"{path}, after row {done}: it cannot be read on ({_first_line(error)})") from None

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} is not a Parquet file that can be read ({_first_line(error)})") from None
    return Table(path, tuple(_names(path, names)), rows)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


READERS: dict[Format, Callable[[Path], Table]] = {
    "csv": functools.partial(separated, tabs=False),
    "tsv": functools.partial(separated, tabs=True),
    "jsonl": json_lines,
    "parquet": parquet,
}
