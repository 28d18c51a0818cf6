"""Reads W&B's transaction log, the `.wandb` file of a run, without a server. Imports wandb's record definition.

The format is LevelDB's log: a 7-byte header, then blocks of 32 KiB with records of (checksum, length, type), a record
that does not fit into a block continued in the next.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnkit.core import UserError, files


BLOCK = 32_768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> Iterator[Any]:
    """A `.wandb` file's records, up to a torn end. Raises `UserError` for another kind of file, or damage before."""
    from wandb.proto import wandb_internal_pb2

    content = files.read_plain(path)
    if len(content) < 7 or struct.unpack("<4sH", content[:6]) != (b":W&B", 0xBEE1):
        raise UserError(f"{path} is not a W&B transaction log")
    position = 7
    parts: list[bytes] = []
    while position < len(content):
        left = BLOCK - position % BLOCK
        if left < 7:  # too little for a header: the block's tail is padding
            position += left
            continue
        header = content[position : position + 7]
        if len(header) < 7:
            return
        checksum, length, kind = struct.unpack("<IHB", header)
        body = content[position + 7 : position + 7 + length]
        if len(body) < length or (kind == 0 and length == 0):
            return
        if zlib.crc32(body, zlib.crc32(bytes([kind]))) != checksum:
            raise UserError(f"{path} is damaged at byte {position}")
        position += 7 + length
        parts = [body] if kind in (FULL, FIRST) else [*parts, body]
        if kind in (FULL, LAST):
            record: Any = wandb_internal_pb2.Record()  # pyright: ignore[reportAttributeAccessIssue]  (made at import)
            record.ParseFromString(b"".join(parts))
            yield record


def count(path: Path) -> int:
    """How many rows a run has logged."""
    return sum(record.WhichOneof("record_type") == "history" for record in records(path))


def rows(path: Path) -> list[dict[str, Any]]:
    """The logged rows of a run, as dicts of metric to value, without W&B's own keys (those with an underscore)."""
    result = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
            result.append({k: json.loads(v) for k, v in items.items() if not k.startswith("_")})
    return result
