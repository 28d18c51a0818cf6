"""Files that are always whole, JSON with every float in it, and nothing secret."""

import errno
import json
import math
import os
import re
import reprlib
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from rnnkit.core.errors import UserError
from rnnkit.core.texts import without_secrets


FORMAT = 1  # of manifest.json, study.json and summary.json; a reader of one format refuses later ones
_HALF = re.compile("[\ud800-\udfff]")
# Whole numbers beyond 64 bits are floats. One decoder for all: to make one takes as long as to read a small file.
_JSON = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))
MOST_BYTES = 1 << 28  # of a JSON file that is read as a whole
DEEPEST = 50  # brackets inside of each other that are read
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def encode(row: dict[str, Any]) -> dict[str, Any]:
    """A row of numbers as JSON can hold it: floats that are not finite become strings."""
    return {k: plain_float(v) if isinstance(v, float) else v for k, v in row.items()}


def plain_float(value: float) -> float | str:
    """A number as JSON can hold it: NaN, Infinity and -Infinity as strings."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _own(value: Any) -> Any:
    """What NumPy and torch have for one number as Python's own; float() warns of a tensor with a gradient."""
    return value.item() if hasattr(value, "item") else value


def plain_numbers(row: Mapping[str, Any]) -> dict[str, int | float]:
    """A row of numbers as Python's own, whatever library they are of. Raises `UserError` for what is not a number."""
    numbers: dict[str, int | float] = {}
    for name, value in row.items():
        try:
            numbers[name] = value if type(value) in (int, float, bool) else float(_own(value))
        except (TypeError, ValueError, RuntimeError):  # RuntimeError is torch's, of a tensor of several
            raise UserError(f"{name} is {reprlib.repr(value)}, and must be one number") from None
    return numbers


def decode(row: dict[str, Any]) -> dict[str, Any]:
    """What `encode` was given."""
    return {k: _NON_FINITE.get(v, v) if isinstance(v, str) else v for k, v in row.items()}


def parsed(text: str | bytes) -> Any:
    """What JSON says, with nothing in it that could not be shown or written again. Raises `ValueError`, with the place.

    Refused are half characters (backslash ud800 alone) and brackets too deep to go through. A whole number beyond 64
    bits is a float.
    """
    text = text if isinstance(text, str) else text.decode()
    try:
        value = _JSON.decode(text)
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None
    if "\\u" in text or text.count("[") + text.count("{") > DEEPEST:  # else neither can be
        _require_plain(value, "", DEEPEST)
    return value


def _require_plain(value: Any, name: str, deepest: int) -> None:
    if isinstance(value, str) and _HALF.search(value):
        raise ValueError(f"{name} holds half a character")
    if isinstance(value, (dict, list)):
        if not deepest:
            raise ValueError(f"the brackets in {name.split('.')[0]} are nested too deeply")
        entries = cast("dict[Any, Any] | list[Any]", value)
        for key, one in entries.items() if isinstance(entries, dict) else enumerate(entries):
            place = ".".join(filter(None, (name, ascii(key).strip("'"))))
            _require_plain(key, place, deepest)
            _require_plain(one, place, deepest - 1)


def read_plain(path: Path, most: float = math.inf) -> bytes:
    """The bytes of a plain file. `OSError` for anything else: a pipe may never end, and a device has no end.

    Raises `ValueError` where it has more than `most` bytes.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if about.st_size > most:
        raise ValueError(f"it has {about.st_size:,} bytes")
    return path.read_bytes()


def read_json(path: Path, advice: str = "delete it, or its whole folder") -> dict[str, Any]:
    """A JSON object of ours. Raises `UserError` where it cannot be read or is none, with `advice` on a damaged one.

    One that a later version wrote is not read.
    """
    try:
        values = parsed(read_plain(path, MOST_BYTES))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {advice}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} is damaged (it holds no JSON object): {advice}")
    values = cast(dict[str, Any], values)
    written = values.get("format")
    if isinstance(written, (int, float)) and written > FORMAT:
        raise UserError(f"{path} is of a later version (format {written}, here {FORMAT}): read it with that version")
    return values


def write_json(path: Path, values: dict[str, Any], compared: Collection[str] = ()) -> None:
    """Write a JSON file that is always whole, the old one or the new one, and holds no secret (`without_secrets`).

    What `compared` names is compared or used again later, so it stays as it is: see `secrets.require_none`.
    """
    written: dict[str, Any] = {}
    for name, value in values.items():
        written |= {name: value} if name in compared else without_secrets({name: value})
    text = json.dumps(written, indent=2, allow_nan=False, default=str)
    write_whole(path, (text + "\n").encode())


def append_json(path: Path, values: dict[str, Any]) -> None:
    """Add a line to a file of JSON lines, which with its folder is made where there is none; no secret gets there."""
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write((json.dumps(without_secrets(values), allow_nan=False) + "\n").encode())


def write_named(path: Path, content: bytes) -> None:
    """Write a file that a user named: whole or not at all; behind a link what it leads to; a device or pipe is fed."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
    else:
        write_whole(path.resolve() if path.is_symlink() else path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a crash at any moment leaves the old content or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
