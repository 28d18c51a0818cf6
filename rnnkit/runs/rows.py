"""The rows of a run: metrics.jsonl."""

import json
from pathlib import Path

from rnnkit.core.errors import UserError
from rnnkit.core.files import decode


def read_rows(folder: Path) -> list[dict]:
    """All rows of a run's metrics.jsonl, in order. A last line that a crash cut short is left out.

    Raises `UserError`, with the line, where one is no row.
    """
    path = folder / "metrics.jsonl"
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    rows = []
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        try:
            rows.append(decode(json.loads(line)))
            rows[-1]["step"]
        except (ValueError, AttributeError, KeyError, TypeError):
            raise UserError(f"{path}, line {number} is damaged: it is no row of a run") from None
    return rows
