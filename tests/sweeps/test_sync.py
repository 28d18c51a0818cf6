"""What `make sync` does, in this process, and without a server."""

import os
import subprocess
import sys
import time

import pytest

from experiments.digits import Config
from rnnkit.core import files, locks
from rnnkit.core.errors import UserError
from rnnkit.mirror import wandb_log
from rnnkit.runs import mirror_client, tracking
from rnnkit.runs.rows import read_rows
from sweeps import sync
from tests.helpers import ROOT, offline_log


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Makes runs that have ended and were to be tracked, each with this state of its mirror."""
    monkeypatch.setattr(mirror_client.Mirror, "begin", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["sync", "--runs-dir", str(tmp_path)])
    monkeypatch.setenv("NETRC", os.devnull)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)

    def make(state=None):
        with tracking.start(Config(runs_dir=tmp_path), data={}) as run:
            run.log(1, {"a": 1.0})
            run.log(2, {"a": 0.5})
            run.finish()
        if state:
            (run.folder / "wandb").mkdir()
            files.write_json(run.folder / "wandb" / "mirror.json", state)
        return run.folder

    return make


def test_a_copy_that_a_killed_mirror_left_is_made_whole_without_a_login(ended, capsys):
    folder = ended({"state": "following", "mode": "offline", "folder": "wandb/offline-run-x"})
    with pytest.raises(UserError, match="no W&B login: run `.* -m wandb login` first"):
        sync.main()
    assert capsys.readouterr().out == f"{folder.name}: mirrored offline, 2 rows\n"
    assert wandb_log.rows(offline_log(folder)) == read_rows(folder)
    assert sync.prepare(folder) == "to send"
    (offline_log(folder).parent / f"{offline_log(folder).name}.synced").touch()
    assert sync.prepare(folder) == "sent before"


def test_what_is_not_to_be_sent_needs_no_login(ended, capsys):
    ended({"state": "complete", "mode": "disabled"})
    ended({"state": "complete", "mode": "online", "url": "https://w/r"})
    busy = ended({"state": "following", "mode": "offline", "folder": "wandb/offline-run-x"})
    with locks.exclusive(busy / "mirror.lock"), pytest.raises(SystemExit) as stop:
        sync.main()
    assert stop.value.code == 0
    assert capsys.readouterr().out == "1 not to be tracked, 1 sent before, 1 in the hands of another process\n"


def test_a_run_that_is_not_taken_in_time_is_given_up(tmp_path, monkeypatch):
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sync.sys, "executable", str(slow))
    monkeypatch.setattr(sync, "TIMEOUT", 0.1)
    with (
        locks.exclusive(tmp_path / "lock") as lock,
        pytest.raises(UserError, match=r"^the server did not take it within 0\.1 seconds$"),
    ):
        sync.send(tmp_path / "run" / "x.wandb", lock)


def test_each_run_has_its_line_and_a_server_that_is_gone_ends_it(tmp_path, monkeypatch, capsys):
    asked = []

    def send_once(folder):
        if folder.name in "bd":
            raise UserError("no answer")
        return "sent"

    def log_in():
        asked.append(1)
        if len(asked) == 2:
            raise SystemExit("error: out of reach")

    monkeypatch.setattr(sync, "send_once", send_once)
    monkeypatch.setattr(sync, "log_in", log_in)
    with pytest.raises(SystemExit, match="out of reach"):
        sync.send_all([tmp_path / name for name in "abcde"])
    assert capsys.readouterr().out.splitlines() == [
        "[1/5] a: sent",
        "[2/5] b: no answer",
        "[3/5] c: sent",
        "[4/5] d: no answer",
    ]


def test_a_server_out_of_reach_is_one_line_and_exit_1(monkeypatch):
    import wandb

    def login(**_):
        raise wandb.errors.AuthenticationError("no answer\nfrom there")

    monkeypatch.setattr(wandb, "login", login)
    with pytest.raises(SystemExit) as stop:
        sync.log_in()
    assert stop.value.code.count("\n") == 0  # printed, with exit code 1
    assert "out of reach, or refuses the login (no answer)" in stop.value.code


# Sends, in the place of W&B's client: notes it, takes its time, and marks the run as one that the server has.
CLIENT = """#!/bin/sh
echo sent >> {sent}
while [ ! -e {may_end} ]; do sleep 0.02; done
for log in "$4"/*.wandb; do touch "$log.synced"; done
"""
SYNC = """
import sys
from pathlib import Path
from sweeps import sync
sys.executable, *folders = sys.argv[1:]
print(sync.send_all([Path(folder) for folder in folders]))
"""


def test_two_syncs_at_once_send_a_run_once_also_where_one_is_killed(ended, tmp_path):
    """Both found it to be sent. What the first started goes on after it was killed, and the second lets it."""
    folder = ended({"state": "following", "mode": "offline", "folder": "wandb/offline-run-x"})
    assert sync.prepare(folder) == "to send"
    sent, may_end, client = (tmp_path / name for name in ("sent", "may-end", "client"))
    client.write_text(CLIENT.format(sent=sent, may_end=may_end))
    client.chmod(0o755)
    command = [sys.executable, "-c", SYNC, str(client), str(folder)]

    def another():
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1]

    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while not sent.exists():
        assert first.poll() is None
        time.sleep(0.02)
    assert another() == "['in the hands of another process']"
    first.kill()
    first.wait()
    assert another() == "['in the hands of another process']"
    may_end.touch()
    with locks.exclusive(folder / "mirror.lock"):
        assert sync.synced(offline_log(folder))
    assert another() == "['sent before']"
    assert sent.read_text() == "sent\n"
