"""Files that a user named."""

import os
import threading

import pytest

from rnnkit.core import files


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path):
    there, link = tmp_path / "there.csv", tmp_path / "link.csv"
    link.symlink_to(there)
    for content in (b"one", b"two"):  # there is none yet, then there is
        files.write_named(link, content)
        assert link.is_symlink()
        assert there.read_bytes() == content
    assert sorted(tmp_path.iterdir()) == [link, there]


def test_a_pipe_is_fed_and_a_device_stays_one(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    files.write_named(pipe, b"row,id\n")
    reader.join(10)
    assert read == [b"row,id\n"]
    assert pipe.is_fifo()
    device = tmp_path / "device"
    device.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        files.write_named(device, b"x")
    assert device.is_char_device()
    assert list(tmp_path.iterdir()) in ([pipe, device], [device, pipe])
