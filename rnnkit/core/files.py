"""Files that are always whole, JSON with every float in it, and nothing secret."""

import json
import math
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from rnnkit.core.errors import UserError
from rnnkit.core.secrets import without_secrets


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
    """A row of numbers as Python's own, whatever library they are of. Raises `UserError` for what is no number."""
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


def read_json(path: Path, advice: str = "delete it, or its whole folder") -> dict[str, Any]:
    """A JSON object of ours. Raises `UserError` where it cannot be read or is none, with `advice` on a damaged one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {advice}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} is damaged (it holds no JSON object): {advice}")
    return cast(dict[str, Any], values)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file that is always whole, the old one or the new one, and holds no secret (`without_secrets`)."""
    text = json.dumps(without_secrets(values), indent=2, allow_nan=False, default=str)
    write_whole(path, (text + "\n").encode())


def append_json(path: Path, values: dict[str, Any]) -> None:
    """Add a line to a file of JSON lines, which with its folder is made where there is none; no secret gets there."""
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write((json.dumps(without_secrets(values), allow_nan=False) + "\n").encode())


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
