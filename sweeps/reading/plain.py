"""What is read of runs and studies as JSON: for programs, with every digit."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rnnkit.core import files


def as_json(value: object) -> str:
    """A text that holds dataclasses, paths and times too; numbers that are not finite are strings, as in records."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=True)


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return files.plain_float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
