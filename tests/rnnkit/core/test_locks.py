import errno
import threading
import time
from pathlib import Path

import pytest

from experiments.digits import Config
from rnnkit.core import locks
from rnnkit.core.errors import UserError
from rnnkit.runs import tracking
from sweeps.study import folders


def test_a_lock_is_held_by_one_at_a_time(tmp_path):
    with (
        locks.exclusive(tmp_path / "lock"),
        pytest.raises(UserError, match="^in use$"),
        locks.exclusive(tmp_path / "lock", busy="in use"),
    ):
        pass
    with locks.exclusive(tmp_path / "lock", busy="in use"):
        pass


def test_whether_a_lock_is_held_can_be_asked_without_taking_it(tmp_path):
    assert not locks.held(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()
    with locks.exclusive(tmp_path / "lock"):
        assert locks.held(tmp_path / "lock")
    assert not locks.held(tmp_path / "lock")


def test_a_lock_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*lock \(Is a directory\)"), locks.exclusive(tmp_path / "lock"):
        pass


def test_a_lock_whose_file_was_removed_is_not_held_by_two(tmp_path):
    """As when a study that came to nothing is removed while another process waits to sweep it."""
    held: list[bool] = []
    lock = tmp_path / "lock"

    def wait() -> None:
        with locks.exclusive(tmp_path / "lock"):
            held.append(locks.held(tmp_path / "lock"))

    with locks.exclusive(tmp_path / "lock"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        while len([each for each in Path("/proc/self/fd").iterdir() if each.exists() and each.samefile(lock)]) < 2:
            time.sleep(0.001)  # until it has opened the file that goes
        (tmp_path / "lock").unlink()
    waiting.join()
    assert held == [True]


def test_a_file_system_without_locks_is_said_in_a_line_that_names_the_file(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / "lock").touch()
    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    assert not locks.held(tmp_path / "lock")
    with pytest.raises(locks.Unsupported, match=r"lock \(No locks available\): .* --runs-dir$"):
        locks.exclusive(tmp_path / "lock").__enter__()
    with pytest.raises(locks.Unsupported), tracking.start(Config(runs_dir=tmp_path / "runs"), data={}):
        pass
    with pytest.raises(locks.Unsupported), folders.held(tmp_path / "sweeps", "small"):
        pass
    assert {path.name for path in tmp_path.rglob("*")} == {"runs", "lock"}  # nothing half-made
