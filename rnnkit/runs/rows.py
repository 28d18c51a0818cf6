"""The rows of a run: metrics.jsonl."""

from pathlib import Path
from typing import Any

from rnnkit.core import UserError, files


Row = dict[str, Any]  # a line of metrics.jsonl: its step, and numbers by their names


def read_row(line: bytes) -> Row:
    """A line of metrics.jsonl as the row that it holds. Raises `ValueError` where it holds none."""
    try:
        row = files.parsed(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        raise ValueError("a line of metrics.jsonl is damaged: it is not a row of a run")
    return files.decode(row)


def first_damaged(content: bytes) -> int | None:
    """The number of the first line that is no row, or whose step is not above the one before; None where all are."""
    last = 0
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            step = read_row(line)["step"]
        except ValueError:
            return number
        if step <= last:
            return number
        last = step
    return None


def logged(folder: Path) -> bytes:
    """What a run's metrics.jsonl holds; nothing where there is none. Raises `UserError` where it cannot be read."""
    path = folder / "metrics.jsonl"
    try:
        return files.read_plain(path) if path.exists() else b""
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def read_rows(folder: Path) -> list[Row]:
    """All rows of a run, without a last line cut short. Raises `UserError`, with the line, where one is no row."""
    path = folder / "metrics.jsonl"
    rows = []
    for number, line in enumerate(logged(folder).split(b"\n")[:-1], start=1):
        try:
            rows.append(read_row(line))
        except ValueError:
            raise UserError(f"{path}, line {number} is damaged: it is not a row of a run") from None
    return rows
