import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wandb.proto import wandb_internal_pb2

from rnnkit.core.errors import UserError
from rnnkit.mirror import wandb_log


def written(rows):
    """The bytes of a transaction log with the given rows, by the definition of the format."""
    content = bytearray(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
    for row in rows:
        record = wandb_internal_pb2.Record()
        for key, value in row.items():
            record.history.item.add(key=key, value_json=json.dumps(value))
        body, first = record.SerializeToString(), True
        while first or body:
            left = 32_768 - len(content) % 32_768
            if left < 7:
                content += bytes(left)
                continue
            part, body = body[: left - 7], body[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, not body]
            content += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind) + part
            first = False
    return bytes(content)


@given(st.lists(st.integers(0, 70_000), max_size=6))
def test_rows_of_any_length_are_read_across_blocks(tmp_path_factory, lengths):
    rows = [{"step": i, "text": "x" * length} for i, length in enumerate(lengths)]
    path = tmp_path_factory.mktemp("log") / "run.wandb"
    path.write_bytes(written(rows))
    assert wandb_log.rows(path) == rows
    assert wandb_log.count(path) == len(rows)


def test_a_torn_end_is_where_the_rows_stop(tmp_path):
    path = tmp_path / "run.wandb"
    rows = [{"step": i} for i in range(5)]
    whole = written(rows)
    for size in range(7, len(whole)):
        path.write_bytes(whole[:size])
        kept = wandb_log.rows(path)
        assert kept == rows[: len(kept)]
        assert len(kept) < 5


@pytest.mark.parametrize("content", [b"", b":W&", b"something else"])
def test_another_kind_of_file_is_refused(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(UserError, match="not a W&B transaction log"):
        wandb_log.rows(tmp_path / "f")


def test_damage_is_noticed(tmp_path):
    content = bytearray(written([{"step": 1}, {"step": 2}]))
    content[20] ^= 1
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        wandb_log.rows(tmp_path / "f")
