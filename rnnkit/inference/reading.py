"""Files and standard input as sequences for a trained net: the formats that it learned from, and plain lines."""

import json
import math
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.core import UserError, wording
from rnnkit.datasets.own import How, are_columns, asking, named


if TYPE_CHECKING:
    from rnnkit.inference.model import Model


TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".npz", ".ts")
_TAGGED = (".conll", ".conllu", ".iob", ".bio", ".tags")  # tokens, and what is known of each
TABLES += _TAGGED
_ROLES = ("target", "id", "time", "text", "format")


def sequences(model: "Model", path: Path | None) -> asking.Asked:
    """What a net is asked about, in the order of its rows; None for standard input.

    A table, a folder or another format of one's own data is read as `experiments.own` reads it. Else each line is a
    sequence: a text, words with blanks between them, numbers with commas or blanks between them, or JSON. Raises
    `UserError`, with the line.
    """
    own = model.settings if model.experiment == "own" else {}
    if path is not None:
        if _is_as_own(model, own, path):
            return asking.read(path, _how(own), _channels(model))
        return _lines(model, _content(path), str(path))
    content = sys.stdin.buffer.read()
    suffix = Path(str(own.get("data", ""))).suffix.lower()
    if suffix not in TABLES or _are_lines(model, content, suffix):
        return _lines(model, content, "standard input")
    with tempfile.TemporaryDirectory() as folder:  # tables are read from their beginning more than once
        there = Path(folder) / f"input{Path(str(own.get('data', ''))).suffix}"
        there.write_bytes(content)
        try:
            return asking.read(there, _how(own), _channels(model))
        except UserError as error:
            raise UserError(str(error).replace(str(there), "standard input")) from None


def _is_as_own(model: "Model", own: dict[str, Any], path: Path) -> bool:
    """Whether a file or folder is read as own data are; else each of its lines is a sequence."""
    suffix = path.suffix.lower()
    if own and model.preprocessing.reads == "tokens" and not path.is_dir() and suffix in (*_TAGGED, ".txt"):
        return not _are_sentences(model, _content(path))
    return (
        path.is_dir() or suffix in TABLES or bool(own and Path(str(own.get("data", ""))).suffix.lower() not in TABLES)
    )


def _are_lines(model: "Model", content: bytes, suffix: str) -> bool:
    """Whether standard input is no table as the net's own data are, but a text or a sentence a line.

    A single line is no table of texts, as it would be a header alone; rows of JSON Lines begin with a brace.
    """
    if model.preprocessing.reads == "tokens" and suffix in _TAGGED:
        return _are_sentences(model, content)
    full = [line for line in content.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    if not full or model.preprocessing.reads not in ("words", "characters"):
        return False
    if suffix in (".jsonl", ".ndjson"):
        return not full[0].lstrip().startswith(b"{")
    return suffix in (".csv", ".tsv") and len(full) == 1


def _are_sentences(model: "Model", content: bytes) -> bool:
    """Whether lines of several words are sentences, not tokens with tags: most end in none that the net knows."""
    rows = [line.split() for line in content.decode(errors="replace").splitlines() if "\t" not in line]
    ends = [row[-1] for row in rows if len(row) > 1]
    return bool(ends) and 2 * sum(end in model.preprocessing.classes for end in ends) < len(ends)


def _how(own: dict[str, Any]) -> How:
    told = {name: own[name] for name in _ROLES if own.get(name)}
    ignore = named(str(own.get("ignore", "")))
    ignore += tuple(own[name] for name in ("split", "group") if own.get(name))  # which say nothing of a sequence
    task = own.get("task", "auto")
    return How(ignore=ignore, task=task, **told)


def _channels(model: "Model") -> tuple[str, ...]:
    """The columns that a net reads, where its channels are columns."""
    names = model.preprocessing.channels
    return names if are_columns(names) else ()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _lines(model: "Model", content: bytes, where: str) -> asking.Asked:
    """A sequence a line. An empty line is refused: it would leave no trace among the answers."""
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{where}, line {line}: not UTF-8: save it as UTF-8") from None
    rows = text.removesuffix("\n").split("\n") if text else []
    if not rows:
        raise UserError(f"{where} is empty: give a sequence a line")
    found: list[Any] = []
    for number, row in enumerate(rows, start=1):
        row = row.removesuffix("\r")
        if not row.strip():
            raise UserError(f"{where}, line {number}: it is empty: each line is a sequence")
        found.append(_sequence(model, row, f"{where}, line {number}"))
    numbers = list(range(1, len(found) + 1))
    return asking.Asked(found, numbers, list(map(str, numbers)))


def _sequence(model: "Model", line: str, place: str) -> Any:
    known = model.preprocessing
    if known.reads in ("words", "characters", "tokens"):
        return line
    values = _values(line, place)
    if not values:
        raise UserError(f"{place}: it has no step")
    if known.answers == "keys":
        return _sounding(values, known.channels, place)
    rows = [row if isinstance(row, list) else [row] for row in values]
    if len({len(row) for row in rows}) > 1:
        raise UserError(f"{place}: its steps have different numbers of channels")
    array = np.array([[_number(value, place) for value in row] for row in rows], np.float64)
    width = len(known.channels)
    if known.reads == "series" and array.shape[1] == 1 and width > 1 and not len(array) % width:
        return array.reshape(-1, width)  # one step after the other
    return array


def _number(value: Any, place: str) -> float:
    """A number of a step; null, as NaN, is one that is missing."""
    if value is None:
        return math.nan
    if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > np.finfo(np.float32).max:
        raise UserError(f"{place}: {json.dumps(value)[:40]} is not a finite number")
    return float(value)


def _values(line: str, place: str) -> list[Any]:
    """The numbers of a line: JSON, or with commas or blanks between them."""
    if line.lstrip().startswith("["):
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise UserError(f"{place}: not JSON: a list of numbers, or of steps, was expected") from None
    found: list[Any] = []
    for word in re.split(r"[,;\t ]+", line.strip(" ,;\t")):
        try:
            found.append(float(word))
        except ValueError:
            raise UserError(f"{place}: {wording.printable(word[:40])!r} is not a number") from None
    return found


def _sounding(steps: list[Any], channels: tuple[str, ...], place: str) -> np.ndarray:
    """Steps as lists of the keys that sound, by their numbers, as rows of 0 and 1, of shape (steps, keys)."""
    places = {int(name.rpartition(" ")[2]): number for number, name in enumerate(channels)}
    roll = np.zeros((len(steps), len(channels)), np.float32)
    for number, notes in enumerate(steps):
        for note in notes if isinstance(notes, list) else [notes]:
            if not isinstance(note, (int, float)) or note not in places:
                raise UserError(f"{place}, step {number}: {json.dumps(note)[:40]} is not a key that the net knows")
            roll[number, places[note]] = 1
    return roll
